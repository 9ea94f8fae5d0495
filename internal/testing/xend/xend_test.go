package xend_test

import (
	"slices"
	"strings"
	"testing"

	"xbr-script/internal/testing/xend"
)

func TestNetworkScript(t *testing.T) {
	const dir = xend.ScriptsDir
	for _, c := range []struct {
		config string
		want   []string
	}{
		{"(network-script network-bridge)", []string{dir + "/network-bridge", "start"}},
		{"(network-script 'xbr-script netdev=eth1 bridge=xenbr1')",
			[]string{dir + "/xbr-script", "start", "netdev=eth1", "bridge=xenbr1"}},
		{`(network-script "xbr-script  netdev=eth1 ")`, []string{dir + "/xbr-script", "start", "", "netdev=eth1", ""}},
		{"(network-script\t'a b' c)(network-script d)", []string{dir + "/a", "start", "b"}},
		{"(network-script network-bridge netdev=eth1)", []string{dir + "/network-bridge", "start"}},
		{"(network-script # why\n /opt/net # b\n)", []string{"/opt/net", "start"}},
		{"(network-script a#b\n)", []string{dir + "/a", "start"}},
		{"(network-script 'a #b')", []string{dir + "/a", "start", "#b"}},
		{"(network-script a'b)", []string{dir + "/a'b", "start"}},
		{"(network-script 'a\nb c')", []string{dir + "/a\nb", "start", "c"}},
		{`(network-script 'it\'s "a\\b" \d1\tx')`, []string{dir + "/it's", "start", `"a\b"`, "\\1\tx"}},
		{"(x (network-script a)) word () ((network-script) y) (network-script b)", []string{dir + "/b", "start"}},
		{"# (network-script a)", nil},
		{"(network-script '')(network-script a)", nil},
		{"(network-script)", nil},
		{"", nil},
	} {
		got, err := xend.Xen40.NetworkScript(c.config)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, %v, want %q", c.config, got, err, c.want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for config, want := range map[string]string{
		"(a\n(b c)":       "line 2: unexpected end: a list is open",
		"(a # b":          "line 1: unexpected end: a list is open",
		"(a 'b)\n":        "line 2: unexpected end: a string is open",
		`"a\`:             "line 1: unexpected end: a string is open",
		"#(\n\n)":         "line 3: syntax error: )",
		"(a \x01)":        "line 1: invalid character: code 1",
		`(a "b\x2`:        "line 1: unexpected end: a string is open",
		`(a "b\xz0")`:     "line 1: no hexadecimal digit: 'z'",
		"(a \"\n\\777\")": "line 2: an escape out of range: 511",
	} {
		if nodes, err := xend.Xen40.Parse(config); err == nil || err.Error() != want {
			t.Errorf("%q: %v, %v, want %s", config, nodes, err, want)
		}
	}
}

// TestVersions is what the versions make of the same string. "" is a failure;
// of several values, the last one applies to all later versions.
func TestVersions(t *testing.T) {
	for config, want := range map[string][]string{
		`(network-script a!b)`:        {"/a", "/a", "/a", "/a", "/a!b"},
		`(network-script !a)`:         {"/!a"},
		`(network-script 'a\.b')`:     {"", "", `/a\b`},
		`(network-script 'a\.b1c')`:   {"", "/a\x01c", `/a\b1c`},
		"(network-script 'a\\\nb')":   {"", "", `/a\b`},
		`(network-script 'a\9')`:      {"", "", `/a\`},
		`(network-script '\x41\x61')`: {"/Aa"},
		`(network-script '\xff')`:     {"/U"},
		`(network-script '\xg1')`:     {""},
		`(network-script '\xA0')`:     {""},
		`(network-script '\101')`:     {"/A"},
		`(network-script '\7')`:       {"", "/\a"},
		`(network-script '\1018')`:    {"/A8"},
		`(network-script '\400')`:     {""},
		"(x y)\x04(network-script a)": {"/"},
		"(network-script a)\x04 )":    {"/a"},
		"(network-script\x04 a)":      {"/"},
		"(network-script 'a\x04')":    {"/a\x04"},
		"(network-script \x04 a)":     {""},
		`(network-script (a b))`:      {""},
		`(network-script ())`:         {"/"},
	} {
		for i, v := range xend.Versions {
			want := want[min(i, len(want)-1)]
			got, err := v.NetworkScript(config)
			name := "/"
			if len(got) > 0 {
				name = strings.TrimPrefix(got[0], xend.ScriptsDir)
			}
			if err != nil {
				name = ""
			}
			if name != want {
				t.Errorf("Xen %s, %q: %q, %v, want %q", v, config, got, err, want)
			}
		}
	}
}

// TestRuns: from 3.2 on every command of xend starts the network.
func TestRuns(t *testing.T) {
	for _, v := range xend.Versions {
		for command, want := range map[string]bool{
			"start": true, "restart": true,
			"stop": v >= xend.Xen32, "status": v >= xend.Xen32, "reload": v >= xend.Xen32, "help": false,
		} {
			if got := v.Runs(command); got != want {
				t.Errorf("Xen %s, xend %s: %v", v, command, got)
			}
		}
		if s := v.Stdio(); (s.Stderr == xend.Callers) != v.Runs("status") || (s.Dir == "/") == v.Runs("status") {
			t.Errorf("Xen %s: %+v", v, s)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("(a 'b \\n' (c))")
	f.Fuzz(func(t *testing.T, text string) {
		nodes, err := xend.Xen40.Parse(text)
		if (nodes == nil) != (err != nil) {
			t.Errorf("%v, %v", nodes, err)
		}
	})
}
