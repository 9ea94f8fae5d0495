package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"runtime"
	"slices"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// holdXDP attaches an XDP program (as a BPF link, which ends with this process) that
// gives frames of the protocol 0x88b5, which is for experiments, to a socket of AF_XDP.
// Drivers need not know of it.
func holdXDP(link *net.Interface) (func() error, error) {
	s, err := newXSK(link.Index)
	if err != nil {
		return nil, fmt.Errorf("AF_XDP: %w", err)
	}
	const skbMode, bpfXDP, xskMap = 2, 37, 17 // XDP_FLAGS_SKB_MODE, BPF_XDP, BPF_MAP_TYPE_XSKMAP
	sockets, err := bpf(unix.BPF_MAP_CREATE, []uint32{xskMap, 4, 4, 1, 0})
	if err != nil {
		return nil, fmt.Errorf("a map: %w", err)
	}
	var pin runtime.Pinner
	defer pin.Unpin()
	key, value := new(uint32), new(uint32)
	*value = uint32(s.fd)
	if _, err := bpf(unix.BPF_MAP_UPDATE_ELEM, slices.Concat([]uint32{uint32(sockets), 0}, pointer(&pin, key), pointer(&pin, value))); err != nil {
		return nil, fmt.Errorf("an element: %w", err)
	}
	insns, license := xdpProgram(sockets), &[4]byte{'G', 'P', 'L'}
	prog, err := bpf(unix.BPF_PROG_LOAD, slices.Concat([]uint32{unix.BPF_PROG_TYPE_XDP, uint32(len(insns))}, pointer(&pin, &insns[0]), pointer(&pin, license)))
	if err != nil {
		return nil, fmt.Errorf("a program: %w", err)
	}
	if _, err := bpf(unix.BPF_LINK_CREATE, []uint32{uint32(prog), uint32(link.Index), bpfXDP, skbMode}); err != nil {
		return nil, fmt.Errorf("a link: %w", err)
	}
	return s.next, nil
}

// insn is a struct bpf_insn.
type insn struct {
	code, regs byte // the destination in the low half
	off        int16
	imm        int32
}

// xdpProgram reads a struct xdp_md.
func xdpProgram(sockets int) []insn {
	const (
		ldxW, ldxH     = unix.BPF_LDX | unix.BPF_MEM | unix.BPF_W, unix.BPF_LDX | unix.BPF_MEM | unix.BPF_H
		movReg, movImm = unix.BPF_ALU64 | unix.BPF_MOV | unix.BPF_X, unix.BPF_ALU64 | unix.BPF_MOV | unix.BPF_K
		add            = unix.BPF_ALU64 | unix.BPF_ADD | unix.BPF_K
		jgt, jne       = unix.BPF_JMP | unix.BPF_JGT | unix.BPF_X, unix.BPF_JMP | unix.BPF_JNE | unix.BPF_K
		ldImm64        = unix.BPF_LD | unix.BPF_IMM | unix.BPF_DW
		call, leave    = unix.BPF_JMP | unix.BPF_CALL, unix.BPF_JMP | unix.BPF_EXIT
		mapFD, pass    = 1, 2 // BPF_PSEUDO_MAP_FD, XDP_PASS
		redirectMap    = 51   // BPF_FUNC_redirect_map
		queue          = 16   // of rx_queue_index
	)
	ours := int32(binary.NativeEndian.Uint16([]byte{0x88, 0xb5}))
	return []insn{
		{ldxW, 0x12, 0, 0}, // r2 = data
		{ldxW, 0x13, 4, 0}, // r3 = data_end
		{movReg, 0x24, 0, 0},
		{add, 4, 0, 14},
		{jgt, 0x34, 8, 0},
		{ldxH, 0x25, 12, 0},
		{jne, 5, 6, ours},
		{ldxW, 0x12, queue, 0},
		{ldImm64, mapFD<<4 | 1, 0, int32(sockets)},
		{},
		{movImm, 3, 0, pass}, // what the program says if there is no socket
		{call, 0, 0, redirectMap},
		{leave, 0, 0, 0},
		{movImm, 0, 0, pass},
		{leave, 0, 0, 0},
	}
}

// pointer is a pointer as union bpf_attr has it, of what stays where it is.
func pointer[T any](pin *runtime.Pinner, p *T) []uint32 {
	pin.Pin(p)
	words := *(*[2]uint32)(unsafe.Pointer(&[1]uint64{uint64(uintptr(unsafe.Pointer(p)))}))
	return words[:]
}

func bpf(command uintptr, words []uint32) (int, error) {
	var attr [32]uint32 // union bpf_attr; what is left out is 0
	copy(attr[:], words)
	fd, _, errno := unix.Syscall(unix.SYS_BPF, command, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

// xsk is a socket of AF_XDP that takes the frames of an interface's first queue.
type xsk struct {
	fd       int
	rx, fill ring
}

// ring is one of its rings (struct xdp_ring_offset).
type ring struct {
	memory             []byte
	producer, consumer *uint32
	entries            uint64 // where they begin
}

const slots, chunk = 64, 4096

func newXSK(index int) (*xsk, error) {
	fd, err := unix.Socket(unix.AF_XDP, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	frames, err := unix.Mmap(-1, 0, slots*chunk, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, err
	}
	// What every kernel knows of a struct xdp_umem_reg: where, how much, how long each is.
	umem := [3]uint64{uint64(uintptr(unsafe.Pointer(&frames[0]))), slots * chunk, chunk}
	if err := setXDP(fd, unix.XDP_UMEM_REG, &umem); err != nil {
		return nil, err
	}
	size := uint32(slots)
	for _, option := range []int{unix.XDP_UMEM_FILL_RING, unix.XDP_UMEM_COMPLETION_RING, unix.XDP_RX_RING} {
		if err := setXDP(fd, option, &size); err != nil {
			return nil, err
		}
	}
	s := &xsk{fd: fd}
	if err := s.mapRings(); err != nil {
		return nil, err
	}
	for i := range uint64(slots) {
		s.give(i * chunk)
	}
	return s, unix.Bind(fd, &unix.SockaddrXDP{Flags: unix.XDP_COPY, Ifindex: uint32(index)})
}

func setXDP[T any](fd, option int, value *T) error {
	_, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_XDP, uintptr(option), uintptr(unsafe.Pointer(value)), unsafe.Sizeof(*value), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// mapRings maps those that next uses.
func (s *xsk) mapRings() error {
	var at unix.XDPMmapOffsets
	size := uint32(unsafe.Sizeof(at))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(s.fd), unix.SOL_XDP, unix.XDP_MMAP_OFFSETS,
		uintptr(unsafe.Pointer(&at)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return errno
	}
	const sizeofDesc, sizeofAddr = 16, 8 // struct xdp_desc, __u64
	var err error
	if s.rx, err = mapRing(s.fd, unix.XDP_PGOFF_RX_RING, at.Rx, sizeofDesc); err != nil {
		return err
	}
	s.fill, err = mapRing(s.fd, unix.XDP_UMEM_PGOFF_FILL_RING, at.Fr, sizeofAddr)
	return err
}

func mapRing(fd int, offset int64, at unix.XDPRingOffset, entry int) (ring, error) {
	memory, err := unix.Mmap(fd, offset, int(at.Desc)+slots*entry, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return ring{}, err
	}
	word := func(i uint64) *uint32 { return (*uint32)(unsafe.Pointer(&memory[i])) }
	return ring{memory, word(at.Producer), word(at.Consumer), at.Desc}, nil
}

// give lets the kernel have a place for a frame.
func (s *xsk) give(place uint64) {
	n := atomic.LoadUint32(s.fill.producer)
	binary.NativeEndian.PutUint64(s.fill.memory[s.fill.entries+uint64(n%slots)*8:], place)
	atomic.StoreUint32(s.fill.producer, n+1)
}

// next waits for one frame.
func (s *xsk) next() error {
	n := atomic.LoadUint32(s.rx.consumer)
	for atomic.LoadUint32(s.rx.producer) == n {
		if err := wait(s.fd); err != nil {
			return err
		}
	}
	s.give(binary.NativeEndian.Uint64(s.rx.memory[s.rx.entries+uint64(n%slots)*16:]))
	atomic.StoreUint32(s.rx.consumer, n+1)
	return nil
}
