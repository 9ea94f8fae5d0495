package bridge

import (
	"encoding/binary"
	"net"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/shell"
	"xbr-script/internal/sysctl"
)

// When the NIC becomes a port, or as a port gets dom0's MAC address, the kernel
// makes that address local to the bridge (br_fdb_add_local, replacing whatever
// entry there is), and frames to dom0 end there until the next message points
// the entry to dom0's port: a few microseconds, in which a busy host loses a
// frame. The shield is a filter at the NIC's ingress, before the bridge sees
// the frame, that sends those frames out of dom0's port, so that dom0's
// interface receives them. (Redirected to the ingress of that interface they
// would keep the mark whether they are meant for the NIC's own address, and be
// dropped if not.)

// shield is the operation that puts the filter up, or takes it away. A kernel
// without the parts for it does without.
type shield struct {
	On    bool
	Index int // the NIC
	To    int // dom0's port
	MAC   net.HardwareAddr
	Names rtnl.Names
	Conn  *rtnl.Conn `json:"-"`
}

const shieldKind = "shield"

// shieldPriority is that of the first filter, the others follow: no other
// program picks it by chance, so it tells whose the filters are.
const shieldPriority = 48271

// shielded are the protocols: not those of VLANs, whose interfaces stay on the
// NIC.
var shielded = []struct {
	name string
	typ  uint16
}{{"ip", unix.ETH_P_IP}, {"arp", unix.ETH_P_ARP}, {"ipv6", unix.ETH_P_IPV6}}

// Kind implements plan.Op.
func (*shield) Kind() string { return shieldKind }

// Commands implements plan.Op.
func (s *shield) Commands() []string {
	nic := shell.Quote(s.Names.Of(s.Index))
	if !s.On {
		return []string{"tc qdisc del dev " + nic + " clsact 2>/dev/null || :"}
	}
	cmds := []string{"tc qdisc add dev " + nic + " clsact"}
	for i, p := range shielded {
		cmds = append(cmds, "tc filter add dev "+nic+" ingress prio "+utoa(uint32(shieldPriority+i))+" protocol "+p.name+
			" u32 match ether dst "+s.MAC.String()+" action mirred egress redirect dev "+shell.Quote(s.Names.Of(s.To)))
	}
	return []string{strings.Join(cmds, " && ") + " || :"}
}

// Do implements plan.Op. It never fails: without the shield a frame may be
// lost, and that is all.
func (s *shield) Do(bool) error {
	if !s.On {
		s.takeAway()
		return nil
	}
	if refused, err := s.Conn.Send([]rtnl.Msg{s.qdisc(unix.RTM_NEWQDISC, addFlags)}); err != nil || len(refused) > 0 {
		return nil
	}
	var filters []rtnl.Msg
	for i, p := range shielded {
		filters = append(filters, s.filter(uint16(shieldPriority+i), p.typ))
	}
	if refused, err := s.Conn.Send(filters); err != nil || len(refused) > 0 {
		_, _ = s.Conn.Send([]rtnl.Msg{s.qdisc(unix.RTM_DELQDISC, 0)})
	}
	return nil
}

// takeAway removes the filters with their qdisc, if they are ours.
func (s *shield) takeAway() {
	req := rtnl.Msg{Type: unix.RTM_GETTFILTER, Body: s.header(0, tcIngress, 0)}
	filters, err := s.Conn.Dump(req.Type, req.Body)
	if err != nil {
		return
	}
	for _, f := range filters {
		if p := rtnl.U32(f.Body[16:20]) >> 16; p >= shieldPriority && p < uint32(shieldPriority+len(shielded)) { // tcm_info
			_, _ = s.Conn.Send([]rtnl.Msg{s.qdisc(unix.RTM_DELQDISC, 0)})
			return
		}
	}
}

// Handles (linux/pkt_sched.h).
const (
	tcClsact  = 0xfffffff1 // TC_H_CLSACT
	tcIngress = 0xfffffff2 // TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)
)

// header is a struct tcmsg.
func (s *shield) header(handle, parent, info uint32) []byte {
	h := nl.TcMsg{Ifindex: int32(s.Index), Handle: handle, Parent: parent, Info: info}
	return h.Serialize()
}

func (s *shield) qdisc(typ, flags uint16) rtnl.Msg {
	body := s.header(tcClsact&0xffff0000, tcClsact, 0)
	body = append(body, nl.NewRtAttr(nl.TCA_KIND, nl.ZeroTerminated("clsact")).Serialize()...)
	return rtnl.Msg{Type: typ, Flags: flags, Body: body}
}

// filter hands frames of one protocol to dom0's address over.
func (s *shield) filter(priority, protocol uint16) rtnl.Msg {
	info := uint32(priority)<<16 | uint32(protocol>>8|protocol<<8) // in network order
	body := s.header(0, tcIngress, info)
	body = append(body, nl.NewRtAttr(nl.TCA_KIND, nl.ZeroTerminated("u32")).Serialize()...)
	options := nl.NewRtAttr(nl.TCA_OPTIONS, nil)
	options.AddRtAttr(nl.TCA_U32_SEL, s.selector().Serialize())
	action := options.AddRtAttr(nl.TCA_U32_ACT, nil).AddRtAttr(1, nil)
	action.AddRtAttr(nl.TCA_ACT_KIND, nl.ZeroTerminated("mirred"))
	mirred := nl.TcMirred{Eaction: tcaEgressRedir, Ifindex: uint32(s.To)}
	mirred.Action = tcActStolen
	action.AddRtAttr(nl.TCA_ACT_OPTIONS, nil).AddRtAttr(nl.TCA_MIRRED_PARMS, mirred.Serialize())
	return rtnl.Msg{Type: unix.RTM_NEWTFILTER, Flags: addFlags, Body: append(body, options.Serialize()...)}
}

// linux/tc_act/tc_mirred.h, linux/pkt_cls.h.
const (
	tcaEgressRedir = 1 // TCA_EGRESS_REDIR
	tcActStolen    = 4 // TC_ACT_STOLEN
	tcU32Terminal  = 1 // TC_U32_TERMINAL
)

// selector matches the destination in the Ethernet header, which stands 14
// bytes before what the filter counts from.
func (s *shield) selector() *nl.TcU32Sel {
	word := func(b []byte) uint32 { return binary.NativeEndian.Uint32(b) } // as it stands in the frame
	return &nl.TcU32Sel{
		Flags: tcU32Terminal, Nkeys: 2,
		Keys: []nl.TcU32Key{
			{Mask: word([]byte{0, 0, 0xff, 0xff}), Val: word([]byte{0, 0, s.MAC[0], s.MAC[1]}), Off: -16},
			{Mask: word([]byte{0xff, 0xff, 0xff, 0xff}), Val: word(s.MAC[2:6]), Off: -12},
		},
	}
}

var rpFilter = sysctl.Key{Dir: "net/ipv4/conf", Name: "rp_filter"}

// Values of rp_filter (ip-sysctl): the higher of that of the interface and that
// of "all" counts.
const (
	strict = "1" // a packet must come from where the answer would go to
	loose  = "2" // it must come from where some answer could
)

// shield is the step before the NIC becomes, or stops being, a port. Where it
// and dom0's interface have the same addresses and the routes are still, or
// already, on the other one, a strict look at the source would drop what comes.
func (m *move) shield() plan.Step {
	if !m.canShield() {
		return plan.Step{}
	}
	return plan.Step{
		Title: "hand dom0's frames from " + m.names[m.s.nic.Index] + " to " + m.names[m.pair.dev],
		Do:    append(m.sources(loose), m.shieldOp(true)),
		Undo:  append([]plan.Op{m.shieldOp(false)}, m.sources(m.settings[rpFilter])...),
	}
}

// unshield is the step after which frames take their own way again.
func (m *move) unshield() plan.Step {
	if !m.canShield() {
		return plan.Step{}
	}
	return plan.Step{
		Title: "let dom0's frames come their own way",
		Do:    []plan.Op{m.shieldOp(false)},
		Undo:  []plan.Op{m.shieldOp(true)},
	}
}

// strictAgain is the step that looks at sources as before.
func (m *move) strictAgain() plan.Step {
	return plan.Step{
		Title: "look at the sources of what comes to " + m.names[m.pair.dev] + " as before",
		Do:    m.sources(m.settings[rpFilter]),
		Undo:  m.sources(loose),
	}
}

// canShield says whether there is a bridge to be shielded from, and whether
// the NIC's ingress is free.
func (m *move) canShield() bool {
	return m.bridge != 0 && len(m.s.nic.MAC) == 6 && !m.h.Ingress(m.s.nic.Index)
}

func (m *move) shieldOp(on bool) plan.Op {
	return &shield{On: on, Index: m.s.nic.Index, To: m.pair.port, MAC: m.s.nic.MAC, Names: m.batch().Names, Conn: m.conn}
}

// sources sets how dom0's interface looks at the source of packets, if it
// would be strict.
func (m *move) sources(value string) []plan.Op {
	own, all := m.settings[rpFilter], sysctl.Get(rpFilter.Of("all"))
	if max(own, all) != strict || own == "" {
		return nil
	}
	return []plan.Op{set(rpFilter, m.names[m.pair.dev], value)}
}
