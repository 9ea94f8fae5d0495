package cli

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netlink/nl"

	"xbr-script/internal/config"
	"xbr-script/internal/nstest"
)

func TestMain(m *testing.M) {
	nl.NativeEndian() // finds it out at the first call, unguarded: before tests run side by side
	os.Exit(m.Run())
}

// lan is dom0's eth0 with a gateway on its link, and a second NIC.
const lan = `
	netns lan
	ip link add eth0 address 00:16:3e:00:00:01 type veth peer name lan0 netns lan
	ip link add eth1 address 00:16:3e:00:00:02 type veth peer name lan1 netns lan
	ip addr add 192.168.0.2/24 dev eth0
	ip addr add 2001:db8::2/64 dev eth0 nodad
	ip link set eth0 up
	ip link set eth1 up
	ip -n lan addr add 192.168.0.1/24 dev lan0
	ip -n lan addr add 2001:db8::1/64 dev lan0 nodad
	ip -n lan link set lan0 up
	ip -n lan link set lan1 up
	ip route add default via 192.168.0.1
	ip -6 route add default via 2001:db8::1
	until ping -qc1 -W1 192.168.0.1 && ping -qc1 -W1 2001:db8::1; do sleep 0.1; done`

// newHost makes a host in a namespace of its own.
func newHost(t *testing.T, script string) {
	t.Helper()
	nstest.New(t)
	nstest.Script(t, script)
	nstest.Rest(t)
}

// result is what a call came to.
type result struct {
	status         int
	stdout, stderr string
}

// doCall is one call of the program, in this process; prepare may change it
// before it runs.
func doCall(ctx context.Context, t *testing.T, line string, prepare func(*call)) result {
	t.Helper()
	args := strings.Fields(line)
	req, err := config.Parse(args, config.Source{ReadFile: func(string) ([]byte, error) { return nil, fs.ErrNotExist }})
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	c := newCall(req, args, &stdout, &stderr)
	if prepare != nil {
		prepare(c)
	}
	status, err := c.run(ctx)
	if err != nil {
		status = complain(&stderr, err)
	}
	return result{status, stdout.String(), stderr.String()}
}

// must is a call that has to succeed.
func must(t *testing.T, line string) {
	t.Helper()
	if r := doCall(t.Context(), t, line, nil); r.status != done {
		t.Fatalf("%s: exit status %d, %s", line, r.status, r.stderr)
	}
}
