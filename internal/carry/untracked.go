package carry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/internal/holders"
	"xbr-script/internal/nfnetlink"
	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
	"xbr-script/internal/shell"
)

// Untracked is the operation that keeps connection tracking away from dom0's packets
// while they are bridged, by a table of nftables, or no longer does. Where bridged packets
// pass the packet filter (bridge-nf-call-iptables) they would be tracked there and once
// more on dom0's interface, and what is translated would be lost: a published port is taken
// aside on the bridge (br_nf_pre_routing_finish), and a masqueraded connection ends when it
// leaves by another interface than before (nf_nat_oif_changed).
type Untracked struct {
	On     bool             `json:"On"`
	Bridge string           `json:"Bridge"`
	MAC    net.HardwareAddr `json:"MAC"` // dom0's
}

// UntrackedKind names an Untracked in a journal.
const UntrackedKind = "nftables untracked"

// Kind implements plan.Op.
func (*Untracked) Kind() string { return UntrackedKind }

// prerouting is the only chain of the table.
const prerouting = "prerouting"

// tracking are the steps that make the table before all others, and delete it after them.
func tracking(d *holders.Data, m holders.Move) (first, last plan.Step) {
	switch {
	case d.Untracks(m):
		first = untrack(d, m)
	case !m.Start && d.Untracked[m.Bridge]:
		on, off := untracked(m)
		last = plan.Step{Title: "track packets on " + m.Bridge + " again", Do: []plan.Op{off}, Undo: []plan.Op{on}}
	}
	return first, last
}

// untracked are the operations for the table of a network.
func untracked(m holders.Move) (on, off *Untracked) {
	mac, _ := net.ParseMAC(m.MAC) // it has just been printed
	return &Untracked{On: true, Bridge: m.Bridge, MAC: mac}, &Untracked{Bridge: m.Bridge, MAC: mac}
}

// untrack is the step that makes the table.
func untrack(d *holders.Data, m holders.Move) plan.Step {
	on, off := untracked(m)
	s := plan.Step{Title: "leave dom0's packets on " + m.Bridge + " untracked", Do: []plan.Op{on}, Undo: []plan.Op{off}}
	if d.Translates() {
		s.Check = on.there
	}
	return s
}

// Mend makes the tables that networks which are up lack: somebody has flushed all rules, or
// bridged packets have come to pass the packet filter since they were started.
func Mend(d *holders.Data, up []holders.Move) (part plan.Part) {
	for _, m := range up {
		if !d.Tracked(m) {
			continue
		}
		part.First = append(part.First, untrack(d, m))
		if d.Translates() {
			part.Lines = append(part.Lines, "what is bridged for dom0 on "+m.Bridge+" is not tracked twice any more")
		}
	}
	return part
}

// Do implements plan.Op. A table that is there already is made anew. Where it cannot be
// made that is no failure of itself: mostly nothing needs it yet, else the step looks for it.
func (u *Untracked) Do(_ context.Context, undoing bool) error {
	if !u.On {
		return u.set()
	}
	err := u.once()
	if !undoing {
		return nil
	}
	return err
}

// there finds the table.
func (u *Untracked) there(context.Context) error {
	chains, err := nfnetlink.Chains()
	if err != nil || slices.ContainsFunc(chains, func(c nfnetlink.Chain) bool { return c.Table == holders.UntrackedTable(u.Bridge) }) {
		return err
	}
	return refusal.New("sysctl -w net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0 keeps bridged packets out of the packet filter",
		"the kernel takes no table of nftables for that (notrack), and published ports and masquerading would break")
}

// set makes the table or deletes it.
func (u *Untracked) set() error {
	c, err := nfnetlink.Dial()
	if err != nil {
		return err
	}
	defer func() { _ = c.Leave() }() // if it fails, it is closed
	if !u.On {
		err = c.Commit(u.table(unix.NFT_MSG_DELTABLE, 0))
		if errors.Is(err, unix.ENOENT) {
			return nil
		}
		return err
	}
	const beforeTracking = -300 // NF_IP_PRI_RAW
	hook := nfnetlink.Nest(unix.NFTA_CHAIN_HOOK, nfnetlink.U32(unix.NFTA_HOOK_HOOKNUM, unix.NF_INET_PRE_ROUTING),
		nfnetlink.U32(unix.NFTA_HOOK_PRIORITY, uint32(beforeTracking&0xffffffff)))
	return c.Commit(
		u.table(unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE), u.table(unix.NFT_MSG_DELTABLE, 0), u.table(unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE),
		nfnetlink.Request(unix.NFT_MSG_NEWCHAIN, unix.NLM_F_CREATE, unix.NFPROTO_INET, nfnetlink.Text(unix.NFTA_CHAIN_TABLE, holders.UntrackedTable(u.Bridge)),
			nfnetlink.Text(unix.NFTA_CHAIN_NAME, prerouting), nfnetlink.Text(unix.NFTA_CHAIN_TYPE, "filter"), hook),
		u.rule(etherSource), u.rule(etherDestination))
}

// Where the MAC addresses of a frame are, in bytes.
const (
	etherDestination = 0
	etherSource      = 6
)

func (u *Untracked) table(msg, flags int) *nl.NetlinkRequest {
	return nfnetlink.Request(msg, flags, unix.NFPROTO_INET, nfnetlink.Text(unix.NFTA_TABLE_NAME, holders.UntrackedTable(u.Bridge)))
}

// once makes the table, and has connections go on that were tracked twice until then.
func (u *Untracked) once() error {
	twice := u.twice()
	if len(twice) == 0 {
		return u.set()
	}
	ports, which := u.guards(twice)
	if g, err := newGuard(ports, which...); err == nil {
		defer g.end()
	}
	err := u.set()
	if err == nil {
		rewrite(twice)
	}
	return err
}

// rule is that packets which are bridged, and have dom0's MAC address there, are not tracked.
func (u *Untracked) rule(at uint32) *nl.NetlinkRequest {
	return nfnetlink.Request(unix.NFT_MSG_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_APPEND, unix.NFPROTO_INET,
		nfnetlink.Text(unix.NFTA_RULE_TABLE, holders.UntrackedTable(u.Bridge)), nfnetlink.Text(unix.NFTA_RULE_CHAIN, prerouting),
		nfnetlink.Nest(unix.NFTA_RULE_EXPRESSIONS, append(u.bridged(at), expr("notrack"))...))
}

// bridged are packets that come by the bridge with dom0's MAC address there.
func (u *Untracked) bridged(at uint32) []*nl.RtAttr {
	name := make([]byte, unix.IFNAMSIZ)
	copy(name, u.Bridge)
	return []*nl.RtAttr{meta(unix.NFT_META_IIFNAME), equal(name...), load(unix.NFT_PAYLOAD_LL_HEADER, at, len(u.MAC)), equal(u.MAC...)}
}

// Commands implements plan.Op.
func (u *Untracked) Commands() []string {
	table := shell.Quote(holders.UntrackedTable(u.Bridge))
	if !u.On {
		return []string{"nft delete table inet " + table}
	}
	rule := func(which string) string {
		return fmt.Sprintf("nft add rule inet %s %s iifname %s ether %s %s notrack", table, prerouting, shell.Quote(u.Bridge), which, u.MAC)
	}
	return []string{
		"nft add table inet " + table,
		"nft add chain inet " + table + " " + prerouting + " '{ type filter hook prerouting priority raw; }'",
		rule("saddr"), rule("daddr"),
	}
}
