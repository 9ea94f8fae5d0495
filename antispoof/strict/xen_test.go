package strict

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"xbr-script/internal/config"
	"xbr-script/internal/host"
	"xbr-script/internal/refusal"
	"xbr-script/internal/xenstore"
)

// onXen is a planner for a bridge with two guests' ports, one of a fully virtualised
// guest, and what xenstore says of them.
func onXen(t *testing.T, vifs ...xenstore.VIF) *Planner {
	t.Helper()
	br := &host.Link{Name: "xenbr0", Index: 1}
	p := paper(t, br, &host.Link{Name: "vif1.0", Master: 1}, &host.Link{Name: "web", Master: 1}, &host.Link{Name: "web-emu", Master: 1})
	p.Xen = &xenstore.Seen{VIFs: vifs}
	return p
}

var (
	vif1 = xenstore.VIF{Domain: 1, Name: "one", Port: "vif1.0", MAC: "00:16:3E:00:00:11", IP: "10.9.0.11/24 2001:db8::5  10.8.0.0/16", Bridge: "xenbr0"}
	vif2 = xenstore.VIF{Domain: 2, Name: "two", Port: "web", MAC: "00:16:3e:00:00:22"}
	gone = xenstore.VIF{Domain: 3, Name: "three", Port: "vif3.0", MAC: "00:16:3e:00:00:33"}
)

// tableOf is the table that a part makes, or nil.
func tableOf(part Part) *State {
	for _, s := range slices.Concat(part.Before, part.After) {
		for _, op := range s.Do {
			if o, ok := op.(*table); ok {
				return o.To
			}
		}
	}
	return nil
}

func guestTexts(s *State) (list []string) {
	for _, g := range s.Guests {
		list = append(list, g.Port+" "+g.MAC+" "+addrTexts(g.Addresses)+" "+g.Bridge)
	}
	return list
}

func TestFromXenstore(t *testing.T) {
	p := onXen(t, vif1, vif2, gone)
	part, err := p.Start([]Bridge{someBridge}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"vif1.0 00:16:3e:00:00:11 10.8.0.0/16, 10.9.0.11, 2001:db8::5 xenbr0",
		"web 00:16:3e:00:00:22 any IP address xenbr0",
		"web-emu 00:16:3e:00:00:22 any IP address xenbr0",
	}
	if got := guestTexts(tableOf(part)); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if !slices.ContainsFunc(part.Notes, func(n string) bool { return strings.Contains(n, "of web only the MAC address is certain") }) {
		t.Errorf("%q", part.Notes)
	}
	for _, s := range part.Before {
		if strings.Contains(s.Title, admittedName) {
			t.Errorf("what xenstore says is remembered: %s", s.Title)
		}
	}
}

// TestBeforeXenstore has whoever admits a guest go before xenstore, and says where they
// differ.
func TestBeforeXenstore(t *testing.T) {
	p := onXen(t, vif1, vif2)
	other := config.Guest{Port: "vif1.0", MAC: mac("00:16:3e:00:00:44"), Addresses: []netip.Prefix{netip.MustParsePrefix("10.9.0.12/32")}}
	web := config.Guest{Port: "web", MAC: mac("00:16:3e:00:00:22")}
	part, err := p.Start([]Bridge{someBridge}, []config.Guest{other, web})
	if err != nil {
		t.Fatal(err)
	}
	if got := guestTexts(tableOf(part))[0]; got != "vif1.0 00:16:3e:00:00:44 10.9.0.12 " {
		t.Errorf("%q", got)
	}
	const says = "xenbr0: vif1.0 was admitted with 00:16:3e:00:00:44, but xenstore says that it has 00:16:3e:00:00:11; what was admitted counts"
	if !slices.Contains(part.Notes, says) {
		t.Errorf("%q", part.Notes)
	}
}

// TestBadXenstore admits nobody by what is no address.
func TestBadXenstore(t *testing.T) {
	for what, bad := range map[string]xenstore.VIF{
		"ip":   {Domain: 1, Port: "vif1.0", MAC: "00:16:3e:00:00:11", IP: "10.9.0.11 ten"},
		"mac":  {Domain: 1, Port: "vif1.0", MAC: "11"},
		"none": {Domain: 1, Port: "vif1.0"},
	} {
		_, err := onXen(t, bad, vif2).Start([]Bridge{someBridge}, nil)
		if err == nil || !strings.Contains(err.Error(), "nobody admitted vif1.0") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestXenstoreClash has guests that xenstore gives the same address refused, with a way
// out.
func TestXenstoreClash(t *testing.T) {
	two := vif2
	two.IP = "10.8.1.1"
	_, err := onXen(t, vif1, two).Start([]Bridge{someBridge}, nil)
	if err == nil || !strings.Contains(err.Error(), "cannot admit web with 10.8.1.1: vif1.0 has 10.8.0.0/16") ||
		!strings.Contains(refusal.Text(err), "admit port=vif1.0 mac=00:16:3e:00:00:11 ip=ADDRESS router=yes") {
		t.Error(refusal.Text(err))
	}
}

// TestXenstoreFails has nobody cut off, and nobody let in, while xenstore cannot be read.
func TestXenstoreFails(t *testing.T) {
	p := onXen(t, vif1, vif2)
	part, err := p.Start([]Bridge{someBridge}, nil)
	if err != nil {
		t.Fatal(err)
	}
	keep(t, part)
	before := guestTexts(tableOf(part))
	p.Xen = &xenstore.Seen{Err: errors.New("xenstore sleeps")}
	part, err = p.Start([]Bridge{someBridge}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := guestTexts(tableOf(part)); !slices.Equal(got, before) {
		t.Errorf("%q", got)
	}
	if !slices.ContainsFunc(part.Notes, func(n string) bool { return strings.Contains(n, "xenstore sleeps") }) {
		t.Errorf("%q", part.Notes)
	}
}

// TestDismissOnXen cuts a guest off that xenstore still has, and says that this does not
// last.
func TestDismissOnXen(t *testing.T) {
	p := onXen(t, vif1, vif2)
	part, err := p.Start([]Bridge{someBridge}, nil)
	if err != nil {
		t.Fatal(err)
	}
	keep(t, part)
	part, err = p.Dismiss(config.Guest{Port: "vif1.0"})
	if err != nil {
		t.Fatal(err)
	}
	if got := guestTexts(tableOf(part)); len(got) != 2 || len(part.Lines) != 1 || len(part.Notes) != 1 {
		t.Errorf("%q, %q, %q", got, part.Lines, part.Notes)
	}
	keep(t, part)
	st, err := p.Status(someBridge)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(st.Wrong, func(w string) bool { return strings.Contains(w, "web, web-emu instead of vif1.0, web, web-emu") }) {
		t.Errorf("%q", st.Wrong)
	}
	if by := st.AdmitBy["vif1.0"]; by != "xbr-script start" || len(st.AdmitBy) != 1 {
		t.Errorf("it is admitted by %q", st.AdmitBy)
	}
	if g := st.Guests[0]; g.Name != "two" || g.By != "xenstore" {
		t.Errorf("%+v", g)
	}
}

// TestStockScript says whose script admits nobody, but for those whom somebody admitted.
func TestStockScript(t *testing.T) {
	one, two, ours := vif1, vif2, vif2
	one.Script, two.Script, ours.Script = "/etc/xen/scripts/vif-bridge", "/etc/xen/scripts/vif-bridge", "/etc/xen/scripts/vif-xbr"
	web := config.Guest{Port: "web", MAC: mac("00:16:3e:00:00:22")}
	for _, c := range []struct {
		vifs  []xenstore.VIF
		lines []config.Guest
		want  string
	}{
		{[]xenstore.VIF{one, two}, nil, "xenbr0: vif1.0, web came by vif-bridge"},
		{[]xenstore.VIF{one, ours}, nil, "xenbr0: vif1.0 came by vif-bridge"},
		{[]xenstore.VIF{one, two}, []config.Guest{web}, "xenbr0: vif1.0 came by vif-bridge"},
		{[]xenstore.VIF{vif1, ours}, nil, ""},
	} {
		part, err := onXen(t, c.vifs...).Start([]Bridge{someBridge}, c.lines)
		if err != nil {
			t.Fatal(err)
		}
		said := slices.IndexFunc(part.Notes, func(n string) bool { return strings.Contains(n, "came by") })
		if (said >= 0) != (c.want != "") || said >= 0 && !strings.HasPrefix(part.Notes[said], c.want+", which admits nobody") {
			t.Errorf("%+v, %+v: %q", c.vifs, c.lines, part.Notes)
		}
	}
}

// TestComesToOne has a guest that was admitted for whichever of two bridges be known at the
// other one no more once its port comes.
func TestComesToOne(t *testing.T) {
	p := paper(t, &host.Link{Name: "xenbr0", Kind: "bridge"}, &host.Link{Name: "xenbr1", Kind: "bridge"})
	p.Xen = &xenstore.Seen{}
	other := someBridge
	other.Name, other.NIC, other.Port = "xenbr1", "peth1", "vif0.1"
	lines := []config.Guest{{Port: "lvs0", MAC: mac("00:16:3e:00:00:10")}, {Port: "lvs1", MAC: mac("00:16:3e:00:00:11")}}
	part, err := p.Start([]Bridge{someBridge, other}, lines)
	if err != nil {
		t.Fatal(err)
	}
	keep(t, part)
	for i, port := range []string{"lvs0", "lvs1"} {
		link := &host.Link{Name: port, Index: 10 + i}
		p.Host.Links = append(p.Host.Links, link)
		if part, err = p.Attach(port, []string{"xenbr0", "xenbr1"}[i], ""); err != nil {
			t.Fatal(err)
		}
		keep(t, part)
		link.Master = 1 + i
	}
	for i, b := range []Bridge{someBridge, other} {
		st, err := p.Status(b)
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(st.Wrong, func(w string) bool { return strings.Contains(w, "other guests") }) {
			t.Errorf("%s: %q", b.Name, st.Wrong)
		}
		if len(st.Guests) != 1 || st.Guests[0].Port != []string{"lvs0", "lvs1"}[i] {
			t.Errorf("%s has %+v", b.Name, st.Guests)
		}
	}
}

// TestHooked knows the hooks by which Xen's own script has guests admitted.
func TestHooked(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("other.hook", "true\n", 0o755)
	write("not-run.hook", "vif-xbr online\n", 0o644)
	write("vif-xbr.sh", "vif-xbr online\n", 0o755)
	if hooked(dir + "/*.hook") {
		t.Error("a file that is not run counts")
	}
	write("xbr-script.hook", "/etc/xen/scripts/vif-xbr \"$command\"\n", 0o755)
	if !hooked(dir + "/*.hook") {
		t.Error("the hook does not count")
	}
	p := onXen(t, vif1)
	p.Xen.VIFs[0].Script, p.Seen.Hooked = "/etc/xen/scripts/vif-bridge", true
	if notes := (&draft{Planner: p}).xenNotes(someBridge); len(notes) > 0 {
		t.Errorf("with the hook: %q", notes)
	}
}

// TestGoneOnXen has a guest whose port has gone harm nobody.
func TestGoneOnXen(t *testing.T) {
	p := onXen(t, vif1, vif2)
	part, err := p.Start([]Bridge{someBridge}, nil)
	if err != nil {
		t.Fatal(err)
	}
	keep(t, part)
	p.Host.Links = slices.DeleteFunc(p.Host.Links, func(l *host.Link) bool { return l.Name == "vif1.0" })
	p.Xen.VIFs = p.Xen.VIFs[1:]
	st, err := p.Status(someBridge)
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(st.Wrong, func(w string) bool { return strings.Contains(w, "other guests") }) {
		t.Errorf("%q", st.Wrong)
	}
}
