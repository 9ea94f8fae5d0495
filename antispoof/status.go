package antispoof

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"xbr-script/internal/host"
	"xbr-script/internal/refusal"
)

// Status is the state of one bridge's rules.
type Status struct {
	On      bool     `json:"on"`               // guarded, by the record of start
	InForce bool     `json:"in_force"`         // and nothing is wrong
	Wrong   []string `json:"wrong,omitempty"`  // what is; start mends it
	Notes   []string `json:"notes,omitempty"`  // what is as asked, but should be known
	Guests  string   `json:"guests,omitempty"` // what decides what guests may send: "rules", or "all" if nothing does
	Backend string   `json:"backend,omitempty"`
}

// Status says in which state a bridge's rules are.
func (p *Planner) Status(b Bridge) (Status, error) {
	records, err := allRecords(p.Records)
	if err != nil {
		return Status{}, err
	}
	rec := records[b.Name]
	if rec == nil {
		return Status{}, nil
	}
	b.GuestsAllow = rec.Bridge.GuestsAllow
	st := Status{On: true, Guests: "rules", Backend: rec.Backend}
	if b.GuestsAllow {
		st.Guests = "all"
	}
	err = p.Seen.allKnown()
	var s *draft
	if err == nil {
		s, err = p.begin(records)
	}
	if err != nil {
		st.Wrong = []string{unknown(err)}
		return st, nil
	}
	b.readAddrs(p.Host)
	st.Wrong = s.wrong(b, rec)
	st.InForce = len(st.Wrong) == 0
	st.Notes = append(s.words(b, s.rulesets[0].builtin("filter", "FORWARD")), s.news(b)...)
	return st, p.Host.Err()
}

// unknown is what is wrong if the rules cannot be read.
func unknown(err error) string {
	if errors.As(err, &notRoot{}) {
		return "the rules cannot be read: that needs root"
	}
	var refused *refusal.Error
	if errors.As(err, &refused) && refused.Cause != nil {
		err = refused.Cause
	}
	return "the rules cannot be read: " + err.Error()
}

// wrong lists what is not as it should be.
func (s *draft) wrong(b Bridge, rec *record) (all []string) {
	if now := s.seen.Backend; now != rec.Backend {
		all = append(all, fmt.Sprintf("iptables is now the one of %s, but the rules are in that of %s", now, rec.Backend))
	}
	for _, st := range s.rulesets {
		for _, w := range st.differences(guard(st.program, b, s.style(rec, st))) {
			all = append(all, st.program.name+": "+w)
		}
		all = append(all, unseen(s.host, st.program.family, b.Name)...)
	}
	for _, w := range s.rulesets[0].differences(closing(s.rulesets[0], appendedTo(s.records))) {
		all = append(all, s.rulesets[0].program.name+": "+w)
	}
	if b.pinned() && !b.isSticky(s.host) {
		all = append(all, "frames for dom0 ("+b.MAC.String()+") go to whoever claims that address")
	}
	return all
}

// style is the style that start would choose now.
func (s *draft) style(rec *record, st *ruleset) style {
	if st.program.family == ipv6 {
		return rec.Style
	}
	return s.seen.Scripts.styleOf(st.builtin("filter", "FORWARD"))
}

// unseen says why iptables does not see a bridge's packets; nothing if it does.
func unseen(h *host.Host, f *family, bridge string) []string {
	switch {
	case !moduleThere(h):
		return []string{"iptables does not see the packets that cross " + bridge + ": " + module + " is not loaded"}
	case h.Setting(f.global) == "1" || flagsOf(h, bridge, []*family{f})[0].Value == "1":
		return nil
	}
	return []string{fmt.Sprintf("%s does not see the packets that cross %s: %s is off", f.program, bridge, f.flag)}
}

// differences says what an edit would change.
func (s *ruleset) differences(e *edit) []string {
	var all []string
	for _, want := range e.Chains {
		if w := s.chainDifference(want); w != "" {
			all = append(all, w)
		}
	}
	for _, j := range e.Jumps {
		if w := s.jumpDifference(j); w != "" {
			all = append(all, w)
		}
	}
	for _, p := range e.Policies {
		if have := s.builtin(p.Table, p.Chain).policy; have != p.Target {
			all = append(all, fmt.Sprintf("the policy of %s is %s instead of %s", p.Chain, have, p.Target))
		}
	}
	return all
}

func (s *ruleset) chainDifference(want chainEdit) string {
	have := s.chain(want.Table, want.Name)
	switch {
	case want.Gone && have == nil:
		return ""
	case want.Gone:
		return fmt.Sprintf("the chain %s of %s is not needed", want.Name, want.Table)
	case have == nil:
		return fmt.Sprintf("the chain %s of %s is missing", want.Name, want.Table)
	}
	var lacks, extra []string
	for _, text := range want.Rules {
		if len(have.indexes(newRule(text))) == 0 {
			lacks = append(lacks, text)
		}
	}
	for _, r := range have.rules {
		if !slices.ContainsFunc(want.Rules, func(text string) bool { return newRule(text).same(r) }) {
			extra = append(extra, r.text)
		}
	}
	switch {
	case len(lacks) > 0:
		return fmt.Sprintf("the chain %s of %s lacks: %s", want.Name, want.Table, strings.Join(lacks, "; "))
	case len(extra) > 0:
		return fmt.Sprintf("the chain %s of %s has a foreign rule: %s", want.Name, want.Table, strings.Join(extra, "; "))
	case len(have.rules) != len(want.Rules):
		return fmt.Sprintf("the chain %s of %s has a rule twice", want.Name, want.Table)
	}
	for i, text := range want.Rules {
		if !newRule(text).same(have.rules[i]) {
			return fmt.Sprintf("the rules of the chain %s of %s are in another order", want.Name, want.Table)
		}
	}
	return ""
}

func (s *ruleset) jumpDifference(j jump) string {
	have := s.builtin(j.Table, j.Chain).indexes(newRule(j.Rule))
	target := newRule(j.Rule).value("-j")
	switch {
	case j.Place == nowhere && len(have) == 0:
		return ""
	case j.Place == nowhere:
		return fmt.Sprintf("%s leads to %s, which is not needed", j.Chain, target)
	case len(have) == 0:
		return fmt.Sprintf("nothing leads from %s of %s to %s", j.Chain, j.Table, target)
	case len(have) > 1:
		return fmt.Sprintf("%s leads to %s more than once", j.Chain, target)
	}
	if why := s.misplaced(j, have[0]); why != "" {
		return fmt.Sprintf("in %s, %s is at the wrong place: %s", j.Chain, target, why)
	}
	return ""
}
