package strict

import (
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/internal/nfnetlink"
)

// mend is the transaction that changes only what is different. The kernel goes on with
// other rules from one frame to the next, and the sets that they look into are there all
// the time: no frame is lost, as it may be if a table is made anew.
func (s *State) mend(t *Table, d *difference) []*nl.NetlinkRequest {
	p := s.parts()
	return slices.Concat(s.create(p, d), s.clear(t, d), s.fill(p, d), s.remove(d))
}

// create makes what is missing, so that the rest can refer to it.
func (s *State) create(p *parts, d *difference) (msgs []*nl.NetlinkRequest) {
	for _, name := range d.counters {
		msgs = append(msgs, newCounter(p.counters[name], Count{}))
	}
	for i, name := range d.newSets {
		msgs = append(msgs, newSet(p.sets[name], i+1))
	}
	for _, name := range d.newChains {
		msgs = append(msgs, newChain(p.chains[name]))
	}
	return msgs
}

// clear removes rules and elements that are not as wanted.
func (s *State) clear(t *Table, d *difference) (msgs []*nl.NetlinkRequest) {
	for _, name := range slices.Concat(d.chains, d.oldChains) {
		if len(t.Rules[name]) > 0 {
			msgs = append(msgs, delRules(s.Bridge, name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.extra)) {
		if slices.Contains(d.oldSets, name) {
			continue // they go with the set
		}
		var list []element
		for _, id := range d.extra[name] {
			list = append(list, elementOf(id))
		}
		msgs = append(msgs, elementsMsgs(unix.NFT_MSG_DELSETELEM, s.Bridge, name, list)...)
	}
	for _, name := range slices.Sorted(maps.Keys(d.del)) {
		msgs = append(msgs, elementsMsgs(unix.NFT_MSG_DELSETELEM, s.Bridge, name, d.del[name])...)
	}
	return msgs
}

// fill adds elements and rules.
func (s *State) fill(p *parts, d *difference) (msgs []*nl.NetlinkRequest) {
	for _, name := range slices.Sorted(maps.Keys(d.add)) {
		msgs = append(msgs, elementsMsgs(unix.NFT_MSG_NEWSETELEM, s.Bridge, name, d.add[name])...)
	}
	for _, name := range d.chains {
		msgs = append(msgs, newRules(s.Bridge, name, p.rules[name])...)
	}
	return msgs
}

// remove removes what is somebody else's, or not needed any more.
func (s *State) remove(d *difference) (msgs []*nl.NetlinkRequest) {
	table := tableName(s.Bridge)
	for _, name := range d.oldSets {
		msgs = append(msgs, request(unix.NFT_MSG_DELSET, 0, nfnetlink.Text(unix.NFTA_SET_TABLE, table), nfnetlink.Text(unix.NFTA_SET_NAME, name)))
	}
	for _, name := range d.oldChains {
		msgs = append(msgs, request(unix.NFT_MSG_DELCHAIN, 0, nfnetlink.Text(unix.NFTA_CHAIN_TABLE, table), nfnetlink.Text(unix.NFTA_CHAIN_NAME, name)))
	}
	for _, name := range d.old {
		msgs = append(msgs, request(unix.NFT_MSG_DELOBJ, 0, nfnetlink.Text(unix.NFTA_OBJ_TABLE, table), nfnetlink.Text(unix.NFTA_OBJ_NAME, name),
			nfnetlink.U32(unix.NFTA_OBJ_TYPE, unix.NFT_OBJECT_COUNTER)))
	}
	return msgs
}

// delRules removes all rules of a chain.
func delRules(bridge, chain string) *nl.NetlinkRequest {
	return request(unix.NFT_MSG_DELRULE, 0, nfnetlink.Text(unix.NFTA_RULE_TABLE, tableName(bridge)), nfnetlink.Text(unix.NFTA_RULE_CHAIN, chain))
}

// elementOf is the key of an element by its identity.
func elementOf(identity string) (e element) {
	keys, _, _ := strings.Cut(identity, " ")
	first, last, ranges := strings.Cut(keys, "-")
	e.key, _ = hex.DecodeString(first)
	if ranges {
		e.last, _ = hex.DecodeString(last)
	}
	return e
}
