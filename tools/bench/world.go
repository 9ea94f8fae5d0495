package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// dom0MAC is the MAC address of dom0's NIC, guestMAC that of a guest's.
const (
	dom0MAC  = "00:1b:21:3c:4d:5e"
	guestMAC = "00:16:3e:74:d4:bf"
)

// A world is a dom0 and the LAN that its NIC eth0 is on, joined by a veth pair.
type world struct {
	dom0, lan, guest *netns
	routes           int
	state            string // as it was at first
}

// lanAddresses are those of the router on the LAN and of hosts behind it: one
// that a route of its own leads to, and one that only the default route leads
// to.
var lanAddresses = []string{
	"192.168.0.1/24", "172.20.0.1/24", "2001:db8::1/64", "2001:db8:0:1::1/64",
}

var farAddresses = []string{"203.0.113.10/32", "10.0.0.1/32", "2001:db8:ffff::10/128", "2001:db8:1000::1/128"}

var dom0Addresses = []string{
	"192.168.0.2/24 brd +", "192.168.0.22/24 brd + label eth0:www", "172.20.0.2/24 brd +",
	"2001:db8::2/64 nodad", "2001:db8:0:1::2/64 nodad",
}

// defaults are dom0's default routes.
var defaults = []string{"route add default via 192.168.0.1", "route add default via 2001:db8::1"}

// routeLines are n routes for ip -batch: four IPv4 ones to one IPv6 one.
func routeLines(n int) []string {
	lines := make([]string, 0, n)
	for i := range n {
		if i%5 == 4 {
			lines = append(lines, fmt.Sprintf("route add 2001:db8:%x:%x::/64 via 2001:db8::1", 0x1000+i/5>>16, i/5&0xffff))
			continue
		}
		a := i * 16
		lines = append(lines, fmt.Sprintf("route add 10.%d.%d.%d/28 via 192.168.0.1", a>>16&255, a>>8&255, a&255))
	}
	return lines
}

// newWorld makes a world with that many routes on the NIC.
func newWorld(routes int) (*world, error) {
	w, err := newNICs(1)
	if err != nil {
		return nil, err
	}
	w.routes = routes
	var dom0, lan []string
	for _, a := range lanAddresses {
		lan = append(lan, "addr add "+a+" dev lan0")
	}
	for _, a := range farAddresses {
		lan = append(lan, "addr add "+a+" dev lo")
	}
	for _, a := range dom0Addresses {
		dom0 = append(dom0, "addr add "+a+" dev eth0")
	}
	dom0 = append(append(dom0, defaults...), routeLines(routes)...)
	if err := w.lan.batch(lan); err != nil {
		return nil, err
	}
	if err := w.dom0.batch(dom0); err != nil {
		return nil, err
	}
	return w, w.settle()
}

// newNICs makes a world whose dom0 has n NICs without addresses.
func newNICs(n int) (*world, error) {
	dom0, err := newNetns("dom0")
	if err != nil {
		return nil, err
	}
	lan, err := newNetns("lan")
	if err != nil {
		return nil, err
	}
	w := &world{dom0: dom0, lan: lan}
	for _, s := range []struct{ name, value string }{
		{"/proc/sys/net/ipv6/conf/all/disable_ipv6", "0"},
		{"/proc/sys/net/ipv6/conf/default/disable_ipv6", "0"},
		// The LAN exists from the beginning, and answers for everything it is
		// asked.
		{"/proc/sys/net/ipv6/conf/all/accept_dad", "0"},
		{"/proc/sys/net/ipv6/conf/default/accept_dad", "0"},
		{"/proc/sys/net/ipv4/ip_forward", "1"},
		// Cleaning up a cache in the middle of a run would be noise.
		{"/proc/sys/net/ipv6/route/max_size", "1000000"},
	} {
		if err := w.lan.write(s.name, s.value); err != nil {
			return nil, err
		}
	}
	var make, up []string
	for i := range n {
		mac := dom0MAC
		if i > 0 {
			mac = fmt.Sprintf("00:1b:21:3c:5e:%02x", i)
		}
		make = append(make, fmt.Sprintf("link add eth%d address %s type veth peer name lan%d netns %s", i, mac, i, w.lan.path),
			fmt.Sprintf("link set eth%d up", i))
		up = append(up, fmt.Sprintf("link set lan%d up", i))
	}
	if err := w.dom0.batch(make); err != nil {
		return nil, err
	}
	if err := w.lan.batch(up); err != nil {
		return nil, err
	}
	return w, nil
}

// settle waits until the kernel has checked dom0's link-local addresses, and
// keeps dom0's state.
func (w *world) settle() error {
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		out, err := w.dom0.output("ip", "-6", "addr", "show", "tentative")
		if err != nil {
			return err
		}
		if out == "" {
			break
		}
		if time.Now().After(end) {
			return fmt.Errorf("addresses remain tentative:\n%s", out)
		}
	}
	var err error
	w.state, err = w.read()
	return err
}

// read is dom0's state: its addresses, and the number of routes by device.
func (w *world) read() (string, error) {
	addrs, err := w.dom0.output("ip", "-o", "addr")
	if err != nil {
		return "", err
	}
	var lines []string
	for line := range strings.Lines(addrs) {
		f := strings.Fields(line)
		lines = append(lines, strings.Join(f[1:4], " "))
	}
	slices.Sort(lines)
	devs := map[string]int{}
	for _, family := range []string{"-4", "-6"} {
		routes, err := w.dom0.output("ip", family, "route")
		if err != nil {
			return "", err
		}
		for line := range strings.Lines(routes) {
			if _, dev, ok := strings.Cut(line, " dev "); ok {
				devs[family+" "+strings.Fields(dev)[0]]++
			}
		}
	}
	return fmt.Sprint(strings.Join(lines, "\n"), "\n", devs), nil
}

// restored returns an error that says what differs from the beginning.
func (w *world) restored() error {
	now, err := w.read()
	if err != nil {
		return err
	}
	if now != w.state {
		return fmt.Errorf("dom0 is not as it was:\n%s\nbut:\n%s", w.state, now)
	}
	return nil
}

// repair brings dom0 back to what it was, whatever a tool has left.
func (w *world) repair() error {
	if w.restored() == nil {
		return nil
	}
	lines := []string{"link del veth0"}
	if w.dom0.run("ip", "link", "show", "peth0") == nil { // the tool got no further than this
		lines = []string{"link del eth0", "link set peth0 name eth0"}
	}
	lines = append(lines,
		"link del xenbr0", "link set eth0 down", "link set eth0 addrgenmode eui64 arp on multicast on address "+dom0MAC,
		"link set eth0 up", "addr flush dev eth0 scope global", "route flush dev eth0 scope global")
	for _, a := range dom0Addresses {
		lines = append(lines, "addr add "+a+" dev eth0")
	}
	lines = append(append(lines, defaults...), routeLines(w.routes)...)
	_ = w.dom0.write("/proc/sys/net/ipv6/conf/eth0/disable_ipv6", "0")
	// Much of it may exist already: only the result counts.
	_, _, _ = w.dom0.command(strings.Join(lines, "\n")+"\n", "ip", "-force", "-batch", "-")
	var err error
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err = w.restored(); err == nil {
			return nil
		}
	}
	return fmt.Errorf("cannot restore dom0: %w", err)
}

// plug gives the world a guest on xenbr0, as Xen's vif-bridge does.
func (w *world) plug() error {
	guest, err := newNetns("guest")
	if err != nil {
		return err
	}
	w.guest = guest
	if err := w.dom0.batch([]string{
		"link add vif1.0 type veth peer name eth0 address " + guestMAC + " netns " + guest.path,
		"link set vif1.0 address fe:ff:ff:ff:ff:ff arp off multicast off addrgenmode none",
		"link set vif1.0 master xenbr0",
		"link set vif1.0 up",
	}); err != nil {
		return err
	}
	return guest.batch([]string{
		"addr add 192.168.0.30/24 dev eth0", "addr add 2001:db8::30/64 dev eth0 nodad", "link set eth0 up",
		"route add default via 192.168.0.1", "route add default via 2001:db8::1",
	})
}

func (w *world) close() {
	for _, n := range []*netns{w.dom0, w.lan, w.guest} {
		if n != nil {
			n.close()
		}
	}
}
