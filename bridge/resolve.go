package bridge

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"

	"xbr-script/internal/config"
	"xbr-script/internal/host"
)

// maxVifNum is the highest number that vifnum= may have.
const maxVifNum = 4095

// resolver settles what one call means.
type resolver struct {
	command config.Command
	h       *host.Host
	nets    []network
	asked   []config.Bridge // all that the call asks for
	specs   []Spec          // those settled so far
}

// Resolve settles the names of the bridges that a call asks for, in view of
// what is there. Every word that was given has to fit the network that is
// selected: if one does not, start and stop are refused, and status reports a
// difference. Names may be alternative ones; a Spec has the interfaces' own
// names.
func Resolve(command config.Command, asked []config.Bridge, h *host.Host, records []*Record) ([]Spec, error) {
	var nics []string
	for _, b := range asked {
		nics = append(nics, b.NetDev)
	}
	r := &resolver{command: command, h: h, nets: networks(h, records, nics...)}
	for _, b := range asked {
		b.NetDev, b.Bridge = r.nicName(b.NetDev), r.ownName(b.Bridge)
		r.asked = append(r.asked, b)
	}
	var refused error
	for _, b := range r.asked {
		w, err := r.settle(b)
		refused = errors.Join(refused, err)
		r.specs = append(r.specs, w)
	}
	if refused != nil {
		return nil, refused
	}
	return r.specs, nil
}

// ownName is the own name of the interface that has it as an alternative one.
func (r *resolver) ownName(name string) string {
	if l := r.h.Name(name); l != nil {
		return l.Name
	}
	return name
}

// nicName is the name that the NIC has outside of a bridge. The given name may be an
// alternative one, or that of the NIC as a port. While the network is up, dom0's
// interface has the NIC's alternative names, but udev may give them back.
func (r *resolver) nicName(name string) string {
	l := r.h.Name(name)
	for _, n := range r.nets {
		if name == n.NetDev || n.live && name == n.PDev {
			return n.NetDev
		}
		dev, nic := n.Interfaces(r.h)
		if n.live && l != nil && l.Name != name && (l == dev || l == nic) {
			return n.NetDev
		}
	}
	return r.ownName(name)
}

// settle finds the network that is meant, or names the parts of a new one.
func (r *resolver) settle(b config.Bridge) (Spec, error) {
	n := r.selected(b)
	if n == nil {
		w, err := r.fresh(b)
		if err != nil {
			return w, err
		}
		// What a default names may be a part of a network, too.
		if n = r.owner(w, b); n == nil {
			return w, nil
		}
	}
	w := n.as(b)
	if w.Unfit = n.unfit(b); len(w.Unfit) > 0 && r.command != config.Status {
		return w, r.refuse(b, n)
	}
	return w, nil
}

// selected is the network that one of the given words names; one that is up comes
// before one that only has a record. If there is only a record, start begins anew.
func (r *resolver) selected(b config.Bridge) *network {
	for _, live := range []bool{true, false} {
		for _, word := range given(b) {
			for i, n := range r.nets {
				switch {
				case n.live != live || n.word(word.key) != word.value:
				case live || r.command == config.Stop || r.command == config.Status && len(n.unfit(b)) == 0:
					return &r.nets[i]
				}
			}
		}
	}
	return nil
}

// owner is the network from which a new one would take a part.
func (r *resolver) owner(w Spec, b config.Bridge) *network {
	silent := len(given(b)) == 0 && r.command != config.Start
	for i, n := range r.nets {
		if (n.live || silent) && (n.NetDev == w.NetDev || n.Bridge == w.Bridge || n.live && n.number() == w.number() && !n.onBridge()) {
			return &r.nets[i]
		}
	}
	return nil
}

// fresh names the parts of a network that is not up, by the rules of Xen's
// network-bridge: those of Xen 3.0 and 3.1, or with dom0=bridge those of 3.2 and
// later, where the bridge takes the NIC's name.
func (r *resolver) fresh(b config.Bridge) (Spec, error) {
	w := Spec{Bridge: b.Bridge, NetDev: b.NetDev, AntiSpoof: b.AntiSpoof, GuestsAllow: b.GuestsAllow}
	whyNetDev := ""
	if w.NetDev == "" {
		w.NetDev, whyNetDev = netDevOf(b, r.h)
		w.NetDev = r.nicName(w.NetDev)
	}
	w.PDev = SecondName(w.NetDev)
	w.Shape = shapeOf(b.Dom0)
	if b.Dom0 == config.Dom0AsIs && w.Bridge == w.NetDev {
		w.Shape = OnBridge
	}
	if w.onBridge() && w.Bridge == "" {
		w.Bridge = w.NetDev
	}
	if err := r.number(&w, b); err != nil {
		return w, err
	}
	if whyNetDev != "" {
		w.Why = append(w.Why, fmt.Sprintf("netdev=%s, %s", w.NetDev, whyNetDev))
	}
	if w.onBridge() {
		if b.Bridge == "" {
			w.Why = append(w.Why, "bridge="+w.Bridge+", the name of the NIC")
		}
		w = w.onTop()
		return w, cmp.Or(w.checkWords(r.h), r.checkSecond(w))
	}
	if w.Bridge == "" {
		w.Bridge = bridgeNumbered(w.VifNum)
	}
	w = w.onPair()
	return w, cmp.Or(w.checkWords(r.h), r.checkSecond(w))
}

// checkWords checks only the names.
func (w Spec) checkWords(h *host.Host) error {
	switch {
	case len(w.NetDev) > nameMax:
		return missingNIC(h, w.NetDev)
	case len(w.Bridge) > nameMax:
		return refuse("give another bridge=", "cannot call a bridge %s: an interface name has at most %d bytes", w.Bridge, nameMax)
	case w.Bridge == w.NetDev && !w.onBridge():
		// The default route may go out by a bridge that has the name which is ours by default:
		// then nothing is up, and start says what it is.
		if l := h.Name(w.NetDev); l != nil && switches(l) != nil {
			return nil
		}
		return refuse("give the bridge a name that no interface has, such as bridge=xenbr0; or leave dom0=veth out, and the bridge itself has dom0's addresses",
			"cannot use %s both as bridge and as netdev", w.Bridge)
	}
	return nil
}

// bridgeNumbered is the default of bridge=.
func bridgeNumbered(n int) string { return "xenbr" + strconv.Itoa(n) }
