package ifupdown

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"xbr-script/internal/host"
	"xbr-script/internal/manager"
	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
)

// Debian 13's file, and that file as it is to be while eth0 is peth0.
const (
	debians = `[Unit]
Description=ifup for %I
After=local-fs.target network-pre.target apparmor.service systemd-sysctl.service
Before=network.target network-online.target
BindsTo=sys-subsystem-net-devices-%i.device
After=sys-subsystem-net-devices-%i.device
DefaultDependencies=no
IgnoreOnIsolate=yes

[Service]
# avoid stopping on shutdown via stopping system-ifup.slice
Slice=system.slice
ExecStart=/usr/sbin/ifup --allow=hotplug %I
ExecStop=/usr/sbin/ifdown %I
RemainAfterExit=true
TimeoutStartSec=5min
`
	kept = `[Unit]
Description=ifup for %I
After=local-fs.target network-pre.target apparmor.service systemd-sysctl.service
Before=network.target network-online.target
After=sys-subsystem-net-devices-%i.device
DefaultDependencies=no
IgnoreOnIsolate=yes

[Service]
# avoid stopping on shutdown via stopping system-ifup.slice
Slice=system.slice
ExecStart=/usr/sbin/ifup --allow=hotplug %I
ExecStop=/usr/sbin/ifdown %I
RemainAfterExit=true
TimeoutStartSec=5min
`
)

// move is that of a NIC to a bridge, or back.
func move(dev, port string, back bool) manager.Move {
	m := manager.Move{NetDev: dev, Port: port, NIC: &host.Link{Index: 2, Name: dev}, To: manager.Interface{Name: dev, Index: 7}}
	if back {
		m.NIC, m.To.Index = &host.Link{Index: 2, Name: port}, 2
	}
	return m
}

// folders are those of systemd, with these files.
func folders(t *testing.T, files map[string]string) (dirs []string) {
	t.Helper()
	root := t.TempDir()
	for _, dir := range []string{"etc", "run", "usr"} {
		dirs = append(dirs, filepath.Join(root, dir))
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dirs
}

// told are the operations of steps, each with what takes it back.
func told(steps []plan.Step) (texts []string) {
	for _, s := range steps {
		do, undo := s.Do[0].(*Unit), s.Undo[0].(*Unit)
		text := "remove " + do.Name
		if do.Content != nil {
			text = "make " + do.Name
		}
		if (do.Content == nil) == (undo.Content == nil) || do.Name != undo.Name {
			text += ", not taken back"
		}
		texts = append(texts, text)
	}
	return texts
}

// TestAround gives the steps for the units that are up.
func TestAround(t *testing.T) {
	debian := map[string]string{"usr/ifup@.service": debians}
	for name, c := range map[string]struct {
		up            []string // units
		files         map[string]string
		back          bool
		before, after []string
	}{
		"none":                 {nil, debian, false, nil, nil},
		"one":                  {[]string{"ifup@eth0.service"}, debian, false, []string{"make ifup@eth0.service"}, nil},
		"both":                 {[]string{"ifup@eth0.service", "ifup@br-lan.service"}, debian, false, []string{"make ifup@eth0.service", "make ifup@br-lan.service"}, nil},
		"as udev names it":     {[]string{`ifup@br\x2dlan.service`}, debian, false, []string{`make ifup@br\x2dlan.service`}, nil},
		"another interface's":  {[]string{"ifup@eth2.service", "ifup@peth0.service", "ifup@eth0.1.service"}, debian, false, nil, nil},
		"ifupdown as a whole":  {[]string{"networking.service"}, debian, false, nil, nil},
		"a device of the name": {[]string{"sys-subsystem-net-devices-eth0.device"}, debian, false, nil, nil},
		"bound to nothing":     {[]string{"ifup@eth0.service"}, map[string]string{"etc/ifup@.service": "[Service]\n", "usr/ifup@.service": debians}, false, nil, nil},
		// It came up while eth0 was dom0's interface.
		"back": {[]string{"ifup@eth0.service"}, debian, true, []string{"make ifup@eth0.service"}, []string{"remove ifup@eth0.service"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := Manager{Up: func(unit string) (bool, error) { return slices.Contains(c.up, unit), nil }, Units: folders(t, c.files)}
			before, after, err := m.Around([]manager.Move{move("eth0", "peth0", c.back), move("br-lan", "pbr-lan", c.back)})
			if err != nil || !slices.Equal(told(before), c.before) || !slices.Equal(told(after), c.after) {
				t.Errorf("%q, %q, %v", told(before), told(after), err)
			}
			for _, s := range before {
				first, rest, _ := strings.Cut(*s.Do[0].(*Unit).Content, "\n")
				if !strings.HasPrefix(first, "# Of "+m.Units[2]+"/ifup@.service, ") || rest != kept {
					t.Errorf("%s\n%s", first, rest)
				}
			}
		})
	}
}

// TestRefused refuses the NICs of which systemd would end the unit all the same, all of
// them at once. It is the name of the NIC outside of a bridge that counts, also for stop.
func TestRefused(t *testing.T) {
	up := func(string) (bool, error) { return true, nil }
	for name, c := range map[string]struct {
		files   map[string]string
		refused string
	}{
		"no file": {nil, "xbr-script: cannot rename DEV: systemd would run ifdown DEV then, as the unit ifup@DEV.service ends with the NIC's name, and its file is in none of ETC, RUN, USR\n" +
			"hint: systemctl cat ifup@DEV.service\n"},
		"an admin's": {map[string]string{"etc/ifup@eth0.service": debians, "run/ifup@eth1.service": debians, "usr/ifup@.service": "[Service]\n"}, "xbr-script: cannot rename DEV: systemd would run ifdown DEV then, as PATH ends the unit with the NIC's name\n" +
			"hint: take \"BindsTo=\" out of PATH, then give: systemctl daemon-reload\n"},
	} {
		t.Run(name, func(t *testing.T) {
			m := Manager{Up: up, Units: folders(t, c.files)}
			want := ""
			for i, dev := range []string{"eth0", "eth1"} {
				want += strings.NewReplacer("DEV", dev, "PATH", m.Units[i]+"/ifup@"+dev+".service", "ETC", m.Units[0], "RUN", m.Units[1], "USR", m.Units[2]).Replace(c.refused)
			}
			_, _, err := m.Around([]manager.Move{move("eth0", "peth0", false), move("eth1", "peth1", true)})
			if err == nil || refusal.Text(err) != want {
				t.Errorf("%v\nwant\n%s", err, want)
			}
		})
	}
}

// TestUnknown refuses a NIC if nobody can say whether its unit is up, or how it is bound.
func TestUnknown(t *testing.T) {
	unsaid := errors.New("it is not said")
	m := Manager{Up: func(string) (bool, error) { return false, unsaid }}
	if _, _, err := m.Around([]manager.Move{move("eth0", "peth0", false)}); !errors.Is(err, unsaid) {
		t.Error(err)
	}
	m = Manager{Up: func(string) (bool, error) { return true, nil }, Units: folders(t, nil)[:1]}
	if err := os.Mkdir(filepath.Join(m.Units[0], "ifup@.service"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.Around([]manager.Move{move("eth0", "peth0", false)}); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Error(err)
	}
}

// TestUnbind takes the devices out of a unit's file, and nothing else.
func TestUnbind(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"Debian's":       {debians, kept},
		"spaces":         {"[Unit]\n BindsTo = a.device\nX=1\n", "[Unit]\nX=1\n"},
		"at the end":     {"[Unit]\nBindsTo=a.device", "[Unit]\n"},
		"another unit":   {"[Unit]\nBindsTo=a.service\n", "[Unit]\nBindsTo=a.service\n"},
		"both":           {"[Unit]\nBindsTo=a.device b.service\n", "[Unit]\nBindsTo=b.service\n"},
		"two lines":      {"[Unit]\nBindsTo=a.device \\\n  b.service c.device\nX=1\n", "[Unit]\nBindsTo=b.service\nX=1\n"},
		"several":        {"BindsTo=a.device\nY=2\nBindsTo=b.device\n", "Y=2\n"},
		"a comment":      {"#BindsTo=a.device\n", "#BindsTo=a.device\n"},
		"other settings": {"Wants=a.device\nBindsToo=a.device\n", "Wants=a.device\nBindsToo=a.device\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Unbind(c.text, isDevice); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
