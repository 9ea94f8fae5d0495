package bridge

import (
	"fmt"
	"strconv"

	"xbr-script/internal/config"
)

// number settles the default of vifnum=: the digits at the end of the NIC's name,
// or the next free number from there on. The names that are made from it are
// nobody else's, so two calls for two NICs need not give it. If the bridge is
// dom0's interface, no name has the number.
func (r *resolver) number(w *Spec, b config.Bridge) error {
	if b.VifNum != nil {
		w.VifNum = *b.VifNum
		return nil
	}
	for _, n := range r.nets {
		if n.NetDev == w.NetDev && n.number() != "" {
			w.VifNum = n.VifNum
			w.Why = append(w.Why, fmt.Sprintf("vifnum=%d, as the record says", w.VifNum))
			return nil
		}
	}
	first, reason := r.digits(w.NetDev, b)
	for i := range maxVifNum + 1 {
		w.VifNum = (first + i) % (maxVifNum + 1)
		searched := w.Bridge == "" && (i > 0 || b.NetDev != "")
		taken := r.taken(*w) || searched && r.foreign(*w)
		if w.onBridge() || !taken {
			w.Why = append(w.Why, fmt.Sprintf("vifnum=%d, %s", w.VifNum, reason))
			return nil
		}
		reason = fmt.Sprintf("the next that is free after %d", first)
	}
	return refuse("give one with vifnum=", "cannot find a vifnum for %s: all are taken", w.NetDev)
}

// digits is the number at the end of a NIC's name, and what to say about it.
func (r *resolver) digits(netdev string, b config.Bridge) (int, string) {
	of := netdev
	if dev, isDefault := defaultDevice(r.h); b.NetDev == "" && !isDefault {
		return 0, "as there is no default route"
	} else if b.NetDev == "" && dev == netdev {
		of = "the default route's device " + netdev
	}
	if n, err := strconv.Atoi(trailingDigits(netdev)); err == nil && n <= maxVifNum {
		return n, "the digits that end " + of
	}
	return 0, "as no digits end " + of
}

// taken says whether a wanted bridge's number, or the bridge's name that is made
// from it, belongs to another. Interfaces that have the names may exist and be
// usable.
func (r *resolver) taken(w Spec) bool {
	w = w.numbered()
	for _, other := range r.asked {
		if other.VifNum != nil && *other.VifNum == w.VifNum {
			return true
		}
	}
	for _, other := range r.specs {
		if other.number() == w.number() || other.Bridge == w.Bridge {
			return true
		}
	}
	for _, n := range r.nets {
		if n.NetDev != w.NetDev && (n.number() == w.number() || n.Bridge == w.Bridge) {
			return true
		}
	}
	s := findParts(w, r.h)
	return !s.up && s.checkNames(r.h) != nil
}

// foreign says whether the bridge that has its name from the number has somebody
// else's ports. When a number is searched for, such a one is passed over. A call that
// gives nothing has to be refused instead, because its guests are told xenbr0.
func (r *resolver) foreign(w Spec) bool {
	s := findParts(w.numbered(), r.h)
	return !s.up && s.checkBridge(r.h) != nil
}

// numbered is the network with the names that are made from its number.
func (w Spec) numbered() Spec {
	if w.Bridge == "" {
		w.Bridge = bridgeNumbered(w.VifNum)
	}
	return w.onPair()
}
