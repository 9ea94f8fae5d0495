package host

import (
	"encoding/json"
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
)

// TestStationIn tells the interfaces of Wi-Fi that cannot be ports from those that can.
func TestStationIn(t *testing.T) {
	const index = 7
	message := func(kind uint32, four []byte) []byte {
		m := rtnl.Msg{Body: make([]byte, rtnl.SizeofGenl)}
		body := m.Body
		for _, a := range []struct {
			typ   uint16
			value []byte
		}{{unix.NL80211_ATTR_IFINDEX, rtnl.U32Bytes(index)}, {unix.NL80211_ATTR_IFTYPE, rtnl.U32Bytes(kind)}, {unix.NL80211_ATTR_4ADDR, four}} {
			if a.value != nil {
				body = append(body, nl.NewRtAttr(int(a.typ), a.value).Serialize()...)
			}
		}
		return body
	}
	for name, c := range map[string]struct {
		body []byte
		want int
	}{
		"a station":               {message(unix.NL80211_IFTYPE_STATION, []byte{0}), index},
		"of an older kernel":      {message(unix.NL80211_IFTYPE_STATION, nil), index},
		"with four addresses":     {message(unix.NL80211_IFTYPE_STATION, []byte{1}), 0},
		"in an ad-hoc network":    {message(unix.NL80211_IFTYPE_ADHOC, []byte{0}), index},
		"of a group of two":       {message(unix.NL80211_IFTYPE_P2P_CLIENT, []byte{0}), index},
		"an access point":         {message(unix.NL80211_IFTYPE_AP, []byte{0}), 0},
		"a radio without a name":  {nil, 0},
		"a message without types": {make([]byte, rtnl.SizeofGenl), 0},
	} {
		if got := stationIn(c.body); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// TestStationInFile: a file that stands for a host tells of it.
func TestStationInFile(t *testing.T) {
	was := &Host{Links: []*Link{{Index: 2, Name: "wlan0"}, {Index: 3, Name: "eth0"}}, Stations: []int{2}, Asked: &Asked{}}
	data, err := json.Marshal(was)
	if err != nil {
		t.Fatal(err)
	}
	var now Host
	if err := json.Unmarshal(data, &now); err != nil || !now.IsStation(now.Name("wlan0")) || now.IsStation(now.Name("eth0")) {
		t.Errorf("%v: %s", err, data)
	}
}
