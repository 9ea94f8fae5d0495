package holders

import (
	"bytes"
	"net"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/nfnetlink"
	"xbr-script/internal/rtnl"
)

// UntrackedTable is the table of nftables (family inet) that keeps connection tracking
// away from dom0's packets on a bridge.
func UntrackedTable(bridge string) string { return untrackedTables + bridge }

const untrackedTables = "xbr-script-"

// Untracks says whether dom0's packets are to be kept from connection tracking while they
// are bridged. That is so from the start on unless bridged packets are kept out of the packet
// filter: rules that translate often come later (Docker's), and the module that makes bridged
// packets pass, too, and of what is translated then nothing would get through. Only rules
// that ask bridged packets for their state are left as they are until there is something to
// translate.
func (d *Data) Untracks(m Move) bool {
	return m.Start && !m.OnBridge && !m.Guarded && d.Ruleset != nil && m.MAC != "" && (d.Translates() || d.MayPass && !d.asksBridged())
}

// Translates says whether what is translated would be lost on a bridge.
func (d *Data) Translates() bool {
	return slices.ContainsFunc(d.Bridged, func(b Bridged) bool { return !b.Off && (b.Sent > 0 || b.Masks) })
}

// asksBridged says whether there may be rules that ask bridged packets for the state of
// their connection, as in tables of iptables-legacy that could not be read.
func (d *Data) asksBridged() bool {
	if !slices.ContainsFunc(d.Bridged, func(b Bridged) bool { return !b.Off }) {
		return false
	}
	return slices.ContainsFunc(d.Legacy, func(table string) bool { return strings.HasPrefix(table, "filter ") }) ||
		slices.ContainsFunc(d.Rules, func(r Rule) bool { return r.States && !d.local(r) })
}

// ReadBridged reads only what tells whether dom0's packets are tracked while they are
// bridged, on networks that are up: as little as that takes.
func ReadBridged(c *rtnl.Conn, h *host.Host, moves []Move) (*Data, error) {
	r := newReader(c, h)
	defer r.close()
	r.Untracked = map[string]bool{}
	if whole, err := r.untracked(moves); whole || err != nil {
		return r.Data, err
	}
	there := r.Untracked
	for _, read := range []func(*reader) error{readRules, readHooks, readLegacy, readBridged} {
		if err := read(r); err != nil {
			return nil, err
		}
	}
	r.Untracked = there
	return r.Data, nil
}

// Tracked says whether dom0's packets are tracked on a bridge where start would see to it
// that they are not.
func (d *Data) Tracked(m Move) bool { return d.Untracks(m) && !d.Untracked[m.Bridge] }

// untracked looks for the tables of all networks, with their rules. It says whether none is
// missing.
func (r *reader) untracked(moves []Move) (whole bool, err error) {
	c, err := r.to(netfilter)
	if err != nil || c == nil {
		return false, err
	}
	whole = true
	for _, m := range moves {
		mac, _ := net.ParseMAC(m.MAC) // it has just been printed
		rules := 0
		err := nfnetlink.EachOf(c, unix.NFT_MSG_GETRULE, unix.NFPROTO_INET, unix.NFTA_RULE_TABLE, UntrackedTable(m.Bridge), func() { rules = 0 }, func(attrs []byte) {
			if exprs := rtnl.FindAttr(attrs, unix.NFTA_RULE_EXPRESSIONS); len(mac) > 0 && bytes.Contains(exprs, mac) {
				rules++
			}
		})
		if err := unlessLacking(err); err != nil {
			return false, err
		}
		const each = 2 // from it, and for it
		r.Untracked[m.Bridge] = rules == each
		whole = whole && r.Untracked[m.Bridge]
	}
	return whole, nil
}

// bridgedSettings are those that have bridged packets pass the packet filter.
var bridgedSettings = []struct {
	name   string
	family uint8
}{{"net/bridge/bridge-nf-call-iptables", unix.NFPROTO_IPV4}, {"net/bridge/bridge-nf-call-ip6tables", unix.NFPROTO_IPV6}}

// MayPass says whether they do, or may once br_netfilter is loaded.
func MayPass(h *host.Host) bool {
	return anyBridged(h, func(value string) bool { return value != "0" })
}

// Pass says whether they do.
func Pass(h *host.Host) bool { return anyBridged(h, func(value string) bool { return value == "1" }) }

func anyBridged(h *host.Host, is func(value string) bool) bool {
	for _, s := range bridgedSettings {
		if is(h.Setting(s.name)) {
			return true
		}
	}
	return false
}
