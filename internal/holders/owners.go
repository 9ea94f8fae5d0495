package holders

import (
	"bytes"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"xbr-script/internal/sockets"
)

const proc = "/proc"

// want has the owners of a socket read, which takes a while: every file of every
// process has to be looked at.
func (r *reader) want(inode int) { r.whenFound(inode, nil) }

// whenFound is want for a socket about which more is asked where it is found.
func (r *reader) whenFound(inode int, ask func(o Owner, p sockets.Place)) {
	if inode != 0 {
		r.inodes[inode] = append(r.inodes[inode], ask)
	}
}

// readOwners finds whose the wanted sockets are. What is gone meanwhile, or hidden, is
// nobody's.
func (r *reader) readOwners() {
	r.Owners = map[int][]Owner{}
	if len(r.inodes) == 0 {
		return
	}
	var o Owner // of the process that is looked at
	eachSocket(func(pid, fd, inode int) {
		asks := r.inodes[inode]
		if len(asks) == 0 {
			return
		}
		if pid != o.PID {
			o = ownerOf(pid)
		}
		for _, ask := range asks {
			if ask != nil {
				ask(o, sockets.Place{PID: pid, FD: fd})
			} else {
				r.Owners[inode] = addOwner(r.Owners[inode], o)
			}
		}
	})
}

// addOwner adds a process once.
func addOwner(owners []Owner, o Owner) []Owner {
	if slices.Contains(owners, o) {
		return owners
	}
	return append(owners, o)
}

// eachSocket calls f with each socket of each process, by the socket's inode.
func eachSocket(f func(pid, fd, inode int)) {
	processes, _ := os.ReadDir(proc) // what cannot be read is nobody's
	for _, p := range processes {
		pid, err := strconv.Atoi(p.Name())
		if err != nil {
			continue
		}
		dir := filepath.Join(proc, p.Name(), "fd")
		files, _ := os.ReadDir(dir)
		for _, file := range files {
			target, _ := os.Readlink(filepath.Join(dir, file.Name()))
			text, isSocket := strings.CutPrefix(target, "socket:[")
			if !isSocket {
				continue
			}
			fd, err1 := strconv.Atoi(file.Name())
			inode, err2 := strconv.Atoi(strings.TrimSuffix(text, "]"))
			if err1 == nil && err2 == nil {
				f(pid, fd, inode)
			}
		}
	}
}

// ownerOf is a process.
func ownerOf(pid int) Owner {
	dir := filepath.Join(proc, strconv.Itoa(pid))
	comm, _ := os.ReadFile(filepath.Join(dir, "comm"))
	groups, _ := os.ReadFile(filepath.Join(dir, "cgroup"))
	return Owner{Program: string(bytes.TrimSpace(comm)), PID: pid, Unit: unitIn(string(groups))}
}

// unitIn finds the service in the control groups of a process (cgroups(7)): the last
// part of the path that ends like one. A user's own services are none of systemctl's.
func unitIn(groups string) string {
	for line := range strings.Lines(groups) {
		if strings.Contains(line, "/user.slice/") {
			continue
		}
		for p := strings.TrimSpace(line[strings.LastIndexByte(line, ':')+1:]); p != "/" && p != "." && p != ""; p = path.Dir(p) {
			if name := path.Base(p); strings.HasSuffix(name, ".service") {
				return name
			}
		}
	}
	return ""
}
