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
)

// nameMax is how many bytes an interface name may have (IFNAMSIZ less the
// NUL).
const nameMax = unix.IFNAMSIZ - 1

// Want is one bridge as it shall be, every name settled.
type Want struct {
	VifNum int
	Bridge string // the bridge
	NetDev string // the NIC before start, dom0's interface after
	PDev   string // the NIC after start
	VDev   string // dom0's interface before it takes NetDev's name
	VIF    string // dom0's port in the bridge

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

// Resolve settles the names that the request leaves open, by the rules of
// Xen's network-bridge.
func Resolve(b config.Bridge, h *host.Host) (Want, error) {
	dev, isDefault := defaultDevice(h)
	w := Want{Bridge: b.Bridge, NetDev: b.NetDev, AntiSpoof: b.AntiSpoof, GuestsAllow: b.GuestsAllow}
	if b.VifNum != nil {
		w.VifNum = *b.VifNum
	} else {
		n, reason := numberOf(dev, isDefault)
		w.VifNum = n
		w.Why = append(w.Why, fmt.Sprintf("vifnum=%d, %s", n, reason))
	}
	if w.Bridge == "" {
		w.Bridge = "xenbr" + strconv.Itoa(w.VifNum)
	}
	if w.NetDev == "" {
		name, reason := netDevOf(b, w.VifNum, dev, isDefault, h)
		w.NetDev = name
		w.Why = append(w.Why, fmt.Sprintf("netdev=%s, %s", name, reason))
	}
	w.PDev = "p" + w.NetDev
	w.VDev = "veth" + strconv.Itoa(w.VifNum)
	w.VIF = "vif0." + strconv.Itoa(w.VifNum)
	if len(w.PDev) > nameMax {
		return w, refuse("give the interface a shorter name first: ip link set dev "+w.NetDev+" name eth"+strconv.Itoa(w.VifNum),
			"cannot rename %s to %s: an interface name has at most %d bytes", w.NetDev, w.PDev, nameMax)
	}
	return w, nil
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
				name, best, found = dev.Name, metric, true
			}
		}
		if found {
			return name, true
		}
	}
	return "", false
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
