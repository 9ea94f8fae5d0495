package bridge

import (
	"context"
	"io"
	"net"

	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/sysctl"
)

// When the NIC becomes a port, or as a port gets dom0's MAC address, the kernel
// makes that address local to the bridge (br_fdb_add_local, replacing whatever
// entry there is), and frames to dom0 end there until the next message points
// the entry to dom0's port; and while it ceases to be one, it is a port that is
// disabled (del_nbp). That is a few microseconds each, in which a busy host
// loses a frame. The shield takes those frames before the bridge sees them, and
// sends them out of dom0's port, so that dom0's interface receives them.

// shield is the operation that puts it up, or takes it away. A kernel that has
// no such thing does without; and it ends with the process, so that there is
// nothing to be recovered.
type shield struct {
	On    bool
	Index int // of the NIC
	To    target
	MAC   net.HardwareAddr
	Conn  *rtnl.Conn `json:"-"`

	at *shieldAt // where the operations of one plan find each other
}

// shieldAt is a shield that is up, or none.
type shieldAt struct{ io.Closer }

const shieldKind = "shield"

// Kind implements plan.Op.
func (*shield) Kind() string { return shieldKind }

// Commands implements plan.Op: no program does that.
func (*shield) Commands() []string { return nil }

// Do implements plan.Op. It never fails: without the shield a frame may be
// lost, and that is all.
func (s *shield) Do(context.Context, bool) error {
	if s.at == nil {
		return nil // read from a journal: it has gone with the process that wrote that
	}
	if s.at.Closer != nil {
		_ = s.at.Close() // fails only if it is gone, with the NIC
		s.at.Closer = nil
	}
	if s.On {
		s.at.Closer = s.raise()
	}
	return nil
}

// raise takes the first of two ways that the kernel has; nil if it has none.
// Nftables can only send out of an interface.
func (s *shield) raise() io.Closer {
	if l, err := host.ReadLink(s.Conn, s.Index); err == nil && !s.To.Into {
		if f, err := newNftFwd(l.Name, s.MAC, s.To.Index); err == nil {
			return f
		}
	}
	if r, err := newRedirect(s.Index, s.MAC, s.To); err == nil {
		return r
	}
	return nil
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

// canShield says whether there is a bridge to be shielded from.
func (m *move) canShield() bool {
	return m.bridge != 0 && len(m.s.nic.MAC) == 6
}

func (m *move) shieldOp(on bool) plan.Op {
	nic := m.s.nic.Index
	return &shield{On: on, Index: nic, To: m.target(), MAC: m.s.nic.MAC, Conn: m.conn, at: &m.shieldAt}
}

// target is where dom0's frames have to go: out of the interface, whose other
// end is dom0's, or as if they had come in there.
type target struct {
	Index int
	Into  bool
}

func (m *move) target() target {
	if m.s.onBridge() {
		return target{m.bridge, true}
	}
	return target{m.pair.port, false}
}

// sources sets how dom0's interface looks at the source of packets, if it
// would be strict.
func (m *move) sources(value string) []plan.Op {
	own, all := m.settings[rpFilter], m.h.Setting(rpFilter.Of("all"))
	if max(own, all) != strict || own == "" {
		return nil
	}
	return []plan.Op{m.set(rpFilter, m.pair.dev, value)}
}
