package bridge

import (
	"slices"
	"strings"

	"xbr-script/internal/guest"
	"xbr-script/internal/host"
	"xbr-script/internal/shell"
)

// SecondName is the name of a NIC as a port: a p and its own. If that is too long for
// the kernel (IFNAMSIZ), the p takes the place of the first character: enx001122334455
// becomes pnx001122334455, as what tells two NICs apart stands at the end.
func SecondName(netdev string) string { return marked("p", "q", netdev) }

// spareName is what a bridge is called that is to get the NIC's name, while the NIC
// still has it.
func spareName(netdev string) string { return marked("b", "c", netdev) }

// marked puts a mark before a name, or in place of its first character where there is
// no room; then a name that begins with the mark gets the other one, as it would stay
// the same.
func marked(mark, other, name string) string {
	switch {
	case len(name) != nameMax:
		return mark + name
	case name[:1] == mark:
		return other + name[1:]
	}
	return mark + name[1:]
}

// firstNames are the names that a NIC can have had if its second one is that, the
// likeliest first. A name that has lost its first character is that of an interface
// that is there; or it began with e, as the names of Ethernet NICs do; or it is one of
// those that were given.
func firstNames(second string, h *host.Host, given ...string) []string {
	short, ok := strings.CutPrefix(second, "p")
	switch {
	case len(second) != nameMax && ok && short != "":
		return []string{short}
	case len(second) != nameMax || !ok && second[0] != 'q':
		return nil
	}
	var names []string
	for _, l := range h.Links {
		if SecondName(l.Name) == second {
			names = append(names, l.Name)
		}
	}
	if long := "e" + second[1:]; ok && guest.IsNIC(long) && !guest.IsNIC(short) {
		names = append(names, long)
	}
	for _, name := range given {
		if SecondName(name) == second {
			names = append(names, name)
		}
	}
	if ok {
		names = append(names, short)
	}
	return names
}

// checkSecond refuses a NIC whose second name another one has, or gets in the same
// call.
func (r *resolver) checkSecond(w Spec) error {
	i := slices.IndexFunc(r.nets, func(n network) bool { return n.live && n.PDev == w.PDev && n.NetDev != w.NetDev })
	j := slices.IndexFunc(r.specs, func(o Spec) bool { return o.PDev == w.PDev && o.NetDev != w.NetDev })
	var other Spec
	switch {
	case i >= 0:
		other = r.nets[i].Spec
	case j >= 0:
		other = r.specs[j]
	default:
		return nil
	}
	return refuse("let udev give one of them a shorter name at the next boot (systemd.link(5), Name=), and leave it out until then",
		"cannot rename %s to %s: that is the name of %s as a port of %s", w.NetDev, w.PDev, other.NetDev, other.Bridge)
}

// renamed is the hint to give an interface another name. With addresses it may be the
// one that somebody is logged in over, and whoever configures it may go by its name.
func renamed(h *host.Host, l *host.Link, name string) string {
	if carrier(h, l, map[int]bool{}) != "" {
		return "let udev give it another name at the next boot (systemd.link(5), Name=)"
	}
	return "rename it: ip link set dev " + shell.Quote(name) + " name " + shell.Quote(name[:min(len(name), nameMax-len("-old"))]+"-old")
}
