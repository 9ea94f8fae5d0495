package config_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"xbr-script/internal/config"
)

// TestAnsible holds that the module for Ansible takes each key of start and stop, with the
// words that the table of keys has for it, and that the role hands it on.
func TestAnsible(t *testing.T) {
	const dir = "scripts/ansible/roles/xbr_script/"
	_, documentation, _ := strings.Cut(file(dir+"library/xbr_script.py")(t), "DOCUMENTATION = r'''")
	documentation, code, found := strings.Cut(documentation, "'''")
	if !found {
		t.Fatal("no documentation")
	}
	tasks, specs := file(dir+"tasks/main.yml")(t), file(dir+"meta/argument_specs.yml")(t)
	guests := []string{"port", "mac", "ip", "router", "ra", "dhcp"} // of admit and dismiss
	for _, name := range config.KeyNames() {
		if slices.Contains(guests, name) {
			continue
		}
		option := regexp.MustCompile(`(?m)^  ` + name + `:\n(?:    .*\n)+`).FindString(documentation)
		spec := regexp.MustCompile(`(?m)^        ` + name + `=dict\(.*$`).FindString(code)
		if option == "" || spec == "" {
			t.Errorf("the module does not have %s, or does not describe it", name)
		}
		if name == "config" {
			continue // the role writes the file
		}
		if !strings.Contains(tasks, "\n    "+name+": ") {
			t.Errorf("the role does not give the module %s", name)
		}
		handed := regexp.MustCompile(`(?m)^ +(?:xbr_script_)?` + name + `:\n(?: +(?:description|type|choices).*\n)+`).FindString(specs)
		if handed == "" {
			t.Errorf("the role does not take %s", name)
		}
		values := strings.Split(config.KeyValues(name), "|")
		if slices.ContainsFunc(values, func(v string) bool { return v != strings.ToLower(v) }) {
			continue // not only words
		}
		for where, text := range map[string]string{"documentation": option, "specification": spec, "role": handed} {
			if got := choices(text); !slices.Equal(got, values) {
				t.Errorf("%s has in its %s the words %q, and the table %q", name, where, got, values)
			}
		}
	}
}

// choices are the words in the list of that name.
func choices(text string) []string {
	_, list, _ := strings.Cut(text, "choices")
	list, _, _ = strings.Cut(list, "]")
	return regexp.MustCompile(`[a-z0-9]+`).FindAllString(list, -1)
}
