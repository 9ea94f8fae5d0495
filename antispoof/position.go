package antispoof

import (
	"slices"
	"strings"
)

// position says where a jump belongs in a chain.
type position string

const (
	nowhere     position = "nowhere"
	first       position = "first"       // before everything that would decide instead of it
	afterGuests position = "afterGuests" // and after the guests' rules
	last        position = "last"        // after everything that is not a guest's rule
	exactly     position = "exactly"     // where it was
)

// places are the indexes at which a jump should be. A jump that is where it works
// stays there: others may have put their rules around it.
func (s *ruleset) places(j jump, have []int) []int {
	switch j.Place {
	case nowhere:
		return nil
	case exactly:
		return j.At
	}
	if len(have) == 1 && s.misplaced(j, have[0]) == "" {
		return have
	}
	rules := s.builtin(j.Table, j.Chain).without(newRule(j.Rule))
	switch j.Place {
	case first:
		return []int{0}
	case last:
		return []int{behind(rules, func(r rule) bool { return !isGuests(r, j.Own) })}
	}
	rules = rules[:s.decided(j, rules)]
	return []int{behind(rules, func(r rule) bool { return isGuests(r, j.Own) })}
}

// behind is the index after the last such rule.
func behind(rules []rule, such func(rule) bool) int {
	for i, r := range slices.Backward(rules) {
		if such(r) {
			return i + 1
		}
	}
	return 0
}

// misplaced says why a jump does not work at that index; "" if it does.
func (s *ruleset) misplaced(j jump, at int) string {
	c := s.builtin(j.Table, j.Chain)
	before, after := c.rules[:at], c.rules[at+1:]
	if j.Place == last {
		if i := behind(after, func(r rule) bool { return !isGuests(r, j.Own) }); i > 0 {
			return "rules after it are never reached: " + after[i-1].text
		}
		return ""
	}
	if i := s.decided(j, before); i < len(before) {
		return "another rule decides before it: " + before[i].text
	}
	if j.Place == first {
		return ""
	}
	// A guest's rule behind one that decides for all is lost anyway.
	after = after[:s.decided(j, after)]
	if i := behind(after, func(r rule) bool { return isGuests(r, j.Own) }); i > 0 {
		return "a guest's rule after it has no effect: " + after[i-1].text
	}
	return ""
}

// isGuests says whether a rule is one that vif-bridge, or an admin in the same
// way, makes for a guest's port: it accepts what one port sends or receives, and
// that port is not one of our own.
func isGuests(r rule, own []string) bool {
	if r.value("-j") != "ACCEPT" {
		return false
	}
	in, out := r.value("--physdev-in"), r.value("--physdev-out")
	return in != "" && !slices.Contains(own, in) || out != "" && !slices.Contains(own, out)
}

// decided is the index of the first rule that ends the chain for every packet
// that the jump is meant for, or len(rules).
func (s *ruleset) decided(j jump, rules []rule) int {
	pkt := packet{bridge: newRule(j.Rule).value("-i"), forwarded: j.Chain == "FORWARD"}
	for i, r := range rules {
		if s.ends(j.Table, r, pkt, 0) {
			return i
		}
	}
	return len(rules)
}

// packet is what is known of all the packets in question.
type packet struct {
	bridge    string
	forwarded bool // from one port of the bridge to another
}

// maxDepth bounds the search through chains; the kernel allows no loops.
const maxDepth = 16

// ends says whether a rule decides about all such packets.
func (s *ruleset) ends(table string, r rule, pkt packet, depth int) bool {
	target := r.value("-j")
	if target == "" {
		target = r.value("-g")
	}
	if depth > maxDepth || !pkt.matches(r) {
		return false
	}
	switch target {
	case "ACCEPT", "DROP", "REJECT", "QUEUE", "NFQUEUE":
		return true
	}
	c := s.chain(table, target)
	if c == nil {
		return false // LOG, MARK and the like
	}
	for _, inner := range c.rules {
		if inner.value("-j") == "RETURN" && pkt.matches(inner) {
			return false
		}
		if s.ends(table, inner, pkt, depth+1) {
			return true
		}
	}
	return false
}

// matches says whether a rule certainly matches all such packets.
func (pkt packet) matches(r rule) bool {
	negated := false
	for i := 0; i < len(r.tokens); i++ {
		word, next := r.tokens[i], ""
		if i+1 < len(r.tokens) {
			next = r.tokens[i+1]
		}
		switch word {
		case "!":
			negated = true
			continue
		case "-j", "-g":
			return true // the rest belongs to the target
		case "-i", "-o":
			if word == "-o" && !pkt.forwarded || wild(next, pkt.bridge) == negated {
				return false
			}
			i++
		case "-m":
			if !slices.Contains([]string{"physdev", "comment", "conntrack", "state"}, next) {
				return false
			}
			i++
		case "--ctstate", "--state":
			// What crosses the bridge is not tracked.
			if slices.Contains(strings.Split(next, ","), "UNTRACKED") == negated {
				return false
			}
			i++
		case "--comment":
			i++
		case "--physdev-is-in":
			if negated {
				return false
			}
		case "--physdev-is-out", "--physdev-is-bridged":
			if negated || !pkt.forwarded {
				return false
			}
		default:
			return false
		}
		negated = false
	}
	return true
}

// wild says whether an interface name fits iptables' pattern.
func wild(pattern, name string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "+"); ok {
		return strings.HasPrefix(name, prefix)
	}
	return pattern == name
}
