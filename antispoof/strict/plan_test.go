package strict

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/config"
	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/testing/formtest"
)

// TestForms holds the forms of the records.
func TestForms(t *testing.T) {
	s := example()
	full := s.Guests[2]
	full.Bridge = "xenbr0"
	s.Guests, s.ByBridge = []Guest{full}, true
	formtest.Records(t, "strict", recordForms, &record{State: *s, Learned: true}, nil)
	formtest.Records(t, "admitted", admittedForms, &admitted{[]Guest{full}}, nil)
	for _, bad := range []guestForm{{Port: "vif1.0", MAC: "here"}, {MAC: "00:16:3e:00:00:01"}} {
		if g, err := guestsOf([]guestForm{bad}); err == nil {
			t.Errorf("%+v is read as %+v", bad, g)
		}
	}
	if r, err := (&recordForm{Version: 1}).record(); err == nil {
		t.Errorf("nothing is read as %+v", r)
	}
}

// TestOpForms holds the forms of the operations.
func TestOpForms(t *testing.T) {
	s := example()
	full := s.Guests[2]
	full.Bridge = "xenbr0"
	s.Guests, s.ByBridge = []Guest{full}, true
	formtest.Ops(t, Kinds(), &table{Bridge: "xenbr0", To: s, From: s}, &learn{Bridge: "xenbr0", Index: 7, Off: true})
}

// paper is a planner for a host that is only on paper.
func paper(t *testing.T, links ...*host.Link) *Planner {
	t.Helper()
	for i, l := range links {
		if l.Index == 0 {
			l.Index = i + 1
		}
	}
	return &Planner{Records: plan.Records{Dir: t.TempDir()}, Host: &host.Host{Links: links}, Seen: &Seen{Tables: map[string]*Table{}}}
}

// keep carries out the steps that write records.
func keep(t *testing.T, part Part) {
	t.Helper()
	for _, s := range slices.Concat(part.Before, part.After) {
		for _, op := range s.Do {
			if f, ok := op.(*plan.File); ok {
				if err := f.Do(t.Context(), false); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

func titles(part Part) (list []string) {
	for _, s := range slices.Concat(part.Before, part.After) {
		if !s.Empty() {
			list = append(list, s.Title)
		}
	}
	return list
}

var someBridge = Bridge{Name: "xenbr0", NIC: "peth0", Port: "vif0.0", MAC: "00:16:3e:00:00:00", Want: config.AntiSpoofStrict}

// TestStrangers refuses to cut off guests that nobody admitted, and names each with the
// line that admits it; those that start puts in count as well.
func TestStrangers(t *testing.T) {
	p := paper(t, &host.Link{Name: "xenbr0", Kind: "bridge"}, &host.Link{Name: "peth0", Master: 1}, &host.Link{Name: "vif0.0", Master: 1}, &host.Link{Name: "vif1.0", Master: 1}, &host.Link{Name: "vif2.0"})
	b := someBridge
	b.Back = []string{"vif2.0"}
	_, err := p.Start([]Bridge{b}, nil)
	if err == nil || !strings.Contains(err.Error(), "nobody admitted vif1.0, vif2.0") {
		t.Fatalf("error: %v", err)
	}
	for _, line := range []string{"xbr-script admit port=vif1.0 mac=MAC ip=ADDRESS", "xbr-script admit port=vif2.0 mac=MAC ip=ADDRESS"} {
		if !strings.Contains(refusal.Advice(err), line) {
			t.Errorf("hint %q lacks %q", refusal.Advice(err), line)
		}
	}
	lines := []config.Guest{{Port: "vif1.0", MAC: mac("00:16:3e:00:00:11")}, {Port: "vif2.0", MAC: mac("00:16:3e:00:00:12")}}
	part, err := p.Start([]Bridge{b}, lines)
	if err != nil || len(part.Before) == 0 {
		t.Fatalf("with lines of the file: %v, %q", err, titles(part))
	}
	op := part.Before[0].Do[0].(*table)
	if op.From != nil || len(op.To.Guests) != 2 || part.Before[0].Undo[0].(*table).To != nil {
		t.Errorf("the step is %+v", op)
	}
}

// TestTaken keeps dom0's gateways from guests of every bridge that they may be at.
func TestTaken(t *testing.T) {
	prefixes := func(texts ...string) (list []netip.Prefix) {
		for _, text := range texts {
			list = append(list, netip.MustParsePrefix(text))
		}
		return list
	}
	for _, c := range []struct {
		what, by, gateway, kind string
		addrs                   []netip.Prefix
		taken                   bool
	}{
		{"its own gateway", "eth0", "192.168.0.1", "", prefixes("192.168.0.2/24"), true},
		{"its own gateway, beside its network", "eth0", "10.9.9.1", "", prefixes("192.168.0.2/24"), true},
		{"its own gateway, of a dummy", "eth0", "192.168.0.1", "dummy", nil, true},
		{"the bridge is dom0's interface", "xenbr0", "192.168.0.1", "", prefixes("192.168.0.2/24"), true},
		{"a dummy has no LAN", "eth1", "192.168.0.1", "dummy", nil, false},
		{"another network", "eth1", "192.168.1.1", "", prefixes("192.168.0.2/24"), false},
		{"the same network by another NIC", "eth1", "192.168.0.1", "", prefixes("192.168.0.2/24"), true},
		{"nobody knows which network", "eth1", "192.168.1.1", "", nil, true},
		{"an address alone says nothing", "eth1", "192.168.1.1", "", prefixes("192.168.0.2/32"), true},
		{"one of the other family says nothing", "eth1", "2001:db8::1", "", prefixes("192.168.0.2/24", "fe80::2/64"), true},
		{"another network of IPv6", "eth1", "2001:db8::1", "", prefixes("2001:db8:1::2/64"), false},
		{"a link-local gateway may be anywhere", "eth1", "fe80::1", "", prefixes("2001:db8:1::2/64"), true},
		{"a link-local gateway, of a dummy", "eth1", "fe80::1", "dummy", nil, false},
	} {
		gateway := netip.MustParseAddr(c.gateway)
		p := paper(t, &host.Link{Name: "xenbr0", Kind: "bridge"}, &host.Link{Name: "peth0", Kind: c.kind, Master: 1}, &host.Link{Name: "eth0"}, &host.Link{Name: "eth1"})
		family := byte(unix.AF_INET6)
		if gateway.Is4() {
			family = unix.AF_INET
		}
		route := rtnl.Msg{Type: unix.RTM_NEWROUTE, Body: []byte{family, 0, 0, 0, unix.RT_TABLE_MAIN, 0, 0, unix.RTN_UNICAST, 0, 0, 0, 0}}
		index := p.Host.Name(c.by).Index
		p.Host.Routes = []rtnl.Msg{route.With(unix.RTA_GATEWAY, gateway.AsSlice()).With(unix.RTA_OIF, rtnl.U32Bytes(uint32(index)))}
		b := someBridge
		b.Addrs = c.addrs
		if got := slices.Contains((&draft{Planner: p}).taken(b), gateway); got != c.taken {
			t.Errorf("%s: it is taken: %t", c.what, got)
		}
	}
}

// TestAdmitAndDismiss plans for guests without a table and with one; what is so already
// has no steps.
func TestAdmitAndDismiss(t *testing.T) {
	p := paper(t, &host.Link{Name: "xenbr0", Kind: "bridge"}, &host.Link{Name: "peth0", Master: 1}, &host.Link{Name: "vif0.0", Master: 1})
	g := config.Guest{Port: "vif1.0", MAC: mac("00:16:3e:00:00:11"), Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.11/32")}}
	part, err := p.Admit(g)
	if err != nil || len(titles(part)) != 1 || len(part.Lines) != 1 {
		t.Fatalf("admit: %v, %q, %q", err, titles(part), part.Lines)
	}
	keep(t, part)
	if part, err = p.Admit(g); err != nil || len(titles(part)) != 0 {
		t.Errorf("admit again: %v, %q", err, titles(part))
	}
	if part, err = p.Start([]Bridge{someBridge}, nil); err != nil {
		t.Fatal(err)
	}
	keep(t, part)
	other := g
	other.Port, other.MAC = "vif2.0", mac("00:16:3e:00:00:12")
	if _, err = p.Admit(other); err == nil || !strings.Contains(err.Error(), "vif1.0 has 10.0.0.11") {
		t.Errorf("the address of another guest: %v", err)
	}
	other.Addresses = nil
	part, err = p.Admit(other)
	if err != nil || len(titles(part)) != 3 { // the table, the two records
		t.Fatalf("admit with a table: %v, %q", err, titles(part))
	}
	to, back := part.Before[0].Do[0].(*table), part.Before[0].Undo[0].(*table)
	if len(to.To.Guests) != 2 || len(back.To.Guests) != 1 {
		t.Errorf("there %+v, back %+v", to.To.Guests, back.To.Guests)
	}
	if part, err = p.Dismiss(other); err != nil || len(part.Lines) != 0 {
		t.Errorf("dismiss one that nobody admitted: %v, %q", err, part.Lines)
	}
}

// TestSeveral has guests of several bridges: each is in the table of its own.
func TestSeveral(t *testing.T) {
	p := paper(t, &host.Link{Name: "xenbr0", Kind: "bridge"}, &host.Link{Name: "xenbr1", Kind: "bridge"}, &host.Link{Name: "vif1.0", Master: 1}, &host.Link{Name: "vif2.0", Master: 2})
	guests := []Guest{{Port: "vif1.0"}, {Port: "vif2.0"}, {Port: "vif3.0"}, {Port: "vif4.0", Bridge: "xenbr1"}}
	for bridge, want := range map[string]string{"xenbr0": "vif1.0, vif3.0", "xenbr1": "vif2.0, vif3.0, vif4.0"} {
		if got := portsOf((&draft{Planner: p}).guestsOf(bridge, guests, true)); got != want {
			t.Errorf("%s has %s, want %s", bridge, got, want)
		}
	}
}

// TestNotRead has tables that nobody could read: nothing is planned, and status says so.
func TestNotRead(t *testing.T) {
	p := paper(t)
	part, err := p.Start([]Bridge{someBridge}, nil)
	if err != nil {
		t.Fatal(err)
	}
	keep(t, part)
	p.Seen = &Seen{Err: os.ErrPermission}
	for what, err := range map[string]error{
		"start": func() error { _, err := p.Start([]Bridge{someBridge}, nil); return err }(),
		"stop":  func() error { _, err := p.Stop([]Bridge{someBridge}); return err }(),
	} {
		if err == nil || !strings.Contains(err.Error(), "cannot read the tables of nftables") {
			t.Errorf("%s: %v", what, err)
		}
	}
	st, err := p.Status(someBridge)
	if err != nil || st.InForce || len(st.Wrong) != 1 {
		t.Errorf("status: %+v, %v", st, err)
	}
}

// TestRanges joins networks that overlap, in both families.
func TestRanges(t *testing.T) {
	var got []string
	nets := []netip.Prefix{}
	for _, n := range []string{"10.0.0.0/24", "10.0.0.7/32", "10.0.1.0/24", "fd00::/64", "fd00::/48", "255.255.255.255/32", "::/128"} {
		nets = append(nets, netip.MustParsePrefix(n))
	}
	for _, r := range ranges(nets) {
		got = append(got, r.first.String()+"-"+r.last.String())
	}
	want := []string{"10.0.0.0-10.0.0.255", "10.0.1.0-10.0.1.255", "255.255.255.255-255.255.255.255", "::-::", "fd00::-fd00::ffff:ffff:ffff:ffff:ffff"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	g := Guest{MAC: "00:16:3e:00:00:11", Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("10.0.0.7/32"), netip.MustParsePrefix("fe80::/64")}}
	if single, nets := g.addresses(); len(single) != 0 || len(nets) != 2 {
		t.Errorf("single %v, networks %v", single, nets)
	}
}
