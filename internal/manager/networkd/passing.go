package networkd

import (
	"context"
	"errors"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/boottime"
	"xbr-script/internal/ifname"
	"xbr-script/internal/keyfile"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/shell"
)

// Passing has them expire again. With Wait that is when systemd-networkd has a lease,
// and so has given them their lifetimes and routes itself.
type Passing struct {
	Leases []Lease `json:"leases"`
	IPv6   bool    `json:"ipv6"`
	Wait   bool    `json:"wait"`
}

var _ plan.Patient = (*Passing)(nil)

// Kind is its name in the journal.
func (*Passing) Kind() string { return "networkd passing" }

// Await is what it waits for.
func (p *Passing) Await() plan.Wait {
	if !p.Wait {
		return plan.Wait{}
	}
	return plan.Wait{For: "systemd-networkd to have a lease for " + devs(p.Leases), Limit: 2*leaseLimit + routesLimit}
}

// Commands are those that do the same.
func (p *Passing) Commands() (all []string) {
	for _, l := range p.Leases {
		dev := shell.Quote(l.Dev)
		all = append(all,
			"ip -4 route show table all dev "+dev+" proto kernel | grep -e ' via ' -e '^[0-9.]* ' | while read -r r; do "+
				"ip route append $r dev "+dev+" proto dhcp || true; ip route del $r dev "+dev+" proto kernel; done")
		if p.IPv6 {
			all = append(all, routes6(dev, "proto kernel", "proto ra"))
		}
		all = append(all, "rm -f "+shell.Quote(l.Path))
	}
	return all
}

// Do carries it out.
func (p *Passing) Do(ctx context.Context, undoing bool) (err error) {
	if p.Wait {
		if _, err := leased(ctx, p.Leases); err != nil {
			return err
		}
	}
	for _, l := range p.Leases {
		err = errors.Join(err, l.pass(ctx, undoing, p.Wait, p.IPv6))
	}
	return err
}

// left is how long it lasts still. The kernel knows no address that is over.
func (s span) left(now uint32) (preferred, valid uint32) {
	of := func(end, least uint32) uint32 {
		if end == rtnl.Infinity {
			return end
		}
		return max(end, now+least) - now
	}
	return of(s.preferred, 0), of(s.valid, 1)
}

// routesLimit is how long systemd-networkd may take to give the routes of a lease that it
// has. Tests wait less.
var routesLimit = 2 * time.Second

// pass does it for one interface, if the drop-in is there: after the lease, if there is one
// and it is waited for, which brings routes of its own.
func (l Lease) pass(ctx context.Context, undoing, wait, ipv6 bool) error {
	ends, err := l.ends()
	if err != nil || ends == nil {
		return err
	}
	remove := &File{Path: l.Path}
	index, err := ifname.IndexOf(l.Dev)
	if err != nil || index == 0 {
		return errors.Join(err, remove.Do(ctx, undoing))
	}
	conn, err := rtnl.Dial()
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	var h held
	var lease netip.Addr
	var twins []rtnl.Msg
	for end := time.Now().Add(routesLimit); ; {
		if h, err = holds(conn, unix.AF_INET, index); err != nil {
			return err
		}
		if lease, err = leaseOf(index); err != nil {
			return err
		}
		twins = h.twins()
		if !wait || !lease.IsValid() || !slices.ContainsFunc(twins, h.alone) || time.Now().After(end) || !paused(ctx) {
			break
		}
	}
	var wire rtnl.Wire
	for _, t := range twins {
		if !wait || !lease.IsValid() {
			wire = wire.Add(by(t, unix.RTPROT_DHCP).As(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_APPEND))
		}
		wire = wire.Add(by(t, unix.RTPROT_KERNEL).As(unix.RTM_DELROUTE, 0))
	}
	expiring, aged := h.expiring(ends, lease)
	wire = append(wire, expiring...)
	if ipv6 {
		if h, err = settled6(ctx, conn, index, ends, wait); err != nil {
			return err
		}
		expiring, _ = h.expiring(ends, netip.Addr{})
		wire = append(wire, expiring...)
		if h.plain6() {
			for _, t := range h.twins() {
				wire = wire.Add(by(t, unix.RTPROT_RA).As(unix.RTM_NEWROUTE, unix.NLM_F_REPLACE))
			}
		}
	}
	if err := send(conn, wire); err != nil {
		return err
	}
	// If the lease has come in this moment, the address is systemd-networkd's to remove.
	if lease, err = leaseOf(index); err != nil {
		return err
	}
	for _, a := range aged {
		if prefix(a).Addr() == lease {
			err = errors.Join(err, send(conn, rtnl.Pack(lives(a, rtnl.Infinity, rtnl.Infinity))))
		}
	}
	return errors.Join(err, remove.Do(ctx, undoing))
}

// expiring gives those their lifetimes again of which the drop-in tells, but for the address
// of the lease: how long that lasts systemd-networkd has said itself.
func (h held) expiring(ends map[netip.Prefix]span, lease netip.Addr) (wire rtnl.Wire, aged []rtnl.Msg) {
	now := uint32(boottime.Now() / time.Second)
	for _, a := range h.addrs {
		if s, ok := ends[prefix(a)]; ok && !a.Leased() && prefix(a).Addr() != lease {
			preferred, valid := s.left(now)
			wire = wire.Add(lives(a, preferred, valid))
			aged = append(aged, a)
		}
	}
	return wire, aged
}

// settled6 is what there is of IPv6 when systemd-networkd has given all addresses their
// lifetimes of which the drop-in tells, if that is waited for, or does not do so in time.
func settled6(ctx context.Context, conn *rtnl.Conn, index int, ends map[netip.Prefix]span, wait bool) (h held, err error) {
	for end := time.Now().Add(leaseLimit); ; {
		if h, err = holds(conn, unix.AF_INET6, index); err != nil {
			return h, err
		}
		waits := slices.ContainsFunc(h.addrs, func(a rtnl.Msg) bool { _, ok := ends[prefix(a)]; return ok && !a.Leased() })
		if !wait || !waits || time.Now().After(end) || !paused(ctx) {
			return h, nil
		}
	}
}

// twins are the routes that only look as if the kernel had made them: that makes one to the
// neighbours of each address, and no other.
func (h held) twins() []rtnl.Msg {
	return rtnl.Rest(h.routes, func(r rtnl.Msg) bool {
		if !r.ByKernel() || r.Own() != 0 || r.Table() == unix.RT_TABLE_LOCAL || r.Fixed()[7] != unix.RTN_UNICAST { // rtm_type
			return true
		}
		if to, _ := netip.AddrFromSlice(r.Get(unix.RTA_DST)); to.Is6() && (to.IsLinkLocalUnicast() || to.IsMulticast()) {
			return true
		}
		return !r.HasGateway() && slices.ContainsFunc(h.addrs, func(a rtnl.Msg) bool {
			to, _ := netip.AddrFromSlice(r.Get(unix.RTA_DST))
			return a.AddrFlags()&unix.IFA_F_NOPREFIXROUTE == 0 && a.Prefix().Masked() == netip.PrefixFrom(to, int(r.Body[1])) // rtm_dst_len
		})
	})
}

// alone says whether there is no such route of DHCP.
func (h held) alone(twin rtnl.Msg) bool {
	key := by(twin, unix.RTPROT_DHCP).Key()
	return !slices.ContainsFunc(h.routes, func(r rtnl.Msg) bool { return r.Key() == key })
}

// devs are the interfaces of leases, in words.
func devs(leases []Lease) string {
	var names []string
	for _, l := range leases {
		names = append(names, l.Dev)
	}
	return strings.Join(names, ", ")
}

// leaseOf is the address that it has leased for an interface; the zero one if there is none.
func leaseOf(index int) (netip.Addr, error) {
	lease, err := keyfile.Read(filepath.Join(leasesDir, strconv.Itoa(index)))
	if err != nil {
		return netip.Addr{}, err
	}
	addr, _ := netip.ParseAddr(lease["ADDRESS"])
	return addr, nil
}
