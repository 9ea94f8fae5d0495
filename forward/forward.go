// Package forward sets IPv4 forwarding for the host, as the wrappers around
// Xen's network-bridge do, and puts it back.
//
// The setting is the host's, not a bridge's: it is made by the first start
// that asks for it and taken back by the stop after which no bridge is left,
// unless someone has changed it since.
package forward

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"

	"xbr-script/internal/plan"
	"xbr-script/internal/sysctl"
)

// Setting is the kernel's switch, below /proc/sys. Writing it also sets
// net/ipv4/conf/*/forwarding of every interface (devinet.c,
// inet_forward_change).
const Setting = "net/ipv4/ip_forward"

// record is what was before the first start, and what start made of it.
type record struct {
	Before, Set string
	// Devices are the interfaces that forwarded otherwise than the host.
	Devices map[string]string `json:",omitempty"`
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
	before := record{Before: now, Devices: odd(now)}
	if rec != nil {
		before = *rec // what was before the first start
	}
	before.Set = want
	note, err := f.note(&before)
	if err != nil {
		return nil, err
	}
	return []plan.Step{note, {
		Title: "set ip_forward to " + want,
		Do:    []plan.Op{write(want, nil)},
		Undo:  []plan.Op{write(now, odd(now))},
	}}, nil
}

// Stop is the steps that put forwarding back; note says, if not empty, why it
// is left as it is.
func (f Forward) Stop() (steps []plan.Step, note string, err error) {
	rec, err := f.load()
	if err != nil || rec == nil {
		return nil, "", err
	}
	drop, err := f.note(nil)
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
		Do:    []plan.Op{write(rec.Before, rec.Devices)},
		Undo:  []plan.Op{write(now, odd(now))},
	}, drop}, "", nil
}

// write is the operation that sets the switch, then the interfaces that
// differ from it.
func write(value string, devices map[string]string) plan.Op {
	w := &sysctl.Write{Sets: []sysctl.Set{{Name: Setting, Value: value}}}
	for dev, v := range devices {
		w.Sets = append(w.Sets, sysctl.Set{Name: "net/ipv4/conf/" + dev + "/forwarding", Value: v})
	}
	sort.Slice(w.Sets[1:], func(i, j int) bool { return w.Sets[i+1].Name < w.Sets[j+1].Name })
	return w
}

// odd finds the interfaces that do not forward as the host does.
func odd(host string) map[string]string {
	paths, _ := filepath.Glob("/proc/sys/net/ipv4/conf/*/forwarding") // only a bad pattern fails
	devices := map[string]string{}
	for _, p := range paths {
		dev := filepath.Base(filepath.Dir(p))
		if v := sysctl.Get("net/ipv4/conf/" + dev + "/forwarding"); v != host && v != "" && dev != "all" {
			devices[dev] = v
		}
	}
	return devices
}

func (f Forward) load() (*record, error) {
	data, err := os.ReadFile(f.path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	rec := &record{}
	if err == nil {
		err = json.Unmarshal(data, rec)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the record %s: %w", f.path(), err)
	}
	return rec, nil
}

// note is the step that writes the record, or removes it.
func (f Forward) note(rec *record) (plan.Step, error) {
	var to *string
	if rec != nil {
		data, err := json.Marshal(rec)
		if err != nil {
			return plan.Step{}, err
		}
		text := string(data) + "\n"
		to = &text
	}
	var from *string
	if data, err := os.ReadFile(f.path()); err == nil {
		text := string(data)
		from = &text
	}
	return plan.Remember("write "+f.path(), f.path(), from, to), nil
}
