package bridge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/bridge/routes"
	"xbr-script/internal/host"
	"xbr-script/internal/ipcmd"
	"xbr-script/internal/netop"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/shell"
)

// Kinds are the operations of this package.
func Kinds(c *rtnl.Conn) plan.Kinds {
	return plan.Kinds{
		relabelKind:         func() plan.Op { return &relabel{Conn: c} },
		removeKind:          func() plan.Op { return &remove{Conn: c} },
		macKind:             func() plan.Op { return &setMAC{Conn: c} },
		filterKind:          func() plan.Op { return &filter{Conn: c} },
		awaitAddrsKind:      func() plan.Op { return &awaitAddrs{Conn: c} },
		awaitForwardingKind: func() plan.Op { return &awaitForwarding{Conn: c} },
		awaitCarrierKind:    func() plan.Op { return &awaitCarrier{Conn: c} },
		gatherKind:          func() plan.Op { return &gather{Conn: c} },
		altNamesKind:        func() plan.Op { return &altNames{Conn: c} },
		whenReadyKind:       func() plan.Op { return &whenReady{Conn: c} },
		enterKind:           func() plan.Op { return &enter{Conn: c} },
		unchangedKind:       func() plan.Op { return &unchanged{Conn: c} },
		mendKind:            func() plan.Op { return &mend{Conn: c} },
		advanceKind:         func() plan.Op { return &advance{Conn: c} },
		vacantKind:          func() plan.Op { return &vacant{Conn: c} },
	}
}

const (
	relabelKind         = "relabel"
	awaitForwardingKind = "await"
	macKind             = "mac"
	filterKind          = "filter"
	awaitAddrsKind      = "arrive"
	awaitCarrierKind    = "carrier"
	altNamesKind        = "altnames"
)

// relabel puts the labels of IPv4 addresses right after their interface was renamed.
// The kernel (inetdev_changename) then gives the first address the interface's name
// and appends ":2", ":3" … to every further one without a colon. No message can change
// a label, so the address must go and come back. Meanwhile another interface has it,
// because routes with an address as their source go when no interface has the address
// any more.
type relabel struct {
	Addrs netop.Batch `json:"Addrs"` // RTM_NEWADDR, in the kernel's order, with the right labels
	Index int         `json:"Index"`
	Spare int         `json:"Spare"`
	Conn  *rtnl.Conn  `json:"-"`
}

// Kind implements plan.Op.
func (*relabel) Kind() string { return relabelKind }

// Commands implements plan.Op.
func (r *relabel) Commands() []string {
	addrs := r.Addrs.Wire.Msgs()
	b := r.Addrs
	b.Wire = rtnl.Pack(routes.Relabel(r.Index, r.Spare, addrs, routes.FirstLost(r.Addrs.Names.Of(r.Index), addrs))...)
	return b.Commands()
}

// Do implements plan.Op. Labels that are right already are left alone.
func (r *relabel) Do(ctx context.Context, undoing bool) error {
	dump, err := r.Conn.Dump(unix.RTM_GETADDR, make([]byte, unix.SizeofIfAddrmsg))
	if err != nil {
		return err
	}
	var there []rtnl.Msg
	labels := map[string]string{}
	for _, m := range dump {
		if m.Family() == unix.AF_INET && m.Uses(r.Index) {
			there = append(there, m.Settable())
			labels[routes.AddrKey(m)] = rtnl.String(m.Get(unix.IFA_LABEL))
		}
	}
	addrs := r.Addrs.Wire.Msgs()
	late, made := routes.Late(there, addrs, r.Addrs.Names.Of(r.Index))
	first := len(addrs) + made
	for i := len(addrs) - 1; i >= 0; i-- {
		m := addrs[i]
		if label, ok := labels[routes.AddrKey(m)]; ok && label != rtnl.String(m.Get(unix.IFA_LABEL)) {
			first = i
		}
	}
	b := r.Addrs
	b.Wire, b.Conn = rtnl.Pack(routes.Relabel(r.Index, r.Spare, append(addrs, late...), first)...), r.Conn
	return b.Do(ctx, undoing)
}

// awaitForwarding waits until a bridge port forwards and dom0's interface behind it can send.
// Between the calls that switch a veth pair on and that moment the kernel works in the
// background, and what is sent then is lost.
type awaitForwarding struct {
	Port  int         `json:"Port"` // the port in the bridge
	Names ipcmd.Names `json:"Names"`
	Conn  *rtnl.Conn  `json:"-"`
}

// forwardingLimit is far more than an idle host takes (under a millisecond), and
// than a busy one may take.
const forwardingLimit = 5 * time.Second

// Kind implements plan.Op.
func (*awaitForwarding) Kind() string { return awaitForwardingKind }

// Commands implements plan.Op.
func (a *awaitForwarding) Commands() []string {
	name := shell.Quote(a.Names.Of(a.Port))
	return []string{"until bridge link show dev " + name + " | grep -q 'state forwarding'; do sleep 0.01; done"}
}

// Do implements plan.Op.
func (a *awaitForwarding) Do(ctx context.Context, undoing bool) error {
	for start := time.Now(); ; pause(100 * time.Microsecond) {
		ready, err := a.ready()
		if ready || undoing && err != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if time.Since(start) > forwardingLimit {
			if undoing {
				return nil // nothing can be done about it
			}
			return fmt.Errorf("%s does not forward after %s", a.Names.Of(a.Port), forwardingLimit)
		}
	}
}

// pause sleeps for less than the millisecond that time.Sleep takes at least: it waits by
// epoll_wait.
func pause(d time.Duration) {
	t := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&t, nil) // a signal that ends it early does no harm
}

// ready looks at both ends of the pair. The kernel notices the carrier of one end after
// that of the other (linkwatch_run_queue), and only then makes an interface ready for
// IPv6, which makes addresses if it is allowed to by then.
func (a *awaitForwarding) ready() (bool, error) {
	l, err := host.ReadLink(a.Conn, a.Port)
	if err != nil || l.PortState != host.Forwarding || !l.OperUp {
		return false, err
	}
	if l.Kind != "veth" || l.Elsewhere {
		return true, nil // an old Xen kernel's pair does not report its other end
	}
	dev, err := host.ReadLink(a.Conn, l.Lower)
	return err == nil && (dev.Running() && dev.OperUp || !dev.Up()), err
}

// awaitCarrier waits until a NIC that was switched on has agreed with the switch on a speed,
// which takes seconds; or until a bridge has the carrier of the NIC that has become its
// port. Until then frames do not pass anyway, and what is entered may be lost: when the
// kernel notices that there is no carrier, it removes the proxy entries
// (neigh_carrier_down).
type awaitCarrier struct {
	Index int         `json:"Index"`
	Port  int         `json:"Port"` // of a bridge, where its carrier comes from; 0 for a NIC
	Names ipcmd.Names `json:"Names"`
	Conn  *rtnl.Conn  `json:"-"`
}

// carrierLimit is far more than a NIC needs; but somebody may have pulled the
// cable.
const carrierLimit = 10 * time.Second

// Kind implements plan.Op.
func (*awaitCarrier) Kind() string { return awaitCarrierKind }

// Commands implements plan.Op.
func (c *awaitCarrier) Commands() []string {
	name := shell.Quote(c.Names.Of(c.Index))
	return []string{"for i in $(seq 100); do ip link show dev " + name + " | grep -q 'LOWER_UP.* state UP' && break; sleep 0.1; done"}
}

// Do implements plan.Op. It is no error if the carrier does not come: that is checked
// when everything is done. Until the kernel has noticed that the carrier is gone, it
// still reports the interface as operational.
func (c *awaitCarrier) Do(ctx context.Context, _ bool) error {
	for start := time.Now(); ctx.Err() == nil && time.Since(start) < carrierLimit; time.Sleep(time.Millisecond) {
		l, err := host.ReadLink(c.Conn, c.Index)
		if err != nil || !l.Up() || l.Running() && l.OperUp {
			break // it is gone, or will have none, or has it
		}
		if c.Port != 0 && !c.feeds() {
			break
		}
	}
	return context.Cause(ctx)
}

// feeds says whether the port has a carrier that it can give its bridge.
func (c *awaitCarrier) feeds() bool {
	p, err := host.ReadLink(c.Conn, c.Port)
	return err == nil && p.Running() && p.Master == c.Index
}

// awaitAddrs waits until the kernel accepts packets to IPv6 addresses on the
// interface that they were added to. It makes their local routes in the
// background (addrconf_dad_work); until then the old interface must keep them.
//
// A router is asked as soon as the first address is there, and answers at once.
// If an address of its prefix has not been added yet, the kernel makes that
// address itself, and holds it back until it is found unique
// (addrconf_prefix_rcv_add_addr). Such an address is removed and added again.
type awaitAddrs struct {
	Index int        `json:"Index"`
	Addrs [][]byte   `json:"Addrs"`
	Conn  *rtnl.Conn `json:"-"`
}

// addrsLimit bounds the wait; the check at the end finds an address that never
// gets there. An address that is still missing after hurryAfter, and after each
// further one, may be one that the kernel checks: most are there at once, and
// it takes long to look at thousands.
const (
	addrsLimit = time.Second
	hurryAfter = 10 * time.Millisecond
)

// Kind implements plan.Op.
func (*awaitAddrs) Kind() string { return awaitAddrsKind }

// Commands implements plan.Op: there is none, the ip program is slower than
// the kernel.
func (*awaitAddrs) Commands() []string { return nil }

// Do implements plan.Op.
func (a *awaitAddrs) Do(ctx context.Context, undoing bool) error {
	start := time.Now()
	for looked := start; ctx.Err() == nil && time.Since(start) < addrsLimit; pause(50 * time.Microsecond) {
		missing, err := a.missing()
		if err == nil && len(missing) > 0 && time.Since(looked) > hurryAfter {
			err = a.hurry(missing)
			looked = time.Now()
		}
		switch {
		case undoing && errors.Is(err, unix.ENODEV):
			return nil // the interface is gone
		case err != nil:
			return err
		case len(missing) == 0:
			return nil
		}
	}
	return context.Cause(ctx)
}

// missing are the addresses without a local route.
func (a *awaitAddrs) missing() (map[string]bool, error) {
	req := rtnl.Msg{Type: unix.RTM_NEWROUTE, Body: make([]byte, unix.SizeofRtMsg)}
	req.Body[0], req.Body[4] = unix.AF_INET6, unix.RT_TABLE_LOCAL
	req = req.With(unix.RTA_OIF, rtnl.U32Bytes(uint32(a.Index)))
	routes, err := a.Conn.DumpOnly(unix.RTM_GETROUTE, req.Body)
	if err != nil {
		return nil, err
	}
	missing := map[string]bool{}
	for _, addr := range a.Addrs {
		missing[string(addr)] = true
	}
	for _, m := range routes {
		if m.Uses(a.Index) && m.Table() == unix.RT_TABLE_LOCAL && m.Fixed()[1] == 128 {
			delete(missing, string(m.Get(unix.RTA_DST)))
		}
	}
	return missing, nil
}

// hurry adds those addresses again that the kernel checks although it was told
// not to.
func (a *awaitAddrs) hurry(missing map[string]bool) error {
	req := make([]byte, unix.SizeofIfAddrmsg)
	req[0] = unix.AF_INET6
	copy(req[4:], rtnl.U32Bytes(uint32(a.Index)))
	addrs, err := a.Conn.DumpOnly(unix.RTM_GETADDR, req)
	if err != nil {
		return err
	}
	var again rtnl.Wire
	for _, m := range addrs {
		const checked, told = unix.IFA_F_TENTATIVE, unix.IFA_F_NODAD | unix.IFA_F_DADFAILED
		if m.Uses(a.Index) && missing[string(m.Local())] && m.AddrFlags()&(checked|told) == checked {
			anew := m.With(unix.IFA_FLAGS, rtnl.U32Bytes(m.AddrFlags()&^checked))
			again = again.Add(routes.DelAddrs([]rtnl.Msg{m})...).Add(routes.Quiet(anew))
		}
	}
	if len(again) == 0 {
		return nil
	}
	_, err = a.Conn.Send(again) // what is refused has changed, and is looked at again
	return err
}

// setMAC gives a NIC its MAC address as a port, or its own again. Not every
// driver can do that at all, or while the NIC is up
// (eth_prepare_mac_addr_change). As a port the NIC may as well keep its own:
// what matters is the entry that sends frames for that address to dom0's port,
// and the messages set that, too.
type setMAC struct {
	Msgs  netop.Batch      `json:"Msgs"` // the change of address, then what must follow at once
	Index int              `json:"Index"`
	MAC   net.HardwareAddr `json:"MAC"`
	Conn  *rtnl.Conn       `json:"-"`
}

// Kind implements plan.Op.
func (*setMAC) Kind() string { return macKind }

// Commands implements plan.Op.
func (s *setMAC) Commands() []string {
	lines := s.Msgs.Commands()
	if sameMAC(s.MAC, portMAC) {
		lines[0] += " || true" // a driver that cannot, see above
	}
	return lines
}

// Do implements plan.Op.
func (s *setMAC) Do(ctx context.Context, undoing bool) error {
	b := s.Msgs
	b.Conn = s.Conn
	err := b.Do(ctx, undoing)
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EBUSY) {
		return err
	}
	if sameMAC(s.MAC, portMAC) {
		return nil
	}
	if l, readErr := host.ReadLink(s.Conn, s.Index); readErr == nil && sameMAC(l.MAC, s.MAC) {
		return nil // it never changed
	}
	return err
}

// filter has a NIC take frames for one more MAC address, or no more. A driver may refuse
// that where it has no virtual functions, or no more room: then it works without, or start
// finds that nobody answers.
type filter struct {
	Msgs netop.Batch `json:"Msgs"`
	Conn *rtnl.Conn  `json:"-"`
}

// Kind implements plan.Op.
func (*filter) Kind() string { return filterKind }

// Commands implements plan.Op.
func (f *filter) Commands() []string {
	lines := f.Msgs.Commands()
	lines[len(lines)-1] += " || true" // see above
	return lines
}

// Do implements plan.Op.
func (f *filter) Do(ctx context.Context, undoing bool) error {
	b := f.Msgs
	b.Conn = f.Conn
	err := b.Do(ctx, undoing)
	for _, refused := range []error{unix.EOPNOTSUPP, unix.EINVAL, unix.ENOMEM, unix.ENOSPC} {
		if errors.Is(err, refused) {
			return nil
		}
	}
	return err
}

func utoa(v uint32) string { return strconv.FormatUint(uint64(v), 10) }
