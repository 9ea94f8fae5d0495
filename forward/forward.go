// Package forward sets IPv4 forwarding for the host, as the wrappers around
// Xen's network-bridge do, and puts it back.
//
// The setting is the host's, not a bridge's: it is made by the first start
// that asks for it and taken back by the stop after which no bridge is left,
// unless someone has changed it since.
package forward

import (
	"fmt"
	"path/filepath"

	"xbr-script/internal/plan"
	"xbr-script/internal/sysctl"
)

// Setting is the kernel's switch, below /proc/sys. Writing it also sets
// net/ipv4/conf/*/forwarding of every interface, and
// net/ipv4/conf/all/accept_redirects to the opposite (inet_forward_change).
const Setting = "net/ipv4/ip_forward"

const redirects = "net/ipv4/conf/all/accept_redirects"

// record is what was before the first start, and what start made of it.
type record struct {
	Before, Set string
	// Changed are the settings that the kernel changes with the switch and
	// that were not as it would have them.
	Changed []sysctl.Set `json:",omitempty"`
}

// Forward plans for one host; Dir keeps the record.
type Forward struct{ Dir string }

func (f Forward) path() string { return filepath.Join(f.Dir, "forward.json") }

// Start is the steps that set forwarding, none if it is so already.
func (f Forward) Start(on bool) ([]plan.Step, error) {
	want, now := "0", sysctl.Get(Setting)
	if on {
		want = "1"
	}
	rec, err := f.load()
	if err != nil {
		return nil, err
	}
	if now == want {
		return nil, nil
	}
	before := record{Before: now, Changed: dependent(now)}
	if rec != nil {
		before = *rec // what was before the first start
	}
	before.Set = want
	note, err := plan.Keep(f.path(), &before)
	if err != nil {
		return nil, err
	}
	return []plan.Step{note, {
		Title: "set ip_forward to " + want,
		Do:    []plan.Op{write(want, nil)},
		Undo:  []plan.Op{write(now, dependent(now))},
	}}, nil
}

// Stop is the steps that put forwarding back; note says, if not empty, why it
// is left as it is.
func (f Forward) Stop() (steps []plan.Step, note string, err error) {
	rec, err := f.load()
	if err != nil || rec == nil {
		return nil, "", err
	}
	drop, err := plan.Keep(f.path(), nil)
	if err != nil {
		return nil, "", err
	}
	now := sysctl.Get(Setting)
	if now != rec.Set {
		note = fmt.Sprintf("ip_forward is left at %s: it was changed from %s since start", now, rec.Set)
		return []plan.Step{drop}, note, nil
	}
	return []plan.Step{{
		Title: "put ip_forward back to " + rec.Before,
		Do:    []plan.Op{write(rec.Before, rec.Changed)},
		Undo:  []plan.Op{write(now, dependent(now))},
	}, drop}, "", nil
}

// write is the operation that sets the switch, and then what the kernel
// changed with it. What is gone with its interface is left out.
func write(value string, changed []sysctl.Set) plan.Op {
	w := &sysctl.Write{Sets: []sysctl.Set{{Name: Setting, Value: value}}}
	for _, s := range changed {
		if sysctl.Get(s.Name) != "" {
			w.Sets = append(w.Sets, s)
		}
	}
	return w
}

// dependent finds the settings that go with the switch but are not as it
// would set them: accept_redirects, and interfaces that do not forward as the
// host does.
func dependent(host string) []sysctl.Set {
	sets := []sysctl.Set{{Name: redirects, Value: sysctl.Get(redirects)}}
	paths, _ := filepath.Glob("/proc/sys/net/ipv4/conf/*/forwarding") // only a bad pattern fails
	for _, p := range paths {
		name := "net/ipv4/conf/" + filepath.Base(filepath.Dir(p)) + "/forwarding"
		if v := sysctl.Get(name); v != host && v != "" && name != "net/ipv4/conf/all/forwarding" {
			sets = append(sets, sysctl.Set{Name: name, Value: v})
		}
	}
	return sets
}

func (f Forward) load() (*record, error) {
	rec := &record{}
	if found, err := plan.Load(f.path(), rec); err != nil || !found {
		return nil, err
	}
	return rec, nil
}
