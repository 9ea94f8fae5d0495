package antispoof

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/nfnetlink"
	"xbr-script/internal/testing/nstest"
)

// nftTable makes a table with a chain at the forward hook, as firewalld does.
func nftTable(t *testing.T, family uint8, table string) {
	t.Helper()
	c, err := nfnetlink.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	err = c.Commit(
		nfnetlink.Request(unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE, family, nfnetlink.Text(unix.NFTA_TABLE_NAME, table)),
		nfnetlink.Request(unix.NFT_MSG_NEWCHAIN, unix.NLM_F_CREATE, family,
			nfnetlink.Text(unix.NFTA_CHAIN_TABLE, table), nfnetlink.Text(unix.NFTA_CHAIN_NAME, "filter_FORWARD"),
			nfnetlink.Nest(unix.NFTA_CHAIN_HOOK, nfnetlink.U32(unix.NFTA_HOOK_HOOKNUM, unix.NF_INET_FORWARD), nfnetlink.U32(unix.NFTA_HOOK_PRIORITY, 10)),
			nfnetlink.Text(unix.NFTA_CHAIN_TYPE, "filter")))
	if err != nil {
		t.Fatal(err)
	}
}

// TestNFTables has rules of nftables beside those of iptables: start says so
// once, and status says so, too.
func TestNFTables(t *testing.T) {
	each(t, func(t *testing.T, backend string) {
		d := newDom0(t, backend)
		a := d.bridge(0)
		a.Addrs = a.Addrs[:1]
		nstest.Script(t, "iptables -P FORWARD DROP\nip6tables -P FORWARD DROP")
		if _, notes := d.start(yes(a)); says(notes, "nftables") {
			t.Errorf("notes without others' rules: %q", notes)
		}
		d.stop(a)
		nftTable(t, unix.NFPROTO_INET, "firewalld")
		nftTable(t, unix.NFPROTO_IPV6, "mine")
		nftTable(t, unix.NFPROTO_BRIDGE, "frames")
		const want = "nftables has rules of its own for what is forwarded, and what crosses the bridge passes them too from now on: inet firewalld, ip6 mine"
		if _, notes := d.start(yes(a)); !says(notes, want) {
			t.Errorf("notes: %q", notes)
		}
		if _, notes := d.start(yes(a)); len(notes) > 0 {
			t.Errorf("notes of a second start: %q", notes)
		}
		if st, err := d.planner.Status(a); err != nil || !st.InForce || len(st.Notes) != 1 {
			t.Errorf("status: %+v %v", st, err)
		}
	})
}

// TestDropTable does not remove a table that has changed meanwhile.
func TestDropTable(t *testing.T) {
	t.Parallel()
	d := newDom0(t, "nft")
	nstest.Script(t, "iptables -t raw -N SOME\niptables -t raw -X SOME")
	gen, err := nfnetlink.Generation()
	if err != nil {
		t.Fatal(err)
	}
	nstest.Script(t, "iptables -A FORWARD -s 192.0.2.1 -j DROP")
	if err := dropTable(ipv4, "raw", gen); !errors.Is(err, unix.ERESTART) {
		t.Errorf("a table was removed though something had changed: %v", err)
	}
	for _, c := range []struct{ commands, left string }{
		{"iptables -t raw -A OUTPUT -j ACCEPT", "raw filter"},
		{"iptables -t raw -F OUTPUT", "filter"},
		{"iptables -D FORWARD -s 192.0.2.1 -j DROP\niptables -P FORWARD DROP", "filter"},
		{"iptables -P FORWARD ACCEPT\niptables -N MINE", "filter"},
		{"iptables -X MINE", ""},
	} {
		nstest.Script(t, c.commands)
		op := &dropTables{Program: "iptables", Tables: []string{"raw", "filter"}}
		if err := op.Do(t.Context(), false); err != nil {
			t.Error(err)
		}
		p, err := open(t.Context(), "iptables")
		if err != nil {
			t.Fatal(err)
		}
		s, err := read(p)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(s.tables, " "); got != c.left {
			t.Errorf("after %q: %q", c.commands, d.saved())
		}
	}
}
