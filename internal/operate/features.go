package operate

import (
	"context"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"

	"xbr-script/antispoof"
	"xbr-script/antispoof/strict"
	"xbr-script/bridge"
	"xbr-script/forward"
	"xbr-script/internal/carry"
	"xbr-script/internal/config"
	"xbr-script/internal/holders"
	"xbr-script/internal/host"
	"xbr-script/internal/plan"
)

// A feature is something that start makes and stop takes away.
type feature interface {
	// Start plans that it is as asked for, and mends what is wrong with it.
	Start() (plan.Part, error)
	// Stop plans that nothing is left of it.
	Stop() (plan.Part, error)
	// Status adds how it stands to the report.
	Status(*Report) error
	// Kinds are the operations of its steps.
	Kinds() plan.Kinds
}

// features are all of them. The later ones may ask what the networks have planned.
func (v *view) features() []feature {
	return []feature{networks{v}, rules{v}, forwarding{v}, carried{v}}
}

// networks are the bridges with dom0 and the NICs in them.
type networks struct{ *view }

func (n networks) Kinds() plan.Kinds { return bridge.Kinds(n.conn) }

func (n networks) Start() (plan.Part, error) {
	n.network.AnyLease = n.Request.Lease == config.LeaseAny
	return n.network.Start(n.specs)
}

func (n networks) Stop() (plan.Part, error) {
	n.network.Waits = n.Request.Confirm > 0
	n.network.Switched = map[string][]string{}
	for _, w := range n.specs {
		flags, err := n.antispoof.Switched(w.Bridge)
		more, strictErr := n.strict.Switched(w.Bridge)
		if err := errors.Join(err, strictErr); err != nil {
			return plan.Part{}, err
		}
		n.network.Switched[w.Bridge] = append(flags, more...)
	}
	return n.network.Stop(n.specs)
}

func (n networks) Status(r *Report) error {
	for _, w := range n.specs {
		st, err := n.network.Status(w)
		if err != nil {
			return err
		}
		r.Bridges = append(r.Bridges, Entry{Status: st})
	}
	return nil
}

// rules are those that keep guests from forging addresses.
type rules struct{ *view }

func (rules) Kinds() plan.Kinds {
	kinds := strict.Kinds()
	maps.Copy(kinds, antispoof.Kinds())
	return kinds
}

// Start has a bridge guarded in the new way before it is no longer guarded in the old
// one.
func (r rules) Start() (plan.Part, error) {
	steps, notes, err := r.antispoof.Start(r.guarded())
	bridges, strictErr := r.strictly()
	if err := errors.Join(err, strictErr); err != nil {
		return plan.Part{}, err
	}
	part, err := r.strict.Start(bridges, r.Request.Guests)
	return plan.Part{
		Rules: slices.Concat(part.Before, steps, part.After), Last: r.verify(),
		Notes: slices.Concat(part.Lines, notes, part.Notes),
	}, err
}

func (r rules) Stop() (plan.Part, error) {
	steps, notes, err := r.antispoof.Stop(r.guarded())
	bridges, strictErr := r.strictly()
	if err := errors.Join(err, strictErr); err != nil {
		return plan.Part{}, err
	}
	part, err := r.strict.Stop(bridges)
	return plan.Part{Rules: slices.Concat(steps, part.After), Notes: append(notes, part.Notes...)}, err
}

// verify finds the rules that were asked for: somebody may have flushed them since
// they were made.
func (r rules) verify() []plan.Step {
	var bridges []antispoof.Bridge
	for _, b := range r.guarded() {
		if b.Want == config.AntiSpoofYes {
			bridges = append(bridges, b)
		}
	}
	if len(bridges) == 0 {
		return nil
	}
	return []plan.Step{{Title: "find the rules as planned", Check: func(ctx context.Context) error {
		now, err := r.rulesNow(ctx)
		if err != nil {
			return err
		}
		for _, b := range bridges {
			st, err := now.Status(b)
			if err != nil {
				return err
			}
			if !st.InForce {
				return errors.New(strings.Join(append([]string{"antispoof is not in force on " + b.Name}, st.Wrong...), "; "))
			}
		}
		return nil
	}}}
}

// rulesNow reads what tells how the rules stand by now.
func (r rules) rulesNow(ctx context.Context) (*antispoof.Planner, error) {
	h, err := host.ReadLinks(r.conn)
	if err != nil {
		return nil, err
	}
	records, err := plan.ReadRecords(runDir)
	seen := antispoof.Reader{Records: records, Host: h}.All(ctx)
	return &antispoof.Planner{Records: records, Host: h, Seen: seen}, err
}

func (r rules) Status(report *Report) error {
	for i, b := range r.guarded() {
		st, err := r.antispoof.Status(b)
		if err != nil {
			return err
		}
		e := &report.Bridges[i]
		if e.AntiSpoof = st; e.State == bridge.Up && st.On && !st.InForce {
			e.State = bridge.Differ
		}
	}
	return r.strictStatus(report)
}

func (r rules) strictStatus(report *Report) error {
	bridges, err := r.strictly()
	if err != nil {
		return err
	}
	for i, b := range bridges {
		st, err := r.strict.Status(b)
		if err != nil {
			return err
		}
		e := &report.Bridges[i]
		if e.Strict = st; st != nil && e.State == bridge.Up && !st.InForce {
			e.State = bridge.Differ
		}
	}
	return nil
}

// guarded are the wanted bridges as antispoof sees them.
func (r rules) guarded() []antispoof.Bridge {
	var bridges []antispoof.Bridge
	for _, w := range r.specs {
		mac, addrs := r.network.Dom0(w)
		bridges = append(bridges, antispoof.Bridge{
			Name: w.Bridge, NIC: w.PDev, Port: w.VIF, MAC: mac, Addrs: addrs,
			Index: r.network.Index(w.Bridge), PortIndex: r.network.Index(w.VIF),
			Want: w.AntiSpoof, GuestsAllow: w.GuestsAllow,
		})
	}
	return bridges
}

// forwarding is the host's IPv4 forwarding.
type forwarding struct{ *view }

func (forwarding) Kinds() plan.Kinds { return nil } // its operations are settings

func (f forwarding) Start() (part plan.Part, err error) {
	part.Host, err = f.forward.Start(f.host, f.Request.IPForward)
	return part, err
}

// Stop puts it back if no bridge is left after it, with or without a record.
func (f forwarding) Stop() (plan.Part, error) {
	records, err := f.store.All()
	left := slices.Clone(f.up)
	for _, r := range records {
		left = append(left, r.Spec)
	}
	if err != nil || len(bridge.Others(left, f.specs)) > 0 {
		return plan.Part{}, err
	}
	steps, note, err := f.forward.Stop(f.host)
	part := plan.Part{Host: steps}
	if note != "" {
		part.Notes = []string{note}
	}
	return part, err
}

func (f forwarding) Status(r *Report) error {
	r.IPForward = f.host.Setting(forward.Setting)
	return f.host.Err()
}

// carried is what knows a NIC only by its index, and is to mean dom0's interface.
type carried struct{ *view }

func (carried) Kinds() plan.Kinds { return carry.Kinds() }

func (c carried) Start() (plan.Part, error) {
	part := c.turn()
	d, up, err := c.bridged()
	if d != nil {
		mended := carry.Mend(d, up)
		part.First, part.Lines = append(mended.First, part.First...), append(part.Lines, mended.Lines...)
	}
	kept, keepErr := c.keepOwn()
	part.First = append(kept, part.First...)
	return part, errors.Join(err, keepErr)
}

// keepOwn are the steps that keep, for stop, what was on the interfaces before they become
// dom0's.
func (c carried) keepOwn() (steps []plan.Step, err error) {
	if c.unheld() {
		return nil, nil
	}
	d, moves := c.held()
	for _, m := range moves {
		step, failed := carry.KeepOwn(plan.Records(c.store), m.Bridge, d.Own(m))
		err = errors.Join(err, failed)
		if !step.Empty() {
			steps = append(steps, step)
		}
	}
	return steps, err
}

func (c carried) Stop() (plan.Part, error) {
	part := c.turn()
	var err error
	for _, w := range c.specs {
		step, failed := carry.KeepOwn(plan.Records(c.store), w.Bridge, nil)
		err = errors.Join(err, failed)
		part.Host = append(part.Host, step)
	}
	return part, err
}

// Status tells of networks that are up whether their packets are tracked twice.
func (c carried) Status(r *Report) error {
	d, up, err := c.bridged()
	for _, m := range up {
		i := slices.IndexFunc(c.specs, func(w bridge.Spec) bool { return w.Bridge == m.Bridge })
		e := &r.Bridges[i]
		table := "the table inet " + holders.UntrackedTable(m.Bridge) + " of nftables"
		switch {
		case d == nil && err == nil && holders.Pass(c.host):
			e.Notes = append(e.Notes, "only root is told whether "+table+" is there, without which published ports (DNAT) are not reached")
		case d == nil || !d.Tracked(m):
		case !d.Translates():
			e.Notes = append(e.Notes, table+" is not as start makes it: ports that are published later (DNAT) would not be reached; "+c.specs[i].Command(config.Start)+" makes it")
		default:
			e.Differences = append(e.Differences, table+" is not as start makes it: what is bridged for dom0 is tracked twice, so published ports (DNAT) are not reached, and masqueraded connections end")
			if e.State == bridge.Up {
				e.State = bridge.Differ
			}
		}
	}
	return err
}

// bridged is what tells how bridged packets fare on the networks that are up and go on, as
// far as dom0 has a port of its own there and antispoof=yes does not see to it. It is nil if
// only root can know.
func (c carried) bridged() (d *holders.Data, up []holders.Move, err error) {
	if c.Request.Host != "" || !holders.MayPass(c.host) {
		return nil, nil, c.host.Err()
	}
	for _, w := range c.specs {
		if !w.Up(c.host) || w.Shape == bridge.OnBridge {
			continue
		}
		guarded, err := c.antispoof.Guards(w.Bridge)
		if err != nil {
			return nil, nil, err
		}
		mac, _ := c.network.Dom0(w)
		if guarded = w.AntiSpoof == config.AntiSpoofYes || guarded && w.AntiSpoof == config.AntiSpoofAsIs; mac != nil && !guarded {
			up = append(up, holders.Move{Start: true, Bridge: w.Bridge, MAC: mac.String()})
		}
	}
	if len(up) == 0 || os.Geteuid() != 0 {
		return nil, up, nil
	}
	d, err = holders.ReadBridged(c.conn, c.host, up)
	return d, up, err
}

// unheld says that nobody can know what holds on to the interfaces: a file does not tell, and
// only root is told.
func (c carried) unheld() bool { return c.Request.Host != "" || os.Geteuid() != 0 }

func (c carried) turn() plan.Part {
	if c.unheld() {
		var part plan.Part
		for _, m := range c.holdable() {
			part.Network = append(part.Network, carry.Above(c.host, nil, m))
		}
		return part
	}
	return carry.Plan(c.held())
}
