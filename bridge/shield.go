package bridge

import (
	"xbr-script/bridge/divert"
	"xbr-script/internal/plan"
	"xbr-script/internal/sysctl"
)

var rpFilter = sysctl.Key{Dir: "net/ipv4/conf", Name: "rp_filter"}

// Settings are those of the host that planning asks for.
func Settings() []string { return []string{rpFilter.Of("all")} }

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
		Do:    append(m.sources(loose), m.divert()),
		Undo:  append([]plan.Op{m.divertNoMore()}, m.sources(m.settings[rpFilter])...),
	}
}

// unshield is the step after which frames take their own way again.
func (m *move) unshield() plan.Step {
	if !m.canShield() {
		return plan.Step{}
	}
	return plan.Step{
		Title: "let dom0's frames come their own way",
		Do:    []plan.Op{m.divertNoMore()},
		Undo:  []plan.Op{m.divert()},
	}
}

// strictAgain is the step that looks at sources as before.
func (m *move) strictAgain() plan.Step {
	return plan.Step{
		Title: "check the sources of what comes to " + m.names[m.pair.dev] + " as before",
		Do:    m.sources(m.settings[rpFilter]),
		Undo:  m.sources(loose),
	}
}

// canShield says whether there is a bridge to be shielded from.
func (m *move) canShield() bool {
	return m.bridge != 0 && len(m.s.nic.MAC) == 6
}

// divert is the operation that puts the shield up. Dom0's frames have to go out of
// the port, whose other end is dom0's interface, or into the bridge, if that is
// dom0's.
func (m *move) divert() *divert.Op {
	to := divert.Target{Index: m.pair.port}
	if m.s.onBridge() {
		to = divert.Target{Index: m.bridge, Into: true}
	}
	return &divert.Op{On: true, Index: m.s.nic.Index, To: to, MAC: m.s.nic.MAC, At: &m.diverted, Conn: m.conn}
}

// divertNoMore is the one that takes it away.
func (m *move) divertNoMore() *divert.Op {
	op := m.divert()
	op.On = false
	return op
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
