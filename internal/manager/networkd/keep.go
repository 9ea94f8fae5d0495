package networkd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"xbr-script/internal/ifname"
	"xbr-script/internal/manager"
	"xbr-script/internal/manager/foreign"
	"xbr-script/internal/plan"
	"xbr-script/internal/shell"
	"xbr-script/internal/systemd"
)

// keepText is the drop-in by which systemd-networkd does not remove a leased address that
// it finds, and has not given to this interface itself, when it begins.
const keepText = "# Until there is a lease again (xbr-script)\n[Network]\nKeepConfiguration=dhcp\n"

// keepsFrom is the first systemd with which this was tried. Before 257 systemd-networkd
// removes a leased address when it reads its files anew, and asks for it again, so what is
// done is another thing, if the version can be told beforehand: see Lasting.
const keepsFrom = 252

// leaseLimit is how long a lease is waited for, after systemd-networkd has said that it is
// done with an interface. Tests wait less.
var leaseLimit = 10 * time.Second

// Lease is a drop-in, and the interface whose address it is about.
type Lease struct {
	Path string `json:"path"`
	Dev  string `json:"dev"`
}

// Keep has systemd-networkd keep leased addresses while it is restarted, or, if On is
// false, has it treat them as ever. Until there is a lease the address has what is left of
// its lifetime, with one it would have none: so that is when it ends. Where no DHCP server
// answers, the address stays for the rest of its lease.
type Keep struct {
	Unit   string  `json:"unit"` // systemd-networkd's
	Leases []Lease `json:"leases"`
	On     bool    `json:"on"`
}

var _ plan.Patient = (*Keep)(nil)

// Kind is its name in the journal.
func (*Keep) Kind() string { return "networkd keep" }

// Await is what it waits for.
func (k *Keep) Await() plan.Wait {
	if k.On {
		return plan.Wait{}
	}
	return plan.Wait{For: "systemd-networkd to have a lease for " + devs(k.Leases), Limit: leaseLimit + restartLimit}
}

// file is the operation for one of the files.
func (k *Keep) file(l Lease) *File {
	if !k.On {
		return &File{Path: l.Path}
	}
	return l.file(keepText)
}

// Commands are those that do the same.
func (k *Keep) Commands() (all []string) {
	for _, l := range k.Leases {
		all = append(all, k.file(l).Commands()...)
	}
	if !k.On {
		all = append(all, "systemctl reload "+shell.Quote(k.Unit))
	}
	return all
}

// Do carries it out.
func (k *Keep) Do(ctx context.Context, undoing bool) error {
	err := k.do(ctx, undoing)
	if undoing && ctx.Err() == nil {
		return nil // without it an address is gone for a moment, no more
	}
	return err
}

func (k *Keep) do(ctx context.Context, undoing bool) error {
	if k.On {
		ok := false
		err := systemd.Ask(ctx, restartLimit, func(ctx context.Context, conn systemd.Conn) error {
			// Then it is not restarted, and nobody gets another lease.
			if stopping, err := conn.Stopping(ctx); err != nil || stopping {
				return err
			}
			version, err := conn.Version()
			ok = version >= keepsFrom
			return err
		})
		if err != nil || !ok {
			return err
		}
		return k.files(ctx, undoing)
	}
	have, err := leased(ctx, k.Leases)
	if err != nil || len(have) == 0 {
		return err
	}
	if err := (&Keep{Leases: have}).files(ctx, undoing); err != nil {
		return err
	}
	found, err := foreign.Taker{}.Look() // it begins anew with the interfaces whose files have changed
	if err != nil {
		return err
	}
	if err := systemd.Ask(ctx, restartLimit, func(ctx context.Context, conn systemd.Conn) error {
		if ok, err := runs(ctx, conn, k.Unit); err != nil || !ok {
			return err
		}
		return job(ctx, k.Unit, conn.ReloadUnitContext)
	}); err != nil {
		return err
	}
	return found.Return(ctx)
}

func (k *Keep) files(ctx context.Context, undoing bool) (err error) {
	for _, l := range k.Leases {
		err = errors.Join(err, k.file(l).Do(ctx, undoing))
	}
	return err
}

// leased waits until systemd-networkd has a lease for each interface that has such a file,
// and gives those of them for which one has come.
func leased(ctx context.Context, leases []Lease) (have []Lease, err error) {
	for end := time.Now().Add(leaseLimit); ; {
		kept := 0
		have = nil
		for _, l := range leases {
			if _, err := os.Lstat(l.Path); errors.Is(err, fs.ErrNotExist) {
				continue
			}
			kept++
			has, err := hasLease(l.Dev)
			if err != nil {
				return nil, err
			}
			if has {
				have = append(have, l)
			}
		}
		if len(have) == kept || time.Now().After(end) {
			return have, nil
		}
		if !paused(ctx) {
			return nil, context.Cause(ctx)
		}
	}
}

// hasLease says whether it has one of DHCPv4 for an interface.
func hasLease(dev string) (bool, error) {
	index, err := ifname.IndexOf(dev)
	if err != nil || index == 0 {
		return false, err
	}
	l, err := (Manager{}).LinkOf(index)
	if err == nil {
		_ = l.ask(index) // or at the next look
	}
	return l.leased, err
}

// keeps are the drop-ins that keep leased addresses while systemd-networkd begins anew: on
// interfaces whose addresses it has by DHCPv4, those that are moved and all others, unless
// its file says itself what is to be kept.
func (k *known) keeps(moves []manager.Move) (there, back []Lease) {
	for _, m := range moves {
		if m.From == nil {
			continue
		}
		was := k.was(m)
		if !was.Configures() || !was.leased {
			continue
		}
		now := k.find(was.File)
		if now == nil || now.saysWhatToKeep() {
			continue
		}
		later := filepath.Base(was.File)
		if later == filepath.Base(copyFor(m.From.Name)) {
			later = filepath.Base(cmp.Or(now.original(), later))
		}
		if f := k.heirs(m, was); m.Moves() && howOf(f) == byCopy {
			later = filepath.Base(f.path)
		}
		there = append(there, keepFor(later, m.To.Name))
		back = append(back, keepFor(filepath.Base(was.File), m.From.Name))
	}
	for _, o := range k.beside {
		l := keepFor(filepath.Base(o.File), o.name)
		// One that is there has not ended: no server has answered since.
		is := o.leased || slices.ContainsFunc(k.ours, func(f file) bool { return f.path == l.Path })
		if f := k.find(o.File); is && f != nil && !f.saysWhatToKeep() {
			there, back = append(there, l), append(back, l)
		}
	}
	return there, back
}

func (f *file) saysWhatToKeep() bool {
	return slices.ContainsFunc(f.theirs(), func(t string) bool { return strings.Contains(t, "KeepConfiguration=") })
}

// keepFor is the drop-in of a .network file for an interface. It comes after others.
func keepFor(file, dev string) Lease {
	return Lease{Path: fmt.Sprintf("%s/%s.d/%s", runConfig, file, keepName(dev)), Dev: dev}
}

func keepName(dev string) string { return "zz-" + mark + dev + ".conf" }
