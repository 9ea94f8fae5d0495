package operate

import (
	"context"
	"runtime/debug"
	"slices"
	"strings"

	"xbr-script/antispoof"
	"xbr-script/antispoof/strict"
	"xbr-script/bridge"
	"xbr-script/forward"
	"xbr-script/internal/config"
	"xbr-script/internal/guestname"
	"xbr-script/internal/holders"
	"xbr-script/internal/host"
	"xbr-script/internal/manager/bound"
	"xbr-script/internal/manager/lease"
	"xbr-script/internal/refusal"
	"xbr-script/internal/shell"
	"xbr-script/internal/xenstore"
)

// From these numbers of routes or interfaces on, they determine how much memory is
// used.
const (
	manyRoutes = 20000
	manyLinks  = 250
)

// view is what a call has found: the host as it is now, and which bridges are
// meant on it.
type view struct {
	*Call
	host  *host.Host
	store bridge.Store
	specs []bridge.Spec
	up    []bridge.Spec // every network that is up
	notes []string      // what the user should know about the choice of the bridges
	lacks []string      // what is not in the plan because only root may know it
	// cautions are what managers warn of.
	cautions []string
	// guests are those whose the ports are, once they are named; before that, those of a
	// host in a file.
	guests []guestname.Guest
	named  bool

	network   *bridge.Planner
	antispoof *antispoof.Planner
	strict    *strict.Planner
	forward   forward.Forward

	clientsFound *lease.Listing // the DHCP clients
	holding      *holders.Data  // what holds on to the interfaces of the moves, once it is read
	holdingMoves []holders.Move
}

// snapshot reads the host and settles which bridges are meant.
func (c *Call) snapshot(ctx context.Context) (*view, error) {
	read, clients := host.Read, &lease.Listing{}
	if c.Request.Command == config.Status {
		read = host.Look
		if c.Request.Host == "" {
			clients.Begin() // who keeps dom0's addresses
		}
	}
	c.bound = &bound.Listing{}
	s, err := c.see(ctx, func() (*host.Host, error) { return read(c.conn) })
	if err != nil {
		return nil, err
	}
	switch { // a little more work for less memory; what changes nothing is about to end
	case c.Request.OnlyCheck:
	case len(s.host.Links) > manyLinks:
		debug.SetGCPercent(25)
	case len(s.host.Routes) > manyRoutes:
		debug.SetGCPercent(25)
	}
	store := bridge.Store(s.records)
	v := &view{
		Call: c, host: s.host, store: store, network: &bridge.Planner{Conn: c.conn, Host: s.host, Store: store},
		antispoof:    &antispoof.Planner{Records: s.records, Host: s.host, Seen: s.antispoof},
		strict:       &strict.Planner{Records: s.records, Host: s.host, Seen: s.strict, Xen: s.xen},
		forward:      forward.Forward{Records: s.records},
		clientsFound: clients, guests: s.guests,
	}
	if err = v.resolve(); err == nil && s.antispoof == nil {
		v.readRules(ctx)
	}
	if err == nil && s.strict == nil {
		err = v.readStrict()
	}
	return v, err
}

// readRules reads what the rules of the bridges that are meant are planned from.
func (v *view) readRules(ctx context.Context) {
	reader, bridges := antispoof.Reader{Records: v.antispoof.Records, Host: v.host}, rules{v}.guarded()
	switch v.Request.Command {
	case config.Start:
		v.antispoof.Seen = reader.ForStart(ctx, bridges)
	case config.Stop:
		v.antispoof.Seen = reader.ForStop(ctx, bridges)
	default:
		v.antispoof.Seen = reader.ForStatus(ctx, bridges)
	}
}

// readStrict reads the tables of the bridges that are meant, and what xenstore knows of
// guests.
func (v *view) readStrict() error {
	if v.Request.Host != "" {
		return nil
	}
	bridges, err := rules{v}.strictly()
	if err != nil {
		return err
	}
	names, wanted, err := v.strict.Concerned(bridges, v.Request.Command == config.Stop)
	if len(names) > 0 {
		v.strict.Seen = strict.Look(wanted && v.Request.Command == config.Start, names...)
		if v.Request.Command != config.Stop {
			v.strict.Xen = xenstore.Look()
		}
	}
	return err
}

// resolve settles the names.
func (v *view) resolve() error {
	records, err := v.store.All()
	if err != nil {
		return err
	}
	v.up = bridge.Standing(v.host, records)
	if v.specs, err = v.started(records); err != nil {
		return err
	}
	if v.specs != nil {
		v.tellEmpty(func(string, int) string { return "every bridge that was started" })
		return nil
	}
	asked := slices.DeleteFunc(slices.Clone(v.Request.Bridges), config.Bridge.Null)
	v.specs, err = bridge.Resolve(v.Request.Command, asked, v.host, records)
	if err == nil {
		v.tellEmpty(v.instead)
	}
	return err
}

// started is what a call that names nothing is about: every bridge that was started.
// Status also shows bridges whose records are lost, or which somebody else's script
// made, but stop cannot tell which of them are meant. A start mends what is up; if
// nothing is, it is about the default NIC.
func (v *view) started(records []*bridge.Record) ([]bridge.Spec, error) {
	if v.Request.Given {
		return nil, nil
	}
	if v.Request.Command == config.Start {
		return v.mendable(records), nil
	}
	specs := bridge.Recorded(v.host, records)
	switch names := bridge.Others(v.up, specs); {
	case v.Request.Command == config.Status:
		recorded := func(w bridge.Spec) bool { return slices.ContainsFunc(specs, w.Same) }
		return append(specs, slices.DeleteFunc(slices.Clone(v.up), recorded)...), nil
	case specs == nil && len(names) > 1:
		return nil, refusal.New("name each: xbr-script stop bridge="+shell.Quote(v.up[0].Bridge)+" netdev="+shell.Quote(v.up[0].NetDev),
			"cannot tell which bridge to stop: there is no record, and these are up: %s", strings.Join(names, ", "))
	case specs == nil && len(names) == 1:
		return v.up, nil
	}
	return specs, nil
}

// mendable is what a start that names nothing is about if networks are up: those that
// were started, else those that are there. Whoever types it does not ask for another
// one. Xen's script, by that name, is about the default NIC whatever is up.
func (v *view) mendable(records []*bridge.Record) []bridge.Spec {
	if v.Request.Original || len(v.up) == 0 {
		return nil
	}
	specs := slices.DeleteFunc(slices.Clone(v.up), func(w bridge.Spec) bool {
		return !slices.ContainsFunc(records, func(r *bridge.Record) bool { return w.Same(r.Spec) })
	})
	if len(specs) == 0 {
		specs = v.up
	}
	byDefault, err := bridge.Resolve(config.Start, v.Request.Bridges, v.host, records)
	if err != nil || slices.ContainsFunc(v.up, func(w bridge.Spec) bool { return w.NetDev == byDefault[0].NetDev }) {
		return specs
	}
	if _, nic := byDefault[0].Interfaces(v.host); nic != nil && nic.Kind != "bridge" {
		v.notes = append(v.notes, nic.Name+" is in no bridge, and no other one is made without a key: xbr-script start netdev="+
			shell.Quote(nic.Name)+" puts it into one")
	}
	return specs
}
