package networkd

import (
	"maps"
	"path"
	"slices"
	"strings"
)

// part is a section of a .network file: its name and its lines, without the one with
// the name.
type part struct {
	name  string
	lines []string
}

// parts are the sections of a file, after what stands before the first one. A line that
// ends with a backslash goes on in the next one that is no comment (config_parse).
func parts(text string) []part {
	all := []part{{}}
	goesOn := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		trimmed := strings.TrimSpace(line)
		name, isHead := strings.CutPrefix(trimmed, "[")
		if isHead && !goesOn {
			all = append(all, part{name: strings.TrimSuffix(name, "]")})
			continue
		}
		last := &all[len(all)-1]
		last.lines = append(last.lines, line)
		if trimmed == "" || !strings.ContainsAny(trimmed[:1], "#;") {
			bare := strings.TrimRight(line, `\`)
			goesOn = (len(line)-len(bare))%2 == 1
		}
	}
	return all
}

// settings are the keys and values of a section, each in one line.
func (p part) settings() (all [][2]string) {
	logical := ""
	for _, line := range p.lines {
		trimmed := strings.TrimSpace(line)
		if trimmed != "" && strings.ContainsAny(trimmed[:1], "#;") {
			continue
		}
		if before, goesOn := strings.CutSuffix(line, `\`); goesOn {
			logical += before + " "
			continue
		}
		if key, value, ok := strings.Cut(logical+line, "="); ok {
			all = append(all, [2]string{strings.TrimSpace(key), strings.TrimSpace(value)})
		}
		logical = ""
	}
	return all
}

// match has the conditions of a file and its drop-ins: the words of each key, those that
// must not fit with a "!" before them.
type match map[string][]string

func matchOf(texts ...string) match {
	m := match{}
	for _, text := range texts {
		for _, p := range parts(text) {
			if p.name != "Match" {
				continue
			}
			for _, s := range p.settings() {
				m.add(s[0], s[1])
			}
		}
	}
	return m
}

// add adds the words of one setting; none takes back those before (config_parse_match_strv).
func (m match) add(key, value string) {
	if value == "" {
		delete(m, key)
		return
	}
	words, not := strings.CutPrefix(value, "!")
	for _, word := range strings.Fields(words) {
		if word = strings.Trim(word, `"'`); not {
			word = "!" + word
		}
		m[key] = append(m[key], word)
	}
}

// byName says whether it goes by the name alone, and by which words.
func (m match) byName() ([]string, bool) { return m["Name"], len(m) == 1 && m["Name"] != nil }

// ofNIC are the keys by which a [Match] picks an interface, and that an empty value takes
// back.
var ofNIC = []string{"MACAddress", "PermanentMACAddress", "Name", "Driver", "Path", "Type", "Kind"}

// byMAC says whether it goes by one MAC address, and so fits one NIC.
func (m match) byMAC() bool {
	for key := range m {
		if !slices.Contains(ofNIC, key) {
			return false
		}
	}
	words := slices.Concat(m["MACAddress"], m["PermanentMACAddress"])
	return len(words) == 1 && !strings.HasPrefix(words[0], "!")
}

// reset has the lines that take back all conditions.
func (m match) reset() (text string) {
	for _, key := range slices.Sorted(maps.Keys(m)) {
		text += key + "=\n"
	}
	return text
}

// fits says whether it may fit an interface that has these properties, by the keys of a
// [Match]; an empty one is a property that the interface does not have. What else a
// [Match] asks for may be so.
func (m match) fits(properties map[string]string) bool {
	for key, words := range m {
		if is, known := properties[key]; known && !fits(words, is) {
			return false
		}
	}
	return len(m) > 0 // a file without conditions is ignored
}

// fits says whether a value fits words (net_condition_test_strv).
func fits(words []string, value string) bool {
	positive, fit := false, false
	for _, word := range words {
		pattern, not := strings.CutPrefix(word, "!")
		is, err := path.Match(strings.ReplaceAll(pattern, "[!", "[^"), value)
		is = is && err == nil && value != ""
		if not && is {
			return false
		}
		positive, fit = positive || !not, fit || !not && is
	}
	return fit || !positive
}

// without is the text of a file without the sections of these names.
func without(text string, names ...string) string {
	var b strings.Builder
	for i, p := range parts(text) {
		if slices.Contains(names, p.name) {
			continue
		}
		if i > 0 {
			b.WriteString("[" + p.name + "]\n")
		}
		for _, line := range p.lines {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}
