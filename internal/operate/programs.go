package operate

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"xbr-script/internal/manager"
	"xbr-script/internal/rawjson"
	"xbr-script/internal/systemd"
)

// hostPrograms are the files by which the programs are known that configure a host's
// NICs: their own, those of systemd's units, and those of processes in /proc.
type hostPrograms struct {
	Version int                       `json:"version"`
	Files   map[string]rawjson.String `json:"files"`            // their text, by path
	Links   map[string]string         `json:"links,omitempty"`  // symbolic links: units that are up, and of processes
	Owners  map[string]string         `json:"owners,omitempty"` // mode and group of a file, such as "640 998", if they are not 644 and 0
	// What only the host itself could be asked: the services of systemd that are main
	// processes, by their numbers, and what profiles of NetworkManager are called, by UUIDs.
	Services map[int]string    `json:"services,omitempty"`
	Titles   map[string]string `json:"titles,omitempty"`
}

// programsVersion is the form of these. The first one had no more than files and links.
const programsVersion = 2

// linked are the paths of the links that may be there: whoever plans from a file reads
// through no other.
var linked = regexp.MustCompile(`^/(proc/[0-9]+/(exe|cwd|fd/[0-9]+)|run/systemd/units/invocation:[^/]+)$`)

// ownNS are the links by which processes are known to be in one network namespace.
const ownNS = "net:[1]"

// place puts them into a folder, in which they have the same paths.
func (p *hostPrograms) place(dir string) error {
	if p.Version < 1 || p.Version > programsVersion {
		return fmt.Errorf("programs: it has the form %d, and this version knows %d", p.Version, programsVersion)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	if err := root.Mkdir(strings.TrimPrefix(manager.OwnersDir, "/"), 0o755); err != nil {
		return err
	}
	links := map[string]string{"/proc/thread-self/ns/net": ownNS}
	for path, text := range p.Files {
		if err := putFile(root, path, string(text)); err != nil {
			return err
		}
		if pid, ok := strings.CutSuffix(path, "/comm"); ok {
			links[pid+"/ns/net"] = ownNS
		}
	}
	for path, owner := range p.Owners {
		if err := putFile(root, manager.OwnersDir+path, owner); err != nil {
			return err
		}
	}
	for path := range p.Links {
		if !linked.MatchString(path) {
			return fmt.Errorf("programs: %s cannot be a link", path)
		}
	}
	for _, all := range []map[string]string{p.Links, links} {
		for path, target := range all {
			if err := put(root, path, func(name string) error { return root.Symlink(target, name) }); err != nil {
				return err
			}
		}
	}
	return nil
}

func putFile(root *os.Root, path, text string) error {
	return put(root, path, func(name string) error { return root.WriteFile(name, []byte(text), 0o644) })
}

// put makes the folders of a path, and then what belongs there.
func put(root *os.Root, path string, write func(name string) error) error {
	name := strings.TrimPrefix(path, "/")
	err := error(fs.ErrInvalid)
	if filepath.Clean(path) == path && filepath.IsLocal(name) {
		if err = root.MkdirAll(filepath.Dir(name), 0o755); err == nil {
			err = write(name)
		}
	}
	if err != nil {
		return fmt.Errorf("programs: %s: %w", path, err)
	}
	return nil
}

// lay puts the programs of a host in a file into a folder that lasts as long as the
// call.
func (c *Call) lay(p *hostPrograms) (err error) {
	if p == nil {
		return nil
	}
	c.laid = p
	if c.root, err = os.MkdirTemp("", "xbr-script-host."); err == nil {
		err = p.place(c.root)
	}
	return err
}

// forget removes that folder.
func (c *Call) forget() {
	if c.root != "" {
		_ = os.RemoveAll(c.root)
		c.root, c.laid = "", nil
	}
}

// knowing says whether it is known which programs configure the host's NICs.
func (c *Call) knowing() bool { return c.Request.Host == "" || c.root != "" }

// up says whether a unit of systemd is up.
func (c *Call) up(unit string) (bool, error) {
	if c.root == "" {
		return systemd.Up(unit)
	}
	_, err := os.Lstat(c.root + "/run/systemd/units/invocation:" + unit)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
