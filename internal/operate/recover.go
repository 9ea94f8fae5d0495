package operate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"xbr-script/internal/carry"
	"xbr-script/internal/config"
	"xbr-script/internal/holders"
	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
	"xbr-script/internal/shell"
)

// settle sees to a change that did not end: one that was cut short, or not
// confirmed in time, is taken back; one that waits to be confirmed must not be
// disturbed.
func (c *Call) settle(ctx context.Context) error {
	u, err := c.unfinished()
	if err != nil || u == nil {
		return err
	}
	if _, waits := u.Waits(); waits {
		return c.refuseWaiting(u)
	}
	err = c.undo(ctx, c.runner(), u)
	if errors.As(err, &plan.Closed{}) {
		c.Note(err.Error()) // it is over, and does not keep this call from anything
		return nil
	}
	return err
}

// unfinished is the change that did not end; nil if there is none. Then, as nearly always,
// nobody needs to know of what operations it might be.
func (c *Call) unfinished() (*plan.Unfinished, error) {
	if !plan.HasJournal(runDir) {
		return nil, nil
	}
	return c.runner().Unfinished()
}

// refuseWaiting is the error because another change waits to be confirmed.
func (c *Call) refuseWaiting(u *plan.Unfinished) error {
	left, _ := u.Waits()
	return refusal.New("xbr-script confirm keeps that change, xbr-script recover puts everything back",
		"cannot %s: %q waits to be confirmed, %s left", c.Request.Command, u.Command, Seconds(left))
}

// undo takes an unfinished change back, and says so.
func (c *Call) undo(ctx context.Context, r *plan.Runner, u *plan.Unfinished) error {
	_, waits := u.Waits()
	why := "was cut short"
	switch {
	case waits:
		why = "waited to be confirmed"
	case u.Back:
		why = "was taken back in part"
	case u.Until != 0:
		why = "was not confirmed in time"
	}
	c.Note(fmt.Sprintf("taking back %q (pid %d), which %s", u.Command, u.PID, why))
	if u.Open(ctx) == nil {
		c.tellBreaking(u)
	}
	return c.putBack(ctx, r, u, why)
}

// closed is the error for a change to which there is no way back.
func closed(u *plan.Unfinished, err error) error {
	return refusal.Wrap(err, refusal.Advice(err), "cannot take back %q", u.Command)
}

// tellBreaking names what breaks when a change is taken back: what has come to hold on to
// dom0's interface since, and cannot be turned. What cannot be read does not keep anybody from
// taking the change back.
func (c *Call) tellBreaking(u *plan.Unfinished) {
	var all []holders.Holder
	for _, s := range u.Steps[:u.Left] {
		for _, op := range s.Undo {
			if l, ok := op.(*carry.Late); ok && !l.After {
				found, _ := l.Holders()
				all = append(all, holders.Breaking(found)...)
			}
		}
	}
	c.breaks = append(c.breaks, all...)
	for _, text := range breakingTexts(all, "") {
		c.Note(text)
	}
}

// putBack takes a change back and keeps that for status.
func (c *Call) putBack(ctx context.Context, r *plan.Runner, u *plan.Unfinished, why string) error {
	began := time.Now()
	err := c.ran(r.Recover(ctx, u))
	last := &Last{Line: u.Command, Outcome: PutBack, Why: "it " + why, Time: time.Now(), Milliseconds: milliseconds(began)}
	switch {
	case errors.As(err, &plan.Closed{}):
		err = closed(u, err)
		last.Outcome, last.Why = Done, last.Why+"; "+err.Error()
	case err != nil:
		last.Outcome, last.Why = InPart, last.Why+"; "+err.Error()
	}
	c.keep(last)
	return err
}

// recover is the command of that name.
func (c *Call) recover(ctx context.Context) (*Result, error) {
	r := c.runner()
	u, err := r.Unfinished()
	if err != nil {
		return nil, err
	}
	if u == nil {
		return &Result{Lines: []string{"nothing to recover: no change was cut short, none waits to be confirmed"}}, nil
	}
	if err := c.undo(ctx, r, u); err != nil {
		return nil, err
	}
	return &Result{Lines: []string{fmt.Sprintf("everything is as it was before %q", u.Command)}}, nil
}

// confirm is the command of that name. Whoever gives it can reach the host and has
// what he wants, so it may even come late, as long as nothing was taken back.
func (c *Call) confirm() (*Result, error) {
	r := c.runner()
	u, err := r.Unfinished()
	switch {
	case err != nil:
		return nil, err
	case u == nil:
		return nil, refusal.New("a change that was not confirmed in time has been put back; xbr-script status shows what is up",
			"cannot confirm: no change waits for it")
	case u.Back:
		return nil, refusal.New("xbr-script recover puts the rest back", "cannot confirm %q: some of it was taken back already", u.Command)
	case u.Until == 0:
		return nil, refusal.New("xbr-script recover puts everything back", "cannot confirm %q: it was cut short", u.Command)
	}
	if err := r.Accept(); err != nil {
		return nil, fmt.Errorf("cannot confirm %q: %w", u.Command, err)
	}
	c.changed = true
	c.keep(&Last{Line: u.Command, Outcome: Done, Why: "confirmed", Time: time.Now()})
	return &Result{Lines: []string{fmt.Sprintf("confirmed: %q stays", u.Command)}}, nil
}

// takeBack undoes a change that is done, except that the timer to watch it could
// not be armed.
func (c *Call) takeBack(ctx context.Context, r *plan.Runner, cause error) error {
	u, err := r.Unfinished()
	if err == nil && u != nil {
		err = r.Recover(ctx, u)
	}
	var left *plan.Failed
	if errors.As(err, &left) {
		left.Step, left.Cause = "arm the timer", cause
		return left
	}
	if err != nil {
		return err
	}
	return &plan.Failed{Step: "arm the timer", Cause: cause}
}

// waitsText tells that the change has to be confirmed.
func (c *Call) waitsText() string {
	return fmt.Sprintf("everything is put back in %s, unless you give: xbr-script confirm", Seconds(c.Request.Confirm))
}

// Seconds is a time for people, rounded up: what is left is never 0 s.
func Seconds(d time.Duration) string {
	return fmt.Sprintf("%d s", (d+time.Second-1)/time.Second)
}

// dryRun is the plan as a script.
func (c *Call) dryRun(ctx context.Context) (*Result, error) {
	r := &Result{}
	commands, nothing, err := c.commands(ctx, r)
	if err == nil && len(commands) == 0 {
		commands = []string{shell.Comment("nothing to do: " + strings.Join(nothing, "; "))}
	}
	r.Lines = commands
	return r, err
}

// commands are those of the plan; nothing is what to say if there are none. Of a plan that
// moves something, the result gets the forecast.
func (c *Call) commands(ctx context.Context, r *Result) (commands, nothing []string, err error) {
	if c.Request.Command == config.Recover {
		u, err := c.unfinished()
		if err != nil || u == nil {
			return nil, []string{"no change was cut short, none waits to be confirmed"}, err
		}
		return u.Commands(), []string{"all was taken back"}, nil
	}
	if c.Request.Command.AboutGuest() {
		p, done, err := c.planGuest()
		if err != nil {
			return nil, nil, err
		}
		return p.Commands(), append(done.Lines, done.Notes...), nil
	}
	v, p, done, err := c.readAndPlan(ctx)
	if err != nil {
		return nil, nil, err
	}
	if refused := c.able(ctx, p); refused != nil {
		p.Warnings = append(p.Warnings, "as things are it would be refused: "+refused.Error())
	}
	breaking, err := v.breaking()
	if err != nil {
		return nil, nil, err
	}
	c.breaks = breaking.all
	p.Warnings = append(p.Warnings, breaking.texts...)
	if len(p.Steps) > 0 {
		r.Forecast, err = v.forecast(ctx)
	}
	return p.Commands(), append(done.Lines, done.Notes...), err
}
