// Package forward sets IPv4 forwarding for the host, as the wrappers around
// Xen's network-bridge do, and puts it back.
//
// The setting is the host's, not a bridge's: the first start that asks for it sets
// it, and the stop after which no bridge is left puts it back, unless somebody has
// changed it since.
//
// Planning is a pure function of a snapshot of the host, the record and what was
// asked for.
package forward

import (
	"fmt"
	"path/filepath"
	"slices"

	"xbr-script/internal/config"
	"xbr-script/internal/host"
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

// record is what was there before the first start, and what start made of it.
// form.go has its form on disk.
type record struct {
	Before, Set string
	// Changed are the settings that the kernel changes together with the switch, and
	// that were different before.
	Changed []sysctl.Set
}

// Settings are those of the host that planning asks for.
func Settings() []string { return []string{Setting, redirects, defaults} }

// Forward plans for one host; Records has the record.
type Forward struct{ Records plan.Records }

// recordName is what the record is called.
const recordName = "forward.json"

// Start is the steps that set forwarding; none if it is as asked already.
func (f Forward) Start(h *host.Host, asked config.IPForward) ([]plan.Step, error) {
	want := string(asked)
	if asked == config.IPForwardAsIs {
		return nil, nil
	}
	rec, err := f.load()
	if err != nil {
		return nil, err
	}
	if h.Setting(Setting) == want {
		return nil, h.Err()
	}
	now := current(h)
	before := *now
	if rec != nil {
		before = *rec // what was before the first start
	}
	before.Set = want
	note, err := forms.Keep(f.Records, recordName, &before)
	if err != nil {
		return nil, err
	}
	return []plan.Step{note, {
		Title: "set ip_forward to " + want,
		Do:    []plan.Op{write(want, nil)},
		Undo:  []plan.Op{undoing(h, now)},
	}}, h.Err()
}

// Stop is the steps that put forwarding back; note says, if not empty, why it
// is left as it is.
func (f Forward) Stop(h *host.Host) (steps []plan.Step, note string, err error) {
	rec, err := f.load()
	if err != nil || rec == nil {
		return nil, "", err
	}
	drop, err := forms.Keep(f.Records, recordName, nil)
	if err != nil {
		return nil, "", err
	}
	now := current(h)
	if now.Before != rec.Set {
		note = fmt.Sprintf("ip_forward is left at %s: it was changed from %s since start", now.Before, rec.Set)
		return []plan.Step{drop}, note, h.Err()
	}
	return []plan.Step{{
		Title: "put ip_forward back to " + rec.Before,
		Do:    []plan.Op{write(rec.Before, present(h, rec.Changed))},
		Undo:  []plan.Op{undoing(h, now)},
	}, drop}, "", h.Err()
}

// write is the operation that sets the switch, and then what the kernel
// changed with it.
func write(value string, changed []sysctl.Set) plan.Op {
	return &sysctl.Write{Sets: append([]sysctl.Set{{Name: Setting, Value: value}}, changed...)}
}

// undoing is the operation that puts back what there is now. By then interfaces may
// have other names, so their settings go by index. The record, which is for the
// network as it will be after stop, goes by name.
func undoing(h *host.Host, now *record) plan.Op {
	changed := slices.Clone(now.Changed)
	for i, s := range changed {
		if s.Name != redirects && s.Name != defaults {
			changed[i].Index = h.Name(filepath.Base(filepath.Dir(s.Name))).Index
		}
	}
	return write(now.Before, changed)
}

// present leaves out settings that are gone with their interface.
func present(h *host.Host, sets []sysctl.Set) (there []sysctl.Set) {
	for _, s := range sets {
		if h.Setting(s.Name) != "" {
			there = append(there, s)
		}
	}
	return there
}

// current finds the switch and the settings that go with it but are not as it
// would set them: accept_redirects, and interfaces that do not forward as the
// host does.
func current(h *host.Host) *record {
	now := &record{Before: h.Setting(Setting)}
	devices := []string{"default"}
	for _, l := range h.Links {
		devices = append(devices, l.Name)
	}
	slices.Sort(devices)
	names := []string{redirects}
	for _, d := range devices {
		names = append(names, "net/ipv4/conf/"+d+"/forwarding")
	}
	for _, name := range names {
		if v := h.Setting(name); v != "" && (name == redirects || v != now.Before) {
			now.Changed = append(now.Changed, sysctl.Set{Name: name, Value: v})
		}
	}
	return now
}

func (f Forward) load() (*record, error) { return forms.Load(f.Records, recordName) }
