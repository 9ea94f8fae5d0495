package plan

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"xbr-script/internal/rundir"
	"xbr-script/internal/shell"
)

// A rollback takes steps back in reverse order. It tries each step even if others have
// failed, because a host that is half restored can be reached more often than one on
// which nothing is. But it is not over until one round through all steps has met no
// error: a step may have failed because of something that only a step below puts back,
// and what was taken back below a failed step was taken back in a state that it was not
// made for. So a step is marked as undone only if everything that began after it is
// undone; and the next round, or the next process, begins at the last step that is not
// undone, and does everything below once more.

// rounds is how often a rollback goes through its steps before it gives up, and tries
// how often it tries an operation in each round.
const (
	rounds = 4
	tries  = 3
)

// patience is how long a rollback may have taken before it tries nothing again: an
// operation may wait long by itself.
const patience = 10 * time.Second

// rollback is one at work.
type rollback struct {
	*Runner
	journal *journal
	steps   []Step
	done    int // the steps before this one are known to have been done
	begun   time.Time
}

// takeBack undoes the steps; those before done are known to have been done wholly. If
// something is left the journal stays, so that Recover can try again. It finishes even
// if ctx is done.
func (r *Runner) takeBack(ctx context.Context, j *journal, steps []Step, done int, failed *Failed) error {
	ctx = context.WithoutCancel(ctx)
	failed.Journal = j.path
	_ = j.markBack() // it is written with the next mark
	b := &rollback{r, j, steps, done, time.Now()}
	left := len(steps)
	for n := 1; ; n++ {
		left, failed.Left = b.round(ctx, left)
		if left == 0 || n == rounds || b.late() {
			break
		}
		time.Sleep(time.Duration(n) * 10 * time.Millisecond) // for what passes by itself
	}
	if left > 0 {
		_ = j.close()
		return failed
	}
	if err := j.remove(); err != nil && !errors.Is(err, os.ErrNotExist) {
		failed.Left = append(failed.Left, shell.Comment(err.Error()))
	}
	return failed
}

func (b *rollback) late() bool { return time.Since(b.begun) > patience }

// round undoes the given number of steps. It returns how many still have to be undone,
// and the commands of what failed.
func (b *rollback) round(ctx context.Context, steps int) (rest int, left []string) {
	for i := steps - 1; i >= 0; i-- {
		failed := b.undo(ctx, i)
		if len(failed) > 0 && rest == 0 {
			rest = i + 1
		}
		if rest == 0 {
			// A mark that cannot be written only means that Recover undoes
			// this step once more, which is harmless.
			_ = b.journal.mark(markUndone, int64(i))
		}
		left = append(left, failed...)
	}
	return rest, left
}

// undo takes one step back and returns the commands of what failed.
func (b *rollback) undo(ctx context.Context, i int) (left []string) {
	if err := b.undoHook(i, false); err != nil {
		return []string{shell.Comment(err.Error())}
	}
	for _, op := range b.steps[i].Undo {
		b.trace(op)
		if err := b.try(ctx, op, i < b.done); err != nil {
			left = append(left, leftOver(op, err)...)
		}
	}
	if err := b.undoHook(i, true); err != nil {
		left = append(left, shell.Comment(err.Error()))
	}
	return left
}

// try carries an operation out, a few times if it fails.
func (b *rollback) try(ctx context.Context, op Op, made bool) (err error) {
	for n := 1; ; n++ {
		err = b.takenBack(ctx, op, made)
		if err == nil || n == tries || b.late() {
			return err
		}
		time.Sleep(time.Duration(n) * time.Millisecond)
	}
}

// takenBack carries out an operation that takes a step back.
func (r *Runner) takenBack(ctx context.Context, op Op, made bool) error {
	return r.patiently(op, func() error {
		if m, ok := op.(Maker); ok {
			return m.Unmake(ctx, made)
		}
		return op.Do(ctx, true)
	})
}

func (b *rollback) undoHook(step int, after bool) error {
	if b.UndoHook == nil {
		return nil
	}
	return b.UndoHook(step, after)
}

// Unfinished looks for a change that another process began but did not end; nil if
// there is none, or if it is of another boot: what it describes is gone with that
// kernel. It only looks.
func (r *Runner) Unfinished() (*Unfinished, error) {
	u, err := read(r.Dir, r.Kinds)
	if err != nil || u == nil {
		return nil, err
	}
	boot, err := bootID()
	if err != nil || u.boot != boot {
		return nil, err
	}
	return u, nil
}

// Commands are the shell commands that Recover stands for.
func (u *Unfinished) Commands() []string {
	var back Plan
	back.Add(Reverse(u.Steps[:u.Left])...)
	return back.Commands()
}

// Recover takes an unfinished change back, wholly even if ctx is done meanwhile. The
// error is nil, or a *Failed that says what is left, or another one if nothing was
// begun: a change that can still be confirmed is not touched before its journal says
// that it cannot be any more. It is a Closed if there is no way back: then the change stays.
func (r *Runner) Recover(ctx context.Context, u *Unfinished) error {
	listen(ctx)
	if err := u.Open(ctx); err != nil {
		if errors.As(err, &Closed{}) {
			err = errors.Join(err, r.Accept())
		}
		return err
	}
	path := JournalPath(r.Dir)
	f, err := rundir.Open(path, os.O_WRONLY, rundir.MaxJournal)
	if err != nil {
		return fmt.Errorf("cannot open the journal: %w", err)
	}
	j := &journal{path, f, u.Back, u.marker}
	done := u.Begun - 1
	if u.Until != 0 {
		done = u.Begun
		if err := j.markBack(); err != nil {
			return errors.Join(fmt.Errorf("cannot write the journal: %w", err), j.close())
		}
	}
	failed := &Failed{Step: "take back the unfinished \"" + u.Command + "\"", Cause: errors.New("some of it could not be undone")}
	_ = r.takeBack(ctx, j, u.Steps[:u.Left], done, failed) // returns failed itself
	if len(failed.Left) > 0 {
		return failed
	}
	return nil
}

// Open is nil if there is a way back, or if some of it was gone already; else it is a Closed.
func (u *Unfinished) Open(ctx context.Context) error {
	if u.Back {
		return nil
	}
	for _, s := range u.Steps[:u.Left] {
		for _, op := range s.Undo {
			if g, ok := op.(Gate); ok {
				if err := g.Open(ctx); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
