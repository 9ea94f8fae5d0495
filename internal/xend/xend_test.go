package xend_test

import (
	"slices"
	"testing"

	"xbr-script/internal/xend"
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
		got, err := xend.NetworkScript(c.config)
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
		`(a "b\x20")`:     `line 1: an escape by number: \x`,
		"(a \"\n\\101\")": `line 2: an escape by number: \1`,
	} {
		if nodes, err := xend.Parse(config); err == nil || err.Error() != want {
			t.Errorf("%q: %v, %v, want %s", config, nodes, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("(a 'b \\n' (c))")
	f.Fuzz(func(t *testing.T, text string) {
		nodes, err := xend.Parse(text)
		if (nodes == nil) != (err != nil) {
			t.Errorf("%v, %v", nodes, err)
		}
	})
}
