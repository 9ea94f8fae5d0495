package carry

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"xbr-script/internal/ifname"
	"xbr-script/internal/rawjson"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/shell"
	"xbr-script/internal/sysctl"
	"xbr-script/internal/tunnel"
)

// Tunnels is the operation by which the tunnels whose packets leave by one interface send
// by another one, and entries in the forwarding tables of VXLANs likewise. It reads them
// when it is carried out, so those that somebody makes meanwhile go, too.
type Tunnels struct {
	From  int      `json:"From"` // indexes
	To    int      `json:"To"`
	Name  string   `json:"Name"`  // that the latter has by then
	Which []Tunnel `json:"Which"` // those that there were, for Commands
}

// Tunnel is one of them.
type Tunnel struct {
	Name rawjson.String `json:"Name"`
	Kind string         `json:"Kind"`
}

// TunnelsKind names a Tunnels in a journal.
const TunnelsKind = "tunnels"

// Kind implements plan.Op.
func (*Tunnels) Kind() string { return TunnelsKind }

// Commands implements plan.Op.
func (t *Tunnels) Commands() (lines []string) {
	to := shell.Quote(t.Name)
	for _, one := range t.Which {
		name := shell.Quote(string(one.Name))
		lines = append(lines, tunnel.Command(name, one.Kind, to))
		if one.Kind == "vxlan" {
			lines = append(lines, shell.Comment("and entries that bridge fdb show dev "+name+" prints with another interface after via get "+to))
		}
	}
	return lines
}

// Do implements plan.Op. With its interface the kernel deletes a VXLAN, and with a VXLAN
// its entries.
func (t *Tunnels) Do(_ context.Context, undoing bool) error {
	c, gone, err := dial(t.To, undoing)
	if err != nil || gone {
		return err
	}
	defer func() { _ = c.Close() }()
	links, err := c.Dump(unix.RTM_GETLINK, make([]byte, unix.SizeofIfInfomsg))
	if err != nil {
		return err
	}
	var errs error
	for _, m := range links {
		if one, ok := tunnel.Read(m); ok && one.Lower == t.From {
			errs = errors.Join(errs, bind(c, one.On(t.To)))
		}
		if errs != nil && !undoing {
			return errs
		}
	}
	return errors.Join(errs, t.entries(c))
}

// bind makes a tunnel so, and finds that nothing else of it has changed.
func bind(c *rtnl.Conn, want tunnel.Tunnel) error {
	set := func() error {
		refused, err := c.Send(rtnl.Pack(want.Set()))
		if err == nil && len(refused) > 0 {
			err = refused[0]
		}
		return err
	}
	err := set()
	if errors.Is(err, unix.EPERM) {
		err = withIPv6(want.Lower, set)
	}
	if err == nil {
		var m rtnl.Msg
		if m, err = c.Link(want.Index); err == nil {
			if is, _ := tunnel.Read(m); is.Differs(want) != "" {
				err = errors.New(is.Differs(want))
			}
		}
	}
	if err == nil || errors.Is(err, unix.ENODEV) {
		return nil // somebody has deleted it
	}
	return fmt.Errorf("%s (%s): %w", want.Name, want.Kind, err)
}

// disableIPv6 is the setting that switches IPv6 off on an interface.
var disableIPv6 = sysctl.Key{Dir: "net/ipv6/conf", Name: "disable_ipv6"}

// withIPv6 calls f while IPv6 is on on an interface: the kernel lets a VXLAN over IPv6 send
// by no other one (vxlan_config_validate). When a change is taken back the NIC still has
// none; with dom0's interface the VXLAN would go. A port makes itself no address.
func withIPv6(index int, f func() error) error {
	name, err := ifname.Of(index)
	if err != nil {
		return err
	}
	was, err := sysctl.Get(disableIPv6.Of(name))
	if err != nil {
		return err
	}
	set := func(value string) error {
		w := sysctl.Write{Sets: []sysctl.Set{disableIPv6.Set(index, name, value)}}
		return w.Do(context.Background(), false)
	}
	if err := set("0"); err != nil {
		return err
	}
	return errors.Join(f(), set(was))
}

// entries turns the entries of all VXLANs.
func (t *Tunnels) entries(c *rtnl.Conn) error {
	req := make([]byte, unix.SizeofNdMsg)
	req[0] = unix.AF_BRIDGE
	all, err := c.Dump(unix.RTM_GETNEIGH, req)
	if err != nil {
		return err
	}
	var w rtnl.Wire
	for _, m := range all {
		if tunnel.Leaves(m, t.From) {
			w = w.Add(tunnel.Entry(m, t.To)...)
		}
	}
	return send(c, w, unix.ENOENT, unix.ENODEV) // one has aged, or gone with the VXLAN
}
