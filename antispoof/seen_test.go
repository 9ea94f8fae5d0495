package antispoof

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	"xbr-script/internal/rawjson"
	"xbr-script/internal/testing/nstest"
)

// asAnybody has programs in place of iptables that say what a test tells them
// to, so that no test of reading needs root.
type asAnybody struct {
	*testing.T
	bin    string
	reader Reader
}

func newAnybody(t *testing.T) *asAnybody {
	t.Helper()
	if os.Geteuid() == 0 {
		nstest.New(t) // otherwise root would read the machine's own tables
	}
	a := &asAnybody{T: t, bin: t.TempDir()}
	a.Setenv("PATH", a.bin+":"+os.Getenv("PATH"))
	a.reader = Reader{Records: plan.Records{Dir: t.TempDir(), Files: map[string]plan.RecordFile{}}, Scripts: t.TempDir(), Host: &host.Host{
		Links: []*host.Link{{Index: 2, Name: "xenbr0", Kind: "bridge"}, {Index: 3, Name: "vif0.0"}, {Index: 4, Name: "peth0", Master: 2}, {Index: 5, Name: "vif1.0", Master: 2}},
		Asked: &host.Asked{Settings: map[string]string{ipv4.global: "0", ipv6.global: "0"}},
	}}
	for _, program := range []string{"iptables", "ip6tables"} {
		a.program(program, "v1.8.9 (nf_tables)", "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -s 192.0.2.1/32 -j DROP\nCOMMIT\n")
		a.program(program+"-legacy", "v1.8.9 (legacy)", "# nothing\n")
	}
	return a
}

// program writes one of these programs.
func (a *asAnybody) program(name, version, saved string) {
	a.Helper()
	for suffix, text := range map[string]string{"": strings.TrimSuffix(name, "-legacy") + " " + version + "\n", "-save": saved} {
		file := filepath.Join(a.bin, name+suffix)
		script := "#!/bin/sh\ncat <<'END'\n" + text + "END\n"
		if err := os.WriteFile(file, []byte(script), 0o755); err != nil { //nolint:gosec // it is run
			a.Fatal(err)
		}
	}
}

// read is what was read, without an error.
func (a *asAnybody) read(s *Seen) *Seen {
	a.Helper()
	if s.Err != nil {
		a.Fatal(s.Err)
	}
	return s
}

// planner plans from that.
func (a *asAnybody) planner(s *Seen) *Planner {
	return &Planner{Records: a.reader.Records, Host: a.reader.Host, Seen: s}
}

// TestRead reads what programs say, and plans from it.
func TestRead(t *testing.T) {
	a := newAnybody(t)
	lines := []rawjson.String{"*filter", ":FORWARD ACCEPT [0:0]", "-A FORWARD -s 192.0.2.1/32 -j DROP", "COMMIT"}
	b := Bridge{Name: "xenbr0", NIC: "peth0", Port: "vif0.0"}
	s := a.read(a.reader.ForStop(a.Context(), []Bridge{b}))
	want := &Seen{Backend: "nft", Families: []SeenFamily{{"iptables", "nft", lines}, {"ip6tables", "nft", lines}}}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("seen: %+v", s)
	}
	a.program("iptables-legacy", "v1.8.9 (legacy)", "*mangle\n:INPUT DROP [0:0]\nCOMMIT\n")
	s = a.read(a.reader.ForStart(a.Context(), []Bridge{yes(b)}))
	if g := s.Ground; g == nil || !slices.Equal(g.Others, []string{"iptables-legacy", ""}) || len(g.Forwarding) > 0 {
		t.Errorf("ground: %+v", g)
	}
	s.Ground.Lacks = "" // depends on this machine's kernel
	data, err := json.Marshal(s)
	back := &Seen{}
	if err == nil {
		err = json.Unmarshal(data, back)
	}
	if err != nil || !reflect.DeepEqual(s, back) {
		t.Errorf("%s\ncame back as %+v, %v", data, back, err)
	}
	steps, notes, err := a.planner(back).Start([]Bridge{yes(b)})
	if err != nil || !says(notes, "iptables-legacy has rules too") || !says(notes, "no rule lets vif1.0 send IPv4") {
		t.Errorf("%q, %v", notes, err)
	}
	p := plan.Plan{Steps: steps}
	if text := strings.Join(p.Commands(), "\n"); !strings.Contains(text, "iptables -t raw -N XBR-xenbr0\n") ||
		!strings.Contains(text, "ip link set dev xenbr0 type bridge nf_call_iptables 1 nf_call_ip6tables 1") {
		t.Error(text)
	}
}

// TestReadNot has programs that make reading fail, or say that nothing is
// there.
func TestReadNot(t *testing.T) {
	for name, c := range map[string]struct {
		change func(a *asAnybody)
		says   string
	}{
		"no rules":        {func(a *asAnybody) { a.program("iptables", "v1.8.9 (nf_tables)", "what?\n") }, `iptables-save: it says "what?", which is not a rule`},
		"cut short":       {func(a *asAnybody) { a.program("ip6tables", "v1.8.9 (nf_tables)", "*raw\n") }, "ip6tables-save: it ends amid the table raw"},
		"another program": {func(a *asAnybody) { a.program("iptables", "hello", "") }, `/iptables --version says "iptables hello\n"`},
		"a damaged record": {func(a *asAnybody) {
			a.reader.Records.Files["antispoof.xenbr0.json"] = plan.RecordFile{Data: []byte("{")}
		}, "cannot read the record"},
		"no scripts": {func(a *asAnybody) { a.reader.Scripts = filepath.Join(a.bin, "iptables") }, "not a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAnybody(t)
			c.change(a)
			b := yes(Bridge{Name: "xenbr0", NIC: "peth0"})
			s := a.reader.ForStart(t.Context(), []Bridge{b})
			if s.Err == nil || !strings.Contains(s.Err.Error(), c.says) {
				t.Errorf("%+v", s)
			}
			if _, _, err := a.planner(s).Start([]Bridge{b}); err == nil {
				t.Error("a start is planned")
			}
		})
	}
}

// TestUnknown plans without knowing what is there: there is no such plan.
func TestUnknown(t *testing.T) {
	b := Bridge{Name: "xenbr0", NIC: "peth0"}
	for name, s := range map[string]*Seen{
		"not read":   nil,
		"nothing":    {},
		"an error":   {Err: errors.New("it was not to be")},
		"no ground":  {Backend: "nft", Families: []SeenFamily{{"iptables", "nft", nil}}},
		"torn rules": {Backend: "nft", Families: []SeenFamily{{"iptables", "nft", []rawjson.String{"*raw"}}}, Ground: &SeenGround{}},
		"missing":    {Missing: "iptables"},
	} {
		p := &Planner{Records: plan.Records{Files: map[string]plan.RecordFile{}}, Host: &host.Host{}, Seen: s}
		if steps, _, err := p.Start([]Bridge{yes(b)}); err == nil {
			t.Errorf("%s: %d steps", name, len(steps))
		} else {
			t.Log(name+": ", err)
		}
	}
	p := &Planner{Records: plan.Records{Files: map[string]plan.RecordFile{}}, Host: &host.Host{}, Seen: &Seen{Missing: "iptables"}}
	if steps, _, err := p.Stop([]Bridge{b}); err != nil || len(steps) > 0 {
		t.Errorf("nothing to stop: %d steps, %v", len(steps), err)
	}
	// The snapshot lacks the module's settings.
	p.Seen = &Seen{Backend: "nft", Families: []SeenFamily{{"iptables", "nft", []rawjson.String{"*filter", "COMMIT"}}}, Ground: &SeenGround{}}
	if steps, _, err := p.Start([]Bridge{yes(b)}); err == nil {
		t.Errorf("a host of which little is known: %d steps", len(steps))
	}
}

// TestWaiting asks since which version iptables waits for its lock.
func TestWaiting(t *testing.T) {
	for version, want := range map[[3]int]string{
		{1, 8, 9}: "--noflush --wait 5", {1, 6, 2}: "--noflush --wait 5", {1, 6, 1}: "--noflush", {1, 4, 21}: "--noflush",
	} {
		if got := strings.Join((&program{version: version}).restoreFlags(), " "); got != want {
			t.Errorf("%v: %s", version, got)
		}
	}
	if got := (&program{version: [3]int{1, 4, 21}}).waiting("--wait"); got != nil {
		t.Errorf("1.4.21: %q", got)
	}
}

// TestKernelHas looks modules up in lists as kernels have them.
func TestKernelHas(t *testing.T) {
	dir := t.TempDir()
	list := "kernel/net/xt_physdev.ko.xz:\nkernel/net/xt_CT.ko:\n"
	for name, text := range map[string]string{"modules.dep": list, "modules.builtin": "kernel/net/xt_addrtype.ko\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	all, err := moduleList(dir)
	if err != nil {
		t.Fatal(err)
	}
	wanted := modules([]*program{{family: ipv4, nft: true}, {family: ipv6}}, false)
	if want := []string{"xt_physdev", "xt_CT", "xt_addrtype", "br_netfilter", "ip6t_eui64", "ip6table_raw"}; !slices.Equal(wanted, want) {
		t.Errorf("wanted are %q", wanted)
	}
	lacks, err := lacking(all, []string{"xt_physdev", "xt_CT", "xt_addrtype", "xt_none_such"})
	if err != nil || !slices.Equal(lacks, []string{"xt_none_such"}) {
		t.Errorf("it lacks %q, %v", lacks, err)
	}
	defer func(was string) { modulesDir = was }(modulesDir)
	modulesDir = filepath.Join(dir, "nowhere")
	if err := kernelHas(nil, true); err != nil {
		t.Error("the module is there, and no list: ", err)
	}
	if err := kernelHas(nil, false); err == nil || !strings.Contains(err.Error(), "was built without br_netfilter") {
		t.Error(err)
	}
}

// TestNotConcerned reads nothing if no rule is concerned.
func TestNotConcerned(t *testing.T) {
	a := newAnybody(t)
	b := Bridge{Name: "xenbr0", NIC: "peth0", Port: "vif0.0"}
	for name, s := range map[string]*Seen{
		"start without a word": a.reader.ForStart(t.Context(), []Bridge{b}),
		"stop of nothing":      a.reader.ForStop(t.Context(), nil),
		"status of none":       a.reader.ForStatus(t.Context(), []Bridge{b}),
	} {
		if s != nil {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if steps, notes, err := a.planner(nil).Start([]Bridge{b}); err != nil || len(steps)+len(notes) > 0 {
		t.Errorf("%v, %q, %v", steps, notes, err)
	}
}
