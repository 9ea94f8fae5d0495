// Package forward sets IPv4 forwarding for the host, as the wrappers around
// Xen's network-bridge do, and puts it back.
//
// The setting is the host's, not a bridge's: it is made by the first start
// that asks for it and taken back by the stop after which no bridge is left,
// unless someone has changed it since.
package forward

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/vishvananda/netlink"

	"xbr-script/internal/plan"
	"xbr-script/internal/sysctl"
)

// Setting is the kernel's switch, below /proc/sys. Writing it also sets
// net/ipv4/conf/*/forwarding of every interface, and
// net/ipv4/conf/all/accept_redirects to the opposite (inet_forward_change).
const Setting = "net/ipv4/ip_forward"

const (
	redirects = "net/ipv4/conf/all/accept_redirects"
	defaults  = "net/ipv4/conf/default/forwarding" // of interfaces that are still to be made
)

// record is what was before the first start, and what start made of it. How it
// lies on disk is said in form.go.
type record struct {
	Before, Set string
	// Changed are the settings that the kernel changes with the switch and
	// that were not as it would have them.
	Changed []sysctl.Set
}

// Forward plans for one host; Dir keeps the record.
type Forward struct{ Dir string }

func (f Forward) path() string { return filepath.Join(f.Dir, "forward.json") }

// Start is the steps that set forwarding, none if it is so already.
func (f Forward) Start(on bool) ([]plan.Step, error) {
	want := "0"
	if on {
		want = "1"
	}
	rec, err := f.load()
	if err != nil {
		return nil, err
	}
	if is, err := sysctl.Get(Setting); err != nil || is == want {
		return nil, err
	}
	now, err := read()
	if err != nil {
		return nil, err
	}
	before := *now
	if rec != nil {
		before = *rec // what was before the first start
	}
	before.Set = want
	note, err := forms.Keep(f.path(), &before)
	if err != nil {
		return nil, err
	}
	back, err := undoing(now)
	if err != nil {
		return nil, err
	}
	return []plan.Step{note, {
		Title: "set ip_forward to " + want,
		Do:    []plan.Op{write(want, nil)},
		Undo:  []plan.Op{back},
	}}, nil
}

// Stop is the steps that put forwarding back; note says, if not empty, why it
// is left as it is.
func (f Forward) Stop() (steps []plan.Step, note string, err error) {
	rec, err := f.load()
	if err != nil || rec == nil {
		return nil, "", err
	}
	drop, err := forms.Keep(f.path(), nil)
	if err != nil {
		return nil, "", err
	}
	now, err := read()
	if err != nil {
		return nil, "", err
	}
	if now.Before != rec.Set {
		note = fmt.Sprintf("ip_forward is left at %s: it was changed from %s since start", now.Before, rec.Set)
		return []plan.Step{drop}, note, nil
	}
	changed, err := present(rec.Changed)
	if err != nil {
		return nil, "", err
	}
	back, err := undoing(now)
	if err != nil {
		return nil, "", err
	}
	return []plan.Step{{
		Title: "put ip_forward back to " + rec.Before,
		Do:    []plan.Op{write(rec.Before, changed)},
		Undo:  []plan.Op{back},
	}, drop}, "", nil
}

// write is the operation that sets the switch, and then what the kernel
// changed with it.
func write(value string, changed []sysctl.Set) plan.Op {
	return &sysctl.Write{Sets: append([]sysctl.Set{{Name: Setting, Value: value}}, changed...)}
}

// undoing is the operation that puts back what there is now. By then interfaces
// may be called otherwise, so theirs go by index. The record, which is for the
// network as it will be after stop, goes by name.
func undoing(now *record) (plan.Op, error) {
	changed := slices.Clone(now.Changed)
	for i, s := range changed {
		if s.Name == redirects || s.Name == defaults {
			continue
		}
		link, err := netlink.LinkByName(filepath.Base(filepath.Dir(s.Name)))
		if err != nil {
			return nil, fmt.Errorf("cannot read %s: %w", s.Name, err)
		}
		changed[i].Index = link.Attrs().Index
	}
	return write(now.Before, changed), nil
}

// present leaves out what is gone with its interface.
func present(sets []sysctl.Set) ([]sysctl.Set, error) {
	var there []sysctl.Set
	for _, s := range sets {
		v, err := sysctl.Get(s.Name)
		if err != nil {
			return nil, err
		}
		if v != "" {
			there = append(there, s)
		}
	}
	return there, nil
}

// read reads the switch and the settings that go with it but are not as it
// would set them: accept_redirects, and interfaces that do not forward as the
// host does.
func read() (*record, error) {
	now := &record{}
	var err error
	if now.Before, err = sysctl.Get(Setting); err != nil {
		return nil, err
	}
	names := []string{redirects}
	entries, err := os.ReadDir("/proc/sys/net/ipv4/conf")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.Name() != "all" {
			names = append(names, "net/ipv4/conf/"+e.Name()+"/forwarding")
		}
	}
	for _, name := range names {
		v, err := sysctl.Get(name)
		if err != nil {
			return nil, err
		}
		if v != "" && (name == redirects || v != now.Before) {
			now.Changed = append(now.Changed, sysctl.Set{Name: name, Value: v})
		}
	}
	return now, nil
}

func (f Forward) load() (*record, error) { return forms.Load(f.path()) }
