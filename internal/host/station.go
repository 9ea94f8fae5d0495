package host

import (
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
)

// stations are the interfaces of Wi-Fi that take part in a network of another one's: an access
// point takes frames from their own MAC address alone, and so the kernel makes them no port of a
// bridge (IFF_DONT_BRIDGE, in net/wireless/core.c and util.c), unless they send with four
// addresses. Only where there is such hardware is nl80211 asked.
func (h *Host) stations() (all []int, err error) {
	if !slices.ContainsFunc(h.Links, (*Link).isWiFi) {
		return nil, nil
	}
	c, err := rtnl.DialGeneric()
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }() // it was only read
	family, err := c.Family(unix.NL80211_GENL_NAME)
	if err != nil || family == 0 {
		return nil, err
	}
	const version = 1
	msgs, err := c.Dump(family, []byte{unix.NL80211_CMD_GET_INTERFACE, version, 0, 0})
	for _, m := range msgs {
		if index := stationIn(m.Body); index != 0 {
			all = append(all, index)
		}
	}
	return all, err
}

// IsStation says whether an interface is one of these.
func (h *Host) IsStation(l *Link) bool { return slices.Contains(h.Stations, l.Index) }

// isWiFi says whether there is hardware of Wi-Fi behind an interface. What has a kind is
// virtual.
func (l *Link) isWiFi() bool {
	if !l.Ethernet || l.Kind != "" {
		return false
	}
	_, err := os.Lstat("/sys/class/net/" + l.Name + "/phy80211")
	return err == nil
}

// stationIn is the index of the interface that a message of nl80211 is about, if that cannot be
// a port; else 0.
func stationIn(body []byte) int {
	if len(body) < rtnl.SizeofGenl {
		return 0
	}
	attrs := body[rtnl.SizeofGenl:]
	switch rtnl.U32(rtnl.FindAttr(attrs, unix.NL80211_ATTR_IFTYPE)) {
	case unix.NL80211_IFTYPE_STATION, unix.NL80211_IFTYPE_P2P_CLIENT, unix.NL80211_IFTYPE_ADHOC:
	default:
		return 0
	}
	if four := rtnl.FindAttr(attrs, unix.NL80211_ATTR_4ADDR); len(four) == 1 && four[0] != 0 {
		return 0
	}
	return int(rtnl.U32(rtnl.FindAttr(attrs, unix.NL80211_ATTR_IFINDEX)))
}
