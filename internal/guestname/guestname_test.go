package guestname

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"xbr-script/internal/xenstore"
)

// TestLibvirt reads what libvirt writes about guests that run, of each hypervisor; what is
// not that is an error, and the rest is read all the same.
func TestLibvirt(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for name, text := range map[string]string{
		"qemu/web.xml": `<?xml version="1.0"?><domstatus state='running'><domain type='kvm' id='1'><name>web &amp; db</name><devices>
			<interface type='network'><mac address='52:54:00:00:00:01'/><target dev='vnet0'/></interface>
			<interface type='bridge'><mac address='nonsense'/><target dev='vnet1'/><filterref filter='f'>
				<parameter name='IP' value='192.0.2.1'/><parameter name='IP' value='192.0.2.1'/><parameter name='IPV6' value='2001:DB8::1'/><parameter name='X' value='192.0.2.9'/></filterref></interface>
			<interface type='user'><mac address='52:54:00:00:00:03'/></interface></devices></domain></domstatus>`,
		"lxc/box.xml":    `<domstatus><domain><name>box</name><devices><interface><target dev='vnet2'/><ip address='192.0.2.2' prefix='24'/></interface></devices></domain></domstatus>`,
		"libxl/half.xml": `<domstatus><domain><name>half`,
		"qemu/other.xml": `<domain><name>other</name></domain>`,
		"qemu/note.txt":  `nothing`,
	} {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	list, err := readLibvirt(root)
	want := []Guest{
		{Port: "vnet0", Name: "web & db", By: "libvirt", MAC: "52:54:00:00:00:01"},
		{Port: "vnet1", Name: "web & db", By: "libvirt", Addresses: []string{"192.0.2.1", "2001:db8::1"}},
		{Port: "vnet2", Name: "box", By: "libvirt", Addresses: []string{"192.0.2.2"}},
	}
	if !reflect.DeepEqual(list, want) {
		t.Errorf("%+v", list)
	}
	if err == nil || !strings.Contains(err.Error(), "half.xml") || !strings.Contains(err.Error(), "other.xml") {
		t.Errorf("what is no guest: %v", err)
	}
	if list, err := readLibvirt(filepath.Join(root, "nothing")); list != nil || err != nil {
		t.Errorf("without libvirt: %+v, %v", list, err)
	}
}

// TestXen has each guest's port twice: the emulated device has one, too.
func TestXen(t *testing.T) {
	t.Parallel()
	list := OfXen(&xenstore.Seen{VIFs: []xenstore.VIF{{Name: "web", Port: "vif1.0", MAC: "00:16:3E:00:00:01", IP: "192.0.2.1/24  x"}}})
	for _, port := range []string{"vif1.0", "vif1.0-emu"} {
		if g := Of(list, port); g == nil || g.Name != "web" || g.MAC != "00:16:3e:00:00:01" || !reflect.DeepEqual(g.Addresses, []string{"192.0.2.1"}) {
			t.Errorf("%s: %+v", port, g)
		}
	}
	if OfXen(nil) != nil || Of(nil, "vif1.0") != nil {
		t.Error("nobody is somebody")
	}
}
