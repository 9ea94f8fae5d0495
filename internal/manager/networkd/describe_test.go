package networkd

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"xbr-script/internal/host"
	"xbr-script/internal/manager"
	"xbr-script/internal/testing/nstest"
)

// varlink has systemd-networkd answer every question with that; with "" it does not. The
// questions are sent on.
func varlink(t *testing.T, answer string) <-chan string {
	t.Helper()
	nstest.Script(t, "mkdir -p /run/systemd/netif /run/systemd/units; ln -sf x /run/systemd/units/invocation:"+unit)
	l, err := net.Listen("unix", varlinkSocket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	asked := make(chan string, 10)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			question, _ := bufio.NewReader(conn).ReadString(0)
			asked <- question
			if answer != "" {
				_, _ = conn.Write([]byte(answer + "\x00"))
				_ = conn.Close()
			}
		}
	}()
	return asked
}

// TestAsked finds out by asking what no file tells, as with systemd 262.
func TestAsked(t *testing.T) {
	const id = `"ClientIdentifier":[255,154,195,231,185,0,2,0,0,171,17]`
	for name, c := range map[string]struct {
		answer, iaid string
		leased       bool
	}{
		"leased":         {`{"parameters":{"Interface":{"DHCPv4Client":{"Lease":{"Timeout1USec":7},` + id + `}}}}`, "2596530105", true},
		"no lease":       {`{"parameters":{"Interface":{"DHCPv4Client":{` + id + `}}}}`, "2596530105", false},
		"by MAC":         {`{"parameters":{"Interface":{"DHCPv4Client":{"Lease":{},"ClientIdentifier":[1,82,84,0,18,0,0]}}}}`, "", true},
		"static":         {`{"parameters":{"Interface":{"Name":"eth0"}}}`, "", false},
		"version 257":    {`{"error":"org.varlink.service.InterfaceNotFound","parameters":{"interface":"io.systemd.Network.Link"}}`, "", false},
		"something else": {`?`, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStates(t)
			asked := varlink(t, c.answer)
			s.say("eth0", "configured", own, false)
			index := s.index("eth0")
			k, err := look("", []manager.Move{{From: &host.Link{Index: index, Name: "eth0"}}})
			if err != nil {
				t.Fatal(err)
			}
			if l := k.links[index]; l.leased != c.leased || l.iaid4 != c.iaid {
				t.Errorf("%+v", l)
			}
			if got, want := <-asked, fmt.Sprintf(`{"method":"io.systemd.Network.Link.Describe","parameters":{"InterfaceIndex":%d}}`+"\x00", index); got != want {
				t.Errorf("asked %q", got)
			}
			if has, err := hasLease("eth0"); err != nil || has != c.leased {
				t.Error(has, err)
			}
		})
	}
}

// TestNotAsked does not ask where there is no need, or nobody.
func TestNotAsked(t *testing.T) {
	for name, c := range map[string]struct {
		state string
		make  string
	}{
		"a lease in a file": {"configured", "mkdir -p " + leasesDir + "; echo ADDRESS=192.0.2.2 >" + leasesDir + "/INDEX"},
		"unmanaged":         {"unmanaged", ""},
		"it does not run":   {"configured", "rm /run/systemd/units/*"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStates(t)
			asked := varlink(t, `{}`)
			s.say("eth0", c.state, own, false)
			index := s.index("eth0")
			nstest.Script(t, strings.ReplaceAll(c.make, "INDEX", fmt.Sprint(index)))
			l := linkOf(t, index)
			if err := l.ask(index); err != nil || len(asked) != 0 {
				t.Error(err, len(asked))
			}
		})
	}
	s := newStates(t)
	s.say("eth0", "configured", own, false)
	nstest.Script(t, "mkdir -p /run/systemd/units; ln -sf x /run/systemd/units/invocation:"+unit)
	l := linkOf(t, s.index("eth0"))
	if err := l.ask(s.index("eth0")); err != nil {
		t.Errorf("no socket: %v", err)
	}
}

// TestMute refuses a plan if it does not answer, and tells of it what can be told.
func TestMute(t *testing.T) {
	limit := answerLimit
	answerLimit = 50 * time.Millisecond
	t.Cleanup(func() { answerLimit = limit })
	s := newStates(t)
	varlink(t, "")
	s.say("eth0", "configured", own, false)
	nstest.Script(t, "mkdir -p "+filepath.Dir(own))
	if err := os.WriteFile(own, []byte(byName), 0o600); err != nil {
		t.Fatal(err)
	}
	move := manager.Move{From: &host.Link{Index: s.index("eth0"), Name: "eth0"}}
	if _, err := look("", []manager.Move{move}); err == nil {
		t.Error("it is planned")
	}
	if keeper, err := (Manager{}).Keeper(t.Context(), move); err != nil || keeper == nil || keeper.By != filepath.Base(own) {
		t.Error(keeper, err)
	}
}
