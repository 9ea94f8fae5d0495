package plan

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"xbr-script/internal/boottime"
	"xbr-script/internal/refusal"
	"xbr-script/internal/shell"
)

// Runner carries plans out. Dir must be on a file system that does not
// survive a reboot.
type Runner struct {
	Dir     string
	Kinds   Kinds
	Command string            // the command line, noted in the journal
	Confirm time.Duration     // how long a change waits to be confirmed; 0: it need not be
	Trace   func(line string) // if set, gets each command before it is carried out
	// While, if set, is told what is waited for, and at most how long. What it returns is
	// called when that is over.
	While func(what string, limit time.Duration) (over func())
	// Hook, if set, is called before and after each step and can make it
	// fail: tests inject their faults here. UndoHook is the same for the
	// undoing of a step, each time that it is tried.
	Hook, UndoHook func(step int, after bool) error
}

// Failed says that a plan was not carried out.
type Failed struct {
	Step  string   // the title of the step that failed
	Cause error    // why
	Left  []string // commands that would undo what could not be undone; empty: all is as before
	// Journal is the file that stays if something is left; "" if there is none.
	Journal string
}

func (f *Failed) Error() string { return fmt.Sprintf("cannot %s: %v", f.Step, f.Cause) }

// Unwrap gives the cause.
func (f *Failed) Unwrap() error { return f.Cause }

// Advice implements refusal.Explained: how things are now, and what the cause
// advises.
func (f *Failed) Advice() string {
	text, more := "everything was put back as it was", "; "
	if len(f.Left) > 0 {
		text, more = "this is left to be done by hand:\n  "+strings.Join(f.Left, "\n  "), "\nhint: "
		if f.Journal != "" {
			text += "\n  rm " + f.Journal + "   # when all is done"
		}
	}
	if advice := refusal.Advice(f.Cause); advice != "" {
		text += more + advice
	}
	return text
}

// ExitStatus implements refusal.Explained.
func (*Failed) ExitStatus() int { return refusal.Failed }

// Run carries out the plan, or leaves everything as it was and returns a
// *Failed, or a *refusal.Error if nothing was begun. It must be called with
// the Lock held, and after Recover. A change that has to be confirmed is left
// as if it had not ended, for Accept or Recover. Of p, the operations that were
// done are released.
func (r *Runner) Run(ctx context.Context, p *Plan) error {
	listen(ctx)
	if err := r.Ready(ctx, p); err != nil {
		return err
	}
	j, err := r.begin(p)
	if err != nil {
		return err
	}
	p.Steps = slices.Clone(p.Steps) // it is p that lets go
	for i := range p.Steps {
		if err := r.step(ctx, j, p.Steps[i], i); err != nil {
			return r.takeBack(ctx, j, p.Steps[:i+1], i, &Failed{Step: p.Steps[i].Title, Cause: err})
		}
		p.Steps[i].Do = nil // it may be very large
	}
	if err := r.end(j); err != nil {
		return r.takeBack(ctx, j, p.Steps, len(p.Steps), &Failed{Step: "end the journal", Cause: err})
	}
	return nil
}

// listen asks ctx whether it has ended. The program listens to signals only from then
// on (package cli), and none may end it between the first and the last line of a
// journal.
func listen(ctx context.Context) { _ = ctx.Err() }

// begin writes the plan down.
func (r *Runner) begin(p *Plan) (*journal, error) {
	boot, err := bootID()
	if err != nil {
		return nil, refusal.Wrap(err, "nothing was changed; try again", "cannot write the journal")
	}
	j, err := create(r.Dir, header{Command: r.Command, PID: os.Getpid(), Time: time.Now(), Boot: boot}, p.Steps)
	if err != nil {
		return nil, refusal.Wrap(err, "nothing was changed; a change under way is recorded there, so there must be room and permission to write",
			"cannot write the journal")
	}
	return j, nil
}

// Ready asks those operations that can tell whether they will be able to do their
// work, and to undo it.
func (r *Runner) Ready(ctx context.Context, p *Plan) error {
	for _, s := range p.Steps {
		for _, op := range slices.Concat(s.Do, s.Undo) {
			if c, ok := op.(Prudent); ok {
				if err := r.patiently(op, func() error { return c.Ready(ctx) }); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// end closes a change that is done, or leaves it to be confirmed.
func (r *Runner) end(j *journal) error {
	if r.Confirm == 0 {
		return j.remove()
	}
	if err := j.mark(markUntil, int64(boottime.Now()+r.Confirm)); err != nil {
		return err
	}
	_ = j.close() // it is written
	return nil
}

// Accept ends a change that waited to be confirmed: it stays.
func (r *Runner) Accept() error { return os.Remove(JournalPath(r.Dir)) }

// step begins one step and carries out its operations.
func (r *Runner) step(ctx context.Context, j *journal, s Step, i int) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if err := j.mark(markDo, int64(i)); err != nil {
		return err
	}
	if err := r.hook(i, false); err != nil {
		return err
	}
	if err := r.do(ctx, s); err != nil {
		return err
	}
	return r.hook(i, true)
}

// do carries out a step's operations, and checks what came of them.
func (r *Runner) do(ctx context.Context, s Step) error {
	for _, op := range s.Do {
		r.trace(op)
		if err := r.patiently(op, func() error { return op.Do(ctx, false) }); err != nil {
			return err
		}
	}
	if s.Check == nil {
		return nil
	}
	defer r.while(s.Await)()
	return s.Check(ctx)
}

// patiently calls what an operation does, and says meanwhile what that waits for.
func (r *Runner) patiently(op Op, do func() error) error {
	return guard(func() error {
		if p, ok := op.(Patient); ok {
			defer r.while(p.Await())()
		}
		return do()
	})
}

func (r *Runner) while(w Wait) (over func()) {
	if r.While == nil || w.For == "" {
		return func() {}
	}
	return r.While(w.For, w.Limit)
}

func (r *Runner) hook(step int, after bool) error {
	if r.Hook == nil {
		return nil
	}
	return r.Hook(step, after)
}

func (r *Runner) trace(op Op) {
	if r.Trace == nil {
		return
	}
	for _, line := range commands(op) {
		r.Trace(line)
	}
}

// commands are an operation's commands, even if its content is damaged.
func commands(op Op) (lines []string) {
	if err := guard(func() error { lines = op.Commands(); return nil }); err != nil {
		return []string{fmt.Sprintf("# %s: %v", op.Kind(), err)}
	}
	return lines
}

// leftOver is what a failed operation leaves to do: the commands that its errors
// name, else all of its own.
func leftOver(op Op, err error) (left []string) {
	errs := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		errs = joined.Unwrap()
	}
	for _, e := range errs {
		var failed interface{ FailedCommand() string }
		commands := commands(op)
		why := e
		if errors.As(e, &failed) {
			commands, why = []string{failed.FailedCommand()}, errors.Unwrap(e)
		}
		if len(commands) == 0 {
			left = append(left, shell.Comment(why.Error()))
		}
		for _, c := range commands {
			left = append(left, c+"   "+shell.Comment(why.Error()))
		}
	}
	return left
}
