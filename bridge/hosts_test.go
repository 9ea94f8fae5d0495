package bridge_test

import (
	"cmp"
	"encoding/json"
	"flag"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/config"
	"xbr-script/internal/host"
	"xbr-script/internal/operate"
	"xbr-script/internal/refusal"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/testing/nstest"
)

var makeHosts = flag.Bool("make-hosts", false, "make the hosts in testdata/hosts anew")

// hostsDir holds hosts in files, from which TestHosts of package cli plans.
const hostsDir = "../testdata/hosts"

// hostInFile is a host that is kept in a file.
type hostInFile struct {
	name string
	network
	up   string // calls of the program that start networks, one a line
	then string // shell commands that change the host afterwards, one a line
	call string // the call that writes the file
	// backend is that of iptables: legacy, or "" for nft.
	backend string
	// edit, if set, changes the file: for what this kernel cannot do.
	edit func(f *hostFile)
}

// hostFile is the content of such a file.
type hostFile struct {
	Version   int             `json:"version"`
	Host      *host.Host      `json:"host"`
	Records   json.RawMessage `json:"records"`
	AntiSpoof json.RawMessage `json:"antispoof,omitempty"`
	Strict    json.RawMessage `json:"strict,omitempty"`
	Xen       json.RawMessage `json:"xenstore,omitempty"`
	Guests    json.RawMessage `json:"guests,omitempty"`
}

// TestMakeHosts makes the hosts of testdata/hosts, and checks that a plan from
// the file says what a plan on the host says. With -make-hosts it writes the
// files.
func TestMakeHosts(t *testing.T) {
	hosts := hostsInFiles()
	if testing.Short() && !*makeHosts {
		hosts = slices.DeleteFunc(hosts, func(h hostInFile) bool { return !slices.Contains([]string{"rich", "settled-up", "guarded"}, h.name) })
	}
	for _, h := range hosts {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			h.make(t)
		})
	}
}

// make makes one. Nobody renews its addresses that expire, which a file does not tell.
func (h hostInFile) make(t *testing.T) {
	nstest.New(t)
	nstest.IPTables(t, cmp.Or(h.backend, "nft"))
	nstest.Script(t, h.script)
	nstest.Rest(t)
	for _, a := range h.adverts {
		nstest.Advertise(t, "lan0", a)
	}
	nstest.Rest(t)
	for line := range strings.Lines(h.up) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if script, ok := strings.CutPrefix(line, "sh "); ok {
			nstest.Script(t, script)
			nstest.Rest(t)
		} else if text, err := callProgram(t, line+" check=no lease=any"); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, text)
		}
	}
	nstest.Script(t, h.then)
	nstest.Rest(t)
	file := filepath.Join(t.TempDir(), "host.json")
	call := h.call + " lease=any --dry-run"
	fromHost, _ := callProgram(t, call+" --save-host="+file) // the text contains the error, too
	fromFile, _ := callProgram(t, call+" --host="+file)
	if fromFile != fromHost {
		t.Errorf("%s: by the host\n%s\nby its file\n%s", h.call, fromHost, fromFile)
	}
	if *makeHosts {
		h.keep(t, file)
	}
}

// keep edits the file and puts it where it belongs.
func (h hostInFile) keep(t *testing.T, file string) {
	t.Helper()
	f := &hostFile{} // without the programs: there are none
	must(0, json.Unmarshal(must(os.ReadFile(file)), f))
	if h.edit != nil {
		h.edit(f)
	}
	data := append(must(json.MarshalIndent(f, "", " ")), '\n')
	must(0, os.WriteFile(filepath.Join(hostsDir, h.name+".json"), data, 0o600))
}

// callProgram runs the program in this process, without files or environment.
func callProgram(t *testing.T, line string) (text string, err error) {
	t.Helper()
	args := strings.Fields(line)
	req, err := config.Parse(args, config.Source{ReadFile: func(string) ([]byte, error) { return nil, fs.ErrNotExist }})
	if err != nil {
		t.Fatal(err)
	}
	c := &operate.Call{Request: req, Args: args, Note: func(note string) { text += note + "\n" }}
	r, err := c.Run(t.Context())
	if r != nil {
		text += strings.Join(append(r.Lines, r.Notes...), "\n") + "\n"
	}
	if err != nil {
		text += refusal.Text(err)
	}
	return text, err
}

// old makes it a kernel that cannot rename an interface which is up.
func old(f *hostFile) { f.Host.LiveRename = false }

// withFunctions makes a NIC one that can have virtual functions.
func withFunctions(nic string) func(f *hostFile) {
	return func(f *hostFile) { f.Host.Name(nic).Bus, f.Host.Name(nic).Functions = "pci", true }
}

// withVLANs adds two VLANs to a NIC, as this kernel may have none: one with an
// address, one with a MAC address of its own.
func withVLANs(nic string) func(f *hostFile) {
	return func(f *hostFile) {
		on := f.Host.Name(nic)
		first := addLink(f.Host, host.Link{Name: "eth0.5", Kind: "vlan", Lower: on.Index, MAC: net.HardwareAddr{0, 0x16, 0x3e, 0, 0, 1}}, on)
		second := addLink(f.Host, host.Link{Name: "eth0.6", Kind: "vlan", Lower: on.Index, MAC: net.HardwareAddr{0, 0x16, 0x3e, 0, 6, 6}}, on)
		for i, l := range []*host.Link{first, second} {
			f.Host.Addrs = append(f.Host.Addrs, address4(l.Index, 10, 5+byte(i), 0, 2))
			f.Host.Neighs = append(f.Host.Neighs, neighbour4(l.Index, 10, 5+byte(i), 0, 1))
		}
	}
}

// asBond turns eth0 into bond0, with two ports.
func asBond(f *hostFile) {
	bond := f.Host.Name("eth0")
	f.Host.Asked.Devices["bond0"] = f.Host.Asked.Devices["eth0"]
	bond.Name, bond.Kind, bond.Lower, bond.Flags = "bond0", "bond", 0, bond.Flags|unix.IFF_MASTER
	for i, name := range []string{"eth0", "eth1"} {
		addLink(f.Host, host.Link{Name: name, Bus: "pci", Master: bond.Index, MAC: bond.MAC, Perm: net.HardwareAddr{0, 0x16, 0x3e, 0, 7, byte(i)}}, bond).Flags |= unix.IFF_SLAVE
	}
}

// above puts an interface on top of a NIC.
func above(nic, name, kind string) func(f *hostFile) {
	return func(f *hostFile) {
		on := f.Host.Name(nic)
		addLink(f.Host, host.Link{Name: name, Kind: kind, Lower: on.Index, MAC: net.HardwareAddr{2, 0, 0, 0, 7, 7}}, on)
	}
}

// addLink adds a link that is like another in everything else.
func addLink(h *host.Host, l host.Link, like *host.Link) *host.Link {
	l.Index = h.Links[len(h.Links)-1].Index + 1
	l.Ethernet, l.MTU, l.TxQLen, l.Inet6, l.OperUp = true, like.MTU, like.TxQLen, like.Inet6, like.OperUp
	l.Flags = like.Flags &^ unix.IFF_MASTER
	h.Links = append(h.Links, &l)
	h.Asked.Devices[l.Name] = h.Settings(like.Name)
	return &l
}

// address4 is an address with 24 bits of prefix.
func address4(index int, a, b, c, d byte) rtnl.Msg {
	fixed := make([]byte, unix.SizeofIfAddrmsg)
	fixed[0], fixed[1], fixed[2] = unix.AF_INET, 24, unix.IFA_F_PERMANENT
	copy(fixed[4:], rtnl.U32Bytes(uint32(index)))
	m := rtnl.Msg{Type: unix.RTM_NEWADDR, Body: fixed}
	return m.With(unix.IFA_ADDRESS, []byte{a, b, c, d}).With(unix.IFA_LOCAL, []byte{a, b, c, d}).
		With(unix.IFA_FLAGS, rtnl.U32Bytes(unix.IFA_F_PERMANENT))
}

// neighbour4 is a neighbour that an admin has entered.
func neighbour4(index int, a, b, c, d byte) rtnl.Msg {
	fixed := make([]byte, unix.SizeofNdMsg)
	fixed[0], fixed[8] = unix.AF_INET, unix.NUD_PERMANENT
	copy(fixed[4:], rtnl.U32Bytes(uint32(index)))
	return rtnl.Msg{Type: unix.RTM_NEWNEIGH, Body: fixed}.
		With(unix.NDA_DST, []byte{a, b, c, d}).With(unix.NDA_LLADDR, []byte{2, 0, 0, b, c, d})
}

// seen changes a part of what was seen of the rules.
func seen(part string, value any) func(f *hostFile) {
	return func(f *hostFile) {
		all := map[string]any{}
		must(0, json.Unmarshal(f.AntiSpoof, &all))
		all[part] = value
		f.AntiSpoof = must(json.Marshal(all))
	}
}

// noNetfilter is a host where br_netfilter is not loaded, so that iptables does
// not see what crosses bridges.
func noNetfilter(f *hostFile) {
	for name := range f.Host.Asked.Settings {
		if strings.HasPrefix(name, "net/bridge/") {
			f.Host.Asked.Settings[name] = ""
		}
	}
}

// rules replaces texts in what was seen of the rules.
func rules(pairs ...string) func(f *hostFile) {
	return func(f *hostFile) {
		f.AntiSpoof = json.RawMessage(strings.NewReplacer(pairs...).Replace(string(f.AntiSpoof)))
	}
}
