package operate

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"xbr-script/bridge"
	"xbr-script/internal/config"
	"xbr-script/internal/refusal"
	"xbr-script/internal/testing/nstest"
)

func TestMain(m *testing.M) {
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

// outcome is what a call returned and said.
type outcome struct {
	*Result
	err    error
	stderr string // what the user was told, including the error
}

// ok is nil if the call succeeded; a status succeeds if the bridges are as
// asked.
func (o outcome) ok() error {
	if o.err != nil || o.Report == nil {
		return o.err
	}
	if o.Report.Unfinished != "" {
		return fmt.Errorf("%q did not end", o.Report.Unfinished)
	}
	for _, b := range o.Report.Bridges {
		if b.State != bridge.Up {
			return fmt.Errorf("%s is %s: %q", b.Bridge, b.State, append(b.Differences, b.AntiSpoof.Wrong...))
		}
	}
	return nil
}

// doCall runs the program once, in this process; prepare may change the call
// before it runs. Tests that look at what it says do not run in parallel: the lock is
// held as long as a process has it that another test has just forked, and the next call
// would say that it waits.
func doCall(ctx context.Context, t *testing.T, line string, prepare func(*Call)) outcome {
	t.Helper()
	args := strings.Fields(line)
	req, err := config.Parse(args, config.Source{ReadFile: func(string) ([]byte, error) { return nil, fs.ErrNotExist }})
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	c := &Call{Request: req, Args: args, Note: func(text string) { stderr.WriteString("xbr-script: " + text + "\n") }}
	if prepare != nil {
		prepare(c)
	}
	r, err := c.Run(ctx)
	if err != nil {
		stderr.WriteString(refusal.Text(err))
	}
	return outcome{r, err, stderr.String()}
}

// must runs a call that has to succeed.
func must(t *testing.T, line string) {
	t.Helper()
	if r := doCall(t.Context(), t, line, nil); r.ok() != nil {
		t.Fatalf("%s: %v, %s", line, r.ok(), r.stderr)
	}
}
