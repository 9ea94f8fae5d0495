// Package bridge plans the networks of Xen's network-bridge: which steps turn
// the host as it is into the one that was asked for, and back.
//
// Planning is a pure function of a snapshot of the host (package host), what
// was asked for and the records of earlier calls; nothing is changed. The
// steps are carried out, journalled and undone by package plan.
//
// The parts of one bridge are what stands of it on the host.
// start.go and stop.go give the order of the steps, make.go, give.go and state.go
// the steps, repair.go what is not as it should be on a network that is up.
// Package routes has the messages that move routes, package divert what bridges
// the moment in which the NIC becomes a port.
package bridge

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"xbr-script/internal/config"
	"xbr-script/internal/host"
	"xbr-script/internal/ipcmd"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
)

// Planner makes plans for one host.
type Planner struct {
	Conn  *rtnl.Conn
	Host  *host.Host
	Store Store
	// Switched are the flags of bridges that their rules have switched on
	// (nf_call_iptables and the like): nobody has chosen them.
	Switched map[string][]string
	// AnyLease is what a start notes for stop, see Record.
	AnyLease bool
	// Waits says that the change waits to be confirmed: it may be taken back long after.
	Waits bool
	// names are what the indexes are called while the networks of the plan are up.
	names ipcmd.Names
}

// Index is the index of the interface that has this name while the networks of
// the plan are up; 0 if none has. It is known after Start or Stop.
func (p *Planner) Index(name string) int {
	for index, n := range p.names {
		if n == name {
			return index
		}
	}
	return 0
}

// outcome is what a plan does to one bridge.
type outcome struct {
	Spec
	changed bool
	text    string // for the user, in one line
}

// line is the text; for a start it says where values come from that were not
// named.
func (o outcome) line(command config.Command) string {
	if command == config.Start && o.changed && len(o.Why) > 0 {
		return o.text + " (" + strings.Join(o.Why, "; ") + ")"
	}
	return o.text
}

// Start plans that all of the wanted bridges be up. Those that are cost no
// step; those that are not as they should be are repaired where that is safe.
func (p *Planner) Start(specs []Spec) (plan.Part, error) {
	return p.all(specs, config.Start, p.startOne)
}

// Stop plans that none of the wanted bridges be up.
func (p *Planner) Stop(specs []Spec) (plan.Part, error) {
	return p.all(specs, config.Stop, p.stopOne)
}

// all plans the bridges one after another. All refusals are returned at once.
func (p *Planner) all(specs []Spec, command config.Command, one func(*builder, *plan.Plan, Spec) (outcome, error)) (plan.Part, error) {
	b := newBuilder(p.Conn, p.Host)
	b.waits = p.Waits
	b.specs = specs
	pl := &plan.Plan{}
	var part plan.Part
	refused, told := distinct(specs), map[string]bool{}
	for _, w := range specs {
		b.catchUp()
		o, err := one(b, pl, w)
		if err != nil && !told[err.Error()] { // bridges of the same NIC are refused alike
			told[err.Error()] = true
			refused = errors.Join(refused, err)
		}
		part.Lines = append(part.Lines, o.line(command))
	}
	if p.names = p.Host.Names(); command == config.Start {
		p.names = b.names
	}
	if refused != nil {
		return plan.Part{}, refused
	}
	pl.Add(b.deletion())
	part.First = []plan.Step{b.keep(p.Host, b.changed)}
	part.Network, part.Guests, part.Warnings = pl.Steps, b.guestSteps, b.warnings
	v := &verifier{Planner: p, specs: specs, command: command, ends: b.ends}
	part.Verify = []plan.Step{{Title: "find the network as planned", Await: plan.Wait{For: "routers and DHCP servers to tell what they told before", Limit: relearnLimit}, Check: v.check}}
	if removed := b.removed(); len(removed) > 0 {
		part.Verify = append(part.Verify, plan.Step{Title: "find nothing left over", Check: p.gone(removed), Final: true})
	}
	return part, p.Host.Err()
}

func (p *Planner) startOne(b *builder, pl *plan.Plan, w Spec) (outcome, error) {
	if err := w.fit(); err != nil {
		return outcome{}, err
	}
	s := findParts(w, p.Host)
	if s.up {
		return p.repair(b, pl, s)
	}
	if err := s.refusals(p.Host); err != nil {
		return outcome{}, err
	}
	kept, err := p.Store.kept(w.Bridge)
	if err != nil {
		return outcome{}, err
	}
	b.changed = append(b.changed, s)
	ports, stay := s.incoming(p.Host, kept)
	steps, rec := b.start(s, ports)
	rec.AnyLease = p.AnyLease
	pl.Add(steps...)
	if err := p.remember(pl, w, &rec, nil); err != nil {
		return outcome{}, err
	}
	text := fmt.Sprintf("%s is up: %s is now %s, ", w.Bridge, w.NetDev, w.PDev)
	if w.onBridge() {
		text += "the bridge itself has dom0's addresses"
	} else {
		text += "dom0 has " + w.NetDev + " by its port " + w.VIF
	}
	text += portText(", guests' ports taken back: ", " ", names(ports.others)) + portText(", not taken back: ", ", ", stay)
	if !ports.Bridge.none() || !ports.NIC.Settings.none() || !ports.Dom0.Settings.none() {
		text += ", with what was set on the bridge before stop"
	}
	return outcome{w, true, text}, nil
}

// Dom0 is dom0's MAC address on a wanted bridge and the addresses that it has
// there with their networks, whether it is up or not. Both are empty where the
// interface is missing.
func (p *Planner) Dom0(w Spec) (net.HardwareAddr, []netip.Prefix) {
	s := findParts(w, p.Host)
	dev := s.dom0Link()
	if dev == nil {
		return nil, nil
	}
	var addrs []netip.Prefix
	st := p.Host.State(dev.Index)
	for _, m := range append(st.Addrs4, st.Addrs6...) {
		if a, ok := netip.AddrFromSlice(m.Local()); ok {
			addrs = append(addrs, netip.PrefixFrom(a, int(m.Body[1]))) // ifa_prefixlen
		}
	}
	return dev.MAC, addrs
}

func (p *Planner) stopOne(b *builder, pl *plan.Plan, w Spec) (outcome, error) {
	s := findParts(w, p.Host)
	rec, err := p.Store.Load(w.Bridge)
	switch {
	case err != nil:
		return outcome{}, err
	case !s.up && s.hidden(rec):
		return outcome{}, s.refuseHidden(p.Host)
	case !s.up:
		return p.forget(b, pl, w, rec)
	case rec == nil:
		rec = &Record{Spec: w}
	}
	if err := s.standing(p.Host); err != nil {
		return outcome{}, err
	}
	ports := s.outgoing(p.Host, rec, s.keep(p.Host, p.Switched[w.Bridge]))
	b.changed = append(b.changed, s)
	pl.Add(b.stop(s, rec, ports)...)
	kept, lost := ports.toKeep()
	keep := &kept
	if kept.none() {
		keep = nil
	}
	if err := p.remember(pl, w, nil, keep); err != nil {
		return outcome{}, err
	}
	text := fmt.Sprintf("%s is down: %s is %s again", w.Bridge, w.PDev, w.NetDev)
	text += portText(", guests' ports detached: ", " ", kept.names()) + portText(", taken out for good: ", ", ", lost)
	return outcome{w, true, text}, nil
}

// remember keeps a bridge's record, and what stop leaves for the next start; nil
// is none.
func (p *Planner) remember(pl *plan.Plan, w Spec, rec *Record, kept *kept) error {
	step, err := p.Store.keep(w.Bridge, rec)
	if err != nil {
		return err
	}
	guests, err := p.Store.keepGuests(w.Bridge, kept)
	pl.Add(step, guests)
	return err
}

// forget removes the record of a bridge that is not up, if it is about that
// NIC, and says which networks the call leaves up.
func (p *Planner) forget(b *builder, pl *plan.Plan, w Spec, rec *Record) (outcome, error) {
	o := outcome{Spec: w, text: w.Bridge + " is not up"}
	records, err := p.Store.All()
	if err != nil {
		return o, err
	}
	if others := Others(Standing(p.Host, records), b.specs); len(others) > 0 {
		o.text += "; up is " + strings.Join(others, ", ")
	}
	if rec == nil || rec.Spec.NetDev != w.NetDev {
		return o, nil
	}
	step, err := p.Store.keep(w.Bridge, nil)
	pl.Add(step)
	return o, err
}

func names(links []*host.Link) []string {
	var list []string
	for _, l := range links {
		list = append(list, l.Name)
	}
	return list
}
