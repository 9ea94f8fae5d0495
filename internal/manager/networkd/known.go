package networkd

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"xbr-script/internal/host"
	"xbr-script/internal/keyfile"
	"xbr-script/internal/manager"
)

// runConfig is where files are that are gone after the next boot.
const runConfig = "/run/systemd/network"

// configDirs are where systemd-networkd looks for files. Of those with the same name it
// reads the first.
var configDirs = []string{"/etc/systemd/network", runConfig, "/usr/local/lib/systemd/network", "/usr/lib/systemd/network", "/lib/systemd/network"}

// file is one of systemd-networkd's, with its drop-ins.
type file struct {
	path    string
	text    string
	mode    fs.FileMode // who may read it: it may have secrets
	group   int
	hidden  bool // the caller may not read it
	dropins []file
}

// known is what systemd-networkd goes by, and all that the plan depends on.
type known struct {
	links map[int]Link // by their indexes, those that are moved
	// beside are others that it configures. A saved host does not tell of them.
	beside []other
	files  []file // the .network files in the order in which it tries them
	ours   []file // those files and drop-ins of this program's that are there
	mute   error  // that it does not answer
}

// other is an interface beside those that are moved.
type other struct {
	Link
	name string
}

// texts are those of a file and its drop-ins.
func (f file) texts() []string {
	texts := []string{f.text}
	for _, d := range f.dropins {
		texts = append(texts, d.text)
	}
	return texts
}

// theirs are those texts without the ones of this program.
func (f file) theirs() []string {
	texts := []string{f.text}
	for _, d := range f.dropins {
		if !strings.Contains(filepath.Base(d.path), mark) {
			texts = append(texts, d.text)
		}
	}
	return texts
}

// Sources implements the managers' interface.
func (Manager) Sources() manager.Sources {
	s := manager.Sources{
		Files: []string{linksDir + "/*", leasesDir + "/*"},
		Links: []string{"/run/systemd/units/invocation:" + unit},
	}
	for _, dir := range configDirs {
		s.Files = append(s.Files, dir+"/*.network", dir+"/*.network.d/*.conf")
	}
	return s
}

// find is the file that systemd-networkd says it goes by; nil if there is none. It has
// only one file of each name, and may call its folder otherwise: /lib for /usr/lib.
func (k *known) find(path string) *file {
	i := slices.IndexFunc(k.files, func(f file) bool { return filepath.Base(f.path) == filepath.Base(path) })
	if i < 0 {
		return nil
	}
	return &k.files[i]
}

// look reads what a plan depends on.
func look(root string, moves []manager.Move) (*known, error) {
	k, err := see(root, moves)
	if err == nil && root == "" && len(k.files) > 0 {
		err = k.seeOthers(moves)
	}
	if err == nil {
		err = errors.Join(k.readable(), k.mute)
	}
	return k, err
}

// see reads what it does with the interfaces that are moved, and its files if it
// configures one of them.
func see(root string, moves []manager.Move) (*known, error) {
	k := &known{links: map[int]Link{}}
	configures := false
	for _, m := range moves {
		for _, l := range []*host.Link{m.From, m.NIC} {
			if l == nil {
				continue
			}
			is, err := (Manager{Root: root}).LinkOf(l.Index)
			if err != nil {
				return nil, err
			}
			if root == "" {
				k.mute = cmp.Or(k.mute, is.ask(l.Index))
			}
			k.links[l.Index], configures = is, configures || is.Configures()
		}
	}
	if !configures {
		return k, nil
	}
	err := k.readFiles(root)
	return k, err
}

// seeOthers reads what it does with the interfaces that stay as they are.
func (k *known) seeOthers(moves []manager.Move) error {
	all, err := net.Interfaces()
	if err != nil {
		return err
	}
	for _, i := range all {
		_, moved := k.links[i.Index]
		if moved || !plain().MatchString(i.Name) || slices.ContainsFunc(moves, func(m manager.Move) bool { return m.To.Index == i.Index }) {
			continue
		}
		is, err := (Manager{}).LinkOf(i.Index)
		if err != nil {
			return err
		}
		if is.Configures() {
			k.mute = cmp.Or(k.mute, is.ask(i.Index))
			k.beside = append(k.beside, other{is, i.Name})
		}
	}
	return nil
}

// readable refuses a plan that depends on a file that the caller may not read.
func (k *known) readable() error {
	for _, l := range k.links {
		f := k.find(l.File)
		if f == nil {
			continue
		}
		for _, f := range append([]file{*f}, f.dropins...) {
			if f.hidden {
				return &manager.Hidden{Path: f.path, Manager: "systemd-networkd"}
			}
		}
	}
	return nil
}

// readFiles reads the files below root.
func (k *known) readFiles(root string) error {
	files, err := filesIn(root, "", ".network")
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.dropins, err = filesIn(root, filepath.Base(f.path)+".d", ".conf"); err != nil {
			return err
		}
		for _, o := range append([]file{f}, f.dropins...) {
			if strings.HasPrefix(o.path, runConfig+"/") && strings.Contains(filepath.Base(o.path), mark) {
				k.ours = append(k.ours, o)
			}
		}
		if f.text != "" || f.hidden { // an empty one, or a link to /dev/null, masks others
			k.files = append(k.files, f)
		}
	}
	return nil
}

// filesIn are the files with that suffix in a folder below all configDirs.
func filesIn(root, folder, suffix string) ([]file, error) {
	found := map[string]file{}
	for _, dir := range configDirs {
		dir = filepath.Join(dir, folder)
		entries, err := os.ReadDir(root + dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
			return nil, err
		}
		for _, e := range entries {
			name := e.Name()
			if _, seen := found[name]; seen || !strings.HasSuffix(name, suffix) || strings.HasPrefix(name, ".") {
				continue
			}
			f, err := readFile(root, filepath.Join(dir, name))
			if err != nil {
				return nil, err
			}
			if f != nil {
				found[name] = *f
			}
		}
	}
	var all []file
	for _, name := range slices.Sorted(maps.Keys(found)) {
		all = append(all, found[name])
	}
	return all, nil
}

// readFile reads one; nil if it is gone.
func readFile(root, path string) (*file, error) {
	at := root + path
	info, err := os.Stat(at)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	f := &file{path: path}
	if f.mode, f.group, err = manager.Owner(root, path, info); err != nil {
		return nil, err
	}
	if info.Mode().IsRegular() {
		text, err := os.ReadFile(at)
		if f.hidden = errors.Is(err, fs.ErrPermission); err != nil && !f.hidden {
			return nil, err
		}
		f.text = string(text)
	}
	return f, nil
}

// identities are the IAIDs by which DHCP servers know an interface: of DHCPv4 that in
// the client identifier (RFC 4361) of its lease, of DHCPv6 that in its state. They are
// made of the NIC's place on the bus, or of its MAC address if it has none. So the same
// lease is only to be had with the same IAID. Empty: none is known. Leased says whether
// there is a lease of DHCPv4.
func identities(root string, index int, state map[string]string) (leased bool, iaid4, iaid6 string, err error) {
	lease, err := keyfile.Read(filepath.Join(root+leasesDir, strconv.Itoa(index)))
	if err != nil {
		return false, "", "", err
	}
	if id, err := hex.DecodeString(lease["CLIENTID"]); err == nil {
		iaid4 = iaidOf(id)
	}
	if n, err := strconv.ParseUint(state["DHCP6_CLIENT_IAID"], 0, 32); err == nil {
		iaid6 = strconv.FormatUint(n, 10)
	}
	return lease["ADDRESS"] != "", iaid4, iaid6, nil
}

// iaidOf is the IAID in an identity of DHCPv4; empty if it has none.
func iaidOf(id []byte) string {
	const kind = 0xff // an IAID and a DUID
	if len(id) <= 5 || id[0] != kind {
		return ""
	}
	return strconv.FormatUint(uint64(binary.BigEndian.Uint32(id[1:])), 10)
}
