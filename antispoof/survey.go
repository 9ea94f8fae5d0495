package antispoof

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"

	"xbr-script/internal/plan"
	sys "xbr-script/internal/program"
	"xbr-script/internal/refusal"
	"xbr-script/internal/sysctl"
)

// survey is what one plan is made from: what the host has of rules and
// records, and what the plan has so far.
type survey struct {
	*Planner
	states  []*state // IPv4, then IPv6 if the kernel has it
	script  vifScript
	records map[string]*record // as they will be
	host    *hostRecord        // nil: no bridge was under guard
	at      string             // the bridge that is being planned
	plan    plan.Plan
	notes   []string
}

// survey begins a plan. With the lock of iptables held, it fails.
func (p *Planner) survey(records map[string]*record, bridges []Bridge) (*survey, error) {
	host, err := p.loadHost()
	if err != nil {
		return nil, err
	}
	script, err := p.vifScript()
	if err != nil {
		return nil, explain(bridges[0].Name, err)
	}
	programs, err := programs()
	if err != nil {
		return nil, explain(bridges[0].Name, err)
	}
	s := &survey{Planner: p, script: script, records: records, host: host}
	for _, name := range programs {
		prog, err := open(p.context(), name)
		if err == nil {
			prog, err = recorded(prog, records)
		}
		if err == nil {
			err = prog.probe()
		}
		var st *state
		if err == nil {
			st, err = read(prog)
		}
		if err != nil {
			return nil, explain(bridges[0].Name, err)
		}
		s.states = append(s.states, st)
	}
	return s, nil
}

// programs are those of the kernel's families.
func programs() ([]string, error) {
	v6, err := hasIPv6()
	if err != nil || !v6 {
		return []string{ipv4.program}, err
	}
	return []string{ipv4.program, ipv6.program}, nil
}

// hasIPv6 says whether the kernel has IPv6 at all (ipv6.disable=1 takes it
// away).
func hasIPv6() (bool, error) {
	_, err := os.Stat("/proc/thread-self/net/if_inet6")
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func (p *Planner) vifScript() (vifScript, error) {
	if p.Scripts != "" {
		return readScripts(p.Scripts)
	}
	return readScripts(defaultScripts)
}

// recorded is the program that has the back end in which the rules of the
// records are: an admin may have switched iptables to the other since.
func recorded(p *program, records map[string]*record) (*program, error) {
	for _, r := range records {
		if r.Backend != p.backend() {
			return open(p.ctx, p.family.program+"-"+r.Backend)
		}
	}
	return p, nil
}

// change plans that bridges be under guard, or no longer.
func (s *survey) change(on, off []Bridge) error {
	for _, b := range off {
		s.at = b.Name
		if err := s.off(b); err != nil {
			return err
		}
	}
	for i := range on {
		s.at = on[i].Name
		if err := s.begin(&on[i]); err != nil {
			return err
		}
	}
	s.close()
	for _, b := range on {
		s.at = b.Name
		if err := s.on(b); err != nil {
			return err
		}
	}
	return s.end()
}

// explain words an error of iptables for the user.
func explain(bridge string, err error) error {
	var refused *refusal.Error
	if errors.As(err, &refused) {
		return err
	}
	hint := "if that cannot be mended, start with antispoof=no"
	switch {
	case errors.Is(err, sys.ErrMissing):
		hint = "install the package iptables; only bridges without antispoof can do without it"
	case errors.Is(err, errLocked):
		hint = "see who has it: fuser -v /run/xtables.lock; then try again"
	}
	return refusal.Wrap(err, hint, "cannot change the rules for %s", bridge)
}

// begin looks whether the host can guard a bridge and plans what it needs
// before the first.
func (s *survey) begin(b *Bridge) error {
	rec := s.records[b.Name]
	ipt := s.states[0].program
	now, err := open(s.context(), ipv4.program)
	if err != nil && !errors.Is(err, sys.ErrMissing) {
		return err
	}
	if err == nil && now.backend() != ipt.backend() {
		others := strings.Join(slices.Sorted(maps.Keys(s.records)), ", ")
		return refusal.New("start that with antispoof=no first, which removes them there",
			"cannot guard %s: there are rules for %s in iptables-%s, and iptables is now the one of %s", b.Name, others, ipt.backend(), now.backend())
	}
	if err := kernelHas(s.states); err != nil {
		return refusal.New("install the kernel's modules, or start with antispoof=no", "cannot guard %s: %v", b.Name, err)
	}
	forward := s.states[0].builtin("filter", "FORWARD")
	if s.host == nil {
		if err := s.first(); err != nil {
			return err
		}
	}
	if err := b.look(); err != nil {
		return err
	}
	flags, err := calls(b.Name, s.families())
	if err != nil {
		return err
	}
	fresh := &record{Bridge: *b, Style: s.script.styleOf(forward), Backend: ipt.backend(), Calls: flags}
	fresh.Bridge.Addrs = slices.Concat(networks(ipv4, b.Addrs), networks(ipv6, b.Addrs))
	if rec != nil {
		fresh.Calls = rec.Calls
	}
	changes, err := s.changes(*b, rec)
	if err != nil {
		return err
	}
	words, err := s.words(*b, rec == nil, forward)
	s.notes = append(append(s.notes, changes...), words...)
	s.records[b.Name] = fresh
	return err
}

// look finds out whether the bridge has IP addresses of its own, apart from
// those that IPv6 gives every interface.
func (b *Bridge) look() error {
	if b.routed = b.Port == ""; b.routed {
		return nil
	}
	link, err := netlink.LinkByName(b.Name)
	if err != nil {
		return gone(err, true) // it is still to be made
	}
	addrs, err := whole(func() ([]netlink.Addr, error) { return netlink.AddrList(link, netlink.FAMILY_ALL) })
	b.routed = slices.ContainsFunc(addrs, func(a netlink.Addr) bool { return !a.IP.IsLinkLocalUnicast() })
	return err
}

// first plans what the host needs before its first bridge comes under guard.
func (s *survey) first() error {
	s.host = &hostRecord{NewTables: map[string][]string{}}
	for _, st := range s.states {
		for _, t := range []string{"raw", "filter"} {
			if st.program.nft && !slices.Contains(st.tables, t) {
				s.host.NewTables[st.program.family.program] = append(s.host.NewTables[st.program.family.program], t)
			}
		}
	}
	note, err := hostForms.Keep(s.hostPath(), s.host)
	if err != nil {
		return err
	}
	// Rules make their tables; undone last, they are unmade.
	s.plan.Add(note, plan.Step{Title: "make tables", Undo: s.dropTables()})
	there, err := moduleThere()
	if err != nil {
		return err
	}
	if !there {
		l := newLoad(s.states[0].program)
		s.plan.Add(plan.Step{Title: "load " + module, Do: []plan.Op{l}, Undo: []plan.Op{l}})
	}
	return nil
}

// on plans to put one bridge under guard.
func (s *survey) on(b Bridge) error {
	rec := s.records[b.Name]
	for _, state := range s.states {
		s.plan.Add(guard(state.program, b, rec.Style).step("guard "+b.Name+" against forged "+state.program.family.label+" addresses", state))
	}
	families := s.families()
	now, err := calls(b.Name, families)
	if err != nil {
		return err
	}
	s.call("show iptables the packets that cross "+b.Name, b, now, switched(families))
	step, err := stickyStep(b, true)
	if err != nil {
		return err
	}
	note, err := recordForms.Keep(s.path(b.Name), rec)
	s.plan.Add(step, note)
	return err
}

// off plans to leave nothing of it.
func (s *survey) off(b Bridge) error {
	if rec := s.records[b.Name]; rec != nil {
		b.MAC = rec.Bridge.MAC
		if b.Want != nil {
			s.notes = append(s.notes, b.Name+": antispoof is off")
		}
		now, err := calls(b.Name, s.families())
		if err != nil {
			return err
		}
		s.call("no longer show iptables the packets that cross "+b.Name, b, now, rec.Calls)
	}
	step, err := stickyStep(b, false)
	if err != nil {
		return err
	}
	s.plan.Add(step)
	for _, state := range s.states {
		s.plan.Add(unguard(state.program, b).step("no longer guard "+b.Name+" against forged "+state.program.family.label+" addresses", state))
	}
	delete(s.records, b.Name)
	note, err := recordForms.Keep(s.path(b.Name), nil)
	s.plan.Add(note)
	return err
}

// close plans what the policy of FORWARD has to be.
func (s *survey) close() {
	e := closing(s.states[0], appendedTo(s.records))
	s.plan.Add(e.step("let the policy of FORWARD decide for guests, or no longer", s.states[0]))
}

// appendedTo are the bridges whose guests' rules stand at the end of FORWARD.
func appendedTo(records map[string]*record) []Bridge {
	var bridges []Bridge
	for _, name := range slices.Sorted(maps.Keys(records)) {
		if r := records[name]; r.Style == appended && !r.Bridge.GuestsAllow {
			bridges = append(bridges, r.Bridge)
		}
	}
	return bridges
}

// end plans what is left to do behind the last bridge.
func (s *survey) end() error {
	if s.host == nil || len(s.records) > 0 {
		return nil
	}
	s.plan.Add(plan.Step{Title: "remove the tables that were not there before", Do: s.dropTables()})
	note, err := hostForms.Keep(s.hostPath(), nil)
	s.plan.Add(note)
	return err
}

func (s *survey) families() []*family {
	var fs []*family
	for _, st := range s.states {
		fs = append(fs, st.program.family)
	}
	return fs
}

// switched is the flags all on.
func switched(families []*family) []sysctl.Set {
	var sets []sysctl.Set
	for _, f := range families {
		sets = append(sets, sysctl.Set{Name: f.flag, Value: "1"})
	}
	return sets
}

// call plans to change a bridge's flags.
func (s *survey) call(title string, b Bridge, from, to []sysctl.Set) {
	if !slices.Equal(from, to) {
		s.plan.Add(plan.Step{Title: title, Do: []plan.Op{&call{b.Name, b.Index, to}}, Undo: []plan.Op{&call{b.Name, b.Index, from}}})
	}
}
