package bridge

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/config"
	"xbr-script/internal/host"
	"xbr-script/internal/refusal"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/shell"
)

// nameMax is how many bytes an interface name may have (IFNAMSIZ less the
// NUL).
const nameMax = unix.IFNAMSIZ - 1

// Want is one bridge as it shall be, every name settled.
type Want struct {
	VifNum int
	Bridge string // the bridge
	NetDev string // the NIC before start
	PDev   string // the NIC after start
	VDev   string // dom0's interface before it takes its name, see Dom0
	VIF    string // dom0's port in the bridge, "" if the bridge is dom0's interface

	// Otherwise says that it is up, but dom0= asks for the other kind of
	// interface than dom0 has.
	Otherwise bool `json:"-"`

	AntiSpoof   *bool // antispoof=, nil: not said
	GuestsAllow bool  // guests=allow

	// Why says where the values that were not named come from, for status
	// and the log.
	Why []string
}

// refuse is the error of a host or a request on which nothing can be done.
func refuse(hint, format string, args ...any) error { return refusal.New(hint, format, args...) }

// isEthN says whether a name is eth and a number.
func isEthN(name string) bool { return name == "eth"+trailingDigits(name) && name != "eth" }

// trailingDigits are the digits that end a name.
func trailingDigits(name string) string { return name[len(strings.TrimRight(name, "0123456789")):] }

// onBridge says whether the bridge is dom0's interface (dom0=bridge).
func (w Want) onBridge() bool { return w.VIF == "" }

// Dom0 is the name of dom0's interface after start: the NIC's own, or that of
// the bridge.
func (w Want) Dom0() string {
	if w.onBridge() {
		return w.Bridge
	}
	return w.NetDev
}

// Resolve settles the names that the request leaves open, by the rules of
// Xen's network-bridge: that of Xen 3.0 and 3.1, or with dom0=bridge that of
// 3.2 and later, which calls the bridge as the NIC was called. What is up
// already tells which of the two it is.
func Resolve(b config.Bridge, h *host.Host) (Want, error) {
	dev, isDefault := defaultDevice(h)
	w := Want{NetDev: b.NetDev, AntiSpoof: b.AntiSpoof, GuestsAllow: b.GuestsAllow}
	if b.VifNum != nil {
		w.VifNum = *b.VifNum
	} else {
		n, reason := numberOf(dev, isDefault)
		w.VifNum = n
		w.Why = append(w.Why, fmt.Sprintf("vifnum=%d, %s", n, reason))
	}
	if w.NetDev == "" {
		name, reason := netDevOf(b, w.VifNum, dev, isDefault, h)
		w.NetDev = name
		w.Why = append(w.Why, fmt.Sprintf("netdev=%s, %s", name, reason))
	}
	w.PDev = "p" + w.NetDev
	if len(w.PDev) > nameMax {
		return w, refuse("give the interface a shorter name first: ip link set dev "+shell.Quote(w.NetDev)+" name eth"+strconv.Itoa(w.VifNum),
			"cannot rename %s to %s: an interface name has at most %d bytes", w.NetDev, w.PDev, nameMax)
	}
	return w.shape(b, h)
}

// shape settles the names that depend on what dom0's interface is.
func (w Want) shape(b config.Bridge, h *host.Host) (Want, error) {
	live := carrying(w.NetDev, h)
	if live != nil && b.Bridge != "" && b.Bridge != live.Name {
		live = nil // another one is meant
	}
	dev := h.Name(w.NetDev)
	beside := h.Name(w.PDev) != nil && dev != nil && dev.Kind != "bridge" && b.Bridge != w.NetDev
	onBridge := live != nil || !beside && b.Bridge == w.NetDev
	if b.OnBridge != nil {
		w.Otherwise = (live != nil || beside) && *b.OnBridge != onBridge
		onBridge = *b.OnBridge != w.Otherwise
	}
	switch {
	case b.Bridge != "":
		w.Bridge = b.Bridge
	case live != nil:
		w.Bridge = live.Name
	case onBridge:
		w.Bridge = w.NetDev
		w.Why = append(w.Why, "bridge="+w.Bridge+", the name of the NIC")
	default:
		w.Bridge = "xenbr" + strconv.Itoa(w.VifNum)
	}
	if onBridge {
		return w.onTop(), nil
	}
	if w.Bridge == w.NetDev {
		return w, refuse("give the bridge a name that no interface has, such as bridge=xenbr0; or leave dom0=veth out, and the bridge itself has dom0's addresses",
			"cannot use %s both as bridge and as netdev", w.Bridge)
	}
	return w.onPair(), nil
}

// onPair names the parts of a bridge in which dom0 has a port.
func (w Want) onPair() Want {
	w.VDev = "veth" + strconv.Itoa(w.VifNum)
	w.VIF = "vif0." + strconv.Itoa(w.VifNum)
	return w
}

// onTop names the parts of a bridge that is dom0's interface itself. While the
// NIC still has its name, the bridge that shall get it has another one, which
// fits, as the NIC's second one does.
func (w Want) onTop() Want {
	w.VDev, w.VIF = w.Bridge, ""
	if w.Bridge == w.NetDev {
		w.VDev = "b" + w.NetDev
	}
	return w
}

// carrying is the bridge that has dom0's addresses in place of a NIC that has
// its second name, nil if there is none. A bridge beside dom0's interface has
// the MAC address of a port.
func carrying(netdev string, h *host.Host) *host.Link {
	nic, dev := h.Name("p"+netdev), h.Name(netdev)
	if nic == nil {
		return nil
	}
	if dev != nil {
		if dev.Kind == "bridge" {
			return dev
		}
		return nil
	}
	br := h.Index(nic.Master)
	if br == nil || br.Kind != "bridge" || sameMAC(br.MAC, portMAC) {
		return nil
	}
	return br
}

// numberOf is the default of vifnum=. A NIC that is named decides by its own
// digits only if it is the default route's device, as in the original.
func numberOf(dev string, isDefault bool) (int, string) {
	if !isDefault {
		return 0, "as there is no default route"
	}
	digits := trailingDigits(dev)
	if n, err := strconv.Atoi(digits); err == nil && n <= 4095 {
		return n, "the digits that end the default route's device " + dev
	}
	return 0, "as no digits end the default route's device " + dev
}

// netDevOf is the default of netdev=.
func netDevOf(b config.Bridge, n int, dev string, isDefault bool, h *host.Host) (string, string) {
	eth := "eth" + strconv.Itoa(n)
	switch {
	case !isDefault:
		return eth, "eth and the vifnum"
	case isEthN(dev):
		if eth == dev {
			return eth, "the default route's device"
		}
		return eth, "eth and the vifnum"
	case b.VifNum != nil && h.Name(eth) != nil:
		return eth, "eth and the vifnum"
	}
	return dev, "the default route's device"
}

// defaultDevice is the interface of the default route with the lowest
// metric, IPv4 before IPv6.
func defaultDevice(h *host.Host) (string, bool) {
	name, best, found := "", uint32(0), false
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		for _, m := range h.Routes {
			f := m.Fixed()
			if m.Family() != family || f[1] != 0 || f[4] != unix.RT_TABLE_MAIN || f[7] != unix.RTN_UNICAST {
				continue
			}
			dev := h.Index(outDevice(m))
			if metric := m.U32(unix.RTA_PRIORITY); dev != nil && (!found || metric < best) {
				name, best, found = ownName(dev, h), metric, true
			}
		}
		if found {
			return name, true
		}
	}
	return "", false
}

// ownName is an interface's name, or for a bridge that has taken a NIC's place
// the first name of that.
func ownName(dev *host.Link, h *host.Host) string {
	for _, port := range h.Ports(dev.Index) {
		if netdev, ok := strings.CutPrefix(port.Name, "p"); ok && carrying(netdev, h) == dev {
			return netdev
		}
	}
	return dev.Name
}

// outDevice is the index of the interface that a route leaves by, the first
// leg's where it has several.
func outDevice(m rtnl.Msg) int {
	if oif := m.U32(unix.RTA_OIF); oif != 0 {
		return int(oif)
	}
	for leg := range rtnl.Legs(m.Get(unix.RTA_MULTIPATH)) {
		return int(rtnl.U32(leg[4:8]))
	}
	return 0
}
