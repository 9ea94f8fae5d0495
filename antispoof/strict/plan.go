package strict

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"xbr-script/internal/config"
	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
	"xbr-script/internal/xenstore"
)

// Bridge is what the table of one bridge needs.
type Bridge struct {
	Name, NIC, Port string           // the names after start; no Port if the bridge itself is dom0's interface
	Index           int              // of the bridge
	MAC             string           // dom0's
	Addrs           []netip.Prefix   // dom0's addresses there
	Back            []string         // guests' ports that start puts in
	Want            config.AntiSpoof // antispoof=
}

// Planner makes plans for one host, of which it has everything that they are made from.
type Planner struct {
	Records plan.Records
	Host    *host.Host
	Seen    *Seen // nil if it was not looked
	// Xen is what xenstore knows of guests; nil if it was not asked.
	Xen *xenstore.Seen
}

// Part is what has to be done before and after the rules of antispoof=yes change: so
// there is no moment without either.
type Part struct {
	Before, After []plan.Step
	Lines         []string // what was done
	Notes         []string
}

// Concerned are the bridges whose tables matter to a call, and whether one of them
// is to have one.
func (p *Planner) Concerned(bridges []Bridge, stop bool) (names []string, wanted bool, err error) {
	records, err := p.records()
	for _, b := range bridges {
		on := !stop && (b.Want == config.AntiSpoofStrict || b.Want == config.AntiSpoofAsIs && records[b.Name] != nil)
		wanted = wanted || on
		if on || records[b.Name] != nil {
			names = append(names, b.Name)
		}
	}
	return names, wanted, err
}

// LookAtAll reads the tables of all bridges that have one by their records. asks says that
// one may be to have one.
func (p *Planner) LookAtAll(asks bool) error {
	records, err := p.records()
	if err == nil {
		p.Seen = Look(asks, slices.Sorted(maps.Keys(records))...)
	}
	return err
}

// Switched names the setting of a bridge that strict has changed, as Planner.Switched of
// package antispoof does.
func (p *Planner) Switched(bridge string) ([]string, error) {
	records, err := p.records()
	if rec := records[bridge]; err == nil && rec != nil && rec.Learned {
		return []string{"no_linklocal_learn"}, nil
	}
	return nil, err
}

// Start plans that every bridge with antispoof=strict has its table, and that every one
// with another value has none. Lines of the file admit guests.
func (p *Planner) Start(bridges []Bridge, lines []config.Guest) (Part, error) {
	d, err := p.draft()
	if err != nil {
		return Part{}, err
	}
	for _, l := range lines {
		d.guests = with(d.guests, guestOf(l))
	}
	d.coming = comingIn(bridges...)
	for _, b := range bridges {
		d.dom0[b.Name] = b.Port
	}
	if err := d.clash(""); err != nil {
		return Part{}, err
	}
	refused := d.others(bridges)
	for _, b := range bridges {
		rec := d.records[b.Name]
		switch {
		case b.Want == config.AntiSpoofStrict, b.Want == config.AntiSpoofAsIs && rec != nil:
			refused = errors.Join(refused, d.on(b))
		case rec != nil:
			refused = errors.Join(refused, d.off(b, true))
		}
	}
	keep, err := p.keepAdmitted(d.guests)
	d.part.Before = append(d.part.Before, keep)
	return d.part, errors.Join(refused, err, p.Host.Err())
}

// others plans that tables of bridges that the call is not about let through what comes to
// those that it is about.
func (d *draft) others(bridges []Bridge) (err error) {
	for _, name := range slices.Sorted(maps.Keys(d.records)) {
		s := d.records[name].State
		if s.ByBridge || d.Seen.known() != nil || slices.ContainsFunc(bridges, func(b Bridge) bool { return b.Name == name }) {
			continue
		}
		s.Elsewhere = d.elsewhere(&s)
		err = errors.Join(err, d.make(s, d.records[name], d.records[name].Learned))
	}
	return err
}

// Stop plans that none of the bridges has a table. Guests whose ports are gone are
// forgotten with the last one.
func (p *Planner) Stop(bridges []Bridge) (Part, error) {
	d, err := p.draft()
	if err != nil {
		return Part{}, err
	}
	for _, b := range bridges {
		if d.records[b.Name] != nil {
			if err := d.off(b, false); err != nil {
				return Part{}, err
			}
			delete(d.records, b.Name)
		}
	}
	if len(d.records) == 0 {
		there := slices.DeleteFunc(slices.Clone(d.guests), func(g Guest) bool { return p.Host.Name(g.Port) == nil })
		keep, err := p.keepAdmitted(there)
		if err != nil {
			return Part{}, err
		}
		d.part.After = append(d.part.After, keep)
	}
	return d.part, p.Host.Err()
}

// Admit plans that a guest may send.
func (p *Planner) Admit(asked config.Guest) (Part, error) {
	d, err := p.draft()
	if err != nil {
		return Part{}, err
	}
	g := guestOf(asked)
	return d.alter(func(guests []Guest) []Guest { return with(guests, g) }, g.Port, admittedText(g))
}

// Dismiss plans that nobody is admitted at a port.
func (p *Planner) Dismiss(asked config.Guest) (Part, error) {
	d, err := p.draft()
	if err != nil {
		return Part{}, err
	}
	port := asked.Port
	part, err := d.alter(func(guests []Guest) []Guest { return without(guests, port) }, port, port+" is dismissed", port)
	if err == nil && p.Xen.Of(port) != nil && !d.away(port) {
		part.Notes = append(part.Notes, "xenstore still has "+port+", so the next start admits it as that says")
	}
	return part, err
}

func admittedText(g Guest) string {
	text := g.Port + " is admitted: " + g.MAC
	if len(g.Addresses) == 0 {
		return text + ", from any IP address that is not known to be another's: without ip= only its MAC address is certain"
	}
	return text + ", " + addrTexts(g.Addresses) + ", " + g.linkLocal().String()
}

func addrTexts(addrs []netip.Prefix) string {
	var list []string
	for _, a := range addrs {
		list = append(list, addrText(a))
	}
	if len(list) == 0 {
		return "any IP address"
	}
	return strings.Join(list, ", ")
}

func addrText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// alter plans other guests for all tables. dismissed are ports whose guest goes, whatever
// xenstore says.
func (d *draft) alter(change func([]Guest) []Guest, port, line string, dismissed ...string) (Part, error) {
	if err := d.Seen.known(); err != nil {
		return Part{}, err
	}
	before := d.guests
	d.guests, d.dismissed = change(before), dismissed
	if err := d.clash(port); err != nil {
		return Part{}, err
	}
	changed := !slices.EqualFunc(before, d.guests, Guest.equal)
	for _, name := range slices.Sorted(maps.Keys(d.records)) {
		rec := d.records[name]
		s := rec.State
		s.Guests = d.guestsOf(s.Bridge, d.all(), len(d.records) > 1)
		changed = changed || !slices.EqualFunc(s.Guests, rec.State.Guests, Guest.equal)
		s.Shut = slices.DeleteFunc(slices.Clone(s.Shut), func(n string) bool { return n == port })
		if !s.ByBridge {
			s.Elsewhere = d.elsewhere(&s)
		}
		if err := d.make(s, rec, rec.Learned); err != nil {
			return Part{}, err
		}
	}
	keep, err := d.keepAdmitted(d.guests)
	d.part.Before = append(d.part.Before, keep)
	if changed {
		d.part.Lines = []string{line}
	}
	return d.part, err
}

// draft is a plan in the making.
type draft struct {
	*Planner
	guests    []Guest           // those that somebody admitted
	dismissed []string          // ports that nobody is admitted at, whatever xenstore says
	coming    map[string]string // the bridges that ports are to join, which are in none
	dom0      map[string]string // dom0's ports, by their bridges
	records   map[string]*record
	part      Part
}

func (p *Planner) draft() (*draft, error) {
	records, err := p.records()
	if err != nil {
		return nil, err
	}
	guests, err := p.admitted()
	dom0 := map[string]string{}
	for name, rec := range records {
		dom0[name] = rec.State.Port
	}
	return &draft{Planner: p, guests: guests, records: records, dom0: dom0}, err
}

// known is nil if it was looked what nftables has.
func (s *Seen) known() error {
	switch {
	case s == nil:
		return errors.New("the tables of nftables were not read")
	case s.Err != nil:
		return refusal.Wrap(s.Err, "antispoof=yes needs iptables instead", "cannot read the tables of nftables")
	}
	return nil
}

// readable is the names that nft can read in a script.
var readable = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// on plans a bridge's table.
func (d *draft) on(b Bridge) error {
	if err := d.Seen.known(); err != nil {
		return err
	}
	if !readable.MatchString(b.Name) {
		return refusal.New("give the bridge another name", "cannot guard %s with antispoof=strict: nftables would not read that name", b.Name)
	}
	rec := d.records[b.Name]
	s := d.state(b)
	if strange := d.strangers(b); len(strange) > 0 && rec == nil {
		return refuseStrangers(b.Name, strange)
	} else if len(strange) > 0 {
		d.part.Notes = append(d.part.Notes, fmt.Sprintf("%s: nobody admitted %s, so nothing that comes from there passes; this admits: %s", b.Name, strings.Join(strange, ", "), admitLines(strange)))
	}
	d.part.Notes = append(d.part.Notes, d.xenNotes(b)...)
	learned := learns(d.Host, b.Name)
	if rec != nil {
		learned = rec.Learned
	}
	if rec == nil {
		d.part.Lines = append(d.part.Lines, b.Name+": antispoof is strict: guests may send only as themselves")
		d.part.Notes = append(d.part.Notes, notes(&s)...)
	} else if wrong := d.wrong(b, rec); len(wrong) > 0 {
		d.part.Lines = append(d.part.Lines, b.Name+": antispoof mended: "+strings.Join(wrong, "; "))
	}
	if err := d.make(s, rec, learned); err != nil {
		return err
	}
	d.part.Before = append(d.part.Before, d.notLearning(b, true))
	return nil
}

// notes are what is as asked, but should be known.
func notes(s *State) (list []string) {
	for _, g := range s.Guests {
		if len(g.Addresses) == 0 {
			list = append(list, fmt.Sprintf("%s: of %s only the MAC address is certain: it was admitted without ip=", s.Bridge, g.Port))
		}
	}
	if !s.ByBridge {
		list = append(list, s.Bridge+": rules of this kernel cannot ask for the bridge (NFT_BRIDGE_META), so a new port that nobody admitted is known by its name (vif…, tap…)")
	}
	return list
}

// make plans the table, and the record of what it is made for.
func (d *draft) make(s State, rec *record, learned bool) error {
	var before *State
	if rec != nil {
		before = &rec.State
	}
	diff := s.differences(d.Seen.Tables[s.Bridge], before)
	if !diff.none() {
		anew := len(diff.shape)+len(diff.extra) > 0 // so the commands say it
		title := "let guests of " + s.Bridge + " send only as themselves"
		back := &table{Bridge: s.Bridge, To: before, From: &s, anew: anew}
		if before == nil {
			back.From = nil
		}
		d.part.Before = append(d.part.Before, plan.Step{
			Title: title, Do: []plan.Op{&table{Bridge: s.Bridge, To: &s, From: before, anew: anew}}, Undo: []plan.Op{back},
			Check: func(context.Context) error { return check(&s) },
		})
	}
	keep, err := recordForms.Keep(d.Records, recordName(s.Bridge), &record{s, learned})
	d.part.Before = append(d.part.Before, keep)
	return err
}

// check finds out whether a table is as planned.
func check(s *State) error {
	t, err := readTable(tableName(s.Bridge))
	if err != nil {
		return err
	}
	if diff := s.differences(t, nil); !diff.none() {
		return fmt.Errorf("antispoof is not in force on %s; %s", s.Bridge, strings.Join(diff.texts(), "; "))
	}
	return nil
}

// off plans that a bridge has no table.
func (d *draft) off(b Bridge, tell bool) error {
	rec := d.records[b.Name]
	if err := d.Seen.known(); err != nil {
		return err
	}
	if d.Seen.Tables[b.Name] != nil {
		d.part.After = append(d.part.After, plan.Step{
			Title: "no longer keep guests of " + b.Name + " from sending as others",
			Do:    []plan.Op{&table{Bridge: b.Name}}, Undo: []plan.Op{&table{Bridge: b.Name, To: &rec.State}},
		})
	}
	if rec.Learned {
		d.part.After = append(d.part.After, d.notLearning(b, false))
	}
	if tell && b.Want == config.AntiSpoofNo {
		d.part.Lines = append(d.part.Lines, b.Name+": antispoof is off")
	}
	keep, err := recordForms.Keep(d.Records, recordName(b.Name), nil)
	d.part.After = append(d.part.After, keep)
	return err
}
