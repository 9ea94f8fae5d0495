package networkd

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"xbr-script/internal/manager"
	"xbr-script/internal/plan"
	"xbr-script/internal/rundir"
	"xbr-script/internal/shell"
)

// While dom0's addresses are on another interface than the NIC, systemd-networkd is
// given files in /run: one by which it configures that interface as it did the NIC, and
// others that keep it from the NIC, the bridge and guests' ports, whatever else would
// fit them.

// mark is in the names of these files, before that of the interface.
const mark = "xbr-script-"

// early sorts before the names that files usually have, which begin with two digits.
const early = "0-" + mark

// plain are the names of interfaces that mean nothing special in a [Match].
var plain = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.:@-]*$`) })

// change gives systemd-networkd a file, or takes it away; nil is no file.
type change struct {
	path     string
	from, to *file
}

// changes are those around a move, from an interface that systemd-networkd configures
// as was says.
func (k *known) changes(m manager.Move, was Link) (all []change) {
	names := []string{m.NetDev, m.Port, m.From.Name, m.To.Name}
	wanted := map[string]*file{}
	if m.NIC != nil && m.To.Index != m.NIC.Index { // else the NIC gets the addresses back
		for _, n := range m.New {
			names = append(names, n.Name)
		}
		for _, name := range names {
			if !plain().MatchString(name) {
				return nil
			}
		}
		for _, f := range []*file{k.heirs(m, was), k.others(m), k.guests(m)} {
			if f != nil {
				wanted[f.path] = f
				all = append(all, change{path: f.path, to: f})
			}
		}
	}
	for i, f := range k.ours {
		switch {
		case wanted[f.path] != nil:
			for n := range all {
				if all[n].path == f.path {
					all[n].from = &k.ours[i]
				}
			}
		case about(f.path, names):
			all = append(all, change{path: f.path, from: &k.ours[i]})
		}
	}
	return all
}

// about says whether one of our files is about one of these interfaces.
func about(path string, names []string) bool {
	base := filepath.Base(path)
	for _, name := range names {
		if strings.HasSuffix(base, mark+name+".network") || base == mark+name+".conf" || base == keepName(name) {
			return true
		}
	}
	return false
}

// heirs is the file by which systemd-networkd goes on with dom0's interface: what has to
// be added to the file of the NIC if that is for this interface alone, so that it goes by
// dom0's name, and the same DHCP client is seen; else a copy that does. nil if nothing is
// missing.
func (k *known) heirs(m manager.Move, was Link) *file {
	base := k.find(was.File)
	if base == nil {
		return nil
	}
	texts := base.theirs()
	match := matchOf(texts...)
	words, byName := match.byName()
	same := was.sameClient()
	switch {
	case byName && fits(words, m.To.Name) && same == "":
		return nil
	case byName && len(words) == 1 && words[0] == m.To.Name:
		return base.added(m, "# The same DHCP client, "+why(m)+"\n"+same)
	case match.byMAC() && !slices.ContainsFunc(texts, hasFunctions):
		return base.added(m, "# By its name, "+why(m)+"\n[Match]\n"+match.reset()+"Name="+m.To.Name+"\n"+same)
	}
	text := copied + base.path + ", " + why(m) + "\n[Match]\nName=" + m.To.Name + "\n\n"
	for _, t := range texts {
		// Virtual functions are the NIC's, whatever its name is.
		text += without(t, "Match", functions)
	}
	return &file{path: copyFor(m.To.Name), text: text + same, mode: base.mode, group: base.group}
}

// original is the path of the file of which this is a copy; "" if it cannot be told.
func (f *file) original() string {
	of, ok := strings.CutPrefix(f.text, copied)
	if !ok {
		return ""
	}
	of, _, _ = strings.Cut(of, ", ")
	return of
}

// functions is the section about virtual functions.
const functions = "SR-IOV"

func hasFunctions(text string) bool {
	return slices.ContainsFunc(parts(text), func(p part) bool { return p.name == functions })
}

// added is a drop-in for dom0's interface. What somebody changes in the file itself, such
// as netplan, still counts.
func (f *file) added(m manager.Move, text string) *file {
	return &file{
		path: filepath.Join(runConfig, filepath.Base(f.path)+".d", dropInFor(m.To.Name)),
		text: text, mode: f.mode, group: f.group,
	}
}

// copyFor is the path of the copy for an interface.
func copyFor(dev string) string { return filepath.Join(runConfig, early+dev+".network") }

// dropInFor is the name of the drop-in for one.
func dropInFor(dev string) string { return mark + dev + ".conf" }

// sameClient has settings by which a DHCP server takes another interface for the same
// client. Empty: it does so anyway.
func (l Link) sameClient() (text string) {
	if l.iaid4 != "" {
		text += "[DHCPv4]\nIAID=" + l.iaid4 + "\n"
	}
	if l.iaid6 != "" {
		text += "[DHCPv6]\nIAID=" + l.iaid6 + "\n"
	}
	return text
}

func why(m manager.Move) string {
	return "as long as " + m.NetDev + " is the port " + m.Port + " of a bridge (xbr-script)"
}

// others is the file that keeps systemd-networkd from the other new interfaces.
func (*known) others(m manager.Move) *file {
	var names []string
	for _, n := range m.New {
		names = append(names, n.Name)
	}
	if len(names) == 0 {
		return nil
	}
	return unmanaged(m, early+m.Port, strings.Join(names, " "))
}

// guests is the one that keeps it from guests' ports, where something that is not about
// them would fit. It comes right before that: a "-" sorts before a dot.
func (k *known) guests(m manager.Move) *file {
	for _, f := range k.files {
		match := matchOf(f.texts()...)
		if !match.fits(aGuests) || strings.Contains(f.path, mark) {
			continue
		}
		if match["Name"] != nil && !fits(match["Name"], "any0") {
			return nil // they are meant
		}
		return unmanaged(m, strings.TrimSuffix(filepath.Base(f.path), ".network")+"-"+mark+m.Port, "vif*")
	}
	return nil
}

// aGuests are the properties of a guest's port.
var aGuests = map[string]string{
	"Name": "vif1.0", "MACAddress": "fe:ff:ff:ff:ff:ff", "PermanentMACAddress": "",
	"Driver": "vif", "Type": "ether", "Kind": "", "SSID": "", "BSSID": "", "WLANInterfaceType": "",
}

func unmanaged(m manager.Move, name, names string) *file {
	return &file{
		path: filepath.Join(runConfig, name+".network"), mode: 0o644,
		text: "# Left alone, " + why(m) + "\n[Match]\nName=" + names + "\n\n[Link]\nUnmanaged=yes\n",
	}
}

// step is the one that makes them; empty if there are none.
func step(changes []change) plan.Step {
	s := plan.Step{Title: "give systemd-networkd the files for dom0's interface"}
	for _, c := range changes {
		s.Do = append(s.Do, newFile(c.path, c.to))
		s.Undo = append(s.Undo, newFile(c.path, c.from))
	}
	return s
}

// File is the operation that gives a file in /run/systemd/network a content, or removes
// it if Content is nil.
type File struct {
	Path    string      `json:"Path"`
	Content *string     `json:"Content"`
	Mode    fs.FileMode `json:"Mode"`  // who may read it
	Group   int         `json:"Group"` // which it belongs to
}

func newFile(path string, f *file) *File {
	if f == nil {
		return &File{Path: path}
	}
	return &File{path, &f.text, f.mode, f.group}
}

// Kind is its name in the journal.
func (*File) Kind() string { return "networkd file" }

// Commands are those that do the same.
func (f *File) Commands() []string {
	path := shell.Quote(f.Path)
	if f.Content == nil {
		return []string{"rm -f " + path}
	}
	return append(shell.Make(f.Path, *f.Content), fmt.Sprintf("chmod %o %s", f.Mode, path), fmt.Sprintf("chgrp %d %s", f.Group, path))
}

// Do carries it out. The file changes at once or not at all.
func (f *File) Do(context.Context, bool) error {
	dir := filepath.Dir(f.Path)
	if filepath.Clean(f.Path) != f.Path || !strings.Contains(filepath.Base(f.Path), mark) || dir != runConfig && filepath.Dir(dir) != runConfig {
		return fmt.Errorf("%s is no file of this program's", f.Path)
	}
	if f.Content == nil {
		err := rundir.Remove(f.Path)
		if dir != runConfig {
			_ = os.Remove(dir) // if nothing else is in it
		}
		return err
	}
	return manager.PutFile(f.Path, *f.Content, f.Mode, f.Group)
}
