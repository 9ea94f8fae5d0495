package host

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
)

// TestErr: a question that cannot be asked is an error of the snapshot, and one
// that can be asked is not.
func TestErr(t *testing.T) {
	spent := AsTemporary(rtnl.Msg{Type: unix.RTM_NEWADDR, Body: make([]byte, unix.SizeofIfAddrmsg)}).
		With(unix.IFA_ADDRESS, make([]byte, 16))
	questions := map[string]func(*Host){
		"settings": func(h *Host) { h.Settings("lo") },
		"setting":  func(h *Host) { h.Setting("net/ipv4/ip_forward") },
		"pinned":   func(h *Host) { h.Pinned(1, net.HardwareAddr{2, 0, 0, 0, 0, 1}) },
		"rule":     func(h *Host) { h.HasRule("eth0") },
		"sticky":   func(h *Host) { h.Sticky(1, net.HardwareAddr{2, 0, 0, 0, 0, 1}) },
		"bridging": func(h *Host) { h.Bridging() },
		"sockets":  func(h *Host) { h.Spent(spent) },
		"new":      func(h *Host) { h.NewDevice() },
		"all":      func(h *Host) { _ = h.Ask("net/ipv4/ip_forward") },
	}
	c := dial(t, "")
	for name, ask := range questions {
		h := readHost(t, c)
		ask(h)
		if err := h.Err(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"pinned", "rule", "sticky", "bridging", "all"} {
		other, err := rtnl.Dial()
		if err != nil {
			t.Fatal(err)
		}
		h := readHost(t, other)
		if err := other.Close(); err != nil {
			t.Fatal(err)
		}
		copied := h.Moved(1, 2)
		questions[name](copied)
		if h.Err() == nil || copied.Err() == nil {
			t.Errorf("%s: no error of a socket that is closed", name)
		}
	}
	h := readHost(t, c)
	h.Links = append(h.Links, &Link{Index: 99, Name: "gone0"})
	h.Settings("gone0")
	if h.Err() == nil {
		t.Error("an interface that has gone meanwhile: no error")
	}
	for name, ask := range questions {
		h := &Host{Links: []*Link{{Index: 1, Name: "lo"}}}
		copied := h.Moved(1, 2)
		ask(copied)
		if h.Err() == nil || copied.Err() == nil {
			t.Errorf("%s: no error of a host that is data, and does not tell", name)
		}
	}
	h = &Host{}
	if h.Settings("eth0"); h.Err() != nil {
		t.Error("an interface that is not there: ", h.Err())
	}
}
