package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"xbr-script/internal/testing/nstest"
	"xbr-script/internal/testing/xend"
	"xbr-script/internal/testing/xenstored"
)

var update = flag.Bool("update", false, "write what the scripts compare with")

// TestMain lets the test binary be the program under each of its names, so
// that the scripts run the real one.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"xbr-script": main, "network-bridge": main, "vif-xbr": main, underFilter: filtered})
}

// TestScript runs testdata/script/*.txt, each in a network namespace of its
// own, and those about antispoof with both kinds of iptables. Besides
// testscript's commands they have "state save" and "state same", which compare
// the whole state of the network; "rules", which does so for iptables; "netns",
// which makes a namespace for a neighbour; "xend", which does what xend does when
// it starts; and "xenstored", which stands in for Xen's daemon.
func TestScript(t *testing.T) {
	about, err := filepath.Glob("testdata/script/antispoof*.txt")
	if err != nil {
		t.Fatal(err)
	}
	others, err := filepath.Glob("testdata/script/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	others = slices.DeleteFunc(others, func(file string) bool { return slices.Contains(about, file) })
	runScripts(t, others, nstest.IPTablesBackends[0])
	for _, backend := range nstest.IPTablesBackends {
		t.Run(backend, func(t *testing.T) { runScripts(t, about, backend) })
	}
}

func runScripts(t *testing.T, files []string, backend string) {
	t.Helper()
	seeds, err := filepath.Abs("testdata/seeds")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Files:               files,
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			nstest.New(env.T())
			env.Setenv("SEEDS", seeds)
			env.Setenv("REPO", filepath.Dir(filepath.Dir(seeds)))
			env.Values["states"] = map[string]nstest.State{}
			env.Values["rules"] = map[string]nstest.State{}
			nstest.IPTables(env.T(), backend)
			return layOut(env)
		},
		Condition: func(cond string) (bool, error) { return cond == backend, nil },
		Cmds:      map[string]func(*testscript.TestScript, bool, []string){"state": state, "rules": rules, "xend": startXend, "netns": netns, "xenstored": xenstore},
	})
}

// layOut gives dom0 what both seeds begin with: eth0 with addresses and a
// gateway on a LAN, eth1 and eth2 without. An ifb stands in for dummy0, as not
// every kernel has that driver.
func layOut(env *testscript.Env) error {
	t := adapter{env.T()}
	nstest.Script(t, `
ip link add eth0 address 00:16:3e:00:00:01 type veth peer name lan0
ip link add eth1 address 00:16:3e:00:00:02 type veth peer name lan1
ip link add eth2 address 00:16:3e:00:00:03 type veth peer name lan2
ip link add dummy0 address 00:16:3e:00:00:04 type ifb
for i in 0 1 2; do ip link set lan$i addrgenmode none; ip link set lan$i up; ip link set eth$i up; done
ip link set dummy0 up; ip link set dummy0 down # what has been up once has a queue
ip addr add 192.168.0.2/24 broadcast 192.168.0.255 dev eth0
ip addr add 192.168.0.3/24 dev eth0
ip addr add 2001:db8::2/64 dev eth0 nodad
ip route add default via 192.168.0.1
ip -6 route add default via 2001:db8::1
for i in 0 1 2; do ip link set eth$i addrgenmode none; ip -6 addr flush dev eth$i scope link; done
ip -6 addr add fe80::1:2/64 dev eth0 nodad
# the kernel finishes in the background
until ip -6 route show table local | grep -q fe80::1:2; do sleep 0.02; done
sleep 0.1
`)
	// The namespace has an /etc/xen of its own.
	for _, dir := range []string{"etc/xen/scripts"} {
		if err := os.MkdirAll(filepath.Join(env.WorkDir, dir), 0o755); err != nil {
			return err
		}
	}
	nstest.Script(t, nstest.OwnEtcXen)
	return nil
}

// adapter makes testscript's T fit nstest.
type adapter struct{ testscript.T }

// state is the script command: "state save NAME", "state same NAME".
func state(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: state save|same NAME")
	}
	t := scriptT{ts}
	states := ts.Value("states").(map[string]nstest.State)
	switch args[0] {
	case "save":
		states[args[1]] = nstest.ReadState(t)
	case "same":
		diff := nstest.Settled(t, states[args[1]], nstest.Whole)
		if (diff == "") == neg {
			ts.Fatalf("state %s: %s", args[1], diff)
		}
	}
}

// netns is the script command "netns NAME".
func netns(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: netns NAME")
	}
	nstest.Netns(scriptT{ts}, args[0])
}

// xenstore is the script command "xenstored": from now on there is a xenstore, which knows
// what is below the folder xenstore.
func xenstore(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 0 {
		ts.Fatalf("usage: xenstored")
	}
	err := os.MkdirAll(filepath.Dir(xenstored.Socket), 0o755)
	if err == nil {
		var stop func()
		if stop, err = xenstored.Serve(xenstored.Socket, ts.MkAbs("xenstore")); err == nil {
			ts.Defer(stop)
		}
	}
	ts.Check(err)
}

// rules is the script command: "rules save NAME", "rules same NAME".
func rules(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: rules save|same NAME")
	}
	saved := ts.Value("rules").(map[string]nstest.State)
	now := nstest.State{Sections: []nstest.Section{{Name: "rules", Lines: strings.Split(nstest.Rules(scriptT{ts}), "\n")}}}
	switch args[0] {
	case "save":
		saved[args[1]] = now
	case "same":
		if diff := saved[args[1]].Diff(now); (diff == "") == neg {
			ts.Fatalf("rules %s: %s", args[1], diff)
		}
	}
}

// startXend is the script command "xend NAME [VERSION COMMAND]": it does with
// testdata/xend/NAME.sxp what xend does when it starts, by default that of 4.0.
// It fails where the program fails; xend itself would ignore that.
func startXend(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 && len(args) != 3 {
		ts.Fatalf("usage: xend NAME [VERSION COMMAND]")
	}
	file, version := args[0]+".sxp", xend.Xen40
	if len(args) == 3 {
		i := slices.IndexFunc(xend.Versions, func(v xend.Version) bool { return v.String() == args[1] })
		if i < 0 {
			ts.Fatalf("no version of xend is called %s", args[1])
		}
		if version = xend.Versions[i]; !version.Runs(args[2]) {
			return
		}
	}
	command, err := version.NetworkScript(ts.ReadFile(filepath.Join(ts.Getenv("REPO"), "testdata", "xend", file)))
	if err != nil {
		err = fmt.Errorf("%s: %w", file, err)
	} else if command != nil {
		err = ts.Exec("env", append([]string{"-C", "/"}, command...)...)
	}
	if (err != nil) != neg {
		ts.Fatalf("xend %s: %v", file, err)
	}
}

// scriptT makes a running script fit nstest as its T.
type scriptT struct{ ts *testscript.TestScript }

func (s scriptT) Skip(args ...any)  { s.ts.Fatalf("%s", fmt.Sprint(args...)) }
func (s scriptT) Fatal(args ...any) { s.ts.Fatalf("%s", fmt.Sprint(args...)) }
