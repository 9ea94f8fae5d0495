// Package plan carries out a list of reversible steps so that it ends either
// done or undone, whatever happens on the way.
//
// A Step holds its own undoing: the operations that make the change and those
// that take it back are side by side. The Runner writes the whole plan to a
// journal before the first step, marks each step before it begins, and on any
// failure undoes in reverse order. Another process can do the same later from
// the journal alone (Recover). The runner does not know what an operation does:
// packages bring kinds of their own (Kinds).
package plan

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"xbr-script/internal/shell"
)

// Op is one operation. The journal keeps it as JSON, but see Bulky.
type Op interface {
	// Kind is the name under which Kinds knows the type.
	Kind() string
	// Do carries the operation out. It must succeed if everything is already as it
	// should be, since nobody knows how far an interrupted process came. It ends
	// with an error soon after ctx is done, however long it has to wait for
	// something. undoing says that it belongs to a rollback. Then the object that
	// it would change may be gone, which counts as done, too; a failure of one part
	// must not keep it from doing the others; and ctx is never done.
	Do(ctx context.Context, undoing bool) error
	// Commands are the shell commands that do the same, one a line.
	Commands() []string
}

// Prudent is an Op that can tell beforehand that it will fail.
type Prudent interface {
	Op
	// Ready is nil, or what is in the way of the operation itself, leaving aside
	// what earlier operations of its step make.
	Ready(ctx context.Context) error
}

// Patient is an Op that may have to wait for another program, whether it makes a change
// or takes one back.
type Patient interface {
	Op
	Await() Wait
}

// Wait is what somebody waits for, as it would follow "waiting for", and at most how long.
type Wait struct {
	For   string // "": for nothing
	Limit time.Duration
}

// Gate is an Op of an undoing that can tell beforehand whether there is still a way back.
type Gate interface {
	Op
	// Open is nil, or a Closed.
	Open(ctx context.Context) error
}

// Closed says why there is no way back any more: the change stays, as if it had been
// confirmed.
type Closed struct{ Why error }

func (c Closed) Error() string { return c.Why.Error() }

// Unwrap gives the reason, with what helps.
func (c Closed) Unwrap() error { return c.Why }

// Bulky is an Op with a part that may be very large: the journal keeps that part as
// it is, and the rest as JSON.
type Bulky interface {
	Op
	Head() any // the rest
	// Bulk yields the part, in pieces that are not kept.
	Bulk() iter.Seq[[]byte]
	// SetBulk gets back what Bulk gave, in one piece, after the rest was read. It
	// may keep it.
	SetBulk(bulk []byte) error
}

// Kinds makes an empty Op of each kind, ready to be filled from JSON.
type Kinds map[string]func() Op

// Maker is an Op that takes back what an earlier one has created. A rollback calls
// Unmake instead of Do. made says that the object is known to have been created;
// else the process may have ended before, or somebody else was first.
type Maker interface {
	Op
	Unmake(ctx context.Context, made bool) error
}

// Step is one change and what takes it back. Undo must restore what was before Do,
// whether Do ran, ran in part or did not run, and also if Undo has been carried
// out before, together with the undoing of earlier steps.
type Step struct {
	Title string // what it does, as it would follow "cannot": "rename eth0 to peth0"
	Do    []Op
	Undo  []Op
	// Check, if set, finds out after Do whether this step and those before it
	// had their effect; an error undoes them. The journal does not keep it.
	Check func(context.Context) error
	// Await is what Check waits for.
	Await Wait
	// Final is for what cannot be restored for certain, such as an index that is
	// given up: no step that could fail comes after it.
	Final bool
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
	// Warnings say what it cannot keep, before it is carried out.
	Warnings []string
}

// Add appends the steps that do something, the final ones after all others.
func (p *Plan) Add(steps ...Step) {
	for _, s := range steps {
		at := len(p.Steps)
		for !s.Final && at > 0 && p.Steps[at-1].Final {
			at--
		}
		if !s.Empty() {
			p.Steps = slices.Insert(p.Steps, at, s)
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
			lines = append(append(lines, shell.Comment(s.Title)), cmds...)
		}
	}
	return lines
}

// Merge joins the kinds of several packages, and File. Each kind comes only from
// the package that owns the operation. It panics if two packages have one of the
// same name, because a journal could not tell them apart.
func Merge(kinds ...Kinds) Kinds {
	all := Kinds{FileKind: func() Op { return &File{} }}
	for _, k := range kinds {
		for name, empty := range k {
			if all[name] != nil {
				panic(fmt.Sprintf("two packages have a kind of operation %q", name))
			}
			if is := empty().Kind(); is != name {
				panic(fmt.Sprintf("the kind %q makes operations of the kind %q", name, is))
			}
			all[name] = empty
		}
	}
	return all
}

// Reverse is the steps in reverse order.
func Reverse(steps []Step) []Step {
	out := slices.Clone(steps)
	slices.Reverse(out)
	for i, s := range out {
		out[i] = s.Reverse("undo: " + s.Title)
	}
	return out
}
