package host

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
)

// markOwn finds out which IPv6 routes are the kernel's own, made from router
// advertisements (rtnl.Msg.AsOwn). Netlink does not say: a program that handles
// advertisements in the kernel's place makes the same route without the flags that
// make it the kernel's.
func (h *Host) markOwn(c *rtnl.Conn) error {
	prefixes, routers := h.perhapsOwn()
	if len(prefixes) > 0 {
		if err := h.markPrefixes(c, prefixes); err != nil {
			return err
		}
	}
	if len(routers) > 0 {
		return h.markRouters(c, routers)
	}
	return nil
}

// perhapsOwn are the places of the routes that may be the kernel's own: to a prefix
// on the link, or by a router, which has a link-local address. A route that an
// ioctl has made has the protocol boot.
func (h *Host) perhapsOwn() (prefixes, routers []int) {
	for i, m := range h.Routes {
		f := m.Fixed()
		if m.Family() != unix.AF_INET6 || f[4] != unix.RT_TABLE_MAIN || f[7] != unix.RTN_UNICAST ||
			m.HasAny(rtnl.RtaNhID, unix.RTA_MULTIPATH) {
			continue
		}
		gateway, ok := netip.AddrFromSlice(m.Get(unix.RTA_GATEWAY))
		switch proto := f[5]; {
		case ok && gateway.IsLinkLocalUnicast() && (proto == unix.RTPROT_RA || proto == unix.RTPROT_BOOT):
			routers = append(routers, i)
		case !ok && (proto == unix.RTPROT_KERNEL || proto == unix.RTPROT_BOOT) && !linkLocal(m):
			prefixes = append(prefixes, i)
		}
	}
	return prefixes, routers
}

// linkLocal says whether a route leads to link-local addresses, which no router
// announces.
func linkLocal(m rtnl.Msg) bool {
	dst, ok := netip.AddrFromSlice(m.Get(unix.RTA_DST))
	return ok && dst.IsLinkLocalUnicast()
}

// markPrefixes asks for the routes to prefixes that a router has announced,
// the one kind that a dump can be restricted to.
func (h *Host) markPrefixes(c *rtnl.Conn, places []int) error {
	req := family(unix.AF_INET6)
	copy(req[8:12], rtnl.U32Bytes(unix.RTM_F_PREFIX)) // rtm_flags
	announced, err := c.Dump(unix.RTM_GETROUTE, req)
	if err != nil {
		return err
	}
	own := map[routeID]bool{}
	for _, m := range announced {
		if m.Type == unix.RTM_NEWROUTE && m.Fixed()[4] == unix.RT_TABLE_MAIN { // rtm_table
			own[placeOf(m)] = true
		}
	}
	for _, i := range places {
		if own[placeOf(h.Routes[i])] {
			h.Routes[i] = h.Routes[i].AsOwn(rtnl.OwnAnnounce | rtnl.OwnPrefix)
		}
	}
	return nil
}

// routeID is what distinguishes a route from the others in its table.
type routeID struct {
	dst, gateway [16]byte
	bits         uint8
	metric, dev  uint32
}

func placeOf(m rtnl.Msg) routeID {
	p := routeID{bits: m.Fixed()[1], metric: m.U32(unix.RTA_PRIORITY), dev: m.U32(unix.RTA_OIF)} // rtm_dst_len
	copy(p.dst[:], m.Get(unix.RTA_DST))
	copy(p.gateway[:], m.Get(unix.RTA_GATEWAY))
	return p
}

// markRouters reads the flags of routes from where the kernel reports them. The
// table is not reported there, but only in the main one are routes the kernel's
// own.
func (h *Host) markRouters(c *rtnl.Conn, places []int) error {
	wanted, devs := map[routeID]int{}, map[string]uint32{}
	for _, i := range places {
		p := placeOf(h.Routes[i])
		wanted[p] = i
		l, err := ReadLink(c, int(p.dev))
		if errors.Is(err, unix.ENODEV) {
			continue // gone meanwhile
		}
		if err != nil {
			return err
		}
		devs[l.Name] = p.dev
	}
	f, err := os.Open("/proc/thread-self/net/ipv6_route")
	if err == nil {
		err = eachProcRoute(f, func(p routeID, dev string, flags uint32) {
			p.dev = devs[dev]
			if i, ok := wanted[p]; ok && flags&rtnl.OwnFlags != 0 {
				h.Routes[i] = h.Routes[i].AsOwn(flags)
			}
		})
		_ = f.Close() // it was only read
	}
	if err != nil {
		return fmt.Errorf("cannot read which IPv6 routes are the kernel's own: %w", err)
	}
	return nil
}

// eachProcRoute goes through the lines of /proc/net/ipv6_route
// (ipv6_route_native_seq_show): each names an interface and has the flags.
func eachProcRoute(r io.Reader, f func(p routeID, dev string, flags uint32)) error {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		w := strings.Fields(lines.Text())
		if len(w) != 10 {
			return fmt.Errorf("unknown line %q", lines.Text())
		}
		var p routeID
		bits, err1 := strconv.ParseUint(w[1], 16, 8)
		metric, err2 := strconv.ParseUint(w[5], 16, 32)
		flags, err3 := strconv.ParseUint(w[8], 16, 32)
		_, err4 := hex.Decode(p.dst[:], []byte(w[0]))
		_, err5 := hex.Decode(p.gateway[:], []byte(w[4]))
		if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
			return err
		}
		p.bits, p.metric = uint8(bits), uint32(metric)
		f(p, w[9], uint32(flags))
	}
	return lines.Err()
}
