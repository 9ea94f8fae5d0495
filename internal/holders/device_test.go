package holders

import (
	"strings"
	"testing"
)

// TestHandler has lines of /proc/net/ptype: only what is for one interface, and no socket,
// loses its frames.
func TestHandler(t *testing.T) {
	for line, want := range map[string]string{
		"88ca eth0     tipc_l2_rcv_msg [tipc]": "eth0: for frames of type 88ca, tipc_l2_rcv_msg [tipc]",
		"8906 eth0     fcoe_rcv [fcoe]":        "eth0: for frames of type 8906, fcoe_rcv [fcoe]",
		"88ca eth0     tipc_l2_rcv_msg":        "eth0: for frames of type 88ca, tipc_l2_rcv_msg",
		"ALL  eth0     packet_rcv":             "",
		"88cc eth0     packet_rcv":             "",
		"0800 eth0     tpacket_rcv":            "",
		"8864 eth0     packet_rcv_fanout":      "",
		"0800          ip_rcv":                 "",
		"8864          pppoe_rcv [pppoe]":      "",
		"88a2          aoenet_rcv [aoe]":       "",
		"":                                     "",
	} {
		name, u, ok := handler(strings.Fields(line))
		got := ""
		if ok {
			got = name + ": " + u.What
		}
		if got != want {
			t.Errorf("%q: %q, and not %q", line, got, want)
		}
	}
}
