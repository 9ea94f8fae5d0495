// Package netns finds the other network namespaces of this machine, those of containers
// for instance, and opens sockets in them.
package netns

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
)

// Here is the network namespace of the calling thread.
const Here = "/proc/thread-self/ns/net"

const proc = "/proc"

// Namespace is a network namespace.
type Namespace struct {
	pid   int    // the first process in it, of which others are children as a rule; 0 if there is none
	point string // where it is mounted; "" if it is not
}

// String is what it is called in a sentence: the name that ip netns knows, or else its
// first process.
func (n *Namespace) String() string {
	name, known := strings.CutPrefix(strings.TrimPrefix(n.point, "/var"), "/run/netns/")
	switch {
	case n.pid == 0 && !known:
		return "the network namespace " + n.point
	case n.pid == 0 || known && !strings.HasPrefix(name, "cni-"):
		return "the network namespace " + name
	}
	comm, _ := os.ReadFile(fmt.Sprintf("%s/%d/comm", proc, n.pid))
	return fmt.Sprintf("the network namespace of %s (pid %d)", bytes.TrimSpace(comm), n.pid)
}

// Dial opens a netlink socket in it.
func (n *Namespace) Dial() (c *rtnl.Conn, err error) {
	path := n.point
	if n.pid != 0 {
		path = fmt.Sprintf("%s/%d/ns/net", proc, n.pid)
	}
	there, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = there.Close() }()
	here, err := os.Open(Here)
	if err != nil {
		return nil, err
	}
	defer func() { _ = here.Close() }()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if err = unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err == nil {
			c, err = rtnl.Dial()
			if back := unix.Setns(int(here.Fd()), unix.CLONE_NEWNET); back != nil {
				err = errors.Join(err, back)
				return // and the thread ends
			}
		}
		runtime.UnlockOSThread()
	}()
	<-done
	return c, err
}

// Number is the number by which the namespace of a connection knows another one, whose
// file is given. It knows one that it has met.
func Number(c *rtnl.Conn, other *os.File) (number uint32, known bool) {
	const sizeofGenMsg = 4 // struct rtgenmsg, with padding
	req := rtnl.Msg{Type: unix.RTM_NEWNSID, Body: make([]byte, sizeofGenMsg)}.With(unix.NETNSA_FD, rtnl.U32Bytes(uint32(other.Fd())))
	m, err := c.Get(unix.RTM_GETNSID, req.Body)
	if err != nil || len(m.Body) < sizeofGenMsg {
		return 0, false
	}
	id := rtnl.FindAttr(m.Body[sizeofGenMsg:], unix.NETNSA_NSID)
	return rtnl.U32(id), len(id) == 4 && int32(rtnl.U32(id)) >= 0 // NETNSA_NSID_NOT_ASSIGNED is negative
}

// Others are all but that of the calling thread: those that processes are in, and those
// that are mounted where it sees them, as ip netns, Docker and CNI keep them. What is
// only an open file of some process is not found, nor what is hidden from this one.
func Others() []*Namespace {
	found := map[string]*Namespace{} // by their links, such as net:[4026531840]
	text, _ := os.ReadFile("/proc/thread-self/mountinfo")
	for link, point := range mounted(string(text)) {
		found[link] = &Namespace{point: point}
	}
	eachProcess(func(pid int, link string) {
		n := found[link]
		if n == nil {
			n = &Namespace{}
			found[link] = n
		}
		if n.pid == 0 || pid < n.pid {
			n.pid = pid
		}
	})
	here, _ := os.Readlink(Here)
	delete(found, here)
	var all []*Namespace
	for _, link := range slices.Sorted(maps.Keys(found)) {
		all = append(all, found[link])
	}
	return all
}

// eachProcess calls f with each process and the link of its namespace. It spares what it
// can, as there may be thousands of them. One that has ended, or is hidden, is nowhere.
func eachProcess(f func(pid int, link string)) {
	dir, err := os.Open(proc)
	if err != nil {
		return
	}
	defer func() { _ = dir.Close() }()
	names, _ := dir.Readdirnames(-1)
	at, buf := int(dir.Fd()), make([]byte, 64)
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if n, err := unix.Readlinkat(at, name+"/ns/net", buf); err == nil {
			f(pid, string(buf[:n]))
		}
	}
}

// mounted finds network namespaces in a mountinfo (proc_pid_mountinfo(5)): their links,
// and where they are mounted.
func mounted(text string) map[string]string {
	points := map[string]string{}
	for line := range strings.Lines(text) {
		if w := strings.Fields(line); len(w) > 4 && strings.HasPrefix(w[3], "net:[") {
			points[w[3]] = unescape.Replace(w[4])
		}
	}
	return points
}

// unescape undoes what the kernel does to a path there (mangle).
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
