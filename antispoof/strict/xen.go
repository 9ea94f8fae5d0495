package strict

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"xbr-script/internal/config"
	"xbr-script/internal/xenstore"
)

// Guests that xenstore knows need nobody to admit them. Every call reads them anew, and
// none is remembered as admitted: what a command or a line of the file says of a port goes
// before what xenstore says.

// knows says whether it is known what xenstore has.
func (p *Planner) knows() bool { return p.Xen != nil && p.Xen.Err == nil }

// fromXen are the guests of xenstore that nobody admitted and whose ports are in a bridge, or
// are to be. While xenstore cannot be read, they are those that tables were made for before.
func (d *draft) fromXen() (guests []Guest) {
	if !d.knows() {
		for _, name := range slices.Sorted(maps.Keys(d.records)) {
			guests = append(guests, d.records[name].State.Guests...)
		}
	} else {
		for _, v := range d.Xen.VIFs {
			for _, port := range []string{v.Port, v.Emulated()} {
				if g, err := d.guestOfVIF(v, port); err == nil {
					guests = append(guests, g)
				}
			}
		}
	}
	return slices.DeleteFunc(guests, func(g Guest) bool {
		return d.away(g.Port) || d.admittedAt(g.Port) != nil || slices.Contains(d.dismissed, g.Port)
	})
}

// away says whether a port is gone, or in no bridge and not on its way into one.
func (d *draft) away(port string) bool {
	l := d.Host.Name(port)
	return l == nil || l.Master == 0 && d.coming[port] == ""
}

// guestOfVIF is what xenstore says of a guest's port. It is at the bridge that is to have
// the port, or has it.
func (d *draft) guestOfVIF(v xenstore.VIF, port string) (Guest, error) {
	bridge := cmp.Or(d.coming[port], v.Bridge)
	if l := d.Host.Name(port); l != nil && l.Master != 0 {
		if m := d.Host.Index(l.Master); m != nil {
			bridge = m.Name
		}
	}
	asked, err := config.GuestOf(port, v.MAC, v.IP)
	g := guestOf(asked)
	g.Bridge = bridge
	return g, err
}

// admittedAt is the guest that somebody admitted at that port, or nil.
func (d *draft) admittedAt(port string) *Guest {
	if i := slices.IndexFunc(d.guests, func(g Guest) bool { return g.Port == port }); i >= 0 {
		return &d.guests[i]
	}
	return nil
}

// all are the guests that may send something, by their ports.
func (d *draft) all() []Guest {
	list := d.guests
	for _, g := range d.fromXen() {
		list = with(list, g)
	}
	return list
}

// xenNotes say what xenstore says otherwise than whoever admitted a guest, what of it
// cannot be used, and that it cannot be read.
func (d *draft) xenNotes(b Bridge) (list []string) {
	if d.Xen != nil && d.Xen.Err != nil {
		return []string{b.Name + ": " + d.Xen.Err.Error() + ", so only guests are let through that were known before, or that somebody admitted"}
	}
	if !d.knows() {
		return nil
	}
	var stock []string
	for _, port := range d.portsOf(b) {
		v := d.Xen.Of(port)
		if v == nil {
			continue
		}
		if path.Base(v.Script) == stockScript && port == v.Port && d.admittedAt(port) == nil {
			stock = append(stock, port)
		}
		says, err := d.guestOfVIF(*v, port)
		a := d.admittedAt(port)
		switch {
		case err != nil && a == nil:
			list = append(list, fmt.Sprintf("%s: what xenstore says of %s admits nobody: %v", b.Name, port, err))
		case err == nil && a != nil && a.MAC != says.MAC:
			list = append(list, fmt.Sprintf("%s: %s was admitted with %s, but xenstore says that it has %s; what was admitted counts", b.Name, port, a.MAC, says.MAC))
		case err == nil && a != nil && len(says.Addresses) > 0 && !slices.Equal(says.Addresses, a.Addresses):
			list = append(list, fmt.Sprintf("%s: %s was admitted with %s, but its vif line says ip=%s; what was admitted counts", b.Name, port, addrTexts(a.Addresses), strings.Join(strings.Fields(v.IP), " ")))
		}
	}
	if len(stock) > 0 && (d.Seen == nil || !d.Seen.Hooked) {
		list = append(list, fmt.Sprintf("%s: %s came by %s, which admits nobody: a guest with that script that starts from now on is cut off until the next start; with script=vif-xbr it is not", b.Name, strings.Join(stock, ", "), stockScript))
	}
	return list
}

// Guards says whether a bridge has a table by its record.
func (p *Planner) Guards(bridge string) (bool, error) {
	records, err := p.records()
	return records[bridge] != nil, err
}

// Attach plans that the guest of a port may send by it, before it joins a bridge. ip is what
// its ip= is if xenstore says nothing of that.
func (p *Planner) Attach(port, bridge, ip string) (Part, error) {
	d, err := p.draft()
	if err != nil {
		return Part{}, err
	}
	v := p.Xen.Of(port)
	switch {
	case d.admittedAt(port) != nil:
	case v == nil:
		return Part{}, fmt.Errorf("cannot admit %s: xenstore does not know it", port)
	default:
		v.IP = cmp.Or(v.IP, ip)
		if _, err := d.guestOfVIF(*v, port); err != nil {
			return Part{}, fmt.Errorf("cannot admit %s by what xenstore says: %w", port, err)
		}
	}
	d.coming = map[string]string{port: bridge}
	return d.alter(slices.Clone, port, port+" is admitted")
}

// Detach plans that nothing is known of the guest of a port that leaves its bridge, unless
// somebody admitted it: that lasts.
func (p *Planner) Detach(port string) (Part, error) {
	d, err := p.draft()
	if err != nil {
		return Part{}, err
	}
	return d.alter(slices.Clone, port, port+" is dismissed", port)
}

// comingIn are the ports that start puts into these bridges.
func comingIn(bridges ...Bridge) map[string]string {
	coming := map[string]string{}
	for _, b := range bridges {
		for _, port := range b.Back {
			coming[port] = b.Name
		}
	}
	return coming
}
