package nfnetlink

import (
	"errors"
	"slices"
	"testing"

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
