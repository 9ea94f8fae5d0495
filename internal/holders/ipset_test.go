package holders

import (
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/nfnetlink"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/testing/nstest"
)

// TestIPSets makes sets of ipset with interfaces, and finds the one that eth0 is in.
func TestIPSets(t *testing.T) {
	nstest.New(t)
	nstest.Script(t, "ip link add eth0 type veth peer name lan0")
	conn, err := nfnetlink.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	send := func(command int, set string, attrs ...*nl.RtAttr) {
		t.Helper()
		attrs = append([]*nl.RtAttr{nl.NewRtAttr(ipsetProtocol, []byte{ipsetVersion}), nfnetlink.Text(ipsetName, set)}, attrs...)
		errs, err := conn.Each(nfnetlink.Raw(unix.NFNL_SUBSYS_IPSET<<8|command, unix.NLM_F_CREATE|unix.NLM_F_EXCL, unix.AF_INET, attrs...))
		if err != nil || errs[0] != nil {
			t.Skipf("this kernel has no such sets: %v, %v", err, errs)
		}
	}
	const create, add, revision, family, data, ip, cidr = 2, 9, 4, 5, 7, 1, 3 // IPSET_CMD_…, IPSET_ATTR_…
	for set, iface := range map[string]string{"wired": "eth0", "other": "lan0", "more": "eth0.5"} {
		send(create, set, nfnetlink.Text(ipsetType, "hash:net,iface"), nl.NewRtAttr(revision, []byte{5}), nl.NewRtAttr(family, []byte{unix.AF_INET}), nfnetlink.Nest(data))
		send(add, set, nfnetlink.Nest(data,
			nfnetlink.Nest(ip, nl.NewRtAttr(1|unix.NLA_F_NET_BYTEORDER, []byte{192, 0, 2, 0})), nl.NewRtAttr(cidr, []byte{24}), nfnetlink.Text(ipsetIface, iface)))
	}
	c, err := rtnl.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	h, err := host.Read(c)
	if err != nil {
		t.Fatal(err)
	}
	from := Interface{"eth0", h.Name("eth0").Index}
	for to, want := range map[string]string{
		"eth0": "ipset: the interface eth0 in wired: it means dom0's eth0",
		"br0":  "ipset: the interface eth0 in wired: dom0's interface is called br0 then: add it to wired, or give bridge=eth0, which keeps it",
	} {
		m := Move{Start: true, OnBridge: true, From: from, To: Interface{Name: to}}
		d := Read(c, h, []Move{m})
		all := findIPSets(d, m)
		if len(all) != 1 || all[0].String() != want || (all[0].Outcome == Breaks) != (to != "eth0") || len(d.Unknown) > 0 {
			t.Errorf("%s: %v, %v, want %s", to, all, d.Unknown, want)
		}
	}
}
