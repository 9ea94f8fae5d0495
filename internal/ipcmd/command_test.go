package ipcmd

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
	"xbr-script/internal/shell"
)

// attr is an attribute in wire form.
func attr(typ uint16, values ...[]byte) []byte {
	value := slices.Concat(values...)
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
	b = append(binary.NativeEndian.AppendUint16(b, typ), value...)
	return append(b, make([]byte, -len(b)&3)...)
}

func str(typ uint16, s string) []byte { return attr(typ, []byte(s), []byte{0}) }
func num(typ uint16, v uint32) []byte { return attr(typ, rtnl.U32Bytes(v)) }

// link is the body of a message about a link.
func link(index int, flags, change uint32, attrs ...[]byte) []byte {
	b := binary.NativeEndian.AppendUint32([]byte{0, 0, 0, 0}, uint32(index))
	b = binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint32(b, flags), change)
	return append(b, slices.Concat(attrs...)...)
}

func kind(name string, data ...[]byte) []byte {
	return attr(unix.IFLA_LINKINFO, str(unix.IFLA_INFO_KIND, name), attr(unix.IFLA_INFO_DATA, data...))
}

const (
	create  = unix.NLM_F_CREATE | unix.NLM_F_EXCL
	replace = unix.NLM_F_CREATE | unix.NLM_F_REPLACE
)

func set(index int, attrs ...[]byte) rtnl.Msg {
	return rtnl.Msg{Type: unix.RTM_NEWLINK, Flags: 0, Body: link(index, 0, 0, attrs...)}
}

// linkMessages make, change and remove interfaces, one after the other.
func linkMessages() []rtnl.Msg {
	addr := func(b byte) []byte { return attr(unix.IFLA_ADDRESS, []byte{2, 0, 0, 0, 0, b}) }
	altnames := attr(unix.NLA_F_NESTED|unix.IFLA_PROP_LIST,
		str(unix.IFLA_ALT_IFNAME, "other-name-of-the-bridge"), str(unix.IFLA_ALT_IFNAME, "a;b"))
	inet6 := func(mode byte) []byte {
		return attr(unix.NLA_F_NESTED|unix.IFLA_AF_SPEC,
			attr(unix.NLA_F_NESTED|unix.AF_INET6, attr(unix.IFLA_INET6_ADDR_GEN_MODE, []byte{mode})))
	}
	return []rtnl.Msg{
		{Type: unix.RTM_NEWLINK, Flags: create, Body: link(20, 0, 0, str(unix.IFLA_IFNAME, "br0"), addr(0x20),
			num(unix.IFLA_MTU, 1400), num(unix.IFLA_TXQLEN, 77), kind("bridge",
				num(unix.IFLA_BR_FORWARD_DELAY, 0), num(unix.IFLA_BR_STP_STATE, 0),
				attr(unix.IFLA_BR_MCAST_SNOOPING, []byte{0}), attr(unix.IFLA_BR_PRIORITY, []byte{0, 1}),
				num(unix.IFLA_BR_AGEING_TIME, 12345), attr(unix.IFLA_BR_GROUP_FWD_MASK, []byte{8, 0}),
				attr(unix.IFLA_BR_GROUP_ADDR, []byte{1, 0x80, 0xc2, 0, 0, 5}),
				attr(unix.IFLA_BR_MULTI_BOOLOPT, rtnl.U32Bytes(1), rtnl.U32Bytes(1))))},
		{Type: unix.RTM_NEWLINK, Flags: create, Body: link(21, unix.IFF_UP, unix.IFF_UP, str(unix.IFLA_IFNAME, "v0"), addr(0x21),
			kind("veth", attr(1, link(22, unix.IFF_NOARP, unix.IFF_NOARP, str(unix.IFLA_IFNAME, "v1"), addr(0x22),
				num(unix.IFLA_MTU, 1300)))))},
		{Type: unix.RTM_NEWLINK, Flags: create, Body: link(23, 0, 0, str(unix.IFLA_IFNAME, "ifb7"), addr(0x23), kind("ifb"))},
		set(21, str(unix.IFLA_IFNAME, "p0"), addr(0x77), num(unix.IFLA_MTU, 1200), num(unix.IFLA_TXQLEN, 55),
			str(unix.IFLA_IFALIAS, "it's port 0; $(uplink)"), num(unix.IFLA_GROUP, 5), num(unix.IFLA_MASTER, 20)),
		set(22, str(unix.IFLA_IFNAME, "p1"), inet6(1)),
		set(22, inet6(3)),
		{Type: unix.RTM_NEWLINK, Flags: 0, Body: link(20, unix.IFF_UP|unix.IFF_PROMISC|unix.IFF_ALLMULTI,
			unix.IFF_UP|unix.IFF_PROMISC|unix.IFF_ALLMULTI|unix.IFF_MULTICAST)},
		{Type: unix.RTM_NEWLINK, Flags: 0, Body: link(22, unix.IFF_NOARP|unix.IFF_ALLMULTI, unix.IFF_NOARP|unix.IFF_ALLMULTI|unix.IFF_UP)},
		{Type: unix.RTM_NEWLINK, Flags: 0, Body: link(22, unix.IFF_UP, unix.IFF_UP|unix.IFF_NOARP)},
		{Type: unix.RTM_NEWLINK, Flags: 0, Body: link(23, unix.IFF_UP|unix.IFF_NOARP, unix.IFF_UP|unix.IFF_NOARP)},
		set(20, kind("bridge", num(unix.IFLA_BR_FORWARD_DELAY, 400), num(unix.IFLA_BR_HELLO_TIME, 300),
			num(unix.IFLA_BR_MAX_AGE, 1500), attr(unix.IFLA_BR_MCAST_ROUTER, []byte{2}),
			attr(unix.IFLA_BR_MCAST_QUERY_INTVL, binary.NativeEndian.AppendUint64(nil, 9000)))),
		{Type: rtnl.NewLinkProp, Flags: create, Body: link(20, 0, 0, altnames)},
		{Type: rtnl.DelLinkProp, Flags: 0, Body: link(20, 0, 0, attr(unix.NLA_F_NESTED|unix.IFLA_PROP_LIST, str(unix.IFLA_ALT_IFNAME, "a;b")))},
		set(0, str(unix.IFLA_IFNAME, "p0"), str(unix.IFLA_IFALIAS, ""), num(unix.IFLA_MASTER, 0)),
		set(20, num(unix.IFLA_MTU, 1000)),
		set(20, str(unix.IFLA_IFNAME, "br7")),
		set(20, num(unix.IFLA_MTU, 900)),
		{Type: unix.RTM_DELLINK, Flags: 0, Body: link(23, 0, 0)},
		set(20, num(unix.IFLA_GROUP, 1<<30)),
		{Type: unix.RTM_DELLINK, Flags: 0, Body: link(0, 0, 0, num(unix.IFLA_GROUP, 1<<30))},
	}
}

// port is a message with settings of a bridge port.
func port(index int, attrs ...[]byte) rtnl.Msg {
	return set(index, attr(unix.IFLA_LINKINFO, str(unix.IFLA_INFO_SLAVE_KIND, "bridge"), attr(unix.IFLA_INFO_SLAVE_DATA, attrs...)))
}

// mdb is an entry of the multicast database of br0; group is the last 20 bytes
// of struct br_mdb_entry.
func mdb(typ uint16, index int, group []byte, attrs ...[]byte) rtnl.Msg {
	entry := slices.Concat(rtnl.U32Bytes(uint32(index)), []byte{rtnl.MdbPermanent, 0, 0, 0}, group, make([]byte, 20-len(group)))
	body := append([]byte{unix.AF_BRIDGE, 0, 0, 0, 20, 0, 0, 0}, attr(rtnl.MdbaSetEntry, entry)...)
	if len(attrs) > 0 {
		body = append(body, attr(unix.NLA_F_NESTED|rtnl.MdbaSetEntryAttrs, attrs...)...)
	}
	if typ == unix.RTM_DELMDB {
		return rtnl.Msg{Type: typ, Flags: 0, Body: body}
	}
	return rtnl.Msg{Type: typ, Flags: create, Body: body}
}

// groupOf is a group's address, followed by its protocol.
func groupOf(proto uint16, addr ...byte) []byte {
	return append(append(addr, make([]byte, 16-len(addr))...), byte(proto>>8), byte(proto))
}

// portMessages make a bridge with ports and change the ports' settings.
func portMessages() []rtnl.Msg {
	addr := func(b byte) []byte { return attr(unix.IFLA_ADDRESS, []byte{2, 0, 0, 0, 0, b}) }
	on := func(typ uint16) []byte { return attr(typ, []byte{1}) }
	off := func(typ uint16) []byte { return attr(typ, []byte{0}) }
	veth := func(index int, name, peer string) rtnl.Msg {
		return rtnl.Msg{Type: unix.RTM_NEWLINK, Flags: create, Body: link(index, 0, 0, str(unix.IFLA_IFNAME, name), addr(byte(index)),
			kind("veth", attr(1, link(index+1, 0, 0, str(unix.IFLA_IFNAME, peer), addr(byte(index+1))))))}
	}
	up := func(index int, attrs ...[]byte) rtnl.Msg {
		return rtnl.Msg{Type: unix.RTM_NEWLINK, Flags: 0, Body: link(index, unix.IFF_UP, unix.IFF_UP, attrs...)}
	}
	return []rtnl.Msg{
		{Type: unix.RTM_NEWLINK, Flags: create, Body: link(20, 0, 0, str(unix.IFLA_IFNAME, "br0"), addr(20), kind("bridge",
			num(unix.IFLA_BR_FORWARD_DELAY, 0), attr(unix.IFLA_BR_MCAST_SNOOPING, []byte{1})))},
		up(20),
		veth(21, "v0", "v1"), veth(23, "w0", "w1"),
		up(22), up(24), up(21, num(unix.IFLA_MASTER, 20)), up(23, num(unix.IFLA_MASTER, 20)),
		port(21, on(unix.IFLA_BRPORT_MODE), on(unix.IFLA_BRPORT_GUARD), on(unix.IFLA_BRPORT_PROTECT), on(unix.IFLA_BRPORT_FAST_LEAVE),
			off(unix.IFLA_BRPORT_LEARNING), off(unix.IFLA_BRPORT_UNICAST_FLOOD), num(unix.IFLA_BRPORT_COST, 77), attr(unix.IFLA_BRPORT_PRIORITY, []byte{9, 0})),
		port(21, on(unix.IFLA_BRPORT_PROXYARP), on(unix.IFLA_BRPORT_PROXYARP_WIFI), attr(unix.IFLA_BRPORT_MULTICAST_ROUTER, []byte{2}),
			off(unix.IFLA_BRPORT_MCAST_FLOOD), off(unix.IFLA_BRPORT_BCAST_FLOOD), on(unix.IFLA_BRPORT_MCAST_TO_UCAST),
			attr(unix.IFLA_BRPORT_GROUP_FWD_MASK, []byte{8, 0})),
		port(21, on(unix.IFLA_BRPORT_NEIGH_SUPPRESS), on(unix.IFLA_BRPORT_VLAN_TUNNEL), on(unix.IFLA_BRPORT_ISOLATED), on(unix.IFLA_BRPORT_LOCKED)),
		port(21, num(unix.IFLA_BRPORT_BACKUP_PORT, 23)),
		{Type: unix.RTM_NEWNEIGH, Flags: replace, Body: slices.Concat([]byte{unix.AF_BRIDGE, 0, 0, 0, 21, 0, 0, 0, unix.NUD_NOARP, 0, unix.NTF_MASTER, 0},
			attr(unix.NDA_LLADDR, []byte{2, 0, 0, 0, 7, 7}))},
		mdb(unix.RTM_NEWMDB, 21, groupOf(unix.ETH_P_IP, 239, 1, 1, 1)),
		mdb(unix.RTM_NEWMDB, 21, groupOf(unix.ETH_P_IP, 239, 1, 1, 2), attr(rtnl.MdbeSource, []byte{10, 0, 0, 1})),
		mdb(unix.RTM_NEWMDB, 23, groupOf(unix.ETH_P_IPV6, 0xff, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)),
		mdb(unix.RTM_NEWMDB, 20, groupOf(0, 1, 2, 3, 4, 5, 6)),
		mdb(unix.RTM_DELMDB, 21, groupOf(unix.ETH_P_IP, 239, 1, 1, 1)),
	}
}

// vlanMessages are about what not every kernel or iproute2 has, and what the
// kernel accepts only once there is a carrier.
func vlanMessages() []rtnl.Msg {
	spec := func(typ uint16, index int, attrs ...[]byte) rtnl.Msg {
		m := set(index, attr(unix.IFLA_AF_SPEC, attrs...))
		m.Type, m.Body[0] = typ, unix.AF_BRIDGE
		return m
	}
	vlan := func(flags, vid uint16) []byte {
		return attr(rtnl.IflaBridgeVLANInfo, binary.NativeEndian.AppendUint16(nil, flags), binary.NativeEndian.AppendUint16(nil, vid))
	}
	tunnel := func(flags, vid uint16, id uint32) []byte {
		return attr(unix.NLA_F_NESTED|rtnl.IflaBridgeVLANTunnel, num(rtnl.TunnelID, id), attr(rtnl.TunnelVID, binary.NativeEndian.AppendUint16(nil, vid)),
			attr(rtnl.TunnelFlags, binary.NativeEndian.AppendUint16(nil, flags)))
	}
	self := attr(rtnl.IflaBridgeFlags, binary.NativeEndian.AppendUint16(nil, rtnl.BridgeFlagsSelf))
	options := func(attrs ...[]byte) rtnl.Msg {
		return rtnl.Msg{Type: unix.RTM_NEWVLAN, Flags: 0, Body: append([]byte{unix.AF_BRIDGE, 0, 0, 0, 21, 0, 0, 0}, attr(unix.NLA_F_NESTED|rtnl.VLANDBEntry, attrs...)...)}
	}
	return []rtnl.Msg{
		spec(unix.RTM_SETLINK, 21, vlan(rtnl.VLANPVID|rtnl.VLANUntagged, 200)),
		spec(unix.RTM_SETLINK, 21, vlan(rtnl.VLANRangeBegin, 10), vlan(rtnl.VLANRangeEnd, 20)),
		spec(unix.RTM_SETLINK, 20, self, vlan(rtnl.VLANUntagged, 30)),
		spec(unix.RTM_DELLINK, 21, vlan(0, 1)),
		spec(unix.RTM_SETLINK, 21, tunnel(0, 10, 1010)),
		spec(unix.RTM_SETLINK, 21, tunnel(rtnl.VLANRangeBegin, 11, 1011), tunnel(rtnl.VLANRangeEnd, 14, 1014)),
		spec(unix.RTM_SETLINK, 21),
		options(),
		options(attr(rtnl.VLANEntryInfo, []byte{64, 0, 10, 0}), attr(rtnl.VLANEntryRange, []byte{20, 0}), attr(rtnl.VLANEntryState, []byte{4}),
			attr(rtnl.VLANEntryRouter, []byte{2}), num(rtnl.VLANEntryMaxGroups, 8), attr(rtnl.VLANEntrySuppress, []byte{1})),
		port(21, num(unix.IFLA_BRPORT_MCAST_MAX_GROUPS, 9)),
		port(21, num(unix.IFLA_BRPORT_MCAST_EHT_HOSTS_LIMIT, 9)),
		port(21, attr(unix.IFLA_BRPORT_MAB, []byte{1}), attr(unix.IFLA_BRPORT_NEIGH_VLAN_SUPPRESS, []byte{1}), num(unix.IFLA_BRPORT_BACKUP_NHID, 5)),
		mdb(unix.RTM_NEWMDB, 21, groupOf(unix.ETH_P_IP, 239, 1, 1, 1), attr(rtnl.MdbeGroupMode, []byte{1}),
			attr(unix.NLA_F_NESTED|rtnl.MdbeSrcList, attr(1, attr(1, []byte{10, 0, 0, 1})), attr(1, attr(1, []byte{10, 0, 0, 2}))), attr(rtnl.MdbeRtProt, []byte{186})),
		port(23, attr(unix.IFLA_BRPORT_STATE, []byte{4})),
		set(23, attr(unix.IFLA_OPERSTATE, []byte{5})),
		set(23, attr(unix.IFLA_OPERSTATE, []byte{6})),
		{Type: unix.RTM_NEWMDB, Body: make([]byte, 8)},
	}
}

// oddMessages are messages that the kernel would not send or accept.
func oddMessages() []rtnl.Msg {
	route := func(family byte, attrs ...[]byte) []byte {
		return append([]byte{family, 0, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0}, slices.Concat(attrs...)...)
	}
	mpls := []byte{0, 6, 0x40, 0, 0, 0x0c, 0x81, 0}
	via := attr(unix.RTA_GATEWAY, []byte{10, 0, 0, 9})
	return []rtnl.Msg{
		{},
		{Type: unix.RTM_NEWRULE, Body: make([]byte, 12)},
		{Type: unix.RTM_NEWADDR, Body: make([]byte, 8)},
		{Type: unix.RTM_NEWADDR, Body: append([]byte{2, 99, 0, 0, 1, 0, 0, 0}, attr(unix.IFA_LOCAL, []byte{10, 0, 0, 1})...)},
		{Type: unix.RTM_NEWROUTE, Body: route(28)},
		{Type: unix.RTM_NEWNEIGH, Body: make([]byte, 12)},
		{Type: unix.RTM_NEWNEIGH, Body: append([]byte{7}, make([]byte, 11)...)},
		{Type: unix.RTM_NEWLINK, Body: append([]byte{7}, make([]byte, 15)...)},
		{Type: unix.RTM_NEWLINK, Flags: create, Body: link(-1, 0, 0, attr(unix.IFLA_MTU, []byte{1}), kind("veth", attr(1, []byte{1, 2})))},
		{Type: unix.RTM_NEWLINK, Flags: create, Body: link(0, 0, 0, str(unix.IFLA_IFNAME, "ifb0"), kind("ifb"))},
		{Type: unix.RTM_NEWLINK, Flags: create, Body: link(0, 0, 0, kind("bridge", attr(unix.IFLA_BR_VLAN_PROTOCOL, []byte{0x88, 0xa8}),
			attr(unix.IFLA_BR_VLAN_FILTERING, []byte{1}), num(unix.IFLA_BR_FDB_MAX_LEARNED, 1000), num(99, 1)))},
		{Type: unix.RTM_NEWROUTE, Flags: replace, Body: route(unix.AF_INET, via, num(unix.RTA_OIF, 99))},
		{Type: unix.RTM_NEWROUTE, Flags: unix.NLM_F_CREATE, Body: route(unix.AF_INET6, num(unix.RTA_OIF, 10))},
		{Type: unix.RTM_NEWROUTE, Flags: unix.NLM_F_REPLACE, Body: route(unix.AF_INET, via)},
		{Type: unix.RTM_NEWROUTE, Flags: unix.NLM_F_CREATE | unix.NLM_F_APPEND, Body: route(unix.AF_INET6, num(unix.RTA_OIF, 10))},
		{Type: unix.RTM_NEWROUTE, Flags: create, Body: route(unix.AF_INET, via, attr(unix.RTA_ENCAP_TYPE, []byte{1, 0}),
			attr(unix.RTA_ENCAP, attr(unix.MPLS_IPTUNNEL_DST, mpls), attr(unix.MPLS_IPTUNNEL_TTL, []byte{9})))},
		{Type: unix.RTM_NEWROUTE, Flags: create, Body: route(unix.AF_INET, via, attr(unix.RTA_ENCAP_TYPE, []byte{6, 0}), attr(unix.RTA_ENCAP, num(1, 1)))},
		{Type: unix.RTM_NEWROUTE, Flags: create, Body: route(unix.AF_INET, via, attr(unix.RTA_TTL_PROPAGATE, []byte{0}), attr(999, []byte{1, 2, 3}))},
		{Type: unix.RTM_DELROUTE, Flags: 0, Body: []byte{2, 0, 0, 0, 0, 0, 255, 1, 0, 0, 0, 0}},
		{Type: unix.RTM_DELROUTE, Flags: 0, Body: []byte{2, 0, 0, 0, 254, 0, 255, 0, 0, 0, 0, 0}},
		{Type: unix.RTM_NEWADDR, Flags: replace, Body: slices.Concat([]byte{2, 24, 0, 0, 10, 0, 0, 0},
			attr(unix.IFA_LOCAL, []byte{10, 0, 0, 2}), num(unix.IFA_FLAGS, unix.IFA_F_NODAD|unix.IFA_F_MCAUTOJOIN), attr(11, []byte{5}))},
		{Type: unix.RTM_DELADDR, Flags: 0, Body: slices.Concat([]byte{10, 64, 0, 0, 10, 0, 0, 0},
			attr(unix.IFA_ADDRESS, append([]byte{0xfd}, make([]byte, 15)...)), num(unix.IFA_FLAGS, unix.IFA_F_MANAGETEMPADDR))},
		{Type: unix.RTM_NEWNEIGH, Flags: replace, Body: slices.Concat([]byte{2, 0, 0, 0, 10, 0, 0, 0, 0x06, 0, 1, 0}, attr(unix.NDA_DST, []byte{10, 0, 0, 7}))},
		{Type: unix.RTM_NEWNEIGH, Flags: replace, Body: slices.Concat([]byte{7, 0, 0, 0, 14, 0, 0, 0, 0x40, 0, 0, 0},
			attr(unix.NDA_LLADDR, []byte{2, 0, 0, 0, 0, 1}), attr(unix.NDA_VLAN, []byte{5, 0}))},
		{Type: unix.RTM_NEWNEXTHOP, Flags: replace, Body: slices.Concat(make([]byte, 8), num(unix.NHA_ID, 7), attr(unix.NHA_GROUP, []byte{1, 2, 3}))},
	}
}

// recorded are the messages that TestRoundTrip has kept with -update, with the
// command that made each.
func recorded(t testing.TB) (commands []string, msgs [][]rtnl.Msg) {
	t.Helper()
	text, err := os.ReadFile("testdata/messages.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if command, ok := strings.CutPrefix(line, "# "); ok {
			commands, msgs = append(commands, command), append(msgs, nil)
			continue
		}
		typ, body, _ := strings.Cut(line, " ")
		n, err := strconv.ParseUint(typ, 10, 16)
		b, err2 := hex.DecodeString(body)
		if err != nil || err2 != nil {
			t.Fatal(line, err, err2)
		}
		msgs[len(msgs)-1] = append(msgs[len(msgs)-1], rtnl.Msg{Type: uint16(n), Body: b})
	}
	return commands, msgs
}

// fixtureNames are the interfaces of fixture.txt.
func fixtureNames() Names {
	return Names{1: "lo", 10: "v0", 11: "v1", 12: "br0", 13: "vx0", 14: "p0", 15: "p1", 16: "o$dd", 17: "e0"}
}

// TestNamesIn renders every message with no names but those that it needs.
func TestNamesIn(t *testing.T) {
	n := fixtureNames()
	_, recordings := recorded(t)
	msgs := append(linkMessages(), oddMessages()...)
	for _, r := range recordings {
		msgs = append(append(msgs, additions(r)...), removals(r)...)
	}
	fewer := 0
	for _, m := range msgs {
		few := n.In(rtnl.Pack(m))
		if got, want := few.Command(m), n.Command(m); got != want {
			t.Errorf("with the names %v: %s\nwith all: %s", few, got, want)
		}
		if len(few) < len(n) {
			fewer++
		}
	}
	if fewer < len(msgs)*9/10 {
		t.Errorf("only %d of %d messages have fewer names", fewer, len(msgs))
	}
	if got := n.In(nil, 10, 99); len(got) != 1 || got[10] != "v0" {
		t.Errorf("names of v0 and of none: %v", got)
	}
}

// TestGolden compares all rendered commands with those of the last -update.
func TestGolden(t *testing.T) {
	var out strings.Builder
	n := fixtureNames()
	commands, msgs := recorded(t)
	for i, command := range commands {
		fmt.Fprintf(&out, "# %s\n", command)
		for _, m := range additions(msgs[i]) {
			fmt.Fprintln(&out, n.Command(m))
		}
		for _, m := range removals(msgs[i]) {
			fmt.Fprintln(&out, n.Command(m))
		}
	}
	fmt.Fprintln(&out, "\n# links, one after the other")
	for _, line := range Names(nil).Commands(linkMessages()) {
		fmt.Fprintln(&out, line)
	}
	fmt.Fprintln(&out, "\n# ports and their VLANs")
	for _, line := range Names(nil).Commands(append(portMessages(), vlanMessages()...)) {
		fmt.Fprintln(&out, line)
	}
	fmt.Fprintln(&out, "\n# odd messages")
	for _, m := range oddMessages() {
		fmt.Fprintln(&out, n.Command(m))
	}
	golden(t, "testdata/commands.golden", out.String())
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(want, []byte(got)) {
		return
	}
	wants, gots := strings.Split(string(want), "\n"), strings.Split(got, "\n")
	for i := range min(len(wants), len(gots)) {
		if wants[i] != gots[i] {
			t.Errorf("%s:%d\nwant %s\ngot  %s", file, i+1, wants[i], gots[i])
		}
	}
	if len(wants) != len(gots) {
		t.Errorf("%s has %d lines, not %d", file, len(wants), len(gots))
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{
		"":                    "''",
		"eth0":                "eth0",
		"eth0.5:1@x%y+z=a,b/": "eth0.5:1@x%y+z=a,b/",
		"a b":                 "'a b'",
		"it's":                `'it'\''s'`,
		"$(id)":               "'$(id)'",
		"ü":                   "'ü'",
		"a\nb":                `"$(printf 'a\012b')"`,
	} {
		if got := shell.Quote(in); got != want {
			t.Errorf("shell.Quote(%q) = %s, want %s", in, got, want)
		}
	}
}

// TestCommandsFollow checks that commands use the names that interfaces have by
// then, and that the Names themselves do not change.
func TestCommandsFollow(t *testing.T) {
	veth := kind("veth", attr(1, link(31, 0, 0, str(unix.IFLA_IFNAME, "y0"))))
	n := Names{10: "eth0"}
	msgs := []rtnl.Msg{
		set(10, num(unix.IFLA_MTU, 1400)),
		set(10, str(unix.IFLA_IFNAME, "uplink")),
		{Type: unix.RTM_NEWLINK, Flags: create, Body: link(30, 0, 0, str(unix.IFLA_IFNAME, "x0"), veth)},
		set(30, num(unix.IFLA_MASTER, 10)),
		set(31, str(unix.IFLA_IFNAME, "eth0")),
		set(31, num(unix.IFLA_MASTER, 10)),
		set(32, num(unix.IFLA_MTU, 1400)),
	}
	want := []string{
		"ip link set dev eth0 mtu 1400",
		"ip link set dev eth0 name uplink",
		"ip link add name x0 index 30 type veth peer name y0 index 31",
		"ip link set dev x0 master uplink",
		"ip link set dev y0 name eth0",
		"ip link set dev eth0 master uplink",
		"ip link set dev if32 mtu 1400",
	}
	for range 2 {
		if got := n.Commands(msgs); !slices.Equal(got, want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	if got := Names(nil).Commands(msgs[1:2]); got[0] != "ip link set dev if10 name uplink" {
		t.Errorf("without names: %s", got)
	}
}
