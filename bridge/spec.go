package bridge

import (
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

// Spec is one bridge as it is to be, with every name settled.
type Spec struct {
	VifNum int
	Bridge string // the bridge
	NetDev string // the NIC before start
	PDev   string // the NIC after start
	VDev   string // dom0's interface before it takes its name, see Dom0
	VIF    string // dom0's port in the bridge, "" if it has none
	Shape  Shape
	// Strayed is the index of the NIC if it is a port, and somebody has given it another
	// name than PDev; else 0.
	Strayed int

	// Unfit are the words of the request that do not fit what is up, for status:
	// start and stop are refused then.
	Unfit []string

	AntiSpoof   config.AntiSpoof // antispoof=
	GuestsAllow bool             // guests=allow

	// Why says where the values that were not named come from, for status
	// and the log.
	Why []string
}

// refuse is the error for a host or a request with which nothing can be done.
func refuse(hint, format string, args ...any) error { return refusal.New(hint, format, args...) }

// isEthN says whether a name is eth and a number.
func isEthN(name string) bool { return name == "eth"+trailingDigits(name) && name != "eth" }

// trailingDigits are the digits at the end of a name.
func trailingDigits(name string) string { return name[len(strings.TrimRight(name, "0123456789")):] }

// onBridge says whether the bridge is dom0's interface (dom0=bridge).
func (w Spec) onBridge() bool { return w.Shape == OnBridge }

// Dom0 is the name of dom0's interface after start: the NIC's own, or that of
// the bridge.
func (w Spec) Dom0() string {
	if w.onBridge() {
		return w.Bridge
	}
	return w.NetDev
}

// onPair names the parts of a bridge in which dom0 has a port.
func (w Spec) onPair() Spec {
	w.VDev = "veth" + strconv.Itoa(w.VifNum)
	w.VIF, w.Shape = "vif0."+strconv.Itoa(w.VifNum), Veth
	return w
}

// onTop names the parts of a bridge that is dom0's interface itself. While the NIC
// still has its name, the bridge that is to get it has another one, which is not too
// long, just like the NIC's second name.
func (w Spec) onTop() Spec {
	w.VDev, w.VIF, w.Shape = w.Bridge, "", OnBridge
	if w.Bridge == w.NetDev {
		w.VDev = spareName(w.NetDev)
	}
	return w
}

// carrying is the bridge that has dom0's addresses in place of a NIC that has its
// second name, nil if there is none. A bridge beside dom0's interface has the MAC
// address that ports have, and a guest's port is no NIC, whatever it is called.
func carrying(netdev string, h *host.Host) *host.Link {
	nic, dev := h.Name(SecondName(netdev)), h.Name(netdev)
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
	if br == nil || br.Kind != "bridge" || sameMAC(br.MAC, portMAC) || noGuest(nic) == "" {
		return nil
	}
	return br
}

// netDevOf is the default of netdev=: with a number, the NIC of that number.
func netDevOf(b config.Bridge, h *host.Host) (name, reason string) {
	dev, isDefault := defaultDevice(h)
	const byNumber = "eth and the vifnum"
	if b.VifNum == nil {
		if isDefault {
			return dev, "the default route's device"
		}
		return "eth0", byNumber
	}
	eth := "eth" + strconv.Itoa(*b.VifNum)
	switch {
	case !isDefault:
		return eth, byNumber
	case eth == dev:
		return eth, "the default route's device"
	case isEthN(dev) || h.Name(eth) != nil:
		return eth, byNumber
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

// ownName is an interface's name, or for a bridge that has taken a NIC's place the
// NIC's first name.
func ownName(dev *host.Link, h *host.Host) string {
	for _, port := range h.Ports(dev.Index) {
		for _, netdev := range firstNames(port.Name, h) {
			if carrying(netdev, h) == dev {
				return netdev
			}
		}
	}
	return dev.Name
}

// outDevice is the index of the interface that a route leaves by, that of the first
// leg if it has several.
func outDevice(m rtnl.Msg) int {
	if oif := m.U32(unix.RTA_OIF); oif != 0 {
		return int(oif)
	}
	for leg := range rtnl.Legs(m.Get(unix.RTA_MULTIPATH)) {
		return int(rtnl.U32(leg[4:8]))
	}
	return 0
}
