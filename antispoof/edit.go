package antispoof

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"xbr-script/internal/plan"
	sys "xbr-script/internal/program"
	"xbr-script/internal/shell"
)

// editKind names an edit in a journal.
const editKind = "iptables"

// edit is an operation that brings chains, jumps and policies of one family
// into the wanted form, whatever they are, in one transaction a table: nobody
// ever meets a chain that is half filled. Everything else stays as it is.
type edit struct {
	Program  string       `json:"Program"`
	Chains   []chainEdit  `json:"Chains,omitempty"`
	Jumps    []jump       `json:"Jumps,omitempty"`
	Policies []policyEdit `json:"Policies,omitempty"`
	Shell    []string     `json:"Shell,omitempty"` // the commands, as the plan saw it
}

// chainEdit is a chain of our own and all of its rules, or none.
type chainEdit struct {
	Table string   `json:"Table"`
	Name  string   `json:"Name"`
	Gone  bool     `json:"Gone"`
	Rules []string `json:"Rules,omitempty"`
}

// jump is one rule in a chain of others.
type jump struct {
	Table string   `json:"Table"`
	Chain string   `json:"Chain"`
	Rule  string   `json:"Rule"`
	Place position `json:"Place"`
	At    []int    `json:"At,omitempty"` // the places, for exactly
	// Own are the ports whose rules are not a guest's, for afterGuests.
	Own []string `json:"Own,omitempty"`
}

// policyEdit is what happens to packets that no rule of a chain decides about.
type policyEdit struct {
	Table  string `json:"Table"`
	Chain  string `json:"Chain"`
	Target string `json:"Target"`
}

// Others, who do not know of our lock, may change the chains while an edit
// reads them and before it changes them, as vif-bridge does when it adds rules
// before ours. Then it reads them again: at least so many times, and for at
// least so long.
const (
	editLimit  = lockWait * time.Second
	editRounds = 5
)

// again says whether to look once more, after rounds since begin.
func again(rounds int, begin time.Time) bool {
	return rounds < editRounds || time.Since(begin) < editLimit
}

// Kind implements plan.Op.
func (*edit) Kind() string { return editKind }

// Commands implements plan.Op.
func (e *edit) Commands() []string { return e.Shell }

// Do implements plan.Op.
func (e *edit) Do(ctx context.Context, _ bool) error {
	p, err := open(ctx, e.Program)
	if err != nil {
		return err
	}
	last, changes := "", 0
	begin := time.Now()
	for rounds := 0; again(rounds, begin); rounds++ {
		s, err := read(p)
		if err != nil {
			return err
		}
		script := e.script(s)
		if script.empty() {
			return nil
		}
		text := script.String()
		if err := p.restore(text); err != nil && (text == last || errors.Is(err, errLocked) || errors.Is(err, sys.ErrStuck)) {
			return err
		}
		if text != last {
			changes++
		}
		last = text
	}
	if changes == 1 {
		return fmt.Errorf("%s-restore says that it has set the rules, and has not", e.Program)
	}
	return fmt.Errorf("the rules of %s change faster than they can be set", e.Program)
}

// script is what has to be done to the rules s. It changes s accordingly.
func (e *edit) script(s *ruleset) *script {
	out := &script{}
	for _, c := range e.Chains {
		if !c.Gone {
			s.fill(c, out)
		}
	}
	for _, j := range e.Jumps {
		s.put(j, out)
	}
	for _, c := range e.Chains {
		if c.Gone {
			s.drop(c, out)
		}
	}
	for _, p := range e.Policies {
		s.set(p, out)
	}
	return out
}

// fill gives a chain its rules.
func (s *ruleset) fill(want chainEdit, out *script) {
	fresh := &chain{policy: "-"}
	for _, text := range want.Rules {
		fresh.rules = append(fresh.rules, newRule(text))
	}
	c := s.chain(want.Table, want.Name)
	if c != nil && slices.EqualFunc(c.rules, fresh.rules, rule.same) {
		return
	}
	s.chains[chainKey{want.Table, want.Name}] = fresh
	out.chain(want.Table, want.Name, c != nil)
	for _, text := range want.Rules {
		out.add(want.Table, "-A "+want.Name+" "+text)
	}
}

// drop removes a chain.
func (s *ruleset) drop(want chainEdit, out *script) {
	if s.chain(want.Table, want.Name) == nil {
		return
	}
	delete(s.chains, chainKey{want.Table, want.Name})
	out.add(want.Table, "-F "+want.Name, "-X "+want.Name)
}

// put brings a jump to its place. Rules are removed by what they are, not by
// number: others may have moved them since.
func (s *ruleset) put(j jump, out *script) {
	c := s.builtin(j.Table, j.Chain)
	r := newRule(j.Rule)
	have := c.indexes(r)
	want := s.places(j, have)
	if slices.Equal(have, want) {
		return
	}
	for range have {
		out.add(j.Table, "-D "+j.Chain+" "+j.Rule)
	}
	c.rules = c.without(r)
	for _, at := range want {
		at = min(at, len(c.rules))
		command := fmt.Sprintf("-I %s %d %s", j.Chain, at+1, j.Rule)
		if at == len(c.rules) && j.Place != first {
			// This way the end is still met if rules are added before it.
			command = fmt.Sprintf("-A %s %s", j.Chain, j.Rule)
		}
		c.rules = slices.Insert(c.rules, at, r)
		out.add(j.Table, command)
	}
}

func (s *ruleset) set(p policyEdit, out *script) {
	if c := s.builtin(p.Table, p.Chain); c.policy != p.Target {
		c.policy = p.Target
		out.add(p.Table, "-P "+p.Chain+" "+p.Target)
	}
}

// inverse is the edit that brings back what s has of all that e is about.
func (e *edit) inverse(s *ruleset) *edit {
	inv := &edit{Program: e.Program}
	for _, want := range e.Chains {
		c := s.chain(want.Table, want.Name)
		back := chainEdit{Table: want.Table, Name: want.Name, Gone: c == nil}
		if c != nil {
			for _, r := range c.rules {
				back.Rules = append(back.Rules, oneLine(r.text))
			}
		}
		inv.Chains = append(inv.Chains, back)
	}
	for _, j := range e.Jumps {
		j.Place, j.At = exactly, s.builtin(j.Table, j.Chain).indexes(newRule(j.Rule))
		inv.Jumps = append(inv.Jumps, j)
	}
	for _, p := range e.Policies {
		inv.Policies = append(inv.Policies, policyEdit{p.Table, p.Chain, s.builtin(p.Table, p.Chain).policy})
	}
	return inv
}

// oneLine is a rule as iptables-restore can read it: not with a comment of
// several lines.
func oneLine(text string) string { return strings.ReplaceAll(text, "\n", " ") }

// step is the step that carries e out, from the state that the plan has
// reached; empty if there is nothing to do.
func (e *edit) step(title string, s *ruleset) plan.Step {
	undo := e.inverse(s)
	do := e.script(s)
	if do.empty() {
		return plan.Step{}
	}
	back := undo.script(s.clone())
	e.Shell, undo.Shell = do.commands(e.Program), back.commands(e.Program)
	return plan.Step{Title: title, Do: []plan.Op{e}, Undo: []plan.Op{undo}}
}

// script is the input of iptables-restore: the lines for each table.
type script struct {
	tables []string
	lines  map[string][]string
	live   bool // a chain is emptied that others jump to
}

func (s *script) empty() bool { return len(s.tables) == 0 }

func (s *script) add(table string, lines ...string) {
	if s.lines == nil {
		s.lines = map[string][]string{}
	}
	if _, ok := s.lines[table]; !ok {
		s.tables = append(s.tables, table)
	}
	s.lines[table] = append(s.lines[table], lines...)
}

// chain makes a chain, or empties it if it exists.
func (s *script) chain(table, name string, exists bool) {
	s.add(table, ":"+name+" - [0:0]")
	s.live = s.live || exists
}

func (s *script) input() []string {
	var all []string
	for _, table := range s.tables {
		all = append(append(append(all, "*"+table), s.lines[table]...), "COMMIT")
	}
	return all
}

// String is the input of iptables-restore.
func (s *script) String() string { return strings.Join(s.input(), "\n") + "\n" }

// commands are the shell commands that do the same: one a line, or all in one
// line where a chain in use must never be empty.
func (s *script) commands(program string) []string {
	if s.live {
		var words []string
		for _, line := range s.input() {
			words = append(words, shell.Quote(line))
		}
		return []string{fmt.Sprintf(`printf '%%s\n' %s | %s-restore --noflush --wait %d`, strings.Join(words, " "), program, lockWait)}
	}
	var cmds []string
	for _, table := range s.tables {
		option := " -t " + table
		if table == "filter" {
			option = ""
		}
		for _, line := range s.lines[table] {
			command := program + option
			if name, ok := strings.CutPrefix(line, ":"); ok {
				line = "-N " + strings.TrimSuffix(name, " - [0:0]")
			}
			for _, word := range split(line) {
				command += " " + shell.Quote(word)
			}
			cmds = append(cmds, command)
		}
	}
	return cmds
}
