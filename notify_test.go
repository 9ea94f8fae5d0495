package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Here a system call of the real program is made to fail, whichever it is: the
// kernel shows each call to the test before it carries it out (seccomp's user
// notification, Linux 5.0), and the test lets it pass or answers with an error.

// underFilter is the name under which the test binary runs the program with the
// filter, see filtered.
const underFilter = "filtered-xbr-script"

// listenerFD is where the filter's listener stays until the program begins.
const listenerFD = 200

// filtered puts the filter on this process and becomes the program.
func filtered() {
	runtime.LockOSThread()
	program := filterProgram()
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	const flags = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		panic(errno)
	}
	if err := unix.Dup3(int(fd), listenerFD, unix.O_CLOEXEC); err != nil {
		panic(err)
	}
	panic(unix.Exec("/proc/self/exe", append([]string{"xbr-script"}, os.Args[1:]...), os.Environ()))
}

// filterProgram hands the system calls of the table to the listener, except for
// the dup that puts the listener in its place.
func filterProgram() []unix.SockFilter {
	const number, secondArg = 0, 24 // offsets in struct seccomp_data
	load := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	equal := func(k uint32, yes, no int) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: k, Jt: uint8(yes), Jf: uint8(no)}
	}
	list := []unix.SockFilter{
		load(number), equal(unix.SYS_DUP3, 0, 3),
		load(secondArg), equal(listenerFD, 1+len(failing), 0), load(number),
	}
	for i, c := range failing {
		list = append(list, equal(c.nr, len(failing)-i, 0))
	}
	return append(list,
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0x7fff0000}, // SECCOMP_RET_ALLOW
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF})
}

// failing are the system calls that are made to fail, and errors that their
// manual pages list.
var failing = []struct {
	nr     uint32
	name   string
	errnos []unix.Errno
}{
	{unix.SYS_OPENAT, "openat", []unix.Errno{unix.EMFILE, unix.ENOMEM, unix.EACCES, unix.EIO, unix.EINTR}},
	{unix.SYS_READ, "read", []unix.Errno{unix.EIO, unix.ENOMEM, unix.EINTR}},
	{unix.SYS_PREAD64, "pread64", []unix.Errno{unix.EIO}},
	{unix.SYS_WRITE, "write", []unix.Errno{unix.EIO, unix.ENOSPC, unix.ENOMEM, unix.EINTR}},
	{unix.SYS_PWRITE64, "pwrite64", []unix.Errno{unix.ENOSPC}},
	{unix.SYS_FSTAT, "fstat", []unix.Errno{unix.ENOMEM, unix.EIO}},
	{unix.SYS_NEWFSTATAT, "newfstatat", []unix.Errno{unix.ENOMEM, unix.EACCES, unix.EIO}},
	{unix.SYS_READLINKAT, "readlinkat", []unix.Errno{unix.ENOMEM, unix.EIO}},
	{unix.SYS_GETDENTS64, "getdents64", []unix.Errno{unix.ENOMEM, unix.EIO}},
	{unix.SYS_FACCESSAT, "faccessat", []unix.Errno{unix.ENOMEM, unix.EIO}},
	{unix.SYS_FACCESSAT2, "faccessat2", []unix.Errno{unix.ENOMEM, unix.EIO}},
	{unix.SYS_SOCKET, "socket", []unix.Errno{unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.EACCES}},
	{unix.SYS_BIND, "bind", []unix.Errno{unix.ENOMEM, unix.EINVAL}},
	{unix.SYS_SETSOCKOPT, "setsockopt", []unix.Errno{unix.ENOMEM, unix.ENOPROTOOPT}},
	{unix.SYS_SENDTO, "sendto", []unix.Errno{unix.ENOBUFS, unix.ENOMEM, unix.EPERM, unix.EINTR}},
	{unix.SYS_RECVFROM, "recvfrom", []unix.Errno{unix.ENOBUFS, unix.ENOMEM, unix.EINTR}},
	{unix.SYS_IOCTL, "ioctl", []unix.Errno{unix.ENOMEM, unix.EIO}},
	{unix.SYS_EXECVE, "execve", []unix.Errno{unix.EAGAIN, unix.ENOMEM, unix.EACCES, unix.EMFILE}},
	{unix.SYS_WAIT4, "wait4", []unix.Errno{unix.EINTR}},
	{unix.SYS_WAITID, "waitid", []unix.Errno{unix.EINTR}},
	{unix.SYS_PIPE2, "pipe2", []unix.Errno{unix.EMFILE, unix.ENFILE}},
	{unix.SYS_PIDFD_OPEN, "pidfd_open", []unix.Errno{unix.EMFILE, unix.ENOMEM}},
	{unix.SYS_FLOCK, "flock", []unix.Errno{unix.EINTR, unix.ENOLCK}},
	{unix.SYS_FALLOCATE, "fallocate", []unix.Errno{unix.ENOSPC, unix.EIO, unix.EINTR}},
	{unix.SYS_RENAMEAT, "renameat", []unix.Errno{unix.EIO, unix.ENOSPC}},
	{unix.SYS_RENAMEAT2, "renameat2", []unix.Errno{unix.EIO, unix.ENOSPC}},
	{unix.SYS_UNLINKAT, "unlinkat", []unix.Errno{unix.EIO, unix.EACCES}},
	{unix.SYS_MKDIRAT, "mkdirat", []unix.Errno{unix.ENOSPC, unix.EROFS}},
	{unix.SYS_LSEEK, "lseek", []unix.Errno{unix.EINVAL}},
	{unix.SYS_FTRUNCATE, "ftruncate", []unix.Errno{unix.EIO, unix.EINTR}},
	{unix.SYS_SOCKETPAIR, "socketpair", []unix.Errno{unix.EMFILE, unix.ENOMEM}},
	{unix.SYS_CONNECT, "connect", []unix.Errno{unix.EACCES, unix.EAGAIN, unix.ECONNREFUSED}},
	{unix.SYS_GETSOCKNAME, "getsockname", []unix.Errno{unix.ENOBUFS}},
	{unix.SYS_GETSOCKOPT, "getsockopt", []unix.Errno{unix.ENOPROTOOPT}},
	{unix.SYS_SENDMSG, "sendmsg", []unix.Errno{unix.ENOBUFS, unix.ENOMEM, unix.EPERM, unix.EINTR}},
	{unix.SYS_RECVMSG, "recvmsg", []unix.Errno{unix.ENOBUFS, unix.ENOMEM, unix.EINTR}},
	{unix.SYS_EPOLL_CTL, "epoll_ctl", []unix.Errno{unix.ENOMEM, unix.ENOSPC}},
	{unix.SYS_FCNTL, "fcntl", []unix.Errno{unix.EINVAL, unix.EPERM}},
	{unix.SYS_DUP3, "dup3", []unix.Errno{unix.EMFILE, unix.EBUSY}},
	{unix.SYS_CLONE, "clone", []unix.Errno{unix.EAGAIN, unix.ENOMEM}},
	{unix.SYS_SETSID, "setsid", []unix.Errno{unix.EPERM}},
	{unix.SYS_SETPGID, "setpgid", []unix.Errno{unix.EACCES}},
	{unix.SYS_CHDIR, "chdir", []unix.Errno{unix.EIO}},
	{unix.SYS_PIDFD_SEND_SIGNAL, "pidfd_send_signal", []unix.Errno{unix.EPERM}},
}

// place is where system calls are made: which call, and whether in the program
// itself or in the timer that it leaves behind.
type place struct {
	nr    uint32
	timer bool
}

// point is one fault: the nth call of a kind fails, or the process ends there.
type point struct {
	place
	nth   int
	errno unix.Errno
}

// killed stands for the death of the process.
const killed = unix.Errno(4095)

func (p point) String() string {
	i := slices.IndexFunc(failing, func(c struct {
		nr     uint32
		name   string
		errnos []unix.Errno
	}) bool {
		return c.nr == p.nr
	})
	who, what := "", "killed"
	if p.timer {
		who = "the timer's "
	}
	if p.errno != killed {
		what = unix.ErrnoName(p.errno)
	}
	return fmt.Sprintf("%s%s number %d: %s", who, failing[i].name, p.nth, what)
}

// notif and answer are struct seccomp_notif and seccomp_notif_resp.
type notif struct {
	id         uint64
	pid, flags uint32
	nr, arch   uint32
	ip         uint64
	args       [6]uint64
}

type answer struct {
	id    uint64
	val   int64
	err   int32
	flags uint32
}

// watched is a run of the program under the filter.
type watched struct {
	cmd         *exec.Cmd
	out, errs   bytes.Buffer
	listener    int
	faults      []point
	timed       bool          // it may have a timer
	begun       map[bool]bool // whether the program's own work has begun, after that of Go's runtime
	counts      map[place]int
	hit         []string // which calls failed
	ended       chan error
	stdout, err string
}

// begin runs the program with faults in it.
func begin(t *testing.T, line string, faults ...point) *watched {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	w := &watched{
		cmd: exec.Command(self), faults: faults, timed: strings.Contains(line, " confirm="),
		begun: map[bool]bool{}, counts: map[place]int{}, ended: make(chan error, 1),
	}
	w.cmd.Args = append([]string{underFilter}, strings.Fields(line)...)
	w.cmd.Env = append(os.Environ(), "GODEBUG=asyncpreemptoff=1") // fewer signals, each of which makes a system call start again
	w.cmd.Stdout, w.cmd.Stderr = &w.out, &w.errs
	w.cmd.WaitDelay = time.Minute
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := w.listen(); err != nil {
		_ = w.cmd.Process.Kill()
		t.Fatal(err)
	}
	go func() { w.ended <- w.serve() }()
	return w
}

// status waits for the program itself: its timer may go on.
func (w *watched) status() int {
	stuck := time.AfterFunc(patience, func() { _ = w.cmd.Process.Kill() })
	defer stuck.Stop()
	_ = w.cmd.Wait() // the process state tells how it ended
	w.stdout, w.err = w.out.String(), w.errs.String()
	return w.cmd.ProcessState.ExitCode()
}

// end waits for the timer, too.
func (w *watched) end(t *testing.T) {
	t.Helper()
	select {
	case err := <-w.ended:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(patience):
		t.Fatalf("%s with %s: a process goes on and on", w.cmd.Args[1:], w.faults)
	}
	_ = unix.Close(w.listener)
}

// patience is how long a run may take, or its timer once that is no longer
// needed.
const patience = 3 * time.Minute

// runFailing runs the program with these faults; w.counts tells how many calls
// of each kind it made.
func runFailing(t *testing.T, line string, faults ...point) (status int, w *watched) {
	t.Helper()
	w = begin(t, line, faults...)
	status = w.status()
	w.end(t)
	return status, w
}

// listen takes the listener from the process as soon as it is there.
func (w *watched) listen() error {
	pidfd, err := unix.PidfdOpen(w.cmd.Process.Pid, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(pidfd) }()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(200 * time.Microsecond) {
		if w.listener, err = unix.PidfdGetfd(pidfd, listenerFD, 0); err == nil {
			return nil
		}
	}
	return err
}

// serve answers until all processes with the filter have ended.
func (w *watched) serve() error {
	for {
		fds := []unix.PollFd{{Fd: int32(w.listener), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		switch {
		case fds[0].Revents&unix.POLLIN != 0:
			if err := w.next(); err != nil {
				return err
			}
		case fds[0].Revents != 0:
			return nil
		}
	}
}

// next handles one system call.
func (w *watched) next() error {
	var n notif
	if errno := notifIoctl(w.listener, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n)); errno != 0 {
		if errno == unix.ENOENT || errno == unix.EINTR {
			return nil // the process was killed
		}
		return errno
	}
	a := answer{id: n.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
	switch errno := w.fails(n); {
	case errno == killed && !w.isTimer(n):
		return w.cmd.Process.Kill()
	case errno == killed:
		return unix.Kill(int(n.pid), unix.SIGKILL)
	case errno != 0:
		a = answer{id: n.id, err: -int32(errno)}
	}
	if errno := notifIoctl(w.listener, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&a)); errno != 0 && errno != unix.ENOENT {
		return errno
	}
	return nil
}

func notifIoctl(fd int, request uintptr, arg unsafe.Pointer) unix.Errno {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg))
	return errno
}

// fails counts a system call, and returns the error with which it shall fail,
// or 0.
func (w *watched) fails(n notif) unix.Errno {
	at := place{n.nr, w.isTimer(n)}
	if !w.begun[at.timer] {
		// The socket for netlink is the first thing that is not the runtime's.
		w.begun[at.timer] = n.nr == unix.SYS_SOCKET
	}
	if !w.begun[at.timer] || !w.own(n) {
		return 0
	}
	w.counts[at]++
	for _, f := range w.faults {
		if f.place == at && w.counts[at] == f.nth {
			w.hit = append(w.hit, fmt.Sprintf("%s (%s)", f, describe(n)))
			return f.errno
		}
	}
	return 0
}

// isTimer says whether the timer makes this call.
func (w *watched) isTimer(n notif) bool {
	if !w.timed {
		return false
	}
	args, _ := os.ReadFile("/proc/" + strconv.Itoa(int(n.pid)) + "/cmdline") // empty if it has ended
	return bytes.Contains(args, []byte("\x00--timer\x00"))
}

// own says whether the program itself makes this call: not another program that
// it runs, and not Go's runtime, which wakes itself or starts threads.
func (w *watched) own(n notif) bool {
	proc := "/proc/" + strconv.Itoa(int(n.pid))
	mine, _ := os.Readlink("/proc/self/exe")
	if exe, err := os.Readlink(proc + "/exe"); err != nil || exe != mine {
		return false
	}
	of := n.args[0]
	switch n.nr {
	case unix.SYS_CLONE:
		return n.args[0]&unix.CLONE_THREAD == 0
	case unix.SYS_EPOLL_CTL:
		of = n.args[2]
	case unix.SYS_READ, unix.SYS_WRITE:
		if of <= 2 {
			return false
		}
	default:
		return true
	}
	file, err := os.Readlink(proc + "/fd/" + strconv.Itoa(int(of)))
	// Only by this pipe does Go's forkExec learn that the child could not
	// become the program. Reading a pipe does not fail.
	started := n.nr == unix.SYS_READ && n.args[2] == 8 && strings.HasPrefix(file, "pipe:")
	return err == nil && !strings.Contains(file, "[eventfd]") && !started
}

// describe tells what a call is about, as far as it can be read.
func describe(n notif) string {
	proc := "/proc/" + strconv.Itoa(int(n.pid))
	switch n.nr {
	case unix.SYS_OPENAT, unix.SYS_NEWFSTATAT, unix.SYS_READLINKAT, unix.SYS_UNLINKAT, unix.SYS_MKDIRAT, unix.SYS_FACCESSAT, unix.SYS_FACCESSAT2, unix.SYS_RENAMEAT:
		return text(proc, n.args[1])
	case unix.SYS_EXECVE:
		return text(proc, n.args[0])
	case unix.SYS_SOCKET:
		return fmt.Sprint(n.args[:3])
	}
	file, _ := os.Readlink(filepath.Join(proc, "fd", strconv.Itoa(int(n.args[0]))))
	return file
}

// text is a string in a process's memory.
func text(proc string, at uint64) string {
	mem, err := os.Open(proc + "/mem")
	if err != nil {
		return "?"
	}
	defer func() { _ = mem.Close() }()
	buf := make([]byte, 200)
	k, _ := mem.ReadAt(buf, int64(at))
	name, _, _ := bytes.Cut(buf[:k], []byte{0})
	return string(name)
}

// The structs are as large as the kernel has them.
var _ = [1]struct{}{}[unsafe.Sizeof(notif{})-80+unsafe.Sizeof(answer{})-24+uintptr(binary.Size(uint64(0)))-8]
