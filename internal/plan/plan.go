// Package plan carries out a list of reversible steps so that it ends either
// done or undone, whatever happens on the way.
//
// A Step holds its own undoing: the operations that make the change and those
// that take it back stand side by side. The Runner writes the whole plan to a
// journal before the first step, marks each step before it begins, and on any
// failure undoes in reverse order. Another process can do the same later from
// the journal alone (Recover). What an operation does the runner does not
// know: packages bring kinds of their own (Kinds).
package plan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// Op is one operation. It is kept in the journal as JSON, or see Bulky.
type Op interface {
	// Kind is the name under which Kinds knows the type.
	Kind() string
	// Do carries the operation out. It must succeed where everything is
	// already as it wants it, since nobody knows how far an interrupted
	// process came. undoing says that it belongs to a rollback: what it
	// would change may then be gone, and that counts as done too; and a
	// failure of one part must not keep it from the others.
	Do(undoing bool) error
	// Commands are the shell commands that do the same, one a line.
	Commands() []string
}

// Prudent is an Op that can tell beforehand that it will fail.
type Prudent interface {
	Op
	// Ready is nil, or what is in the way: of the operation itself, not of
	// what its step's earlier ones make.
	Ready() error
}

// Bulky is an Op of which a part may be very large: that is kept as it is, and
// the rest as JSON.
type Bulky interface {
	Op
	Head() any // the rest
	Bulk() []byte
	// SetBulk takes back what Bulk gave, and may keep it, after the rest was
	// read.
	SetBulk(bulk []byte) error
}

// Kinds makes an empty Op of each kind, ready to be filled from JSON.
type Kinds map[string]func() Op

// Step is one change and what takes it back. Undo must restore what was
// before Do whether Do ran, ran half or did not run.
type Step struct {
	Title string // what it does, as it would follow "cannot": "rename eth0 to peth0"
	Do    []Op
	Undo  []Op
	// Check, if set, finds out after Do whether this step and those before it
	// had their effect; an error undoes them. The journal does not keep it.
	Check func(context.Context) error
}

// Reverse is the step that takes this one back.
func (s Step) Reverse(title string) Step {
	return Step{Title: title, Do: s.Undo, Undo: s.Do}
}

// Empty says whether the step does nothing.
func (s Step) Empty() bool { return len(s.Do) == 0 && len(s.Undo) == 0 && s.Check == nil }

// Plan is what one call changes: all of it or nothing.
type Plan struct {
	Steps []Step
	// Warnings are what it cannot keep, to be said before it is carried out.
	Warnings []string
}

// Add appends the steps that do something.
func (p *Plan) Add(steps ...Step) {
	for _, s := range steps {
		if !s.Empty() {
			p.Steps = append(p.Steps, s)
		}
	}
}

// Commands is the whole plan as a shell script, a comment before each step.
func (p *Plan) Commands() []string {
	var lines []string
	for _, w := range p.Warnings {
		lines = append(lines, "# "+w)
	}
	for _, s := range p.Steps {
		var cmds []string
		for _, op := range s.Do {
			cmds = append(cmds, op.Commands()...)
		}
		if len(cmds) > 0 {
			lines = append(append(lines, "# "+s.Title), cmds...)
		}
	}
	return lines
}

// wireOp is an operation in the journal.
type wireOp struct {
	Kind string
	Op   json.RawMessage
	Bulk int `json:",omitempty"` // how many bytes after the first line are its own

	bulk []byte // to be written
}

// wireStep is a step in the journal.
type wireStep struct {
	Title    string
	Do, Undo []wireOp
}

func encode(steps []Step) ([]wireStep, error) {
	out := make([]wireStep, len(steps))
	for i, s := range steps {
		do, err := encodeOps(s.Do)
		if err != nil {
			return nil, err
		}
		undo, err := encodeOps(s.Undo)
		if err != nil {
			return nil, err
		}
		out[i] = wireStep{Title: s.Title, Do: do, Undo: undo}
	}
	return out, nil
}

func encodeOps(ops []Op) ([]wireOp, error) {
	out := make([]wireOp, len(ops))
	for i, op := range ops {
		w := wireOp{Kind: op.Kind()}
		var head any = op
		if b, ok := op.(Bulky); ok {
			w.bulk, w.Bulk, head = b.Bulk(), len(b.Bulk()), b.Head()
		}
		var err error
		if w.Op, err = json.Marshal(head); err != nil {
			return nil, err
		}
		out[i] = w
	}
	return out, nil
}

// decoder reads steps: kinds are the operations there are, bulk what follows
// the first line of the journal.
type decoder struct {
	kinds Kinds
	bulk  []byte
}

func (d *decoder) steps(steps []wireStep) ([]Step, error) {
	out := make([]Step, len(steps))
	for i, s := range steps {
		do, err := d.ops(s.Do)
		if err != nil {
			return nil, err
		}
		undo, err := d.ops(s.Undo)
		if err != nil {
			return nil, err
		}
		out[i] = Step{Title: s.Title, Do: do, Undo: undo}
	}
	return out, nil
}

func (d *decoder) ops(ops []wireOp) ([]Op, error) {
	out := make([]Op, len(ops))
	for i, w := range ops {
		empty, ok := d.kinds[w.Kind]
		if !ok {
			return nil, fmt.Errorf("there is no operation %q in this version", w.Kind)
		}
		op := empty()
		if err := json.Unmarshal(w.Op, op); err != nil {
			return nil, err
		}
		if err := d.readBulk(op, w.Bulk); err != nil {
			return nil, err
		}
		out[i] = op
	}
	return out, nil
}

// readBulk gives an operation its part of what follows the first line.
func (d *decoder) readBulk(op Op, size int) error {
	b, ok := op.(Bulky)
	if size < 0 || size > len(d.bulk) || size > 0 && !ok {
		return errors.New("it is cut short")
	}
	if !ok {
		return nil
	}
	mine := d.bulk[:size:size]
	d.bulk = d.bulk[size:]
	return b.SetBulk(mine)
}

// Merge joins kinds of several packages.
func Merge(kinds ...Kinds) Kinds {
	all := Kinds{}
	for _, k := range kinds {
		for name, f := range k {
			all[name] = f
		}
	}
	return all
}

// Reverse is the steps in the other direction: the last first.
func Reverse(steps []Step) []Step {
	out := slices.Clone(steps)
	slices.Reverse(out)
	for i, s := range out {
		out[i] = s.Reverse("undo: " + s.Title)
	}
	return out
}
