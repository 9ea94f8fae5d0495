package ipcmd

import (
	"regexp"
	"testing"

	"xbr-script/internal/rtnl"
	"xbr-script/internal/testing/nstest"
)

// TestLinks sends linkMessages and portMessages in one namespace, and runs
// their rendered commands in another: the interfaces must be the same after
// each.
func TestLinks(t *testing.T) {
	for name, msgs := range map[string][]rtnl.Msg{"links": linkMessages(), "ports": portMessages()} {
		t.Run(name, func(t *testing.T) { sentAndTyped(t, msgs) })
	}
}

func sentAndTyped(t *testing.T, msgs []rtnl.Msg) {
	t.Helper()
	lines := Names(nil).Commands(msgs)
	var sent, typed []string
	t.Run("sent", func(t *testing.T) {
		nstest.New(t)
		c := dial(t)
		for i, m := range msgs {
			if refused, err := c.Send(rtnl.Pack(m)); err != nil || len(refused) > 0 {
				t.Fatal(lines[i], err, refused)
			}
			sent = append(sent, links(t))
		}
	})
	t.Run("typed", func(t *testing.T) {
		nstest.New(t)
		for _, line := range lines {
			nstest.Script(t, line)
			typed = append(typed, links(t))
		}
	})
	for i := range min(len(sent), len(typed)) {
		if sent[i] != typed[i] {
			t.Fatalf("%s\nafter the message:\n%s\nafter the command:\n%s", lines[i], sent[i], typed[i])
		}
		if i > 0 && sent[i] == sent[i-1] {
			t.Errorf("%s: has no effect", lines[i])
		}
	}
}

// moving is what changes by itself in a link's details.
var moving = regexp.MustCompile(`NO-CARRIER,|,LOWER_UP|,M-DOWN| \\w*(topology_change|designated)\w* \S+| \w+_timer +[\d.]+| qdisc \w+| state \w+|(?m)^ +(link/\w+ [0-9a-f:]+ brd [0-9a-f:]+)?`)

func links(t *testing.T) string {
	t.Helper()
	show := "ip -d link show; bridge mdb show | grep permanent; bridge fdb show | grep static; true"
	return moving.ReplaceAllString(nstest.Run(t, "sh", "-c", show), "$1")
}
