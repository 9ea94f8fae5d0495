package carry

import (
	"context"

	"golang.org/x/sys/unix"

	"xbr-script/internal/holders"
	"xbr-script/internal/mpls"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/shell"
	"xbr-script/internal/sysctl"
)

// Labelled is the operation by which the routes of MPLS that leave by one interface leave by
// another one. It reads them when it is carried out, so those that somebody makes meanwhile
// go, too.
type Labelled struct {
	From int    `json:"From"` // indexes
	To   int    `json:"To"`
	Name string `json:"Name"` // that the latter has by then
}

// LabelledKind names a Labelled in a journal.
const LabelledKind = "MPLS routes"

// Kind implements plan.Op.
func (*Labelled) Kind() string { return LabelledKind }

// labelled is the step for MPLS: its routes, and whether packets with labels are let in.
func labelled(d *holders.Data, m holders.Move) plan.Step {
	in, was := d.Input[m.From.Index], d.Input[m.To.Index]
	lets := in || !m.Start && was
	if m.To.Index == 0 || len(d.LabelledBy(m.From.Index)) == 0 && !lets {
		return plan.Step{}
	}
	step := plan.Step{
		Title: "have packets with labels leave by " + m.To.Name,
		Do:    []plan.Op{&Labelled{From: m.From.Index, To: m.To.Index, Name: m.To.Name}},
		Undo:  []plan.Op{&Labelled{From: m.To.Index, To: m.From.Index, Name: m.From.Name}},
	}
	if lets {
		step.Do = append(step.Do, input(m.To, in))
		step.Undo = append(step.Undo, input(m.From, in))
	}
	if lets && d.Host.Index(m.To.Index) != nil {
		step.Undo = append(step.Undo, input(m.To, was))
	}
	return step
}

// input is the operation that lets packets with labels in by an interface, or does not.
func input(i holders.Interface, lets bool) plan.Op {
	return &sysctl.Write{Sets: []sysctl.Set{{Name: mpls.Input(i.Name), Value: map[bool]string{true: "1", false: "0"}[lets], Index: i.Index}}}
}

// Commands implements plan.Op: ip would have to be told all of a route again.
func (l *Labelled) Commands() []string {
	return []string{shell.Comment("the routes that ip -f mpls route prints with the former interface leave by " + l.Name)}
}

// Do implements plan.Op.
func (l *Labelled) Do(_ context.Context, undoing bool) error {
	c, gone, err := dial(l.To, undoing)
	if err != nil || gone {
		return err
	}
	defer func() { _ = c.Close() }()
	all, err := mpls.Read(c)
	if err != nil {
		return err
	}
	var w rtnl.Wire
	for _, m := range all {
		if m.Uses(l.From) {
			w = mpls.Turn(w, m, l.From, l.To)
		}
	}
	return send(c, w, unix.ENOENT)
}
