package vif

import (
	"testing"

	"xbr-script/internal/host"
	"xbr-script/internal/testing/formtest"
)

func TestParse(t *testing.T) {
	xen := map[string]string{"vif": "vif3.1", "INTERFACE": "vif3.1-emu", "XENBUS_PATH": "backend/vif/3/1", "script": "/etc/xen/scripts/vif-xbr"}
	for _, c := range []struct {
		args []string
		env  map[string]string
		want *Call // nil: nothing to do
		bad  bool
	}{
		{[]string{"online", "type_if=vif"}, xen, &Call{Command: Online, Dev: "vif3.1", Path: "backend/vif/3/1", Domain: 3, Device: 1}, false},
		{[]string{"offline"}, xen, &Call{Command: Offline, Dev: "vif3.1", Path: "backend/vif/3/1", Domain: 3, Device: 1}, false},
		{[]string{"add", "type_if=tap"}, xen, &Call{Command: Add, Dev: "vif3.1-emu", Path: "backend/vif/3/1", Domain: 3, Device: 1}, false},
		{[]string{"remove", "type_if=tap"}, map[string]string{"INTERFACE": "tap4.0"}, &Call{Command: Remove, Dev: "tap4.0", Path: "backend/vif/4/0", Domain: 4}, false},
		// As xend's udev rules and agents call it.
		{[]string{"bridge=xenbr1", "ip=10.0.0.1", "online"}, map[string]string{"vif": "vif3.1", "XENBUS_PATH": "/local/domain/7/backend/vif/3/1", "bridge": "xenbr0", "UDEV_CALL": "1"},
			&Call{Command: Online, Dev: "vif3.1", Path: "/local/domain/7/backend/vif/3/1", Domain: 3, Device: 1, Bridge: "xenbr1", IP: "10.0.0.1", Udev: true}, false},
		{[]string{"online", "type_if=tap"}, xen, nil, false},
		{[]string{"add", "type_if=vif"}, xen, nil, false},
		{[]string{"remove"}, xen, nil, false},
		{nil, xen, nil, true},
		{[]string{"start"}, xen, nil, true},
		{[]string{"online", "type_if=block"}, xen, nil, true},
		{[]string{"online"}, map[string]string{"vif": "vif3.1"}, nil, true},
		{[]string{"online"}, map[string]string{"XENBUS_PATH": "backend/vif/3/1"}, nil, true},
		{[]string{"online"}, map[string]string{"vif": "vif3.1", "XENBUS_PATH": "backend/vbd/3/1"}, nil, true},
		{[]string{"online"}, map[string]string{"vif": "vif3.1", "XENBUS_PATH": "backend/vif/../1"}, nil, true},
		{[]string{"add", "type_if=tap"}, map[string]string{"INTERFACE": "eth0"}, nil, true},
		{[]string{"add", "type_if=tap"}, nil, nil, true},
	} {
		got, err := Parse(c.args, func(name string) string { return c.env[name] })
		if (err != nil) != c.bad || !c.bad && (got == nil) != (c.want == nil) || !c.bad && got != nil && *got != *c.want {
			t.Errorf("%q with %v: %+v, %v", c.args, c.env, got, err)
		}
	}
}

// FuzzParse reads whatever somebody may call it with.
func FuzzParse(f *testing.F) {
	f.Add("online type_if=vif", "vif1.0", "backend/vif/1/0")
	f.Fuzz(func(t *testing.T, args, dev, path string) {
		c, err := Parse([]string{args}, func(name string) string {
			return map[string]string{"vif": dev, "INTERFACE": dev, "XENBUS_PATH": path}[name]
		})
		if err == nil && c != nil && (c.Domain < 0 || c.Domain > 65535 || c.Device < 0 || c.Dev == "") {
			t.Errorf("%+v", c)
		}
	})
}

// TestBridgeName finds the bridge as vif-bridge does.
func TestBridgeName(t *testing.T) {
	h := &host.Host{Links: []*host.Link{{Name: "virbr0", Kind: "bridge"}, {Name: "eth0", Kind: "bridge"}, {Name: "eth1"}, {Name: "xenbr2", Kind: "bridge"}}}
	for _, c := range []struct{ store, call, want string }{
		{"xenbr2", "virbr0", "xenbr2"}, {"", "virbr0", "virbr0"}, {"", "", "eth0"}, {"xenbr0", "", "eth0"}, {"xenbr1", "", "xenbr1"}, {"br9", "", "br9"},
	} {
		p := &Planner{Call: &Call{Bridge: c.call}, Says: Says{Bridge: c.store}, Host: h}
		if got := p.BridgeName(); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
	if got := (&Planner{Call: &Call{}, Host: &host.Host{}}).BridgeName(); got != "" {
		t.Errorf("without bridges: %q", got)
	}
}

// TestForms holds the forms of the operations.
func TestForms(t *testing.T) { formtest.Ops(t, Kinds(), &mtu{"vif1.0", 7, 1400}) }
