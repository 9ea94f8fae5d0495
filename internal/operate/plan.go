package operate

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"xbr-script/antispoof"
	"xbr-script/bridge"
	"xbr-script/internal/config"
	"xbr-script/internal/plan"
)

// plan makes the whole plan, and what tells of it when it is done.
func (v *view) plan() (*plan.Plan, *Result, error) {
	planner := &bridge.Planner{Conn: v.conn, Host: v.host, Store: v.store, Switched: v.antispoof.Switched}
	if v.Request.Host == "" { // who configures NICs is not in a file
		if err := cmp.Or(v.refuseHotplug(), v.refuseDhcpcd()); err != nil {
			return nil, nil, err
		}
	}
	planned := v.planStop
	if v.Request.Command == config.Start {
		planned = v.planStart
	}
	p, done, err := planned(planner)
	if err == nil && v.Request.Host == "" {
		err = v.follow(p)
	}
	return p, done, err
}

// planStart joins the steps of all parts.
func (v *view) planStart(planner *bridge.Planner) (*plan.Plan, *Result, error) {
	var notes []string
	planner.Rules = func() (steps []plan.Step, err error) {
		steps, notes, err = v.antispoof.Start(v.guarded(planner))
		return steps, err
	}
	p, outcomes, err := planner.Start(v.wants)
	if err != nil {
		return nil, nil, err
	}
	if v.Request.IPForward != nil {
		steps, err := v.forward.Start(v.host, *v.Request.IPForward)
		if err != nil {
			return nil, nil, err
		}
		p.Add(steps...)
	}
	if len(p.Steps) > 0 {
		p.Add(v.rulesStep(planner))
	}
	return p, &Result{Lines: texts(outcomes, true), Notes: notes}, nil
}

// rulesStep is the look at the rules that were asked for: somebody may have
// flushed them since they were made.
func (v *view) rulesStep(planner *bridge.Planner) plan.Step {
	bridges := slices.DeleteFunc(v.guarded(planner), func(b antispoof.Bridge) bool { return b.Want == nil || !*b.Want })
	if len(bridges) == 0 {
		return plan.Step{}
	}
	return plan.Step{Title: "find the rules as planned", Check: func(ctx context.Context) error {
		now := &antispoof.Planner{Records: plan.Records{Dir: runDir}, Ctx: ctx}
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
	}}
}

// planStop is the reverse of planStart.
func (v *view) planStop(planner *bridge.Planner) (*plan.Plan, *Result, error) {
	var notes []string
	planner.Rules = func() (steps []plan.Step, err error) {
		steps, notes, err = v.antispoof.Stop(v.guarded(planner))
		return steps, err
	}
	p, outcomes, err := planner.Stop(v.wants)
	if err != nil {
		return nil, nil, err
	}
	done := &Result{Lines: texts(outcomes, false), Notes: notes}
	last, err := v.lastStop()
	if err != nil || !last {
		return p, done, err
	}
	steps, note, err := v.forward.Stop(v.host)
	p.Add(steps...)
	if note != "" {
		done.Notes = append(done.Notes, note)
	}
	return p, done, err
}

// guarded is the wanted bridges as antispoof sees them.
func (v *view) guarded(planner *bridge.Planner) []antispoof.Bridge {
	var bridges []antispoof.Bridge
	for _, w := range v.wants {
		mac, addrs := planner.Dom0(w)
		bridges = append(bridges, antispoof.Bridge{
			Name: w.Bridge, NIC: w.PDev, Port: w.VIF, MAC: mac, Addrs: addrs,
			Index: planner.Index(w.Bridge), PortIndex: planner.Index(w.VIF),
			Want: w.AntiSpoof, GuestsAllow: w.GuestsAllow,
		})
	}
	return bridges
}

// lastStop says whether no bridge is left after this stop, with or without a
// record.
func (v *view) lastStop() (bool, error) {
	records, err := v.store.All()
	left := bridge.Standing(v.host, records)
	for _, r := range records {
		left = append(left, r.Want)
	}
	return len(bridge.Others(left, v.wants)) == 0, err
}

// texts tells what came of each bridge; why adds where the values come from
// that were not named.
func texts(outcomes []bridge.Outcome, why bool) []string {
	var lines []string
	for _, o := range outcomes {
		line := o.Text
		if why && o.Changed && len(o.Why) > 0 {
			line += " (" + strings.Join(o.Why, "; ") + ")"
		}
		lines = append(lines, line)
	}
	return lines
}
