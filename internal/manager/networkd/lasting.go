package networkd

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/boottime"
	"xbr-script/internal/ifname"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/shell"
	"xbr-script/internal/systemd"
)

// Before 257 systemd-networkd takes all that is on an interface for somebody else's when it
// is told anything new of it. What it keeps by KeepConfiguration=dhcp while it begins it
// would so remove as soon as it is told to treat leases as ever. With KeepConfiguration=static
// it treats them as ever from the beginning, and removes nothing that does not come from
// DHCP: what has no lifetime, and no route of DHCP that goes with it. So that is what a
// leased address looks like while systemd-networkd begins, and until it has a lease. Then
// the drop-in goes, and nothing has to be read anew.
const (
	lastingFrom  = 247 // the first with which it was tried; KeepConfiguration= is in 243
	lasting6From = 252
	lastingTo    = 257
)

// lastingText is that drop-in. When its lease ends is added for each address.
const lastingText = "# While it begins (xbr-script)\n[Network]\nKeepConfiguration=static\n"

// until is a line of it about an address: until when it is preferred, and valid, in seconds
// since the host has booted.
const until = "# %s until %d, %d\n"

// Lasting has leased addresses look as if they were for ever, and their routes as if the
// kernel had made them, and has systemd-networkd keep such ones when it begins.
type Lasting struct {
	Unit   string  `json:"unit"` // systemd-networkd's
	Leases []Lease `json:"leases"`
	// IPv6 says that those of IPv6, too. Before 252 systemd-networkd would give one that a
	// router tells of two hours, as it finds it with more.
	IPv6 bool `json:"ipv6"`
}

// Kind is its name in the journal.
func (*Lasting) Kind() string { return "networkd lasting" }

// Commands are those that do the same.
func (op *Lasting) Commands() (all []string) {
	for _, l := range op.Leases {
		dev := shell.Quote(l.Dev)
		all = append(append(all, l.file(lastingText).Commands()...),
			"ip -4 -o address show dev "+dev+` dynamic | while read -r _ _ _ a _; do ip address change "$a" dev `+dev+"; done",
			"ip -4 route show table all dev "+dev+" proto dhcp | while read -r r; do ip route append $r dev "+dev+
				" proto kernel && ip route del $r dev "+dev+" proto dhcp; done")
		if op.IPv6 {
			all = append(all,
				"ip -6 -o address show dev "+dev+` scope global dynamic | while read -r _ _ _ a _; do ip address change "$a" dev `+dev+" noprefixroute; done",
				routes6(dev, "proto ra", "proto kernel"))
		}
	}
	return all
}

// routes6 is the command by which those routes of IPv6 that expire count as others'.
func routes6(dev, from, to string) string {
	return "ip -6 route show table all dev " + dev + " " + from + " | sed -n 's/ expires \\([0-9]*\\)sec/ expires \\1/p' | " +
		"while read -r r; do ip -6 route replace $r dev " + dev + " " + to + "; done"
}

// Do carries it out. Nothing is done while the machine is being switched off: then
// systemd-networkd does not begin anew.
func (op *Lasting) Do(ctx context.Context, undoing bool) error {
	err := systemd.Ask(ctx, restartLimit, func(ctx context.Context, conn systemd.Conn) error {
		if stopping, err := conn.Stopping(ctx); err != nil || stopping {
			return err
		}
		var err error
		for _, l := range op.Leases {
			err = errors.Join(err, l.last(ctx, undoing, op.IPv6))
		}
		return err
	})
	if undoing && ctx.Err() == nil {
		return nil // without it an address is gone for a moment, no more
	}
	return err
}

// file is the operation that gives the drop-in this content.
func (l Lease) file(text string) *File { return &File{Path: l.Path, Content: &text, Mode: 0o644} }

// span is until when an address is preferred and valid.
type span struct{ preferred, valid uint32 }

// ends are those that the drop-in tells of; nil if there is none.
func (l Lease) ends() (map[netip.Prefix]span, error) {
	text, err := os.ReadFile(l.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	ends := map[netip.Prefix]span{}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		var addr string
		var s span
		if n, _ := fmt.Sscanf(lines.Text()+"\n", until, &addr, &s.preferred, &s.valid); n < 3 {
			continue
		}
		if p, err := netip.ParsePrefix(addr); err == nil {
			ends[p] = s
		}
	}
	return ends, err
}

// held is what an interface has of a family.
type held struct{ addrs, routes []rtnl.Msg }

func holds(conn *rtnl.Conn, family byte, index int) (h held, err error) {
	for _, k := range []struct {
		get  uint16
		body int
		list *[]rtnl.Msg
	}{{unix.RTM_GETADDR, unix.SizeofIfAddrmsg, &h.addrs}, {unix.RTM_GETROUTE, unix.SizeofRtMsg, &h.routes}} {
		body := make([]byte, k.body)
		body[0] = family
		msgs, err := conn.Dump(k.get, body)
		if errors.Is(err, unix.EOPNOTSUPP) {
			continue // no IPv6
		}
		if err != nil {
			return h, err
		}
		*k.list = rtnl.Rest(msgs, func(m rtnl.Msg) bool { return !m.Whole() || m.Family() != family || !m.Uses(index) })
	}
	return h, nil
}

// prefix is an address with the length of its prefix.
func prefix(a rtnl.Msg) netip.Prefix {
	addr, _ := netip.AddrFromSlice(a.Local())
	return netip.PrefixFrom(addr, int(a.Body[1])) // ifa_prefixlen
}

// last does it for one interface. What the drop-in tells already stays: somebody may have
// been killed amid this.
func (l Lease) last(ctx context.Context, undoing, ipv6 bool) error {
	index, err := ifname.IndexOf(l.Dev)
	if err != nil || index == 0 {
		return err
	}
	conn, err := rtnl.Dial()
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	ends, err := l.ends()
	if err != nil {
		return err
	}
	if ends == nil {
		ends = map[netip.Prefix]span{}
	}
	h, err := holds(conn, unix.AF_INET, index)
	if err != nil {
		return err
	}
	wire := h.lasting(ends)
	for _, r := range h.routes {
		if r.Fixed()[5] == unix.RTPROT_DHCP { // rtm_protocol
			wire = wire.Add(by(r, unix.RTPROT_KERNEL).As(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_APPEND), by(r, unix.RTPROT_DHCP).As(unix.RTM_DELROUTE, 0))
		}
	}
	if ipv6 {
		if h, err = holds(conn, unix.AF_INET6, index); err != nil {
			return err
		}
		if h.plain6() {
			wire = append(wire, h.lasting(ends)...)
			for _, r := range h.routes {
				if told6(r) {
					wire = wire.Add(by(r, unix.RTPROT_KERNEL).As(unix.RTM_NEWROUTE, unix.NLM_F_REPLACE))
				}
			}
		}
	}
	text := lastingText
	for p, s := range ends {
		text += fmt.Sprintf(until, p, s.preferred, s.valid)
	}
	if err := l.file(text).Do(ctx, undoing); err != nil {
		return err
	}
	return send(conn, wire)
}

// lasting gives all that expire no lifetime, and writes down when they end.
func (h held) lasting(ends map[netip.Prefix]span) (wire rtnl.Wire) {
	now := uint32(boottime.Now() / time.Second)
	for _, a := range h.addrs {
		if a.Leased() && a.Fixed()[3] != unix.RT_SCOPE_LINK { // ifa_scope
			ci := a.Get(unix.IFA_CACHEINFO)
			ends[prefix(a)] = span{later(now, rtnl.U32(ci[:4])), later(now, rtnl.U32(ci[4:8]))}
			wire = wire.Add(lives(a, rtnl.Infinity, rtnl.Infinity))
		}
	}
	return wire
}

// plain6 says whether what an interface has of IPv6 can be changed in this way and back: a
// temporary address ends with what it is made of, and a route that has several ways, as with
// two routers, cannot be replaced in part.
func (h held) plain6() bool {
	return !slices.ContainsFunc(h.addrs, rtnl.Msg.IsTemporary) &&
		!slices.ContainsFunc(h.routes, func(r rtnl.Msg) bool { return r.Get(unix.RTA_MULTIPATH) != nil })
}

// told6 says whether systemd-networkd has made a route by what a router has told. Of IPv6
// there are no two that differ in who has made them alone.
func told6(r rtnl.Msg) bool {
	return r.Fixed()[5] == unix.RTPROT_RA && r.Own() == 0 // rtm_protocol
}

// later is the second in which a lifetime ends.
func later(now, lifetime uint32) uint32 {
	if lifetime == rtnl.Infinity {
		return lifetime
	}
	return now + min(lifetime, rtnl.Infinity-1-now)
}

// lives is the message that gives an address its lifetimes.
func lives(a rtnl.Msg, preferred, valid uint32) rtnl.Msg {
	a = a.Settable()
	ci := append([]byte(nil), a.Get(unix.IFA_CACHEINFO)...) // struct ifa_cacheinfo
	binary.NativeEndian.PutUint32(ci, preferred)
	binary.NativeEndian.PutUint32(ci[4:], valid)
	return a.With(unix.IFA_CACHEINFO, ci).As(unix.RTM_NEWADDR, unix.NLM_F_REPLACE)
}

// by is a route as if that protocol had made it.
func by(r rtnl.Msg, protocol byte) rtnl.Msg {
	r = r.Settable().Clone()
	r.Fixed()[5] = protocol // rtm_protocol
	return r
}

// send sends messages. What is there already, or gone, is as it should be.
func send(conn *rtnl.Conn, wire rtnl.Wire) error {
	if len(wire) == 0 {
		return nil
	}
	refused, err := conn.Send(wire)
	for _, e := range refused {
		if err == nil && !slices.Contains([]unix.Errno{unix.EEXIST, unix.ESRCH, unix.ENOENT, unix.EADDRNOTAVAIL}, e.Errno) {
			err = e
		}
	}
	return err
}
