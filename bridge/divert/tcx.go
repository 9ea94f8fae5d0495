package divert

import (
	"encoding/binary"
	"net"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// redirect is a BPF program at an interface's ingress (tcx, Linux 6.6) that
// sends some of what comes out of another interface. Unlike a qdisc it can be
// attached without a pause: for a qdisc at the ingress the kernel stops the egress,
// too (qdisc_graft calls dev_deactivate). And it goes when the process ends, in
// whatever way.
type redirect struct{ prog, link int }

// insn is a struct bpf_insn.
type insn struct {
	code byte
	regs byte // the destination in the low half
	off  int16
	imm  int32
}

// Instructions (linux/bpf_common.h, linux/bpf.h).
const (
	ldxW    = unix.BPF_LDX | unix.BPF_MEM | unix.BPF_W
	ldAbsW  = unix.BPF_LD | unix.BPF_ABS | unix.BPF_W
	ldAbsH  = unix.BPF_LD | unix.BPF_ABS | unix.BPF_H
	jeq32   = unix.BPF_JMP32 | unix.BPF_JEQ | unix.BPF_K
	jne32   = unix.BPF_JMP32 | unix.BPF_JNE | unix.BPF_K
	jump    = unix.BPF_JMP | unix.BPF_JA
	movReg  = unix.BPF_ALU64 | unix.BPF_MOV | unix.BPF_X
	movImm  = unix.BPF_ALU64 | unix.BPF_MOV | unix.BPF_K
	call    = unix.BPF_JMP | unix.BPF_CALL
	leave   = unix.BPF_JMP | unix.BPF_EXIT
	vlanOff = 20 // of vlan_present in struct __sk_buff
	sendOut = 23 // BPF_FUNC_redirect
	goOn    = -1 // TCX_NEXT
	ingress = 1  // BPF_F_INGRESS
)

// program sends untagged IPv4, IPv6 and ARP frames to that address to the
// target. Frames of a VLAN stay: its interface is on the
// NIC.
func program(mac net.HardwareAddr, to Target) []insn {
	flags := int32(0) // its egress
	if to.Into {
		flags = ingress
	}
	high, low := int32(binary.BigEndian.Uint32(mac)), int32(binary.BigEndian.Uint16(mac[4:]))
	return []insn{
		{movReg, 0x16, 0, 0}, // r6 = the frame, where the next ones look for it
		{ldxW, 0x10, vlanOff, 0},
		{jne32, 0, 13, 0},
		{ldAbsW, 0, 0, 0}, // the destination
		{jne32, 0, 11, high},
		{ldAbsH, 0, 0, 4},
		{jne32, 0, 9, low},
		{ldAbsH, 0, 0, 12}, // the protocol
		{jeq32, 0, 3, unix.ETH_P_IP},
		{jeq32, 0, 2, unix.ETH_P_IPV6},
		{jeq32, 0, 1, unix.ETH_P_ARP},
		{jump, 0, 4, 0},
		{movImm, 1, 0, int32(to.Index)},
		{movImm, 2, 0, flags},
		{call, 0, 0, sendOut},
		{leave, 0, 0, 0},
		{movImm, 0, 0, goOn},
		{leave, 0, 0, 0},
	}
}

// newRedirect attaches the program to the interface with the index from.
func newRedirect(from int, mac net.HardwareAddr, to Target) (*redirect, error) {
	insns, license := program(mac, to), []byte("GPL\x00")
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&insns[0])
	pin.Pin(&license[0])
	load := struct { // union bpf_attr, BPF_PROG_LOAD
		typ, count     uint32
		insns, license uint64
		_              [14]uint32
	}{
		unix.BPF_PROG_TYPE_SCHED_CLS, uint32(len(insns)),
		uint64(uintptr(unsafe.Pointer(&insns[0]))), uint64(uintptr(unsafe.Pointer(&license[0]))), [14]uint32{},
	}
	prog, err := bpf(unix.BPF_PROG_LOAD, unsafe.Pointer(&load), unsafe.Sizeof(load))
	if err != nil {
		return nil, err
	}
	create := struct { // union bpf_attr, BPF_LINK_CREATE
		prog, index, typ, flags uint32
		_                       [4]uint32
	}{uint32(prog), uint32(from), unix.BPF_TCX_INGRESS, 0, [4]uint32{}}
	link, err := bpf(unix.BPF_LINK_CREATE, unsafe.Pointer(&create), unsafe.Sizeof(create))
	if err != nil {
		_ = unix.Close(prog)
		return nil, err
	}
	return &redirect{prog, link}, nil
}

func bpf(command uintptr, attr unsafe.Pointer, size uintptr) (int, error) {
	fd, _, errno := unix.Syscall(unix.SYS_BPF, command, uintptr(attr), size)
	if errno != 0 {
		return -1, errno
	}
	unix.CloseOnExec(int(fd))
	return int(fd), nil
}

// Close detaches the program.
func (r *redirect) Close() error {
	_ = unix.Close(r.prog)
	return unix.Close(r.link)
}
