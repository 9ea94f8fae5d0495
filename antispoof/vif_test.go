package antispoof

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"xbr-script/internal/testing/nstest"
)

func TestReadScripts(t *testing.T) {
	for _, c := range []struct {
		name, file, text string
		want             SeenScripts
	}{
		{"none", "vif-nat", newScript, SeenScripts{}},
		{"old", "vif-common.sh", oldScript, SeenScripts{Appends: true}},
		{"older", "vif-bridge", oldScript, SeenScripts{Appends: true}},
		{"new", "vif-common.sh", newScript, SeenScripts{}},
		{"Debian's", "vif-common.sh", strings.Replace(newScript, "handle_iptable()\n{\n", "handle_iptable()\n{\n  # Disabled. See Debian bug #894013.\n  return 0\n\n", 1), SeenScripts{Disabled: true}},
		{"on one line", "vif-common.sh", "handle_iptable() {\n\treturn\n}\n", SeenScripts{Disabled: true}},
		{"literally", "vif-common.sh", "handle_iptable ()\n{\n  iptables -A FORWARD -m physdev --physdev-in $vif -j ACCEPT\n}\n", SeenScripts{Appends: true}},
		{"in a comment", "vif-common.sh", "# once: iptables -A FORWARD\nhandle_iptable ()\n{\n  iptables -I FORWARD -j ACCEPT\n}\n", SeenScripts{}},
		{"called only", "vif-bridge", "handle_iptable\n", SeenScripts{}},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, c.file)
		if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := readScripts(dir); err != nil || got.Disabled != c.want.Disabled || got.Appends != c.want.Appends || got.Path != "" && got.Path != path {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// TestDebian runs Debian's vif-bridge, as it comes, and without the line that
// keeps it from making rules.
func TestDebian(t *testing.T) {
	if os.Geteuid() != 0 {
		nstest.New(t) // skips or fails
	}
	stock := nstest.XenScripts(t)
	each(t, func(t *testing.T, backend string) {
		t.Run("stock", func(t *testing.T) { newXen(t, backend, stock).stock() })
		t.Run("mended", func(t *testing.T) {
			x := newXen(t, backend, stock)
			nstest.Script(t, "sed -i '/^  return 0$/d' /run/scripts/vif-common.sh")
			x.mended()
		})
	})
}

// xen is a testbed whose guests' ports are not in the bridge yet: vif-bridge puts
// them there.
type xen struct{ *testbed }

func newXen(t *testing.T, backend, scripts string) *xen {
	t.Helper()
	x := &xen{newTestbed(t, backend, false)}
	nstest.Script(t, `
		cp -a `+scripts+`/. /run/scripts
		mount -t tmpfs none /var/log
		mkdir -p /var/log/xen /run/bin /run/xenstore`)
	for name, text := range standIns {
		if err := os.WriteFile("/run/bin/"+name, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	nstest.Script(t, `
		for p in xenstore-read xenstore-write logger; do if test -e /usr/bin/$p; then mount --bind /run/bin/$p /usr/bin/$p; fi; done
		for v in vif1.0 vif2.0 vif3.0; do ip link set $v down nomaster; done`)
	return x
}

// standIns replace the programs that speak to xenstore, which here is files
// under /run/xenstore. Nobody reads the log.
var standIns = map[string]string{
	"xenstore-read":  `test -e "/run/xenstore/$1" && cat "/run/xenstore/$1"`,
	"xenstore-write": `while [ $# -gt 1 ]; do mkdir -p "/run/xenstore/${1%/*}"; echo "$2" >"/run/xenstore/$1"; shift 2; done`,
	"logger":         "",
}

// vif calls vif-bridge for a guest's port, as Xen's tools do.
func (x *xen) vif(command, port string, addrs ...string) {
	x.Helper()
	path := "backend/vif/" + strings.NewReplacer("vif", "", ".", "/").Replace(port)
	nstest.Script(x, fmt.Sprintf(`
		mkdir -p /run/xenstore/%[1]s
		echo xenbr0 >/run/xenstore/%[1]s/bridge
		rm -f /run/xenstore/%[1]s/ip /run/xenstore/%[1]s/hotplug-error`, path))
	if len(addrs) > 0 {
		nstest.Script(x, fmt.Sprintf("echo '%s' >/run/xenstore/%s/ip", strings.Join(addrs, " "), path))
	}
	out, err := nstest.Try(x, "sh", "-c", fmt.Sprintf("cd / && PATH=$PATH:/run/bin vif=%s XENBUS_PATH=%s script=/run/scripts/vif-bridge /run/scripts/vif-bridge %s", port, path, command))
	if failed, _ := os.ReadFile("/run/xenstore/" + path + "/hotplug-error"); err != nil || len(failed) > 0 {
		log, _ := os.ReadFile("/var/log/xen/xen-hotplug.log")
		x.Fatalf("vif-bridge %s %s: %v\n%s%s%s", command, port, err, out, failed, log)
	}
}

func (x *xen) online() {
	x.Helper()
	x.vif("online", "vif1.0", x.mallory.v4.String())
	x.vif("online", "vif2.0", x.victim.v4.String(), "10.0.0.99")
	x.vif("online", "vif3.0")
}

func (x *xen) offline() {
	x.Helper()
	for _, v := range []string{"vif1.0", "vif2.0", "vif3.0"} {
		addrs := map[string][]string{"vif1.0": {x.mallory.v4.String()}, "vif2.0": {x.victim.v4.String(), "10.0.0.99"}}[v]
		x.vif("offline", v, addrs...)
	}
}

// ownRules are the admin's, for what vif-bridge does not know of.
func (x *xen) ownRules(op string) string {
	return allow("iptables", op, "c4", ip("10.0.0.44")) + allow("ip6tables", op, "vif3.0", own)
}

// mended has a vif-bridge that makes rules.
func (x *xen) mended() {
	x.Helper()
	x.world()
	before := x.saved()
	x.start(yes(x.b))
	x.online()
	x.settled("guests came", x.b)
	if rules := nstest.Run(x, "iptables", "-S", "FORWARD"); strings.Count(rules, "--physdev-in vif") != 6 {
		x.Errorf("vif-bridge made other rules than this test knows:\n%s", rules)
	}
	nstest.Script(x, x.ownRules("-I"))
	x.expect(yesColumn, x.try(x.attacks()), x.work(x.flows(), yesColumn))

	// The bridge is stopped and started while its guests are up.
	guests := x.others()
	x.stop(x.b)
	x.theirs("stopped with guests up", guests)
	x.start(yes(x.b))
	x.theirs("started with guests up", guests)
	x.settled("started with guests up", x.b)
	x.expect(yesColumn, x.try(x.attacks()), x.work(x.flows(), yesColumn))

	nstest.Script(x, x.ownRules("-D"))
	x.offline()
	x.stop(x.b)
	if diff := lineDiff(withoutEmpty(before), withoutEmpty(x.saved())); diff != "" {
		x.Errorf("after the last stop the rules differ\n%s", diff)
	}
}

// stock has Debian's vif-bridge as it comes: no guest can send IPv4 until a
// rule allows all of them to.
func (x *xen) stock() {
	x.Helper()
	x.world()
	before := x.saved()
	_, notes := x.start(yes(x.b))
	st, err := x.planner.Status(x.b)
	if err != nil || !st.InForce {
		x.Errorf("status: %+v %v", st, err)
	}
	for what, words := range map[string][]string{"start": notes, "status": st.Notes} {
		if !says(words, "no guest can send IPv4") || !says(words, "#894013") || !says(words, "guests=allow") {
			x.Errorf("%s says: %q", what, words)
		}
	}
	x.online()
	x.limit = settle
	if x.dhcp() {
		x.Error("a guest can send IPv4")
	}
	b := x.b
	b.GuestsAllow = true
	if _, notes = x.start(yes(b)); says(notes, "no guest can send") {
		x.Errorf("start with guests=allow says: %q", notes)
	}
	x.expect(yesColumn+1, x.try(x.attacks()), x.work(x.flows(), yesColumn+1))
	x.offline()
	x.stop(x.b)
	x.same("stop", before)
}
