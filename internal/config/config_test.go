package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

const defaultFile = "/etc/xen/xbr-script.conf"

// files is a file system: contents by name.
type files map[string]string

func (f files) source() Source {
	return Source{
		DefaultFile: defaultFile,
		ReadFile: func(name string) ([]byte, error) {
			data, ok := f[name]
			if !ok {
				return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
			}
			return []byte(data), nil
		},
	}
}

func TestParse(t *testing.T) {
	eth0 := Bridge{VifNum: new(0), Bridge: "xenbr0", NetDev: "eth0", AntiSpoof: AntiSpoofYes}
	dummy0 := Bridge{VifNum: new(1), Bridge: "xenbr1", NetDev: "dummy0", AntiSpoof: AntiSpoofYes}
	seed000 := "vifnum=0 bridge=xenbr0 netdev=eth0 antispoof=yes\nvifnum=1 bridge=xenbr1 netdev=dummy0 antispoof=yes\nip_forward=0\n"

	tests := []struct {
		name  string
		args  string // split at blanks
		files files
		want  Request
	}{
		{"nothing but the command", "start", nil,
			Request{Command: Start, Bridges: []Bridge{{}}}},
		{"all keys", "start vifnum=0 bridge=xenbr0 netdev=eth0 antispoof=yes ip_forward=1", nil,
			Request{Command: Start, Given: true, Bridges: []Bridge{eth0}, IPForward: IPForwardOn}},
		{"no is not the same as nothing", "start antispoof=no ip_forward=0", nil,
			Request{Command: Start, Given: true, Bridges: []Bridge{{AntiSpoof: AntiSpoofNo}}, IPForward: IPForwardOff}},
		{"only a host-wide key", "stop ip_forward=0", nil,
			Request{Command: Stop, Given: true, Bridges: []Bridge{{}}, IPForward: IPForwardOff}},
		{"command at the end", "netdev=eth1 status", nil,
			Request{Command: Status, Given: true, Bridges: []Bridge{{NetDev: "eth1"}}}},
		{"command in another part", "netdev=eth1 --next netdev=eth2 start", nil,
			Request{Command: Start, Given: true, Bridges: []Bridge{{NetDev: "eth1"}, {NetDev: "eth2"}}}},
		{"command twice", "start netdev=eth1 start", nil,
			Request{Command: Start, Given: true, Bridges: []Bridge{{NetDev: "eth1"}}}},
		{"two blanks in xend-config.sxp", "start  netdev=eth1", nil,
			Request{Command: Start, Given: true, Bridges: []Bridge{{NetDev: "eth1"}}}},

		{"short options", "-n start -v", nil,
			Request{Command: Start, Bridges: []Bridge{{}}, DryRun: true, Verbose: true}},
		{"long options", "stop --dry-run --verbose", nil,
			Request{Command: Stop, Bridges: []Bridge{{}}, DryRun: true, Verbose: true}},
		{"status for programs", "--json status -v", nil,
			Request{Command: Status, Bridges: []Bridge{{}}, JSON: true, Verbose: true}},
		{"start for programs", "start --json", nil,
			Request{Command: Start, JSON: true, Bridges: []Bridge{{}}}},
		{"confirm for programs", "confirm --json", nil, Request{Command: Confirm, JSON: true}},
		{"check alone is about start", "check netdev=eth1 --json", nil,
			Request{Command: Start, OnlyCheck: true, Given: true, JSON: true, Bridges: []Bridge{{NetDev: "eth1"}}}},
		{"check beside start", "start check", nil, Request{Command: Start, OnlyCheck: true, Bridges: []Bridge{{}}}},
		{"check beside stop", "check netdev=eth1 stop check=no", nil,
			Request{Command: Stop, OnlyCheck: true, Given: true, NoCheck: true, Bridges: []Bridge{{NetDev: "eth1"}}}},
		{"help wins over errors", "sart --json -h", nil, Request{Help: true}},
		{"long help", "--help start", nil, Request{Help: true}},
		{"version wins over errors", "bridge=/ --version", nil, Request{Version: true}},

		{"later value wins", "start netdev=eth0 vifnum=1 netdev=eth1 antispoof=yes antispoof=no vifnum=2 ip_forward=0 ip_forward=1", nil,
			Request{Command: Start, Given: true, Bridges: []Bridge{{VifNum: new(2), NetDev: "eth1", AntiSpoof: AntiSpoofNo}}, IPForward: IPForwardOn}},
		{"an empty value is none", "start netdev= vifnum=1", nil,
			Request{Command: Start, Given: true, Bridges: []Bridge{{VifNum: new(1)}}}},
		{"an empty value takes back an earlier one", "start netdev=eth0 bridge=b vifnum=1 antispoof=yes ip_forward=1 netdev= vifnum= antispoof= ip_forward=", nil,
			Request{Command: Start, Given: true, Bridges: []Bridge{{Bridge: "b"}}}},
		{"nothing but empty values", "start netdev= ip_forward= config=", nil,
			Request{Command: Start, Bridges: []Bridge{{}}}},
		{"smallest vifnum", "start vifnum=0", nil,
			Request{Command: Start, Given: true, Bridges: []Bridge{{VifNum: new(0)}}}},
		{"largest vifnum", "start vifnum=4095", nil,
			Request{Command: Start, Given: true, Bridges: []Bridge{{VifNum: new(4095)}}}},
		{"the longest name", "start bridge=abcdefghijklmno netdev=eth0.100@x-_^", nil,
			Request{Command: Start, Given: true, Bridges: []Bridge{{Bridge: "abcdefghijklmno", NetDev: "eth0.100@x-_^"}}}},
		{"a name that is not ASCII", "start netdev=größe", nil,
			Request{Command: Start, Given: true, Bridges: []Bridge{{NetDev: "größe"}}}},

		{"bridge=null", "start bridge=null netdev=eth0", nil,
			Request{Command: Start, Given: true, Bridges: []Bridge{{Bridge: "null", NetDev: "eth0"}}}},
		{"bridge=null disturbs nobody", "start bridge=null netdev=eth0 vifnum=0 --next bridge=null --next vifnum=0 netdev=eth0 bridge=b", nil,
			Request{Command: Start, Given: true, Bridges: []Bridge{
				{Bridge: "null", NetDev: "eth0", VifNum: new(0)}, {Bridge: "null"}, {Bridge: "b", NetDev: "eth0", VifNum: new(0)}}}},
		{"an interface called null", "start bridge=null --next netdev=null", nil,
			Request{Command: Start, Given: true, Bridges: []Bridge{{Bridge: "null"}, {NetDev: "null"}}}},

		{"the line in xend-config.sxp", "start bridge=xenbr0 netdev=eth0 --next vifnum=1 bridge=xenbr1 netdev=dummy0 ip_forward=0", nil,
			Request{Command: Start, Given: true, IPForward: IPForwardOff, Bridges: []Bridge{
				{Bridge: "xenbr0", NetDev: "eth0"}, {VifNum: new(1), Bridge: "xenbr1", NetDev: "dummy0"}}}},
		{"parts that agree", "start bridge=a ip_forward=1 --next bridge=b ip_forward=0 ip_forward=1", nil,
			Request{Command: Start, Given: true, IPForward: IPForwardOn, Bridges: []Bridge{{Bridge: "a"}, {Bridge: "b"}}}},
		{"dom0 on bridges of either kind", "start bridge=eth0 netdev=eth0 --next netdev=eth1 dom0=bridge --next bridge=b dom0=veth", nil,
			Request{Command: Start, Given: true, Bridges: []Bridge{{Bridge: "eth0", NetDev: "eth0"}, {NetDev: "eth1", Dom0: Dom0Bridge}, {Bridge: "b", Dom0: Dom0Veth}}}},
		{"parts may share antispoof", "start bridge=a antispoof=yes --next bridge=b antispoof=yes", nil,
			Request{Command: Start, Given: true, Bridges: []Bridge{{Bridge: "a", AntiSpoof: AntiSpoofYes}, {Bridge: "b", AntiSpoof: AntiSpoofYes}}}},

		{"a file", "start config=f", files{"f": seed000},
			Request{Command: Start, Given: true, File: "f", IPForward: IPForwardOff, Bridges: []Bridge{eth0, dummy0}}},
		{"the last of two files", "start config=g config=f", files{"f": "netdev=eth0"},
			Request{Command: Start, Given: true, File: "f", Bridges: []Bridge{{NetDev: "eth0"}}}},
		{"config= takes back an earlier one", "start config=g config= vifnum=1", nil,
			Request{Command: Start, Given: true, Bridges: []Bridge{{VifNum: new(1)}}}},
		{"file and command line agree", "stop config=f ip_forward=0", files{"f": seed000},
			Request{Command: Stop, Given: true, File: "f", IPForward: IPForwardOff, Bridges: []Bridge{eth0, dummy0}}},
		{"beside a file an empty value is none", "stop config=f netdev=", files{"f": "vifnum=1"},
			Request{Command: Stop, Given: true, File: "f", Bridges: []Bridge{{VifNum: new(1)}}}},
		{"comments, blanks, line ends", "start config=f", files{"f": "# bridge=no\r\n\r\n \t vifnum=1\t bridge=b #c vifnum=2\r\n\tip_forward=1 # on\n#"},
			Request{Command: Start, Given: true, File: "f", IPForward: IPForwardOn, Bridges: []Bridge{{VifNum: new(1), Bridge: "b"}}}},
		{"last line without an end", "start config=f", files{"f": "vifnum=1\nvifnum=2"},
			Request{Command: Start, Given: true, File: "f", Bridges: []Bridge{{VifNum: new(1)}, {VifNum: new(2)}}}},
		{"later value wins in a line", "start config=f", files{"f": "vifnum=1 vifnum=2 netdev=a netdev="},
			Request{Command: Start, Given: true, File: "f", Bridges: []Bridge{{VifNum: new(2)}}}},
		{"a file of host-wide keys", "start config=f", files{"f": "ip_forward=0\nip_forward=0\n"},
			Request{Command: Start, Given: true, File: "f", IPForward: IPForwardOff, Bridges: []Bridge{{}}}},
		{"bridge=null in a file", "start config=f", files{"f": "bridge=null\nvifnum=1"},
			Request{Command: Start, Given: true, File: "f", Bridges: []Bridge{{Bridge: "null"}, {VifNum: new(1)}}}},
		{"as many bridges as there may be", "status config=f", files{"f": manyBridges(maxVifNum + 1)},
			Request{Command: Status, Given: true, File: "f", Bridges: bridgesNumbered(maxVifNum + 1)}},
		{"the largest file", "status config=f", files{"f": "vifnum=1\n#" + strings.Repeat("x", MaxFileSize-10)},
			Request{Command: Status, Given: true, File: "f", Bridges: []Bridge{{VifNum: new(1)}}}},

		{"default file, start", "start -v", files{defaultFile: seed000},
			Request{Command: Start, Given: true, File: defaultFile, IPForward: IPForwardOff, Verbose: true, Bridges: []Bridge{eth0, dummy0}}},
		{"default file, stop", "stop -n", files{defaultFile: "netdev=eth7"},
			Request{Command: Stop, Given: true, File: defaultFile, DryRun: true, Bridges: []Bridge{{NetDev: "eth7"}}}},
		{"default file, status", "status --json", files{defaultFile: "netdev=eth7"},
			Request{Command: Status, Given: true, File: defaultFile, JSON: true, Bridges: []Bridge{{NetDev: "eth7"}}}},
		{"default file, nothing but empty values", "start netdev=", files{defaultFile: "netdev=eth7"},
			Request{Command: Start, Given: true, File: defaultFile, Bridges: []Bridge{{NetDev: "eth7"}}}},
		{"an empty default file is none", "start", files{defaultFile: "# bridge=b\n\nip_forward=\n"},
			Request{Command: Start, Bridges: []Bridge{{}}}},
		{"a key keeps the default file out", "start vifnum=1", files{defaultFile: "not even\x00right"},
			Request{Command: Start, Given: true, Bridges: []Bridge{{VifNum: new(1)}}}},
		{"a host-wide key keeps the default file out", "start ip_forward=1", files{defaultFile: "netdev=eth7"},
			Request{Command: Start, Given: true, IPForward: IPForwardOn, Bridges: []Bridge{{}}}},
		{"how to go about it says nothing of the network", "start confirm=60 check=no", files{defaultFile: "netdev=eth7\nwait=20"},
			Request{Command: Start, Given: true, File: defaultFile, Bridges: []Bridge{{NetDev: "eth7"}},
				Confirm: time.Minute, NoCheck: true, Wait: new(20 * time.Second)}},
		{"nothing but how to go about it", "stop wait=0 check=2001:db8::1", nil,
			Request{Command: Stop, Bridges: []Bridge{{}}, Wait: new(time.Duration(0)), Check: netip.MustParseAddr("2001:db8::1")}},
		{"the command line counts before the file", "stop wait=5 config=f", files{"f": "wait=20\ncheck=192.0.2.1\nvifnum=1"},
			Request{Command: Stop, Given: true, File: "f", Bridges: []Bridge{{VifNum: new(1)}},
				Wait: new(5 * time.Second), Check: netip.MustParseAddr("192.0.2.1")}},
		{"recover takes no file", "recover -n", files{defaultFile: "netdev=eth7"}, Request{Command: Recover, DryRun: true}},
		{"confirm", "confirm", nil, Request{Command: Confirm}},
		{"config= keeps the default file out", "start config=f", files{defaultFile: "netdev=eth7", "f": "vifnum=1"},
			Request{Command: Start, Given: true, File: "f", Bridges: []Bridge{{VifNum: new(1)}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse(strings.Split(tt.args, " "), tt.files.source())
			if err != nil {
				t.Fatalf("%s: %v", tt.args, err)
			}
			got.Empty, got.Notes = nil, nil // see TestWordsOfWrappers
			if !reflect.DeepEqual(*got, tt.want) {
				t.Errorf("%s:\n got %s\nwant %s", tt.args, show(*got), show(tt.want))
			}
		})
	}
}

// TestWrappers makes the calls that the wrappers of both seeds make, word for
// word.
func TestWrappers(t *testing.T) {
	calls := []struct {
		line string
		want Bridge
	}{
		{"vifnum=0 bridge=xenbr0 netdev=eth0 antispoof=yes", Bridge{new(0), "xenbr0", "eth0", AntiSpoofYes, false, Dom0AsIs}},
		{"vifnum=1 bridge=xenbr1 netdev=dummy0 antispoof=yes", Bridge{new(1), "xenbr1", "dummy0", AntiSpoofYes, false, Dom0AsIs}},
		{"vifnum=0 netdev=eth0 bridge=xenbr0", Bridge{new(0), "xenbr0", "eth0", AntiSpoofAsIs, false, Dom0AsIs}},
		{"vifnum=1 netdev=eth1 bridge=xenbr1", Bridge{new(1), "xenbr1", "eth1", AntiSpoofAsIs, false, Dom0AsIs}},
		{"vifnum=2 netdev=eth2 bridge=xenbr2", Bridge{new(2), "xenbr2", "eth2", AntiSpoofAsIs, false, Dom0AsIs}},
	}
	unread := files{defaultFile: "bridge=other"}
	for _, command := range []Command{Start, Stop, Status} {
		for _, call := range calls {
			line := string(command) + " " + call.line
			got, err := Parse(strings.Fields(line), unread.source())
			if err != nil {
				t.Errorf("%s: %v", line, err)
				continue
			}
			want := Request{Command: command, Given: true, Bridges: []Bridge{call.want}}
			if !reflect.DeepEqual(*got, want) {
				t.Errorf("%s:\n got %s\nwant %s", line, show(*got), show(want))
			}
		}
	}
}

func TestNoDefaultFile(t *testing.T) {
	src := Source{ReadFile: func(name string) ([]byte, error) {
		t.Errorf("reads %q", name)
		return nil, errors.New("not to be read")
	}}
	got, err := Parse([]string{"start"}, src)
	if err != nil || got.Given {
		t.Errorf("got %v, %v", got, err)
	}
}

// TestHelpReadsNothing: a broken file must not keep anybody from reading the
// help.
func TestHelpReadsNothing(t *testing.T) {
	src := Source{DefaultFile: defaultFile, ReadFile: func(name string) ([]byte, error) {
		t.Errorf("reads %q", name)
		return nil, errors.New("not to be read")
	}}
	if _, err := Parse([]string{"--help", "start"}, src); err != nil {
		t.Error(err)
	}
}

func TestNull(t *testing.T) {
	for name, want := range map[string]bool{"null": true, "": false, "Null": false, "xenbr0": false} {
		if got := (Bridge{Bridge: name}).Null(); got != want {
			t.Errorf("bridge=%s: Null is %v", name, got)
		}
	}
}

// TestGeneratedNames: every name that is made from a vifnum is a valid one.
func TestGeneratedNames(t *testing.T) {
	for _, format := range []string{"xenbr%d", "vif0.%d", "veth%d", "peth%d"} {
		if f := checkName(fmt.Sprintf(format, maxVifNum)); f != nil {
			t.Error(f.reason)
		}
	}
}

func manyBridges(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "vifnum=%d\n", i)
	}
	return b.String()
}

func bridgesNumbered(n int) []Bridge {
	var bridges []Bridge
	for i := range n {
		bridges = append(bridges, Bridge{VifNum: new(i)})
	}
	return bridges
}

// show prints a request with what its pointers point to.
func show(r Request) string {
	var b strings.Builder
	for _, br := range r.Bridges {
		fmt.Fprintf(&b, "{%s %q %q %s %s}", value(br.VifNum), br.Bridge, br.NetDev, br.Dom0, br.AntiSpoof)
	}
	r.Bridges = nil
	return fmt.Sprintf("%+v %s", r, b.String())
}

func value[T any](p *T) string {
	if p == nil {
		return "-"
	}
	return fmt.Sprint(*p)
}

func TestGuests(t *testing.T) {
	for value, allow := range map[string]bool{"allow": true, "rules": false, "": false} {
		req, err := Parse([]string{"start", "antispoof=yes", "guests=" + value}, Source{})
		if err != nil || req.Bridges[0].GuestsAllow != allow {
			t.Errorf("guests=%s: %+v, %v", value, req, err)
		}
	}
}
