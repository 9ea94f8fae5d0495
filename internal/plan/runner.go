package plan

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"xbr-script/internal/boottime"
	"xbr-script/internal/refusal"
	"xbr-script/internal/rundir"
)

// Runner carries plans out. Dir must be on a file system that does not
// survive a reboot.
type Runner struct {
	Dir     string
	Kinds   Kinds
	Command string            // the command line, noted in the journal
	Confirm time.Duration     // how long a change waits to be confirmed; 0: it need not be
	Trace   func(line string) // if set, gets each command before it is carried out
	// Hook, if set, is called before and after each step and can make it
	// fail: tests inject their faults here.
	Hook func(step int, after bool) error
}

// Failed is a plan that was not carried out.
type Failed struct {
	Step  string   // the title of the step that failed
	Cause error    // why
	Left  []string // commands that would undo what could not be undone; empty: all is as before
}

func (f *Failed) Error() string { return fmt.Sprintf("cannot %s: %v", f.Step, f.Cause) }

// Unwrap gives the cause.
func (f *Failed) Unwrap() error { return f.Cause }

// Advised is the cause of a failure that comes with something to do about it.
type Advised struct{ Text, Hint string }

func (a *Advised) Error() string { return a.Text }

// Run carries out the plan, or leaves everything as it was and returns a
// *Failed, or a *refusal.Error if nothing was begun. It must be called with
// the Lock held, and after Recover. A change that has to be confirmed is left
// as if it had not ended, for Accept or Recover. What was done of p is let go.
func (r *Runner) Run(ctx context.Context, p *Plan) error {
	if err := ready(p); err != nil {
		return err
	}
	j, err := r.begin(p)
	if err != nil {
		return err
	}
	p.Steps = slices.Clone(p.Steps) // it is p that lets go
	for i := range p.Steps {
		if err := r.step(ctx, j, p.Steps[i], i); err != nil {
			return r.rollback(j, p.Steps[:i+1], nil, &Failed{Step: p.Steps[i].Title, Cause: err})
		}
		p.Steps[i].Do = nil // it may be very large
	}
	if err := r.end(j); err != nil {
		return r.rollback(j, p.Steps, nil, &Failed{Step: "end the journal", Cause: err})
	}
	return nil
}

// begin writes the plan down.
func (r *Runner) begin(p *Plan) (*journal, error) {
	steps, err := encode(p.Steps)
	if err != nil {
		return nil, err
	}
	j, err := create(r.Dir, header{
		Version: journalVersion, Command: r.Command, PID: os.Getpid(), Time: time.Now(),
		Boot: bootID(), Steps: steps,
	})
	if err != nil {
		return nil, refusal.Wrap(err, "nothing was changed; what is under way is kept there, so there must be room and leave to write",
			"cannot write the journal")
	}
	return j, nil
}

// ready asks the operations that can tell whether they will be able to do
// their work, and to undo it.
func ready(p *Plan) error {
	for _, s := range p.Steps {
		for _, op := range slices.Concat(s.Do, s.Undo) {
			if c, ok := op.(Prudent); ok {
				if err := c.Ready(); err != nil {
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
	for _, op := range s.Do {
		r.trace(op)
		if err := op.Do(false); err != nil {
			return err
		}
	}
	if s.Check != nil {
		if err := s.Check(ctx); err != nil {
			return err
		}
	}
	return r.hook(i, true)
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
	for _, line := range op.Commands() {
		r.Trace(line)
	}
}

// rollback undoes the steps, last first, those in undone excepted. Each is
// tried whatever became of the others; if one fails the journal stays, so
// that Recover can try again.
func (r *Runner) rollback(j *journal, steps []Step, undone map[int]bool, failed *Failed) error {
	for i := len(steps) - 1; i >= 0; i-- {
		if undone[i] {
			continue
		}
		left := r.undo(steps[i])
		if len(left) == 0 {
			// A mark that cannot be written only means that Recover undoes
			// this step once more, which is harmless.
			_ = j.mark(markUndone, int64(i))
		}
		failed.Left = append(failed.Left, left...)
	}
	if len(failed.Left) > 0 {
		_ = j.close()
		return failed
	}
	if err := j.remove(); err != nil && !errors.Is(err, os.ErrNotExist) {
		failed.Left = append(failed.Left, fmt.Sprintf("# %v", err))
	}
	return failed
}

// undo takes one step back and returns the commands of what failed.
func (r *Runner) undo(s Step) (left []string) {
	for _, op := range s.Undo {
		r.trace(op)
		if err := op.Do(true); err != nil {
			left = append(left, leftOver(op, err)...)
		}
	}
	return left
}

// leftOver is what an operation that failed leaves to do: the commands that
// its errors name, else all of its own.
func leftOver(op Op, err error) (left []string) {
	errs := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		errs = joined.Unwrap()
	}
	for _, e := range errs {
		var failed interface{ FailedCommand() string }
		commands := op.Commands()
		why := e
		if errors.As(e, &failed) {
			commands, why = []string{failed.FailedCommand()}, errors.Unwrap(e)
		}
		if len(commands) == 0 {
			left = append(left, fmt.Sprintf("# %v", why))
		}
		for _, c := range commands {
			left = append(left, fmt.Sprintf("%s   # %v", c, why))
		}
	}
	return left
}

// Unfinished looks for a change that another process began and did not end;
// nil if there is none. A journal of another boot is removed: what it
// describes went with that kernel.
func (r *Runner) Unfinished() (*Unfinished, error) {
	u, err := read(r.Dir, r.Kinds)
	if err != nil || u == nil {
		return nil, err
	}
	if u.boot != bootID() {
		return nil, os.Remove(JournalPath(r.Dir))
	}
	return u, nil
}

// Commands are the shell commands that Recover stands for.
func (u *Unfinished) Commands() []string {
	var back Plan
	for i, s := range Reverse(u.Steps[:u.Begun]) {
		if !u.Undone[u.Begun-1-i] {
			back.Add(s)
		}
	}
	return back.Commands()
}

// Recover takes an unfinished change back. The error is nil, or a *Failed
// that says what is left.
func (r *Runner) Recover(u *Unfinished) error {
	path := JournalPath(r.Dir)
	f, err := rundir.Open(path, os.O_WRONLY|os.O_APPEND, rundir.MaxJournal)
	if err != nil {
		return fmt.Errorf("cannot open the journal: %w", err)
	}
	failed := &Failed{Step: "take back the unfinished \"" + u.Command + "\"", Cause: errors.New("some of it could not be undone")}
	_ = r.rollback(&journal{path, f}, u.Steps[:u.Begun], u.Undone, failed) // returns failed itself
	if len(failed.Left) > 0 {
		return failed
	}
	return nil
}
