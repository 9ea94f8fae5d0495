package operate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"xbr-script/antispoof"
	"xbr-script/antispoof/strict"
	"xbr-script/internal/config"
	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/vif"
	"xbr-script/internal/xenstore"
)

// hotplugWait is how long a hotplug script waits for other calls. After 40 s libxl ends it
// (LIBXL_HOTPLUG_TIMEOUT).
const hotplugWait = 30 * time.Second

// Hotplug does what Xen calls a vif script for, and tells xenstore how that went: there
// the toolstack looks.
func (c *Call) Hotplug(ctx context.Context, call *vif.Call) error {
	err := c.hotplug(ctx, call)
	if err == nil {
		return nil
	}
	told := tellXen(call.Path+"/hotplug-error", err.Error())
	return errors.Join(err, told, tellXen(call.Path+"/hotplug-status", "error"))
}

func (c *Call) hotplug(ctx context.Context, call *vif.Call) error {
	if os.Geteuid() != 0 {
		return refusal.New("Xen's tools call it as root", "cannot change the network: that needs root")
	}
	conn, err := rtnl.Dial()
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	c.conn = conn
	says, idle, err := askXen(call)
	if err != nil || idle {
		return err
	}
	lock, err := c.lock(ctx, hotplugWait)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Release() }()
	p := &port{Call: c, vif: vif.Planner{Call: call, Says: *says, Conn: conn}}
	if err := p.look(ctx); err != nil {
		return err
	}
	if !call.Command.Up() {
		return p.down(ctx)
	}
	if err := p.up(ctx); err != nil || call.Command != vif.Online {
		return err
	}
	if err := p.tell(); err != nil {
		return errors.Join(err, p.look(ctx), p.down(ctx))
	}
	return nil
}

// askXen reads what xenstore says of the port. idle says that somebody else sees to it:
// libxl calls scripts itself, and udev's rules are those of xend.
func askXen(call *vif.Call) (says *vif.Says, idle bool, err error) {
	c, err := xenstore.Open()
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = c.Close() }()
	if call.Udev {
		if _, err := c.Read("libxl/disable_udev"); err == nil {
			return nil, true, nil
		}
	}
	says = &vif.Says{}
	for name, to := range map[string]*string{"vifname": &says.VIFName, "bridge": &says.Bridge, "ip": &says.IP, "mtu": &says.MTU} {
		value, err := c.Read(call.Path + "/" + name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, false, err
		}
		*to = strings.TrimSpace(value)
	}
	for key, name := range map[string]string{"vifname": says.VIFName, "bridge": says.Bridge} {
		if wrong := config.CheckName(name); name != "" && wrong != "" {
			return nil, false, fmt.Errorf("cannot take %s= as xenstore has it: %s", key, wrong)
		}
	}
	return says, false, nil
}

// tellXen gives a path of xenstore a value.
func tellXen(path, value string) error {
	c, err := xenstore.Open()
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	return c.Write(path, value)
}

// port is a guest's, on its way into or out of a bridge.
type port struct {
	*Call
	vif       vif.Planner
	strict    *strict.Planner
	antispoof *antispoof.Planner
	alone     bool // another change waits to be confirmed, so that there can be no journal
}

// look sees to a change that was cut short, and reads what is needed.
func (p *port) look(ctx context.Context) error {
	u, err := p.unfinished()
	if err != nil {
		return err
	}
	if u != nil {
		if _, p.alone = u.Waits(); !p.alone {
			if err := p.undo(ctx, p.runner(), u); err != nil {
				return err
			}
		}
	}
	if p.vif.Host, err = host.ReadLinks(p.conn); err != nil {
		return fmt.Errorf("cannot read the network: %w", err)
	}
	records, err := plan.ReadRecords(runDir)
	if err != nil {
		return err
	}
	h := p.vif.Renamed()
	p.strict = &strict.Planner{Records: records, Host: h}
	p.antispoof = &antispoof.Planner{Records: records, Host: h}
	return p.strict.LookAtAll(false)
}

// up puts the port into its bridge. Before that the guest is admitted, where only those
// who are may send.
func (p *port) up(ctx context.Context) error {
	if err := p.vif.Ready(); err != nil {
		return err
	}
	guarded, err := p.strict.Guards(p.vif.BridgeName())
	if err != nil {
		return err
	}
	all := &plan.Plan{}
	before, after := p.vif.Up()
	all.Add(before...)
	if guarded {
		part, err := p.admit()
		if err != nil {
			return err
		}
		all.Add(part.Before...)
		all.Add(part.After...)
	}
	all.Add(after...)
	own, err := p.antispoof.Guards(p.vif.BridgeName())
	if err != nil {
		return err
	}
	if own {
		rules, err := p.rules(ctx, true, true)
		if err != nil {
			return err
		}
		all.Add(rules...)
	}
	if err := p.run(ctx, all); err != nil {
		return err
	}
	if !own && (!guarded || antispoof.Judged(p.vif.Renamed(), p.vif.BridgeName())) {
		p.tryRules(ctx, true)
	}
	return nil
}

// admit plans that the guest may send as what its vif line says.
func (p *port) admit() (strict.Part, error) {
	p.strict.Xen = xenstore.Look()
	if p.strict.Xen.Err != nil {
		return strict.Part{}, p.strict.Xen.Err
	}
	return p.strict.Attach(p.vif.Name(), p.vif.BridgeName(), p.vif.Call.IP)
}

// tell lets the guest know its MTU, as vif-bridge does since Xen 4.15, and the toolstack
// that the port is where it belongs.
func (p *port) tell() error {
	if err := tellXen(p.vif.FrontMTU()); err != nil {
		return err
	}
	return tellXen(p.vif.Path+"/hotplug-status", "connected")
}

// down takes the port out of its bridge; then nothing is let through for it any more. That
// the port or its bridge has gone is no failure.
func (p *port) down(ctx context.Context) error {
	all := &plan.Plan{}
	all.Add(p.vif.Down())
	p.strict.Xen = xenstore.Look()
	part, err := p.strict.Detach(p.vif.Name())
	if err != nil {
		return err
	}
	all.Add(slices.Concat(part.Before, part.After)...)
	if err := p.run(ctx, all); err != nil {
		return err
	}
	p.tryRules(ctx, false)
	return nil
}

// rules plans those that vif-bridge makes.
func (p *port) rules(ctx context.Context, own, on bool) ([]plan.Step, error) {
	p.antispoof.Seen = antispoof.Reader{Records: p.antispoof.Records, Host: p.antispoof.Host}.ForGuest(ctx)
	return p.antispoof.Guest(p.vif.Name(), p.vif.Addresses(), own, on)
}

// tryRules makes or removes them where nothing of ours depends on them: as with
// vif-bridge, it is only said if that fails.
func (p *port) tryRules(ctx context.Context, on bool) {
	steps, err := p.rules(ctx, !on, on)
	if err == nil {
		all := &plan.Plan{}
		all.Add(steps...)
		err = p.run(ctx, all)
	}
	if err != nil {
		p.Note(fmt.Sprintf("the rules of iptables for %s are not as they should be: %v", p.vif.Name(), err))
	}
}

// run carries out a plan. While a change of somebody else waits to be confirmed, which may
// take minutes, there is no room for another journal; a guest does not wait for that.
func (p *port) run(ctx context.Context, all *plan.Plan) error {
	switch {
	case len(all.Steps) == 0:
		return nil
	case p.alone:
		return plan.Apply(ctx, all)
	}
	return p.runner().Run(ctx, all)
}
