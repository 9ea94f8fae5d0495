package antispoof

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
)

// ruleset is the chains of one family as they were read at one moment. A plan makes
// its changes in it, too, so that the next step finds what this one will leave.
type ruleset struct {
	program *program
	tables  []string // those that exist
	chains  map[chainKey]*chain
}

type chainKey struct{ table, name string }

// chain is a chain's rules and its policy, which is "-" for a user-defined chain.
type chain struct {
	policy string
	rules  []rule
}

// rule is what follows "-A CHAIN" in a line of iptables-save.
type rule struct {
	text   string
	tokens []string
}

func newRule(text string) rule { return rule{text, split(text)} }

// read reads all chains.
func read(p *program) (*ruleset, error) {
	s, _, err := readSaved(p)
	return s, err
}

// readSaved is read, with the text that was read.
func readSaved(p *program) (s *ruleset, saved string, err error) {
	for try := 0; ; try++ {
		must, err := p.tables()
		if err != nil {
			return nil, "", err
		}
		if saved, err = p.save(); err != nil {
			return nil, "", err
		}
		if s, err = parse(saved); err != nil {
			return nil, "", fmt.Errorf("%s-save: %w", p.name, err)
		}
		s.program = p
		hidden := slices.IndexFunc(must, func(table string) bool { return !slices.Contains(s.tables, table) })
		if hidden < 0 {
			return s, saved, nil
		}
		if try == readTries { // it may have been removed meanwhile
			return nil, "", fmt.Errorf("%s-save does not list the table %s, which is there", p.name, must[hidden])
		}
	}
}

// readTries is how often a table may disappear while its rules are read.
const readTries = 3

// tables are some of the existing tables, as the kernel reports them: all of the
// legacy back end, or those of the other one that have chains of ours.
func (p *program) tables() ([]string, error) {
	if p.nft {
		return ownTables(p.family)
	}
	return p.legacyTables()
}

// parse reads the output of iptables-save, and refuses anything else.
func parse(saved string) (*ruleset, error) {
	s := &ruleset{chains: map[chainKey]*chain{}}
	table := ""
	for line := range savedLines(saved) {
		if line == "" || line[0] == '#' {
			continue
		}
		name, begins := strings.CutPrefix(line, "*")
		switch {
		case begins && table == "":
			table = name
			s.tables = append(s.tables, name)
		case line == "COMMIT" && table != "":
			table = ""
		case table == "" || !s.take(table, line):
			return nil, fmt.Errorf("it says %.60q, which is not a rule", line)
		}
	}
	if table != "" {
		return nil, fmt.Errorf("it ends amid the table %s", table)
	}
	return s, nil
}

// savedLines are the lines of iptables-save. A rule's comment may go on in the next
// line.
func savedLines(saved string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for saved != "" {
			end := endOfLine(saved)
			if !yield(strings.TrimRight(saved[:end], "\r\n ")) {
				return
			}
			saved = saved[end:]
		}
	}
}

// endOfLine is where the next line begins.
func endOfLine(text string) int {
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\n' && !quoted:
			return i + 1
		case c == '"' && text[0] == '-':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		}
	}
	return len(text)
}

// take adds a chain or a rule of that table; false if the line is neither.
func (s *ruleset) take(table, line string) bool {
	if head, ok := strings.CutPrefix(line, ":"); ok {
		name, rest, _ := strings.Cut(head, " ")
		policy, _, _ := strings.Cut(rest, " ")
		s.chains[chainKey{table, name}] = &chain{policy: policy}
		return name != "" && policy != ""
	}
	if head, ok := strings.CutPrefix(line, "-A "); ok {
		name, text, _ := strings.Cut(head, " ")
		if c := s.chain(table, name); c != nil {
			c.rules = append(c.rules, newRule(text))
			return true
		}
	}
	return false
}

// chain is a chain; nil if it does not exist.
func (s *ruleset) chain(table, name string) *chain { return s.chains[chainKey{table, name}] }

// builtin is a chain that always exists, if only as soon as it is used.
func (s *ruleset) builtin(table, name string) *chain {
	c := s.chain(table, name)
	if c == nil {
		c = &chain{policy: "ACCEPT"}
		s.chains[chainKey{table, name}] = c
	}
	return c
}

// clone is a copy that changes apart from s.
func (s *ruleset) clone() *ruleset {
	t := &ruleset{s.program, s.tables, maps.Clone(s.chains)}
	for key, c := range t.chains {
		t.chains[key] = &chain{c.policy, slices.Clone(c.rules)}
	}
	return t
}

// split splits a line of iptables into words; one in quotes, such as a comment, stays
// whole.
func split(line string) []string {
	var words []string
	var word strings.Builder
	quoted, begun := false, false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case quoted && c == '\\' && i+1 < len(line):
			i++
			word.WriteByte(line[i])
		case c == '"':
			quoted, begun = !quoted, true
		case !quoted && c == ' ':
			if begun {
				words = append(words, word.String())
			}
			word.Reset()
			begun = false
		default:
			word.WriteByte(c)
			begun = true
		}
	}
	if begun {
		words = append(words, word.String())
	}
	return words
}

// same says whether two rules mean the same, whichever version of iptables printed
// them.
func (r rule) same(other rule) bool { return slices.Equal(r.normal(), other.normal()) }

// normal is the rule's words in one spelling.
func (r rule) normal() []string {
	words := strings.Join(r.tokens, "\x00")
	for _, alias := range [][2]string{
		{"-j\x00NOTRACK", "-j\x00CT\x00--notrack"}, // ip6tables, and iptables 1.8.10
		{"-p\x00icmpv6", "-p\x00ipv6-icmp"},
		{"-p\x0058", "-p\x00ipv6-icmp"},
		{"-p\x0017", "-p\x00udp"},
	} {
		words = strings.Replace(words, alias[0], alias[1], 1)
	}
	return strings.Split(words, "\x00")
}

// value is the word after a flag; "" if the flag is not there.
func (r rule) value(flag string) string {
	i := slices.Index(r.tokens, flag)
	if i < 0 || i+1 == len(r.tokens) {
		return ""
	}
	return r.tokens[i+1]
}

// indexes are the places, counted from 0, at which the rule stands.
func (c *chain) indexes(r rule) []int {
	var at []int
	for i, have := range c.rules {
		if have.same(r) {
			at = append(at, i)
		}
	}
	return at
}

// without is the rules except for that one.
func (c *chain) without(r rule) []rule {
	return slices.DeleteFunc(slices.Clone(c.rules), r.same)
}
