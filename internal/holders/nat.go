package holders

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/nfnetlink"
	"xbr-script/internal/nfrule"
	"xbr-script/internal/rtnl"
)

// readMasked counts the connections whose source is translated, if masquerading may
// have done it: whether it has, the kernel does not tell.
func readMasked(r *reader) error {
	r.Masked, r.Tied = map[netip.Addr]int{}, map[netip.Addr]int{}
	if !r.masquerades() {
		return nil
	}
	c, err := r.to(netfilter)
	if err != nil || c == nil {
		return err
	}
	err = nfnetlink.EachConnection(c, SourceNAT, func() { clear(r.Masked); clear(r.Tied) }, func(attrs []byte) {
		switch addr, ok := maskedAs(attrs); {
		case !ok:
		case Alone(attrs):
			r.Masked[addr]++
		default:
			r.Tied[addr]++
		}
	})
	return unlessLacking(err)
}

// masquerades says whether there may be a rule that does, as in tables of iptables-legacy that
// could not be read.
func (r *reader) masquerades() bool {
	for _, rule := range r.Rules {
		if rule.Masquerades {
			return true
		}
	}
	return slices.ContainsFunc(r.Legacy, func(table string) bool { return strings.HasPrefix(table, "nat ") })
}

// What conntrack says of a connection (linux/netfilter/nf_conntrack_common.h).
const (
	isAssured = 1 << 2 // IPS_ASSURED: it is in use
	// SourceNAT is IPS_SRC_NAT: its source is translated.
	SourceNAT = 1 << 4
)

// Attributes of a connection (linux/netfilter/nfnetlink_conntrack.h).
const (
	ctaTupleReply  = 2
	ctaStatus      = 3
	ctaProtoInfo   = 4
	ctaTupleIP     = 1
	ctaIPv4Dst     = 2
	ctaIPv6Dst     = 4
	ctaTCP         = 1
	ctaTCPState    = 1
	tcpEstablished = 3 // TCP_CONNTRACK_ESTABLISHED
	tcpCloseWait   = 5 // TCP_CONNTRACK_CLOSE_WAIT: one end has said all that it has to say, and may still be listening
)

// Alone says whether only the source of a connection is translated, and it neither has nor
// belongs to others (a helper's): such a one can be written anew.
func Alone(attrs []byte) bool {
	const help, master, destinationNAT = 5, 14, 1 << 5 // CTA_HELP, CTA_TUPLE_MASTER, IPS_DST_NAT
	return rtnl.FindAttr(attrs, help) == nil && rtnl.FindAttr(attrs, master) == nil && be32(attrs, ctaStatus)&destinationNAT == 0
}

// maskedAs is the address that a connection in use has got.
func maskedAs(attrs []byte) (netip.Addr, bool) {
	const both = isAssured | SourceNAT
	if be32(attrs, ctaStatus)&both != both {
		return netip.Addr{}, false
	}
	state := rtnl.FindAttr(rtnl.FindAttr(rtnl.FindAttr(attrs, ctaProtoInfo), ctaTCP), ctaTCPState)
	if len(state) == 1 && (state[0] < tcpEstablished || state[0] > tcpCloseWait) {
		return netip.Addr{}, false // it has not begun, or has ended
	}
	ip := rtnl.FindAttr(rtnl.FindAttr(attrs, ctaTupleReply), ctaTupleIP)
	addr, ok := netip.AddrFromSlice(rtnl.FindAttr(ip, ctaIPv4Dst))
	if !ok {
		addr, ok = netip.AddrFromSlice(rtnl.FindAttr(ip, ctaIPv6Dst))
	}
	return addr, ok
}

// Masquerades are the addresses that move, and that connections are masqueraded as.
func (d *Data) Masquerades(m Move) []netip.Addr {
	return slices.DeleteFunc(d.moving(m), func(a netip.Addr) bool { return d.Masked[a] == 0 })
}

// moving are the addresses that move.
func (d *Data) moving(m Move) (addrs []netip.Addr) {
	state := d.Host.State(m.From.Index)
	for _, a := range append(state.Addrs4, state.Addrs6...) {
		if addr, ok := netip.AddrFromSlice(a.Local()); ok && !slices.Contains(addrs, addr) {
			addrs = append(addrs, addr)
		}
	}
	return addrs
}

// findMasked: the kernel forgets a masqueraded connection when its address goes from
// the interface (masq_device_event, masq_inet_event), or when another interface is the
// way out (nf_nat_oif_changed).
func findMasked(d *Data, m Move) []Holder {
	const of = " of containers or of hosts behind this one"
	count, tied := 0, 0
	for _, addr := range d.moving(m) {
		count, tied = count+d.Masked[addr], tied+d.Tied[addr]
	}
	var all []Holder
	if count > 0 {
		all = append(all, Holder{Kind: "masquerade", What: plural(count, "connection") + of, Outcome: Moves, Then: "they get a fixed source: the kernel would end them"})
	}
	if tied > 0 {
		all = append(all, Holder{
			Kind: "masquerade", What: plural(tied, "connection") + of + " with a helper or another translation", Outcome: Breaks,
			Then: "the kernel ends them, and they have to be made anew",
		})
	}
	return all
}

// Bridged is what bridged packets meet in the packet filter, where they pass it
// (bridge-nf-call-iptables and the like).
type Bridged struct {
	Setting string // that makes them pass
	Off     bool   // it does not yet: antispoof=yes switches it on
	Drops   []Drop // the chains that drop what they do not know
	Reverse []Rule // that ask by which interface a source is reached
	Sent    int    // rules that send connections elsewhere (DNAT)
	Masks   bool   // there may be rules that masquerade
}

// Drop is a chain that drops what no rule lets pass.
type Drop struct {
	Hook
	Rule  bool     // by a rule, not by its policy
	Names []string // of interfaces that it, or a chain that it goes to, has rules about
}

func (d Drop) String() string {
	chain := place(d.Family, d.Table) + ", chain " + d.Name
	if d.Legacy {
		chain += " of " + legacyTables + ","
	}
	if d.Rule {
		return "the last rule of " + chain + " drops or rejects"
	}
	return "the policy of " + chain + " is drop"
}

// local says whether a rule is in a chain for what the host itself gets or sends.
func (d *Data) local(r Rule) bool {
	return slices.ContainsFunc(d.Local, func(h Hook) bool { return h.Family == r.Family && h.Table == r.Table && h.Name == r.Chain })
}

// readBridged reads it from the rules and hooks that are known by now.
func readBridged(r *reader) error {
	r.MayPass = MayPass(r.Host)
	for _, f := range bridgedSettings {
		b := Bridged{Setting: strings.ReplaceAll(f.name, "/", "."), Off: r.Host.Setting(f.name) != "1", Masks: r.masquerades()}
		for _, rule := range r.Rules {
			if rule.Family != f.family && rule.Family != unix.NFPROTO_INET {
				continue
			}
			if rule.Publishes {
				b.Sent++
			}
			if rule.Reverse && !r.local(rule) && (rule.Proto == 0 || rule.Proto == f.family) {
				b.Reverse = append(b.Reverse, rule)
			}
		}
		for _, chain := range r.Forward {
			if chain.Family != f.family && chain.Family != unix.NFPROTO_INET {
				continue
			}
			if d, drops := r.drops(chain); drops {
				b.Drops = append(b.Drops, d)
			}
		}
		r.Bridged = append(r.Bridged, b)
	}
	return r.Host.Err()
}

// drops says whether a chain drops what it does not know, bridged packets among it.
func (r *reader) drops(chain Hook) (Drop, bool) {
	d := Drop{Hook: chain}
	var all nfrule.Chains
	if chain.Legacy {
		all = r.legacy
	} else if r.Ruleset != nil {
		all = r.Ruleset.Chains
	}
	id := nfrule.ID{Family: chain.Family, Table: chain.Table, Name: chain.Name}
	rule, policy := all.Drops(id, chain.Drops)
	if !rule && !policy {
		return d, false
	}
	d.Rule = rule
	chains := all.From(id)
	for _, rule := range r.Rules {
		if rule.Legacy != chain.Legacy || strings.HasPrefix(rule.Chain, ours) || !slices.Contains(chains, nfrule.ID{Family: rule.Family, Table: rule.Table, Name: rule.Chain}) {
			continue
		}
		if rule.PhysDev {
			return d, false // somebody has thought of bridged packets
		}
		d.Names = append(d.Names, rule.Names...)
	}
	return d, true
}

// findBridged: dom0's own packets are bridged if it has a port of its own, and so are
// those of guests. A connection from outside that is sent elsewhere is then taken aside
// on the bridge, before it comes to dom0 (br_nf_pre_routing_finish). With antispoof,
// bridged packets are not tracked, and iptables lets dom0's pass, but nobody else need.
func findBridged(d *Data, m Move) []Holder {
	if !m.Start {
		return nil
	}
	var all []Holder
	for _, b := range d.Bridged {
		if b.Off && !m.Guarded {
			continue
		}
		if b.Sent > 0 && !m.OnBridge && !m.Guarded {
			h := Holder{Kind: "published ports", What: b.Setting + "=1, and rules that send connections elsewhere (DNAT): " + strconv.Itoa(b.Sent), Outcome: Breaks}
			h.Then = "connections from outside no longer get there: " + b.off(m)
			if d.Untracks(m) {
				h.Outcome, h.Then = Moves, "what is bridged for dom0 is not tracked: nft list table inet "+UntrackedTable(m.Bridge)
			}
			all = append(all, h)
		}
		for _, drop := range b.Drops {
			if m.Guarded && drop.iptables() || m.Bridge != m.From.Name && (Rule{Names: drop.Names}).meant(m.Bridge) {
				continue // somebody has thought of what is bridged
			}
			h := Holder{Kind: "bridged packets", What: b.Setting + "=1, and " + drop.String(), Outcome: Breaks}
			if m.Guarded && b.Off {
				h.What = "antispoof=yes has them pass the packet filter, and " + drop.String()
			}
			h.Then = "dom0's own packets do not get through: let the chain accept what is bridged (" + drop.bridged(m) + "), or " + b.off(m)
			if m.OnBridge {
				h.Then = "guests do not get through, unless there are rules for each: let the chain accept what is bridged (" + drop.bridged(m) + "), or " + b.off(m)
			}
			all = append(all, h)
		}
		all = append(all, d.reversed(b, m)...)
	}
	return all
}

// off is the way to have none of that.
func (b Bridged) off(m Move) string {
	switch {
	case m.Guarded:
		return "do without antispoof=yes"
	case m.OnBridge || !b.iptables():
		return "sysctl -w " + b.Setting + "=0"
	}
	return "give antispoof=yes, or sysctl -w " + b.Setting + "=0"
}

// iptables says whether nobody but iptables drops what is bridged: antispoof=yes has it let
// dom0's packets pass.
func (b Bridged) iptables() bool {
	return len(b.Reverse) == 0 && !slices.ContainsFunc(b.Drops, func(d Drop) bool { return !d.iptables() })
}

// iptables says whether a chain is that of iptables.
func (d Drop) iptables() bool {
	return d.Family != unix.NFPROTO_INET && d.Table == "filter" && d.Name == "FORWARD"
}

// bridged is what a rule of the chain says of bridged packets.
func (d Drop) bridged(m Move) string {
	if d.iptables() {
		return "-m physdev --physdev-is-bridged"
	}
	return fmt.Sprintf("iifname %q oifname %[1]q", m.Bridge)
}

// reversed: what is bridged for dom0 has come by the bridge, and its source is reached by dom0's
// own interface; the source of what dom0 sends is its own, which no interface reaches. Where the
// bridge is dom0's interface, the one is right, and the other does not come in by it.
func (d *Data) reversed(b Bridged, m Move) []Holder {
	if m.OnBridge {
		return nil
	}
	thought := func(r Rule) bool {
		return slices.ContainsFunc(d.Rules, func(o Rule) bool {
			return o.Family == r.Family && o.Table == r.Table && o.Chain == r.Chain && o.meant(m.Bridge)
		})
	}
	return byTable(slices.DeleteFunc(slices.Clone(b.Reverse), thought), Breaks, "about the way back (rpfilter, fib saddr)",
		"with "+b.Setting+"=1 dom0's own packets do not get through: let pass before what comes in by "+m.Bridge+", or "+b.off(m))
}

// forwards says whether a base chain is for forwarded packets.
func forwards(hook []byte) bool { return be32(hook, unix.NFTA_HOOK_HOOKNUM) == unix.NF_INET_FORWARD }

// drops says whether a base chain's policy is to drop.
func drops(attrs []byte) bool {
	policy := rtnl.FindAttr(attrs, unix.NFTA_CHAIN_POLICY)
	return len(policy) == 4 && binary.BigEndian.Uint32(policy) == 0 // NF_DROP
}

// local says whether a base chain is for what the host itself gets or sends.
func local(hook []byte) bool {
	at := be32(hook, unix.NFTA_HOOK_HOOKNUM)
	return at == unix.NF_INET_LOCAL_IN || at == unix.NF_INET_LOCAL_OUT
}
