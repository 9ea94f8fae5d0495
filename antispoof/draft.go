package antispoof

import (
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/config"
	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	sys "xbr-script/internal/program"
	"xbr-script/internal/refusal"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/sysctl"
)

// draft is what one plan is made from: the host's rules and records, and the plan
// so far.
type draft struct {
	host     *host.Host
	keep     plan.Records
	seen     *Seen
	rulesets []*ruleset         // the rules: IPv4, then IPv6 if the kernel has it
	records  map[string]*record // as they will be
	made     *hostRecord        // nil: no bridge was guarded
	at       string             // the bridge that is being planned
	plan     plan.Plan
	notes    []string
}

// begin makes the draft of a plan.
func (p *Planner) begin(records map[string]*record) (*draft, error) {
	made, err := hostForms.Load(p.Records, hostName)
	if err != nil {
		return nil, err
	}
	rulesets, err := p.Seen.rulesets()
	return &draft{host: p.Host, keep: p.Records, seen: p.Seen, rulesets: rulesets, records: records, made: made}, err
}

// change plans that bridges are guarded, or no longer guarded.
func (s *draft) change(on, off []Bridge) error {
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

// begin checks whether the host can guard a bridge, and plans what it needs before
// the first one.
func (s *draft) begin(b *Bridge) error {
	rec := s.records[b.Name]
	ipt := s.rulesets[0].program
	if s.seen.Backend != ipt.backend() {
		others := strings.Join(slices.Sorted(maps.Keys(s.records)), ", ")
		return refusal.New("start that with antispoof=no first, which removes them there",
			"cannot guard %s: there are rules for %s in iptables-%s, and iptables is now the one of %s", b.Name, others, ipt.backend(), s.seen.Backend)
	}
	if lacks := s.seen.Ground.Lacks; lacks != "" {
		return refusal.New("install the kernel's modules, or start with antispoof=no", "cannot guard %s: %s", b.Name, lacks)
	}
	forward := s.rulesets[0].builtin("filter", "FORWARD")
	if s.made == nil {
		if err := s.first(); err != nil {
			return err
		}
	}
	b.readAddrs(s.host)
	fresh := &record{Bridge: *b, Style: s.seen.Scripts.styleOf(forward), Backend: ipt.backend(), Flags: flagsOf(s.host, b.Name, s.families())}
	fresh.Bridge.Addrs = slices.Concat(networks(ipv4, b.Addrs), networks(ipv6, b.Addrs))
	if rec != nil {
		fresh.Flags = rec.Flags
	}
	s.notes = append(append(s.notes, s.changes(*b, rec)...), s.words(*b, forward)...)
	if rec == nil {
		s.notes = append(s.notes, s.news(*b)...)
	}
	s.records[b.Name] = fresh
	return nil
}

// readAddrs finds out whether the bridge has IP addresses of its own, apart from
// those that IPv6 gives every interface.
func (b *Bridge) readAddrs(h *host.Host) {
	b.routed = b.Port == ""
	l := h.Name(b.Name)
	if b.routed || l == nil { // it is still to be made
		return
	}
	b.routed = slices.ContainsFunc(h.Addrs, func(m rtnl.Msg) bool {
		addr := m.Get(unix.IFA_LOCAL)
		if addr == nil {
			addr = m.Get(unix.IFA_ADDRESS)
		}
		a, ok := netip.AddrFromSlice(addr)
		return ok && m.Uses(l.Index) && !a.IsLinkLocalUnicast()
	})
}

// first plans what the host needs before its first bridge is guarded.
func (s *draft) first() error {
	s.made = &hostRecord{NewTables: map[string][]string{}}
	for _, st := range s.rulesets {
		for _, t := range []string{"raw", "filter"} {
			if st.program.nft && !slices.Contains(st.tables, t) {
				s.made.NewTables[st.program.family.program] = append(s.made.NewTables[st.program.family.program], t)
			}
		}
	}
	note, err := hostForms.Keep(s.keep, hostName, s.made)
	if err != nil {
		return err
	}
	// Rules make their tables; undone last, they are unmade.
	s.plan.Add(note, plan.Step{Title: "make tables", Undo: s.dropTables()})
	if !moduleThere(s.host) {
		l := newLoad(s.rulesets[0].program)
		s.plan.Add(plan.Step{Title: "load " + module, Do: []plan.Op{l}, Undo: []plan.Op{l}})
	}
	return nil
}

// on plans to guard one bridge.
func (s *draft) on(b Bridge) error {
	rec := s.records[b.Name]
	for _, st := range s.rulesets {
		s.plan.Add(guard(st.program, b, rec.Style).step("guard "+b.Name+" against forged "+st.program.family.label+" addresses", st))
	}
	families := s.families()
	s.setNfCall("show iptables the packets that cross "+b.Name, b, flagsOf(s.host, b.Name, families), switched(families))
	step := pin(s.host, b)
	note, err := recordForms.Keep(s.keep, recordName(b.Name), rec)
	s.plan.Add(step, note)
	return err
}

// off plans to guard it no longer.
func (s *draft) off(b Bridge) error {
	if rec := s.records[b.Name]; rec != nil {
		b.MAC = rec.Bridge.MAC
		if b.Want == config.AntiSpoofNo || b.Want == config.AntiSpoofYes {
			s.notes = append(s.notes, b.Name+": antispoof is off")
		}
		s.setNfCall("no longer show iptables the packets that cross "+b.Name, b, flagsOf(s.host, b.Name, s.families()), rec.Flags)
	}
	s.plan.Add(unpin(s.host, b))
	for _, st := range s.rulesets {
		s.plan.Add(unguard(st.program, b).step("no longer guard "+b.Name+" against forged "+st.program.family.label+" addresses", st))
	}
	delete(s.records, b.Name)
	note, err := recordForms.Keep(s.keep, recordName(b.Name), nil)
	s.plan.Add(note)
	return err
}

// close plans what the policy of FORWARD has to be.
func (s *draft) close() {
	e := closing(s.rulesets[0], appendedTo(s.records))
	s.plan.Add(e.step("let the policy of FORWARD decide for guests, or no longer", s.rulesets[0]))
}

// appendedTo are the bridges whose guests' rules are at the end of FORWARD.
func appendedTo(records map[string]*record) []Bridge {
	var bridges []Bridge
	for _, name := range slices.Sorted(maps.Keys(records)) {
		if r := records[name]; r.Style == appended && !r.Bridge.GuestsAllow {
			bridges = append(bridges, r.Bridge)
		}
	}
	return bridges
}

// end plans what is left to do after the last bridge.
func (s *draft) end() error {
	if s.made == nil || len(s.records) > 0 {
		return nil
	}
	s.plan.Add(plan.Step{Title: "remove the tables that were not there before", Do: s.dropTables()})
	note, err := hostForms.Keep(s.keep, hostName, nil)
	s.plan.Add(note)
	return err
}

func (s *draft) families() []*family {
	var fs []*family
	for _, st := range s.rulesets {
		fs = append(fs, st.program.family)
	}
	return fs
}

// switched is the flags, all of them on.
func switched(families []*family) []sysctl.Set {
	var sets []sysctl.Set
	for _, f := range families {
		sets = append(sets, sysctl.Set{Name: f.flag, Value: "1"})
	}
	return sets
}

// setNfCall plans to change a bridge's flags.
func (s *draft) setNfCall(title string, b Bridge, from, to []sysctl.Set) {
	if !slices.Equal(from, to) {
		s.plan.Add(plan.Step{Title: title, Do: []plan.Op{&nfCall{b.Name, b.Index, to}}, Undo: []plan.Op{&nfCall{b.Name, b.Index, from}}})
	}
}
