package config

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"xbr-script/internal/refusal"
)

// TestWordsOfWrappers are ways in which wrappers, xend and boot scripts call
// Xen's network-bridge, under that name and under ours: what is meant, and what
// is said about it.
func TestWordsOfWrappers(t *testing.T) {
	const ours = "xbr-script"
	type env map[string]string
	file := files{"f": "vifnum=1", defaultFile: "netdev=eth9"}
	tests := []struct {
		test  string
		name  string
		env   env
		args  []string
		want  Bridge
		notes string // joined by "; ", including the empty keys
		err   string // the error and its hint
	}{
		// One call for each NIC.
		{"a wrapper of Xen 3.2", Original, nil, []string{"start", "netdev=eth1"}, Bridge{NetDev: "eth1"}, "", ""},
		{"names for bridges", Original, nil, []string{"start", "bridge=br1", "netdev=eth1"}, Bridge{Bridge: "br1", NetDev: "eth1"}, "", ""},
		{"Rocks, the number unset", Original, nil, []string{"start", "vifnum=", "bridge=xenbr.eth0", "netdev=eth0"},
			Bridge{Bridge: "xenbr.eth0", NetDev: "eth0"}, "vifnum", ""},
		{"an unset variable", ours, nil, []string{"netdev=", "start"}, Bridge{NetDev: "eth9"}, "netdev", ""},
		{"the command behind", Original, nil, []string{"netdev=eth1", "start"}, Bridge{NetDev: "eth1"}, "", ""},

		// White space.
		{"a newline behind a value", ours, nil, []string{"start", "netdev=eth0\n", "bridge=xenbr0"}, Bridge{NetDev: "eth0", Bridge: "xenbr0"}, "", ""},
		{"a tab between keys", Original, nil, []string{"start", "netdev=eth0\tbridge=xenbr0"}, Bridge{NetDev: "eth0", Bridge: "xenbr0"}, "", ""},
		{"a whole line in one word", ours, nil, []string{" start \r\n\v netdev=eth0\f\n\tvifnum=3\n"}, Bridge{NetDev: "eth0", VifNum: new(3)}, "", ""},
		{"nothing but white space", ours, nil, []string{"start", "\n\t", "vifnum=1", ""}, Bridge{VifNum: new(1)}, "", ""},

		// Quotes around a value.
		{"double quotes", Original, nil, []string{"start", `netdev="eth1"`, `bridge=""`}, Bridge{NetDev: "eth1"}, "bridge", ""},
		{"single quotes", Original, nil, []string{"start", "netdev='eth1'"}, Bridge{NetDev: "eth1"}, "", ""},
		{"quotes around what is evaluated there", Original, nil, []string{"start", `netdev="$(x)"`}, Bridge{}, "", `cannot understand "netdev=$(x)": "$(x)" has "$" in it: values are never evaluated`},
		{"half a pair", Original, nil, []string{"start", `netdev="eth1`}, Bridge{}, "", `cannot understand "netdev=\"eth1": "\"eth1" has "\"" in it: did you mean "eth1"?`},
		{"quotes, by our name", ours, nil, []string{"start", "netdev='eth1'"}, Bridge{}, "", `cannot understand "netdev='eth1'": "'eth1'" has "'" in it: did you mean "eth1"?`},

		// Two commands, and words that mean nothing.
		{"start start", Original, nil, []string{"start", "start", "vifnum=1"}, Bridge{VifNum: new(1)}, "", ""},
		{"start stop", Original, nil, []string{"start", "stop", "vifnum=1"}, Bridge{VifNum: new(1)}, `"stop" is ignored, as by Xen's network-bridge: start came first`, ""},
		{"start check", Original, nil, []string{"start", "check", "vifnum=1"}, Bridge{VifNum: new(1)}, "", ""},
		{"start stop, by our name", ours, nil, []string{"start", "stop"}, Bridge{}, "",
			"cannot do both start and stop in one call: give one of start, stop, check, status, recover, confirm"},
		{"a word that says nothing", Original, nil, []string{"start", "now", "vifnum=1"}, Bridge{VifNum: new(1)}, `"now" is ignored, as by Xen's network-bridge`, ""},
		{"a key of somebody's own", Original, nil, []string{"start", "zone=dmz", "vifnum=1"}, Bridge{VifNum: new(1)}, `"zone=dmz" is ignored, as by Xen's network-bridge`, ""},
		{"the first word is the command", Original, nil, []string{"now", "start"}, Bridge{}, "",
			`cannot understand "now": it is neither a command nor key=value: commands are start, stop, check, status, recover, confirm, admit, dismiss, report; a key touches its value, as in netdev=eth0`},
		{"an option that says nothing", Original, nil, []string{"start", "--zone=dmz"}, Bridge{}, "", `cannot understand "--zone=dmz": there is no such option: options are `},

		// Near misses are refused under either name: the original would use the
		// default NIC, or let guests forge addresses.
		{"OpenNebula's documentation", Original, nil, []string{"start", "antispoofing=yes"}, Bridge{}, "", `cannot understand "antispoofing=yes": there is no key "antispoofing": did you mean "antispoof=yes"?`},
		{"a value of its own", Original, nil, []string{"start", "netdev=", "eth2"}, Bridge{}, "", `cannot understand "eth2": it is neither a command nor key=value: a key touches its value, as in netdev=eth2`},
		{"a value of its own, no NIC", Original, nil, []string{"start", "bridge=", "lan"}, Bridge{}, "", `cannot understand "lan": it is neither a command nor key=value: a key touches its value, as in bridge=lan`},
		{"blanks around =", Original, nil, []string{"start", "netdev", "=", "eth2"}, Bridge{}, "", `cannot understand "netdev = eth2": a key, "=" and its value are one word: did you mean "netdev=eth2"?`},
		{"a NIC without its key", Original, nil, []string{"start", "eth1"}, Bridge{}, "", `cannot understand "eth1": it is neither a command nor key=value: did you mean "netdev=eth1"?`},
		{"another's key", Original, nil, []string{"start", "nic=eth1"}, Bridge{}, "", `cannot understand "nic=eth1": there is no key "nic": did you mean "netdev=eth1"?`},
		{"capitals", Original, nil, []string{"start", "NETDEV=eth1"}, Bridge{}, "", `cannot understand "NETDEV=eth1": there is no key "NETDEV": did you mean "netdev=eth1"?`},
		{"a value that is evaluated there", Original, nil, []string{"start", "netdev=$(x)"}, Bridge{}, "", `cannot understand "netdev=$(x)": "$(x)" has "$" in it: values are never evaluated`},

		// The environment.
		{"variables", Original, env{"netdev": "eth1", "vifnum": "2", "bridge": "b", "antispoof": "no"}, []string{"start"},
			Bridge{VifNum: new(2), NetDev: "eth1", Bridge: "b", AntiSpoof: AntiSpoofNo},
			`"vifnum=2" is taken from the environment; "bridge=b" is taken from the environment; "netdev=eth1" is taken from the environment; "antispoof=no" is taken from the environment`, ""},
		{"words count before them", Original, env{"netdev": "eth1", "bridge": ""}, []string{"start", "netdev=eth0"}, Bridge{NetDev: "eth0"}, "", ""},
		{"an empty word unsets one", Original, env{"netdev": "eth1"}, []string{"start", "netdev=", "vifnum=1"}, Bridge{VifNum: new(1)}, "netdev", ""},
		{"others are nobody's", Original, env{"dom0": "bridge", "guests": "allow", "ip_forward": "1", "config": "f", "confirm": "5"}, []string{"start", "vifnum=1"}, Bridge{VifNum: new(1)}, "", ""},
		{"a variable that is wrong", Original, env{"netdev": "x;reboot"}, []string{"start"}, Bridge{}, "", `cannot understand "netdev=x;reboot" of the environment: "x;reboot" has ";" in it: values are never evaluated`},
		{"beside a file", Original, env{"netdev": "eth1"}, []string{"start", "config=f"}, Bridge{VifNum: new(1)}, `"netdev=eth1" of the environment is ignored: it does not count together with --next or config=`, ""},
		{"by our name, where it would decide", ours, env{"netdev": "eth1"}, []string{"start", "vifnum=1"}, Bridge{}, "",
			`cannot tell whether "netdev=eth1" of the environment is meant: it counts only for calls as network-bridge: give it on the command line, or take it out of the environment: unset netdev`},
		{"by our name, several of them", ours, env{"netdev": "eth1", "antispoof": "yes"}, []string{"stop", "vifnum=1"}, Bridge{}, "",
			`cannot tell whether "netdev=eth1 antispoof=yes" of the environment is meant: it counts only for calls as network-bridge: give it on the command line, or take it out of the environment: unset netdev antispoof`},
		{"by our name, as a word", ours, env{"netdev": "eth1"}, []string{"start", "netdev=eth1"}, Bridge{NetDev: "eth1"}, "", ""},
		{"by our name, a file decides", ours, env{"bridge": "b"}, []string{"start"}, Bridge{NetDev: "eth9"}, `"bridge=b" of the environment is ignored: it counts only for calls as network-bridge`, ""},
		{"by our name, nothing is changed", ours, env{"antispoof": "yes"}, []string{"status", "vifnum=1"}, Bridge{VifNum: new(1)}, `"antispoof=yes" of the environment is ignored: it counts only for calls as network-bridge`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.test, func(t *testing.T) {
			src := file.source()
			src.Name, src.Getenv = tt.name, func(key string) string { return tt.env[key] }
			req, err := Parse(tt.args, src)
			if got := errorText(err); !strings.HasPrefix(got, tt.err) || (got == "") != (tt.err == "") {
				t.Fatalf("error %q, want %q", got, tt.err)
			}
			if err != nil {
				return
			}
			notes := req.Notes
			for _, e := range req.Empty {
				notes = append(notes, e.Key)
			}
			if got := strings.Join(notes, "; "); got != tt.notes {
				t.Errorf("said: %s\nwant: %s", got, tt.notes)
			}
			if len(req.Bridges) != 1 || !reflect.DeepEqual(req.Bridges[0], tt.want) {
				t.Errorf("got %s, want %s", show(*req), show(Request{Bridges: []Bridge{tt.want}}))
			}
		})
	}
}

// errorText is an error with its hint.
func errorText(err error) string {
	usage, ok := errors.AsType[*refusal.Error](err)
	if !ok {
		return ""
	}
	return usage.Msg + ": " + usage.Hint
}

// TestEmptyKeys: each empty key is reported for its bridge, unless it has a
// value further on.
func TestEmptyKeys(t *testing.T) {
	src := files{"f": "bridge=a netdev=\nbridge=b vifnum=1 vifnum=\nip_forward="}.source()
	for line, want := range map[string][]EmptyKey{
		"start netdev=":                             {{0, "netdev"}},
		"start netdev= netdev=eth0 bridge=b":        nil,
		"start bridge=a --next bridge=b netdev=":    {{1, "netdev"}},
		"start bridge= vifnum= antispoof= netdev=a": {{0, "vifnum"}, {0, "bridge"}, {0, "antispoof"}},
		"start config=f bridge=":                    {{-1, "bridge"}, {0, "netdev"}, {1, "vifnum"}},
	} {
		req, err := Parse(strings.Fields(line), src)
		if err != nil || !reflect.DeepEqual(req.Empty, want) {
			t.Errorf("%s: %+v, %v, want %v", line, req, err, want)
		}
	}
	req, err := Parse([]string{"start", "ip_forward=", "vifnum=1"}, src)
	if err != nil || strings.Join(req.Notes, "") != "ip_forward= is empty, and counts as not given" {
		t.Errorf("%+v, %v", req, err)
	}
}
