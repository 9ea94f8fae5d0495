package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"xbr-script/internal/testing/nstest"
)

// maybe is for calls that may fail because the host is changing.
func maybe(error) {}

// attrs are those of an interface with a name.
func attrs(name string) netlink.LinkAttrs {
	a := netlink.NewLinkAttrs()
	a.Name = name
	return a
}

// link finds an interface; it is nil if there is none.
func (w *world) link(name string) netlink.Link {
	l, err := w.rtnl.LinkByName(name)
	if err != nil {
		return nil
	}
	return l
}

// remove deletes all interfaces whose names begin in this way, at both ends of
// the LAN.
func (w *world) remove(beginnings ...string) {
	for _, end := range []*netlink.Handle{w.rtnl, w.lan} {
		for {
			links, err := end.LinkList()
			if err != nil {
				continue // the dump was interrupted
			}
			for _, l := range links {
				if slices.ContainsFunc(beginnings, func(b string) bool { return strings.HasPrefix(l.Attrs().Name, b) }) {
					maybe(end.LinkDel(l)) // its peer goes with it
				}
			}
			break
		}
	}
}

// guestStorm has guests come and go: their ports are made, join the bridge and
// leave it, move to another namespace and back, and are deleted.
type guestStorm struct{ *world }

func newGuestStorm(w *world) storm { return guestStorm{w} }

// guestCount is how many guests a storm has.
const guestCount = 24

func (s guestStorm) act() {
	id := rand.N(guestCount)
	name := fmt.Sprintf("vif%d.0", id+1)
	port := s.link(name)
	if port == nil {
		s.come(id, name)
		return
	}
	switch rand.N(8) {
	case 0:
		maybe(s.rtnl.LinkDel(port))
	case 1:
		maybe(s.rtnl.LinkSetNoMaster(port))
	case 2:
		maybe(s.rtnl.LinkSetNsFd(port, s.lanNS))
	default:
		maybe(s.rtnl.LinkSetUp(port))
		for _, bridge := range []string{"xenbr0", "eth0"} {
			if br := s.link(bridge); br != nil && br.Type() == "bridge" {
				maybe(s.rtnl.LinkSetMaster(port, br))
			}
		}
	}
}

// come makes a guest's port, or brings it back from where it went.
func (s guestStorm) come(id int, name string) {
	if port, err := s.lan.LinkByName(name); err == nil {
		maybe(s.lan.LinkDel(port))
		return
	}
	if id%4 == 0 {
		tap := &netlink.Tuntap{LinkAttrs: attrs(name), Mode: netlink.TUNTAP_MODE_TAP}
		maybe(s.rtnl.LinkAdd(tap))
		return
	}
	maybe(s.rtnl.LinkAdd(&netlink.Veth{LinkAttrs: attrs(name), PeerName: fmt.Sprintf("guest%d", id)}))
}

func (s guestStorm) calm() []string {
	s.remove("vif1", "vif2", "vif3", "vif4", "vif5", "vif6", "vif7", "vif8", "vif9", "guest")
	return nil
}

// nameStorm renames interfaces that are not the program's: guests' ports in the
// bridge and those of others. It also gives alternative names to them and to
// the host's NICs. A name that was not touched during a call must still be
// where it was.
type nameStorm struct {
	*world
	lock    sync.Mutex
	had     map[string]bool // the NICs that had an alternative name at the last mark
	touched map[string]bool // since the last mark
	lost    []string
}

func newNameStorm(w *world) storm {
	return &nameStorm{world: w, had: map[string]bool{}, touched: map[string]bool{}}
}

func (s *nameStorm) act() {
	id := rand.N(8)
	names := []string{fmt.Sprintf("vif%d.0", id+1), fmt.Sprintf("vif%d.0", id+101), fmt.Sprintf("other%d", id), fmt.Sprintf("else%d", id)}
	var now netlink.Link
	for _, name := range names {
		if now == nil {
			now = s.link(name)
		}
	}
	switch n := rand.N(6); {
	case now == nil && id < 4:
		maybe(s.rtnl.LinkAdd(&netlink.Veth{LinkAttrs: attrs(names[0]), PeerName: fmt.Sprintf("guest%d", id)}))
	case now == nil:
		maybe(s.rtnl.LinkAdd(&netlink.Ifb{LinkAttrs: attrs(names[2])}))
	case n == 0:
		maybe(s.rtnl.LinkAddAltName(now, fmt.Sprintf("alias%d", id)))
	case n == 1:
		maybe(s.rtnl.LinkDelAltName(now, fmt.Sprintf("alias%d", id)))
	case n == 2:
		if br := s.link("xenbr0"); br != nil {
			maybe(s.rtnl.LinkSetMaster(now, br))
		}
	case n == 3 && rand.N(10) == 0:
		s.flip([]string{"eth0", "eth1"}[rand.N(2)])
	default:
		maybe(s.rtnl.LinkSetName(now, names[rand.N(len(names))]))
	}
}

// flip gives one of the host's NICs an alternative name, or takes it away.
func (s *nameStorm) flip(nic string) {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.touched[nic] = true
	if l := s.link(nic); l != nil && s.rtnl.LinkAddAltName(l, "lan-of-"+nic) != nil {
		maybe(s.rtnl.LinkDelAltName(l, "lan-of-"+nic))
	}
}

// mark is called before and after a call.
func (s *nameStorm) mark() {
	s.lock.Lock()
	defer s.lock.Unlock()
	for _, nic := range []string{"eth0", "eth1"} {
		l := s.link("lan-of-" + nic)
		has := l != nil && l.Attrs().Name == nic
		if s.had[nic] && !has && !s.touched[nic] {
			s.lost = append(s.lost, nic+" has lost its alternative name")
		}
		s.had[nic], s.touched[nic] = has, false
	}
}

func (s *nameStorm) calm() []string {
	s.remove("vif1", "vif2", "vif3", "vif4", "vif5", "vif6", "vif7", "vif8", "other", "else", "guest")
	for _, nic := range []string{"eth0", "eth1"} {
		if l := s.link("lan-of-" + nic); l != nil {
			maybe(s.rtnl.LinkDelAltName(l, "lan-of-"+nic))
		}
	}
	clear(s.had)
	lost := s.lost
	s.lost = nil
	return lost
}

// partStorm renames the parts of the bridge themselves, and gives them their
// names back.
type partStorm struct{ *world }

func newPartStorm(w *world) storm { return partStorm{w} }

// renameByName looks the name up in the same system call: an interface that
// lost it meanwhile is not touched.
func renameByName(from, to string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	var ifr struct { // struct ifreq
		name    [unix.IFNAMSIZ]byte
		newName [24]byte
	}
	copy(ifr.name[:], from)
	copy(ifr.newName[:], to)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCSIFNAME, uintptr(unsafe.Pointer(&ifr))); errno != 0 {
		return errno
	}
	return nil
}

func (s partStorm) act() {
	part := []string{"peth0", "vif0.0", "xenbr0"}[rand.N(3)]
	if renameByName(part, "not"+part) == nil {
		time.Sleep(rand.N(20 * time.Millisecond))
		maybe(renameByName("not"+part, part))
	}
}

func (s partStorm) calm() (lost []string) {
	for _, part := range []string{"peth0", "vif0.0", "xenbr0"} {
		if s.link("not"+part) != nil {
			lost = append(lost, "not"+part+" cannot have its name back")
		}
	}
	return lost
}

// claimStorm takes the names and indexes that a plan has chosen, and moves
// interfaces between namespaces. Nobody else may touch what it has made.
type claimStorm struct {
	*world
	mine map[int]string // names by index
	lost []string
}

func newClaimStorm(w *world) storm { return &claimStorm{world: w, mine: map[int]string{}} }

func (s *claimStorm) act() {
	for index, name := range s.mine { // a name is soon given up, otherwise no plan could be made
		if !strings.HasPrefix(name, "claim") || len(s.mine) > 2 || rand.N(2) == 0 {
			s.giveUp(index)
		}
	}
	name := []string{"veth0", "vif0.0", "xenbr0", "peth0", "beth0", "claim0", "claim1", "claim2", "claim3"}[rand.N(9)]
	l := &netlink.Ifb{LinkAttrs: attrs(name)}
	switch rand.N(3) {
	case 0: // the next free index
		l.Index = s.next() + rand.N(4)
	case 1: // an interface that comes from another namespace
		if s.lan.LinkAdd(l) == nil {
			if s.lan.LinkSetNsFd(l, s.hostNS) != nil {
				maybe(s.lan.LinkDel(l))
			}
			s.claim(name)
		}
		return
	}
	if s.rtnl.LinkAdd(l) == nil {
		s.claim(name)
	}
}

// claim notes what the storm has made.
func (s *claimStorm) claim(name string) {
	if l := s.link(name); l != nil && l.Type() == "ifb" {
		s.mine[l.Attrs().Index] = name
	}
	if rand.N(2) == 0 {
		time.Sleep(rand.N(5 * time.Millisecond))
	}
}

// next is an index above all existing ones.
func (s *claimStorm) next() int {
	links, err := s.rtnl.LinkList()
	if err != nil {
		return 50 // the dump was interrupted
	}
	top := 0
	for _, l := range links {
		top = max(top, l.Attrs().Index)
	}
	return top + 1
}

// giveUp deletes what the storm has made, in some cases from another namespace,
// and checks that nobody has changed it.
func (s *claimStorm) giveUp(index int) {
	name := s.mine[index]
	delete(s.mine, index)
	l, err := s.rtnl.LinkByIndex(index)
	if err != nil {
		s.lost = append(s.lost, fmt.Sprintf("%s (%d), of others, is gone: %v", name, index, err))
		return
	}
	if a := l.Attrs(); l.Type() != "ifb" || a.Name != name || a.MasterIndex != 0 || a.Flags&1 != 0 {
		s.lost = append(s.lost, fmt.Sprintf("%s (%d), of others, is not as it was: %s %+v", name, index, l.Type(), a))
		return
	}
	if rand.N(3) == 0 && s.rtnl.LinkSetNsFd(l, s.lanNS) == nil {
		if l, err = s.lan.LinkByName(name); err == nil {
			maybe(s.lan.LinkDel(l))
		}
		return
	}
	maybe(s.rtnl.LinkDel(l))
}

func (s *claimStorm) calm() []string {
	for index := range s.mine {
		s.giveUp(index)
	}
	lost := s.lost
	s.lost = nil
	return lost
}

// ruleStorm flushes others' rules, or replaces them by its own, and holds the
// lock of iptables for a while.
type ruleStorm struct{ *world }

func newRuleStorm(w *world) storm { return ruleStorm{w} }

func (s ruleStorm) act() {
	p := []string{"iptables", "ip6tables"}[rand.N(2)]
	table := []string{"filter", "raw", "mangle"}[rand.N(3)]
	switch rand.N(6) {
	case 0:
		s.sh("nft flush ruleset")
	case 1:
		s.sh(p + " -w -t " + table + " -F")
	case 2:
		s.sh(fmt.Sprintf(`printf '*%s\n:STORM - [0:0]\n-A OUTPUT -j STORM\n-A STORM -j RETURN\nCOMMIT\n' | %s-restore -w`, table, p))
	case 3:
		s.sh(fmt.Sprintf(`printf '*%s\n:STORM - [0:0]\n-A STORM -j RETURN\nCOMMIT\n' | %s-restore -w -n`, table, p))
	case 4:
		s.sh(p + " -w -F FORWARD")
	default:
		s.hold(rand.N(300 * time.Millisecond))
	}
}

func (ruleStorm) sh(line string) { maybe(exec.Command("sh", "-c", line).Run()) }

// hold takes the lock that iptables of the legacy kind waits for.
func (ruleStorm) hold(d time.Duration) {
	f, err := os.OpenFile("/run/xtables.lock", os.O_CREATE|os.O_RDONLY, 0o600)
	if err != nil {
		return
	}
	defer func() { _ = f.Close() }()
	if unix.Flock(int(f.Fd()), unix.LOCK_EX) == nil {
		time.Sleep(d)
	}
}

func (s ruleStorm) calm() []string {
	for _, p := range []string{"iptables", "ip6tables"} {
		for _, table := range []string{"filter", "raw", "mangle"} {
			s.sh(fmt.Sprintf("%[1]s -w -t %[2]s -D OUTPUT -j STORM; %[1]s -w -t %[2]s -F STORM; %[1]s -w -t %[2]s -X STORM", p, table))
		}
	}
	return nil
}

// linkStorm takes the link at the LAN's end down and up, like a port of a
// switch.
type linkStorm struct{ *world }

func newLinkStorm(w *world) storm {
	nstest.Script(w.t, `
		ip netns exec lan sysctl -qw net.ipv6.conf.default.accept_dad=0
		ip -n lan addr flush dev lan0
		ip -n lan link add switch type bridge forward_delay 0 mcast_snooping 0
		ip -n lan link add other type ifb
		ip -n lan link set other master switch up
		ip -n lan link set lan0 address 02:00:00:00:00:02 master switch
		ip -n lan link set switch address 02:00:00:00:00:01 up
		ip -n lan addr add 192.168.0.1/24 dev switch
		ip -n lan addr add 2001:db8::1/64 dev switch`)
	return linkStorm{w}
}

func (s linkStorm) act() {
	end, err := s.lan.LinkByName("lan0")
	if err != nil {
		return
	}
	maybe(s.lan.LinkSetDown(end))
	time.Sleep(rand.N(30 * time.Millisecond))
	maybe(s.lan.LinkSetUp(end))
}

func (linkStorm) calm() []string { return nil }
