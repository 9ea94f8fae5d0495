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

// masquerades says whether there may be a rule that does: those of iptables-legacy are
// not read.
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
	if len(state) == 1 && state[0] != tcpEstablished {
		return netip.Addr{}, false // it is ending
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
	Drops   string // the chain that drops what it does not know, "" if none
	Sent    int    // rules that send connections elsewhere (DNAT)
	Masks   bool   // there may be rules that masquerade
}

// readBridged reads it from the rules and hooks that are known by now.
func readBridged(r *reader) error {
	r.MayPass = MayPass(r.Host)
	for _, f := range bridgedSettings {
		if r.Host.Setting(f.name) != "1" {
			continue
		}
		b := Bridged{Setting: strings.ReplaceAll(f.name, "/", "."), Masks: r.masquerades()}
		for _, rule := range r.Rules {
			if rule.Publishes && (rule.Family == f.family || rule.Family == unix.NFPROTO_INET) {
				b.Sent++
			}
		}
		for _, chain := range r.Forward {
			if chain.Family != f.family && chain.Family != unix.NFPROTO_INET || r.knowsBridged(chain) {
				continue
			}
			b.Drops = place(chain.Family, chain.Table) + ", chain " + chain.Name
		}
		r.Bridged = append(r.Bridged, b)
	}
	return r.Host.Err()
}

// knowsBridged says whether a chain has a rule about bridged packets.
func (r *reader) knowsBridged(chain Hook) bool {
	for _, rule := range r.Rules {
		if rule.PhysDev && rule.Family == chain.Family && rule.Table == chain.Table && rule.Chain == chain.Name {
			return true
		}
	}
	return false
}

// findBridged: dom0's own packets are bridged if it has a port of its own, and so are
// those of guests. A connection from outside that is sent elsewhere is then taken aside
// on the bridge, before it comes to dom0 (br_nf_pre_routing_finish). With antispoof,
// bridged packets are not tracked, and its rules let dom0's pass.
func findBridged(d *Data, m Move) []Holder {
	if !m.Start || m.Guarded {
		return nil
	}
	var all []Holder
	for _, b := range d.Bridged {
		off := fmt.Sprintf("give antispoof=yes, or sysctl -w %s=0", b.Setting)
		if b.Sent > 0 && !m.OnBridge {
			h := Holder{Kind: "published ports", What: b.Setting + "=1, and rules that send connections elsewhere (DNAT): " + strconv.Itoa(b.Sent), Outcome: Breaks}
			h.Then = "connections from outside no longer get there: " + off
			if d.Untracks(m) {
				h.Outcome, h.Then = Moves, "what is bridged for dom0 is not tracked: nft list table inet "+UntrackedTable(m.Bridge)
			}
			all = append(all, h)
		}
		if b.Drops == "" {
			continue
		}
		h := Holder{Kind: "bridged packets", What: b.Setting + "=1, and the policy of " + b.Drops + " is drop", Outcome: Breaks}
		h.Then = "dom0's own packets do not get through: let the chain accept what is bridged (-m physdev --physdev-is-bridged), or " + off
		if m.OnBridge {
			h.Then = "guests do not get through, unless there are rules for each: let the chain accept what is bridged (-m physdev --physdev-is-bridged), or sysctl -w " + b.Setting + "=0"
		}
		all = append(all, h)
	}
	return all
}

// forwards says whether a base chain is for forwarded packets and drops what it does
// not know.
func forwards(hook, attrs []byte) bool {
	policy := rtnl.FindAttr(attrs, unix.NFTA_CHAIN_POLICY)
	return hook != nil && be32(hook, unix.NFTA_HOOK_HOOKNUM) == unix.NF_INET_FORWARD &&
		len(policy) == 4 && binary.BigEndian.Uint32(policy) == 0 // NF_DROP
}

// local says whether a base chain is for what the host itself gets or sends.
func local(hook []byte) bool {
	at := be32(hook, unix.NFTA_HOOK_HOOKNUM)
	return at == unix.NF_INET_LOCAL_IN || at == unix.NF_INET_LOCAL_OUT
}
