package draw

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"xbr-script/bridge"
	"xbr-script/internal/guestname"
	"xbr-script/internal/host"
	"xbr-script/internal/rtnl"
)

var update = flag.Bool("update", false, "draw the pictures in testdata anew")

// world is a host that is made up, link by link.
type world struct {
	host.Host
	up     []bridge.Spec
	guests []guestname.Guest
	names  []string // those of the bridges that the command line names
}

const upAndRunning = unix.IFF_UP | unix.IFF_LOWER_UP

// link adds an interface.
func (w *world) link(name, kind string, l host.Link) *host.Link {
	l.Name, l.Kind, l.Index, l.Ethernet = name, kind, len(w.Links)+1, true
	if l.Flags == 0 {
		l.Flags = upAndRunning
	}
	w.Links = append(w.Links, &l)
	return &l
}

// addr gives an interface addresses.
func (w *world) addr(l *host.Link, prefixes ...string) {
	for _, text := range prefixes {
		p := netip.MustParsePrefix(text)
		family := byte(unix.AF_INET)
		if p.Addr().Is6() {
			family = unix.AF_INET6
		}
		body := append([]byte{family, byte(p.Bits()), 0, 0}, rtnl.U32Bytes(uint32(l.Index))...)
		m := rtnl.Msg{Type: unix.RTM_NEWADDR, Body: body}.With(unix.IFA_ADDRESS, p.Addr().AsSlice())
		w.Addrs = append(w.Addrs, m.With(unix.IFA_LOCAL, p.Addr().AsSlice()))
	}
}

// gateway gives an interface a default route.
func (w *world) gateway(l *host.Link, addr string) {
	a := netip.MustParseAddr(addr)
	body := make([]byte, unix.SizeofRtMsg)
	body[0], body[4], body[7] = unix.AF_INET, unix.RT_TABLE_MAIN, unix.RTN_UNICAST
	if a.Is6() {
		body[0] = unix.AF_INET6
	}
	m := rtnl.Msg{Type: unix.RTM_NEWROUTE, Body: body}.With(unix.RTA_GATEWAY, a.AsSlice())
	w.Routes = append(w.Routes, m.With(unix.RTA_OIF, rtnl.U32Bytes(uint32(l.Index))))
}

// xen is a network as start makes it: with dom0's own interface, or by the bridge.
func (w *world) xen(number int, kind string) (br, dev *host.Link) {
	s := bridge.Spec{VifNum: number, NetDev: fmt.Sprintf("eth%d", number), PDev: fmt.Sprintf("peth%d", number), Bridge: fmt.Sprintf("xenbr%d", number), VIF: fmt.Sprintf("vif0.%d", number)}
	br = w.link(s.Bridge, "bridge", host.Link{})
	bus := "pci"
	if kind != "" {
		bus = ""
	}
	w.link(s.PDev, kind, host.Link{Master: br.Index, Bus: bus})
	dev = w.link(s.NetDev, "veth", host.Link{})
	dev.Lower = w.link(s.VIF, "veth", host.Link{Master: br.Index, Lower: dev.Index}).Index
	w.up = append(w.up, s)
	return br, dev
}

// guest adds a guest's port.
func (w *world) guest(br *host.Link, port, name, device string, addresses ...string) *host.Link {
	l := w.link(port, "", host.Link{Master: br.Index, Bus: "xen-backend"})
	if name != "" {
		w.guests = append(w.guests, guestname.Guest{Port: port, Name: name, By: "xenstore", Device: device, Addresses: addresses})
	}
	return l
}

// lvs is the host of seed 000, and of the demo.
func lvs(w *world) {
	br0, eth0 := w.xen(0, "")
	w.addr(eth0, "192.168.0.2/24", "192.168.0.22/24", "2001:db8::2/64")
	w.gateway(eth0, "192.168.0.1")
	w.gateway(eth0, "2001:db8::1")
	br1, _ := w.xen(1, "dummy")
	w.guest(br0, "vif1.0", "lvs", "eth0", "192.168.0.30")
	w.guest(br1, "vif1.1", "lvs", "eth1", "192.168.1.10")
	w.guest(br1, "vif2.0", "web1", "eth0", "192.168.1.11")
	w.guest(br1, "vif3.0", "web2", "eth0", "192.168.1.12").Flags = unix.IFF_UP
}

// worlds are hosts of every kind.
var worlds = map[string]func(w *world){
	"nothing": func(*world) {},
	"lvs":     lvs,
	"on-bridge": func(w *world) {
		br := w.link("eth0", "bridge", host.Link{})
		w.link("peth0", "", host.Link{Master: br.Index, Bus: "pci"})
		w.up = []bridge.Spec{{NetDev: "eth0", PDev: "peth0", Bridge: "eth0", Shape: bridge.OnBridge}}
		w.addr(br, "10.0.0.2/24")
		w.gateway(br, "10.0.0.1")
		w.guest(br, "vif7.0", "", "")
		w.guest(br, "vif7.0-emu", "", "").Flags = 0
		w.link("eth1", "", host.Link{Bus: "pci", Flags: unix.IFF_BROADCAST})
	},
	"bond": func(w *world) {
		br, eth0 := w.xen(0, "bond")
		bond := w.Links[1]
		w.link("eno1", "", host.Link{Master: bond.Index, Bus: "pci"})
		w.link("eno2", "", host.Link{Master: bond.Index, Bus: "pci", Flags: unix.IFF_UP})
		w.addr(eth0, "192.0.2.2/24")
		vlan := w.link("eth0.5", "vlan", host.Link{Lower: eth0.Index})
		w.addr(vlan, "10.5.0.2/24")
		lan := w.link("br5", "bridge", host.Link{})
		w.link("bond1.5", "vlan", host.Link{Master: lan.Index, Lower: w.link("bond1", "bond", host.Link{}).Index})
		w.link("eno3", "", host.Link{Master: w.Links[len(w.Links)-2].Index, Bus: "pci"})
		w.guest(lan, "vif1.1", "web", "")
		w.guest(br, "vif1.0", "web", "")
	},
	"two-nics": func(w *world) {
		br, eth0 := w.xen(0, "")
		w.link("eno2", "", host.Link{Master: br.Index, Bus: "pci", Flags: unix.IFF_UP})
		w.addr(eth0, "192.0.2.2/24")
		private := w.link("virbr0", "bridge", host.Link{Flags: unix.IFF_UP})
		w.addr(private, "192.168.122.1/24")
		w.link("vnet0", "tun", host.Link{Master: private.Index})
		w.guests = []guestname.Guest{{Port: "vnet0", Name: "kvm", By: "libvirt"}}
	},
	"lost": func(w *world) { // the NIC has fallen out of the bridge
		_, eth0 := w.xen(0, "")
		w.Links[1].Master, w.Links[0].Flags, w.Links[3].Flags = 0, unix.IFF_UP, unix.IFF_UP
		w.addr(eth0, "192.0.2.2/24")
	},
	"named": func(w *world) {
		lvs(w)
		w.names = []string{"xenbr1"}
	},
	"crowd": func(w *world) {
		br0, eth0 := w.xen(0, "")
		br1, eth1 := w.xen(1, "")
		w.addr(eth1, "10.1.0.2/24")
		for i := range 40 {
			w.addr(eth0, fmt.Sprintf("2001:db8:1234:5678:9abc:def0:1234:%x/64", 0x1000+i))
		}
		for i := 1; i <= 61; i++ {
			name := fmt.Sprintf("guest-%d", i)
			l := w.guest(br0, fmt.Sprintf("vif%d.0", i), name, "eth0", fmt.Sprintf("192.0.2.%d", i), fmt.Sprintf("2001:db8:1234:5678:9abc:def0:1234:%x", i+0x2000))
			if i%20 == 0 {
				l.Flags = unix.IFF_UP
			}
			if i%3 == 0 {
				w.guest(br1, fmt.Sprintf("vif%d.1", i), name, "eth1")
			}
		}
	},
	"hostile": func(w *world) {
		br := w.link("]]>&<b>\"'$x\\", "bridge", host.Link{})
		w.link("eno1\x1b[2J", "", host.Link{Master: br.Index, Bus: "pci"})
		w.addr(br, "2001:db8:1234:5678:9abc:def0:1234:5678/128")
		w.gateway(br, "2001:db8:1234:5678:9abc:def0:1234:5679")
		w.gateway(br, "2001:db8:1234:5678:9abc:def0:1234:567a")
		w.guest(br, "vif1.0", "<script>alert('x')</script>\n\"; rm -rf / #\\", "e\\")
		w.guest(br, "vif2.0", strings.Repeat("日本語", 20), "eth0", "2001:db8:1234:5678:9abc:def0:1234:5678", "2001:db8:1234:5678:9abc:def0:1234:5679")
		w.guest(br, "vif3.0", strings.Repeat("🐧", 30), "")
		w.guest(br, "aaaaaaaaaaaaaaa", strings.Repeat("very-long-name-", 20), "bbbbbbbbbbbbbbb", "192.0.2.1", "192.0.2.2")
		w.guest(br, "vif4.0", "\xff\xfe\u202eevil", "")
		w.guest(br, "vif5.0", "two\nlines\tand", "")
	},
}

func picture(name string) *Picture {
	w := &world{}
	worlds[name](w)
	return Look(&w.Host, w.up, w.guests, w.names...)
}

// TestPictures compares what is drawn of each kind of host, in each form.
func TestPictures(t *testing.T) {
	t.Parallel()
	for name := range worlds {
		p := picture(name)
		forms := map[string]string{"txt": p.Text(Style{}), "ascii": p.Text(Style{ASCII: true}), "svg": p.SVG(false), "dot": p.Dot(false)}
		for form, got := range forms {
			file := filepath.Join("testdata", name+"."+form)
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if want, err := os.ReadFile(file); err != nil || string(want) != got {
				t.Errorf("%s (%v; -update draws it anew):\n%s", file, err, got)
			}
		}
	}
}

// TestBounds holds that no line is wider than a terminal, and that what is drawn in ASCII
// is ASCII.
func TestBounds(t *testing.T) {
	t.Parallel()
	for name := range worlds {
		p := picture(name)
		for _, s := range []Style{{}, {ASCII: true}, {All: true}, {ASCII: true, All: true}} {
			text := p.Text(s)
			for line := range strings.Lines(text) {
				line = strings.TrimSuffix(line, "\n")
				if width(line) > Width || strings.TrimRight(line, " ") != line {
					t.Errorf("%s, %+v: %d columns: %q", name, s, width(line), line)
				}
				if s.ASCII && len(line) != len([]rune(line)) || !utf8.ValidString(line) || strings.ContainsAny(line, "\x1b\u202e") {
					t.Errorf("%s, %+v: %q", name, s, line)
				}
			}
			if name == "hostile" && !strings.Contains(text, "[two lines and]") {
				t.Errorf("%+v: no line has the name that is two:\n%s", s, text)
			}
			if name == "crowd" && strings.Contains(text, "guest-61") != s.All {
				t.Errorf("%+v: not all that is wanted, or more:\n%s", s, text)
			}
		}
	}
}

// TestSVG holds that the drawing is XML, of a few elements, names nothing from elsewhere
// and runs nothing.
func TestSVG(t *testing.T) {
	t.Parallel()
	elements := []string{"svg", "title", "style", "rect", "text", "path", "circle"}
	for name := range worlds {
		for _, all := range []bool{false, true} {
			svg := picture(name).SVG(all)
			d := xml.NewDecoder(strings.NewReader(svg))
			for {
				token, err := d.Token()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				e, _ := token.(xml.StartElement)
				if e.Name.Local != "" && !slices.Contains(elements, e.Name.Local) {
					t.Errorf("%s: an element %s", name, e.Name.Local)
				}
				for _, a := range e.Attr {
					if strings.HasPrefix(a.Name.Local, "on") || strings.Contains(a.Name.Local, "href") {
						t.Errorf("%s: %s", name, a.Name.Local)
					}
				}
			}
			if strings.Contains(svg, "url(") || strings.Contains(svg, "@import") {
				t.Errorf("%s: something from elsewhere", name)
			}
		}
	}
}

// dotStatement is a line of the graph: a name or an edge, and attributes whose strings
// have every quote and every backslash escaped.
var dotStatement = regexp.MustCompile(`^  [a-z0-9_]+( -- [a-z0-9_]+)?( \[([a-z]+=([a-zA-Z0-9.]+|"([^"\\]|\\["\\n])*")(, |\]))+)?;$`)

// TestDot holds that the graph is of the language DOT, whatever names are in it; where
// Graphviz is installed, it reads the graph as well.
func TestDot(t *testing.T) {
	t.Parallel()
	dot, _ := exec.LookPath("dot")
	for name := range worlds {
		text := picture(name).Dot(true)
		lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		if lines[0] != "graph network {" || lines[len(lines)-1] != "}" {
			t.Errorf("%s: it begins with %q and ends with %q", name, lines[0], lines[len(lines)-1])
		}
		for _, l := range lines[1 : len(lines)-1] {
			if !dotStatement.MatchString(l) {
				t.Errorf("%s: %s", name, l)
			}
		}
		if dot == "" {
			continue
		}
		cmd := exec.Command(dot, "-Tplain")
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "Warning") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// TestJSON: a picture has no list that is null.
func TestJSON(t *testing.T) {
	t.Parallel()
	for name := range worlds {
		data, err := json.Marshal(picture(name))
		if err != nil || strings.Contains(string(data), "null") {
			t.Errorf("%s: %s, %v", name, data, err)
		}
	}
}
