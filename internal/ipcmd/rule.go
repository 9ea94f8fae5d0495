package ipcmd

import (
	"encoding/binary"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
)

// ruleCommand renders RTM_NEWRULE and RTM_DELRULE of IPv4 and IPv6.
func ruleCommand(m rtnl.Msg) string {
	hdr, a := m.Fixed(), collect(m.Attrs)
	l, ok := ofFamily(m)
	if !ok {
		return noCommand(m)
	}
	const invert = 2 // FIB_RULE_INVERT
	l.add("rule", verb(m), "pref", strconv.FormatUint(uint64(rtnl.U32(a[unix.FRA_PRIORITY])), 10))
	l.addIf(rtnl.U32(hdr[8:12])&invert != 0, "not")
	for _, end := range []struct {
		word string
		typ  uint16
		bits uint8
	}{{"from", unix.FRA_SRC, hdr[2]}, {"to", unix.FRA_DST, hdr[1]}} {
		if p, ok := prefix(hdr[0], a[end.typ], end.bits); ok && end.bits > 0 {
			l.add(end.word, p)
		}
	}
	l.addIf(hdr[3] != 0, "tos", fmt.Sprintf("%#x", hdr[3]))
	l.fields(a, ruleSelectors)
	addMark(l, a)
	addRuleAction(l, hdr, a)
	return l.String()
}

// ruleSelectors are what else a rule looks at.
var ruleSelectors = []field{
	{unix.FRA_IIFNAME, "iif", text},
	{unix.FRA_OIFNAME, "oif", text},
	{unix.FRA_L3MDEV, "", choice("", "l3mdev")},
	{unix.FRA_UID_RANGE, "uidrange", fromTo(4)},
	{unix.FRA_IP_PROTO, "ipproto", dec(1)},
	{unix.FRA_SPORT_RANGE, "sport", fromTo(2)},
	{unix.FRA_DPORT_RANGE, "dport", fromTo(2)},
	{unix.FRA_TUN_ID, "tun_id", func(b []byte) (string, bool) {
		if len(b) != 8 {
			return "", false
		}
		return strconv.FormatUint(binary.BigEndian.Uint64(b), 10), true
	}},
}

// fromTo formats two numbers of this many bytes.
func fromTo(size int) func([]byte) (string, bool) {
	return func(b []byte) (string, bool) {
		if len(b) != 2*size {
			return "", false
		}
		from, _ := number(b[:size], size)
		to, _ := number(b[size:], size)
		return fmt.Sprintf("%d-%d", from, to), true
	}
}

func addMark(l *line, a attrs) {
	mark, mask := rtnl.U32(a[unix.FRA_FWMARK]), rtnl.U32(a[unix.FRA_FWMASK])
	l.addIf(mask == 1<<32-1, "fwmark", fmt.Sprintf("%#x", mark))
	l.addIf(mask != 0 && mask != 1<<32-1, "fwmark", fmt.Sprintf("%#x/%#x", mark, mask))
}

// addRuleAction says what the rule does.
func addRuleAction(l *line, hdr []byte, a attrs) {
	const none = 1<<32 - 1
	switch hdr[7] {
	case unix.FR_ACT_TO_TBL:
		if len(a[unix.FRA_L3MDEV]) == 1 && a[unix.FRA_L3MDEV][0] != 0 {
			break // the table is the VRF's
		}
		table := uint64(hdr[4])
		if t, ok := number(a[unix.FRA_TABLE], 4); ok {
			table = t
		}
		l.add("lookup", tableName(table))
	case unix.FR_ACT_GOTO:
		l.add("goto", strconv.FormatUint(uint64(rtnl.U32(a[unix.FRA_GOTO])), 10))
	case unix.FR_ACT_NOP:
		l.add("nop")
	case unix.FR_ACT_BLACKHOLE:
		l.add("blackhole")
	case unix.FR_ACT_UNREACHABLE:
		l.add("unreachable")
	case unix.FR_ACT_PROHIBIT:
		l.add("prohibit")
	}
	for _, s := range []struct {
		word string
		typ  uint16
	}{{"suppress_prefixlength", unix.FRA_SUPPRESS_PREFIXLEN}, {"suppress_ifgroup", unix.FRA_SUPPRESS_IFGROUP}} {
		if v, ok := number(a[s.typ], 4); ok && v != none {
			l.add(s.word, strconv.FormatUint(v, 10))
		}
	}
	l.fields(a, []field{{unix.FRA_FLOW, "realms", realms}})
	if p := a[unix.FRA_PROTOCOL]; len(p) == 1 && p[0] != unix.RTPROT_UNSPEC && p[0] != unix.RTPROT_BOOT {
		l.add("protocol", protocol(p[0]))
	}
}

// tableName is iproute2's word for a table.
func tableName(table uint64) string {
	switch table {
	case unix.RT_TABLE_LOCAL:
		return "local"
	case unix.RT_TABLE_MAIN:
		return "main"
	case unix.RT_TABLE_DEFAULT:
		return "default"
	}
	return strconv.FormatUint(table, 10)
}
