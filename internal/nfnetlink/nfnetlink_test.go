package nfnetlink

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/internal/testing/nstest"
)

func table(msg, flags int, name string) *nl.NetlinkRequest {
	return Request(msg, flags, unix.NFPROTO_INET, Text(unix.NFTA_TABLE_NAME, name))
}

// TestCommit carries transactions out as a whole or not at all, and uses the
// same socket again after one was refused.
func TestCommit(t *testing.T) {
	nstest.New(t)
	c, err := Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	before, err := Generation()
	if err != nil {
		t.Fatal(err)
	}
	hook := Nest(unix.NFTA_CHAIN_HOOK, U32(unix.NFTA_HOOK_HOOKNUM, unix.NF_INET_FORWARD), U32(unix.NFTA_HOOK_PRIORITY, 0))
	chain := func(name string, attrs ...*nl.RtAttr) *nl.NetlinkRequest {
		attrs = append(attrs, Text(unix.NFTA_CHAIN_TABLE, "a"), Text(unix.NFTA_CHAIN_NAME, name))
		return Request(unix.NFT_MSG_NEWCHAIN, unix.NLM_F_CREATE, unix.NFPROTO_INET, attrs...)
	}
	err = c.Commit(table(unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE, "a"), chain("base", hook, Text(unix.NFTA_CHAIN_TYPE, "filter")), chain("other"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what string
		err  error
		want unix.Errno
	}{
		{"one that cannot be, before one that could", c.Commit(table(unix.NFT_MSG_DELTABLE, 0, "no"), table(unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE, "b")), unix.ENOENT},
		{"one that cannot be, after one that could", c.Commit(table(unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE, "b"), table(unix.NFT_MSG_DELTABLE, 0, "no")), unix.ENOENT},
		{"one for what there was before", c.CommitAt(before, table(unix.NFT_MSG_DELTABLE, 0, "a")), unix.ERESTART},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v, want %v", c.what, c.err, c.want)
		}
	}
	chains, err := Chains()
	slices.SortFunc(chains, func(a, b Chain) int { return b.Hook - a.Hook })
	if want := []Chain{{unix.NFPROTO_INET, "a", "base", unix.NF_INET_FORWARD}, {unix.NFPROTO_INET, "a", "other", -1}}; err != nil || !slices.Equal(chains, want) {
		t.Errorf("chains %+v, want %+v; %v", chains, want, err)
	}
	now, err := Generation()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.CommitAt(now, table(unix.NFT_MSG_DELTABLE, 0, "a")); err != nil {
		t.Error(err)
	}
	if left, err := Chains(); err != nil || len(left) > 0 {
		t.Errorf("left %+v, %v", left, err)
	}
}

// leaver, in the environment, makes this test the process that leaves a connection.
const leaver = "XBR_TEST_LEAVER"

// TestLeave kills a process that has left its connection: the kernel removes the socket,
// and what belonged to it.
func TestLeave(t *testing.T) {
	if os.Getenv(leaver) != "" {
		leave(t)
		return
	}
	nstest.New(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^TestLeave$")
	cmd.Env = append(os.Environ(), leaver+"=1")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if line != "left\n" {
		t.Fatalf("it did not leave: %q, %v", line, err)
	}
	for end := time.Now().Add(20 * time.Second); sockets(t) > 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if n := sockets(t); n > 0 {
		t.Errorf("%d sockets are left", n)
	}
	if chains, err := Chains(); len(chains) > 0 || err != nil {
		t.Errorf("%v is left; %v", chains, err)
	}
}

// leave makes something that belongs to a connection, leaves that, says so, and waits to
// be killed.
func leave(t *testing.T) {
	const owner = 2 // NFT_TABLE_F_OWNER
	c, err := Dial()
	if err != nil {
		t.Fatal(err)
	}
	err = c.Commit(
		Request(unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE, unix.NFPROTO_INET, Text(unix.NFTA_TABLE_NAME, "a"), U32(unix.NFTA_TABLE_FLAGS, owner)),
		Request(unix.NFT_MSG_NEWCHAIN, unix.NLM_F_CREATE, unix.NFPROTO_INET, Text(unix.NFTA_CHAIN_TABLE, "a"), Text(unix.NFTA_CHAIN_NAME, "base")),
	)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Leave(); err != nil {
		t.Fatal(err)
	}
	_, _ = os.Stdout.WriteString("left\n")
	time.Sleep(time.Minute)
}

// sockets counts this namespace's sockets to netfilter, but for the kernel's own.
func sockets(t *testing.T) (n int) {
	t.Helper()
	list, err := os.ReadFile("/proc/thread-self/net/netlink")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(list)) {
		if f := strings.Fields(line); f[1] == "12" && f[2] != "0" { // NETLINK_NETFILTER, and the port
			n++
		}
	}
	return n
}
