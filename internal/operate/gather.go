package operate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/manager"
	"xbr-script/internal/manager/dhcpcd"
	"xbr-script/internal/manager/lease"
	"xbr-script/internal/rawjson"
)

// maxProgramsFile is how much of one file is kept, in bytes: those that managers read are
// much smaller.
const maxProgramsFile = 1 << 20

// gathering is what has been found of the programs of a host.
type gathering struct {
	*hostPrograms
	root   string
	hidden []string // files that only root may read
	read   map[string]bool
}

// gather reads all that managers read of this host, whatever is to be planned, so that a
// file can stand for it.
func (c *Call) gather(ctx context.Context) (*hostPrograms, error) {
	machine := c.root != ""
	if !machine {
		var err error
		if machine, err = host.OfMachine(); err != nil {
			return nil, err
		}
	}
	g := &gathering{root: c.root, read: map[string]bool{}, hostPrograms: &hostPrograms{
		Version: programsVersion, Files: map[string]rawjson.String{}, Links: map[string]string{}, Owners: map[string]string{}, Services: map[int]string{}, Titles: map[string]string{},
	}}
	all := []manager.Sources{lease.Manager{}.Sources(), c.dhcpcd().Sources()}
	if machine {
		for _, m := range c.managers() {
			all = append(all, m.Sources())
		}
	}
	var programs []string
	for _, s := range all {
		if err := g.files(s); err != nil {
			return nil, err
		}
		programs = append(programs, s.Processes...)
	}
	if err := g.processes(programs); err != nil {
		return nil, err
	}
	err := c.asked(ctx, machine, g.hostPrograms)
	if len(g.hidden) > 0 {
		c.Note(fmt.Sprintf("%s does not tell of %s, which only root may read", c.Request.SaveHost, strings.Join(g.hidden, ", ")))
	}
	return g.hostPrograms, err
}

// asked adds what a file has to tell because nobody could ask for it there.
func (c *Call) asked(ctx context.Context, machine bool, p *hostPrograms) error {
	told, err := c.dhcpcd().Told()
	if err != nil {
		return err
	}
	for pid, t := range told {
		if t.Args != nil {
			p.Files[fmt.Sprintf("/proc/%d/cmdline", pid)] = rawjson.String(strings.Join(t.Args, "\x00") + "\x00")
		}
		if t.Config != "" {
			p.Files[t.Config] = rawjson.String(t.Text)
		}
		if t.Unit != "" {
			p.Services[pid] = t.Unit
		}
	}
	if !machine {
		return nil
	}
	titles, stale, err := c.networkManager().Told(ctx)
	maps.Copy(p.Titles, titles)
	for _, path := range stale {
		delete(p.Files, path)
	}
	return err
}

// files reads the files and links of a manager.
func (g *gathering) files(s manager.Sources) error {
	there := func(path string) error { g.Files[path] = ""; return nil }
	for _, kind := range []struct {
		patterns []string
		keep     func(path string) error
	}{{s.There, there}, {s.Links, g.link}, {s.Files, func(path string) error { return g.file(path, s.Told) }}} {
		for _, pattern := range kind.patterns {
			if err := g.each(pattern, kind.keep); err != nil {
				return err
			}
		}
	}
	return nil
}

// each does something with what has such a path. A folder that is there by two names
// (/lib, /usr/lib) counts once.
func (g *gathering) each(pattern string, keep func(path string) error) error {
	found, err := filepath.Glob(g.root + pattern)
	for _, at := range found {
		dir, failed := filepath.EvalSymlinks(filepath.Dir(at))
		place := filepath.Join(dir, filepath.Base(at))
		if failed != nil || g.read[place] {
			continue
		}
		g.read[place] = true
		if failed := keep(strings.TrimPrefix(at, g.root)); !gone(failed) {
			err = errors.Join(err, failed)
		}
	}
	return err
}

// gone says whether what was to be read has gone meanwhile, or never was.
func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) }

// file reads one. What is no regular file is there, and empty.
func (g *gathering) file(path string, told func(path, text string) string) error {
	info, err := os.Stat(g.root + path)
	if err != nil {
		return err
	}
	var text []byte
	switch {
	case info.IsDir():
		return nil
	case info.Mode().IsRegular() && info.Size() <= maxProgramsFile:
		if text, err = os.ReadFile(g.root + path); errors.Is(err, fs.ErrPermission) {
			g.hidden = append(g.hidden, path)
			return nil
		}
	}
	if err != nil {
		return err
	}
	if told != nil {
		text = []byte(told(path, string(text)))
	}
	g.Files[path] = rawjson.String(text)
	mode, group, err := manager.Owner(g.root, path, info)
	if mode != 0o644 || group != 0 {
		g.Owners[path] = fmt.Sprintf("%o %d", mode, group)
	}
	return err
}

func (g *gathering) link(path string) error {
	target, err := os.Readlink(g.root + path)
	if err == nil {
		g.Links[path] = target
	}
	return err
}

// processes reads those of these programs that are in this network namespace, and of
// their parents what they are called.
func (g *gathering) processes(programs []string) error {
	own, err := os.Readlink(g.root + "/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	dirs, err := filepath.Glob(g.root + "/proc/[1-9]*")
	for _, dir := range dirs {
		comm, failed := manager.Content(dir + "/comm")
		if failed != nil || !slices.Contains(programs, comm) {
			continue
		}
		if ns, failed := os.Readlink(dir + "/ns/net"); failed != nil && !errors.Is(failed, fs.ErrPermission) || failed == nil && ns != own {
			continue
		}
		if failed := g.process(strings.TrimPrefix(dir, g.root)); !gone(failed) {
			err = errors.Join(err, failed)
		}
	}
	return err
}

// process reads one. Only root may see all of it.
func (g *gathering) process(dir string) error {
	text := map[string]string{}
	for _, name := range []string{"comm", "cmdline", "stat", "cgroup"} {
		data, err := os.ReadFile(g.root + dir + "/" + name)
		if err != nil {
			if gone(err) && name == "cgroup" {
				continue // a kernel without control groups
			}
			return err
		}
		text[name] = string(data)
	}
	for name, t := range text {
		g.Files[dir+"/"+name] = rawjson.String(t)
	}
	_ = g.link(dir + "/exe")
	_, rest, _ := strings.Cut(text["stat"], ") ")
	if words := strings.Fields(rest); len(words) > 1 {
		parent := "/proc/" + words[1]
		if comm, err := os.ReadFile(g.root + parent + "/comm"); err == nil {
			g.Files[parent+"/comm"] = rawjson.String(comm)
			if dhcpcd.Supervises(strings.TrimSpace(string(comm))) {
				_ = g.link(parent + "/cwd")
			}
		}
	}
	g.sockets(dir)
	return nil
}

// sockets reads which packet sockets a process has, and which interfaces they are bound
// to: see internal/manager/lease.
func (g *gathering) sockets(dir string) {
	packets, err := os.ReadFile(g.root + dir + "/net/packet")
	if err != nil {
		return
	}
	files, _ := os.ReadDir(g.root + dir + "/fd")
	for _, f := range files {
		path := dir + "/fd/" + f.Name()
		target, _ := os.Readlink(g.root + path)
		inode, isSocket := strings.CutPrefix(strings.TrimSuffix(target, "]"), "socket:[")
		if _, err := strconv.Atoi(inode); err != nil || !isSocket {
			continue
		}
		for line := range strings.Lines(string(packets)) {
			if words := strings.Fields(line); len(words) > 0 && words[len(words)-1] == inode {
				g.Links[path], g.Files[dir+"/net/packet"] = target, rawjson.String(packets)
			}
		}
	}
}
