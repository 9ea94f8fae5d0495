package lease

import (
	"errors"
	"io/fs"
	"strconv"
	"strings"

	"xbr-script/internal/eintr"

	"golang.org/x/sys/unix"
)

// running is one of the machine's processes: its number and its name, as /proc has them.
type running struct{ pid, comm string }

// processes are those in /proc, or in another folder for a test, but for the kernel's own
// threads. There may be thousands, so each takes as few system calls as possible.
func processes(proc string) (all []running, err error) {
	dir, err := eintr.Retry(func() (int, error) { return unix.Open(proc, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: proc, Err: err}
	}
	defer func() { _ = unix.Close(dir) }()
	threads := kernelThreads(dir)
	names, err := namesIn(dir)
	if err != nil {
		return nil, &fs.PathError{Op: "readdirent", Path: proc, Err: err}
	}
	var comm [64]byte // the kernel's are of 16
	for _, name := range names {
		if name[0] < '1' || name[0] > '9' || threads[name] {
			continue
		}
		n, err := readAt(dir, name+"/comm", comm[:])
		switch {
		case errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH): // it is no process, or has ended
		case err != nil:
			return nil, &fs.PathError{Op: "read", Path: proc + "/" + name + "/comm", Err: err}
		default:
			all = append(all, running{name, strings.TrimRight(string(comm[:n]), "\n")})
		}
	}
	return all, nil
}

// kernelThreads are the numbers of the kernel's threads, which are no programs and, on
// most hosts, most of what is in /proc: kthreadd and its children, which one file has all
// together. What the kernel runs as a program is a child of kthreadd, too (umh.c), but not
// what that leaves behind. None are known in a namespace of processes of its own, or
// without CONFIG_PROC_CHILDREN, and then all names are read.
func kernelThreads(proc int) map[string]bool {
	const kthreadd, flags, thread = "2", 6, 0x00200000 // the field behind the name, PF_KTHREAD
	buf := make([]byte, 4096)
	n, _ := readAt(proc, kthreadd+"/stat", buf)
	state, isNamed := strings.CutPrefix(string(buf[:n]), kthreadd+" (kthreadd) ")
	fields := strings.Fields(state)
	if !isNamed || len(fields) <= flags {
		return nil
	}
	if is, err := strconv.ParseUint(fields[flags], 10, 64); err != nil || is&thread == 0 {
		return nil
	}
	threads := map[string]bool{kthreadd: true}
	children, _ := contentAt(proc, kthreadd+"/task/"+kthreadd+"/children", buf)
	for pid := range strings.FieldsSeq(children) {
		threads[pid] = true
	}
	return threads
}

// namesIn is what an open folder has.
func namesIn(dir int) (names []string, err error) {
	buf := make([]byte, 32<<10)
	for {
		n, err := eintr.Retry(func() (int, error) { return unix.ReadDirent(dir, buf) })
		if err != nil || n == 0 {
			return names, err
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
	}
}

// readAt reads the beginning of a file below an open folder: what one call gives.
func readAt(dir int, name string, buf []byte) (n int, err error) {
	fd, err := openAt(dir, name)
	if err != nil {
		return 0, err
	}
	defer func() { _ = unix.Close(fd) }()
	return readOnce(fd, buf)
}

// contentAt is all of a file below an open folder; what could be read before an error is
// given with it.
func contentAt(dir int, name string, buf []byte) (string, error) {
	fd, err := openAt(dir, name)
	if err != nil {
		return "", err
	}
	defer func() { _ = unix.Close(fd) }()
	var text strings.Builder
	for {
		n, err := readOnce(fd, buf)
		if err != nil || n == 0 {
			return text.String(), err
		}
		text.Write(buf[:n])
	}
}

func openAt(dir int, name string) (fd int, err error) {
	return eintr.Retry(func() (int, error) { return unix.Openat(dir, name, unix.O_RDONLY|unix.O_CLOEXEC, 0) })
}

func readOnce(fd int, buf []byte) (n int, err error) {
	return eintr.Retry(func() (int, error) { return unix.Read(fd, buf) })
}
