package networkd

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"xbr-script/internal/ifname"
	"xbr-script/internal/manager"
	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
	"xbr-script/internal/shell"
	"xbr-script/internal/systemd"
)

// Heir is an interface that systemd-networkd is to configure as it did another one.
type Heir struct {
	Was   Link   `json:"Was"`             // what it did with the other one
	From  string `json:"From"`            // the name of the other one
	Dev   string `json:"Dev"`             // the name of the heir
	Index int    `json:"Index,omitempty"` // of the heir; 0 in a journal of an earlier version
	// Others is part of the form of earlier versions, and always empty in a journal:
	// when a change is undone there are no new interfaces to be left alone.
	Others []string            `json:"Others"`
	others []manager.Interface // new ones, to be left alone
}

// Manager is systemd-networkd.
type Manager struct {
	// Limit is how long it may take until it is as far with the heirs as it was. Whether it
	// takes them at all is waited for in any case.
	Limit time.Duration
	Root  string                          // where the host's files are; "" is /
	Up    func(unit string) (bool, error) // says whether a unit of systemd is up; nil: systemd is looked at
}

func (m Manager) up() (bool, error) {
	if m.Up == nil {
		return systemd.Up(unit)
	}
	return m.Up(unit)
}

// Around gives the steps around a change that moves the addresses of interfaces that
// systemd-networkd configures. It is held still during the change; after it, it gets the
// files that it needs and is restarted; the same while the change is undone. Within the
// limit it must have taken the heirs, and none of the other new interfaces.
func (m Manager) Around(moves []manager.Move) (before, after []plan.Step, err error) {
	k, err := look(m.Root, moves)
	if err != nil {
		return nil, nil, err
	}
	heirs, back, changes := k.inherit(moves)
	if len(heirs) == 0 {
		return nil, nil, nil
	}
	ran, err := m.up()
	if err != nil {
		return nil, nil, err
	}
	resume := &Resume{Unit: unit, Ran: ran, was: heirs}
	first := plan.Step{
		Title: "hold systemd-networkd still",
		Do:    []plan.Op{&Freeze{unit}}, Undo: []plan.Op{&Resume{Unit: unit, Ran: ran, Heirs: back, Limit: m.Limit}},
	}
	there, again := k.keeps(moves)
	version := 0
	if len(there) > 0 {
		version = m.version()
	}
	if len(again) > 0 {
		on, off, _ := keeping(again, version)
		first.Undo = slices.Concat([]plan.Op{on}, first.Undo, []plan.Op{off})
	}
	last := plan.Step{
		Title: "have systemd-networkd follow",
		Do:    []plan.Op{resume}, Undo: []plan.Op{&Freeze{unit}},
		Await: plan.Wait{For: "systemd-networkd" + toConfigure(heirs), Limit: max(m.Limit, decideLimit)},
		Check: func(ctx context.Context) error {
			if err := await(ctx, heirs, resume.at, m.Limit); err != nil {
				return err
			}
			return resume.found.Return(ctx)
		},
	}
	if len(changes) > 0 {
		after = []plan.Step{step(changes)}
	}
	if len(there) == 0 {
		return []plan.Step{first}, append(after, last), nil
	}
	on, off, none := keeping(there, version)
	return []plan.Step{first}, append(after,
		plan.Step{Title: "have systemd-networkd keep what it has leased", Do: []plan.Op{on}, Undo: none},
		last,
		plan.Step{Title: "let leased addresses expire as before", Do: []plan.Op{off}},
	), nil
}

// keeping are the operations around the one by which it begins anew, and those that take
// the first one back. Whatever happens in between, the files go: what is left then is for
// the first step to undo.
func keeping(leases []Lease, version int) (on, off plan.Op, none []plan.Op) {
	if lastingFrom <= version && version < lastingTo {
		ipv6 := version >= lasting6From
		return &Lasting{unit, leases, ipv6}, &Passing{leases, ipv6, true}, []plan.Op{&Passing{leases, ipv6, false}}
	}
	for _, l := range leases {
		none = append(none, &File{Path: l.Path})
	}
	return &Keep{unit, leases, true}, &Keep{unit, leases, false}, none
}

// version is systemd's; 0, which counts as a new one, if it cannot be told.
func (m Manager) version() (version int) {
	if m.Root != "" {
		return 0
	}
	_ = systemd.Look(context.Background(), answerLimit, func(_ context.Context, conn systemd.Conn) (err error) {
		version, err = conn.Version()
		return err
	})
	return version
}

// inherit finds the interfaces that will have what systemd-networkd configures on
// others, those others, which have it again when the change is undone, and the files
// that this takes.
func (k *known) inherit(moves []manager.Move) (heirs, back []Heir, changes []change) {
	for _, m := range moves {
		if m.From == nil {
			continue
		}
		if was := k.was(m); was.Configures() {
			heirs = append(heirs, Heir{Was: was, From: m.From.Name, Dev: m.To.Name, Index: m.To.Index, others: m.New})
			back = append(back, Heir{Was: was, From: m.To.Name, Dev: m.From.Name, Index: m.From.Index})
			changes = append(changes, k.changes(m, was)...)
		}
	}
	return heirs, back, changes
}

// was is what it does with the interface that has dom0's addresses.
func (k *known) was(m manager.Move) Link {
	is := k.links[m.From.Index]
	if !is.Configures() && m.NIC != nil {
		is = k.links[m.NIC.Index] // it has not been told
	}
	return is
}

// toConfigure says what systemd-networkd has to do, after its name.
func toConfigure(heirs []Heir) string {
	var names []string
	for _, h := range heirs {
		names = append(names, h.Dev)
	}
	if len(names) == 0 {
		return "" // to begin anew
	}
	return " to configure " + strings.Join(names, ", ")
}

// await waits until systemd-networkd, after that restart, has got as far with the
// heirs as it was before, but no longer than the limit once it has taken them. Whether it
// gets an address is for others to find out.
func await(ctx context.Context, heirs []Heir, restarted time.Time, limit time.Duration) error {
	if restarted.IsZero() {
		return nil
	}
	begun := time.Now()
	for {
		decided, settled := true, true
		for _, h := range heirs {
			d, s, err := progress(h, restarted)
			if err != nil {
				return err
			}
			decided, settled = decided && d, settled && s
		}
		waited := time.Since(begun)
		if decided || waited > max(limit, decideLimit) {
			if err := taken(heirs, restarted); err != nil || settled || waited > limit {
				return err
			}
		}
		if !paused(ctx) {
			return context.Cause(ctx)
		}
	}
}

// progress says whether it has decided about all interfaces of one heir, and whether
// it is done with the heir.
func progress(h Heir, restarted time.Time) (decided, settled bool, err error) {
	l, decided, err := since(h.itself(), restarted)
	for _, o := range h.others {
		_, known, otherErr := since(o, restarted)
		decided, err = decided && known, cmp.Or(err, otherErr)
	}
	return decided, decided && (l.State == h.Was.State || l.State == "configured"), err
}

// taken is nil if it has decided as it should.
func taken(heirs []Heir, restarted time.Time) error {
	for _, h := range heirs {
		l, _, err := since(h.itself(), restarted)
		if err != nil {
			return err
		}
		if !l.Configures() {
			return refusal.New("let its [Match] go by name: Name="+h.Dev+", and no Driver=, Path= or PermanentMACAddress=",
				"%s does not fit %s", h.Was.File, h.Dev)
		}
		var names []string
		for _, o := range h.others {
			names = append(names, o.Name)
		}
		for _, o := range h.others {
			l, _, err := since(o, restarted)
			if err != nil {
				return err
			}
			if l.Configures() {
				return refusal.New("put a file before it that keeps it from bridges and their ports:\n  printf '%s\\n' "+
					shell.Quote("[Match]")+" "+shell.Quote("Name="+strings.Join(names, " ")+" vif*")+" "+shell.Quote("[Link]")+
					" Unmanaged=yes >/etc/systemd/network/05-xen.network",
					"%s fits %s, too", l.File, o.Name)
			}
		}
	}
	return nil
}

func (h Heir) itself() manager.Interface { return manager.Interface{Name: h.Dev, Index: h.Index} }

// since is what it has decided about an interface since it was restarted, if it
// has.
func since(i manager.Interface, restarted time.Time) (Link, bool, error) {
	if i.Index == 0 {
		var err error
		if i.Index, err = ifname.IndexOf(i.Name); err != nil || i.Index == 0 {
			return Link{}, false, err
		}
	}
	l, err := (Manager{}).LinkOf(i.Index)
	if err != nil || l.when.Before(restarted) || l.State == "pending" || l.State == "initialized" {
		return Link{}, false, err
	}
	return l, true, nil
}
