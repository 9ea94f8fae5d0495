package operate

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"xbr-script/internal/config"
	"xbr-script/internal/holders"
	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
	"xbr-script/internal/shell"
	"xbr-script/internal/syslog"
)

// OutcomeVersion is the version of Outcome, Report and Check for programs. It is raised
// when something that is there changes its meaning or goes, not when something is added.
const OutcomeVersion = 1

// End is how a call ended.
type End string

// The ways in which a call ends.
const (
	Done    End = "done"
	Nothing End = "nothing to do"
	Waits   End = "waits to be confirmed" // done, and put back unless it is confirmed
	Would   End = "would be done"         // of --dry-run
	Refused End = "refused"               // before the first change
	PutBack End = "put back"              // it failed, or was not confirmed: all is as before
	InPart  End = "put back in part"      // it failed, and so did taking some of it back
)

// Outcome is what became of a call, for programs.
type Outcome struct {
	Version    int    `json:"version"`
	Command    string `json:"command"`      // "" if it was not understood
	Line       string `json:"command_line"` // quoted for a shell
	Outcome    End    `json:"outcome"`
	ExitStatus int    `json:"exit_status"`
	// Changed says that something on the host is other than before the call; of
	// --dry-run, that it would be.
	Changed bool     `json:"changed"`
	Done    []string `json:"done"`             // what was done, in words
	Notes   []string `json:"notes"`            // what else the user should know
	Script  []string `json:"script,omitempty"` // of --dry-run: the commands
	// Forecast is what the script comes to.
	Forecast *Forecast `json:"forecast,omitempty"`
	// Breaks is what holds on to the NICs, and will not go on by itself.
	Breaks  []holders.Holder `json:"breaks"`
	Waiting *Waiting         `json:"waiting,omitempty"` // of a change that waits to be confirmed
	Errors  []Refusal        `json:"errors"`
	Began   time.Time        `json:"began"`
	// Milliseconds is how long it took.
	Milliseconds float64 `json:"milliseconds"`
}

// NotUnderstood is the outcome of a call whose words are wrong.
func NotUnderstood(args []string, err error) *Outcome {
	o := newOutcome("", shell.Join("xbr-script", args...), time.Now())
	o.Outcome = Refused
	o.fail(err)
	return o
}

func newOutcome(command, line string, began time.Time) *Outcome {
	return &Outcome{
		Version: OutcomeVersion, Command: command, Line: line, Began: began.Round(time.Millisecond),
		Done: []string{}, Notes: []string{}, Breaks: []holders.Holder{}, Errors: []Refusal{},
	}
}

// fail adds what went wrong.
func (o *Outcome) fail(err error) {
	o.Errors = refusals(o.Errors, err)
	o.ExitStatus = refusal.ExitStatus(err)
}

// refusals adds the reasons that are joined in an error.
func refusals(list []Refusal, err error) []Refusal {
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range all.Unwrap() {
			list = refusals(list, e)
		}
		return list
	}
	if err != nil {
		list = append(list, Refusal{err.Error(), refusal.Advice(err)})
	}
	return list
}

// outcome sums the call up.
func (c *Call) outcome(r *Result, err error, began time.Time) *Outcome {
	command := string(c.Request.Command)
	if c.Request.OnlyCheck {
		command = string(config.Check)
	}
	o := newOutcome(command, c.quoted(), began)
	o.Changed, o.Breaks = c.changed, append(o.Breaks, c.breaks...)
	o.Notes = append(o.Notes, c.notes...)
	o.Milliseconds = milliseconds(began)
	if r != nil {
		o.Notes = append(o.Notes, r.Notes...)
		if c.Request.DryRun {
			o.Script, o.Forecast = r.Lines, r.Forecast
			o.Changed = slices.ContainsFunc(r.Lines, func(l string) bool { return !strings.HasPrefix(l, "#") })
		} else {
			o.Done = append(o.Done, r.Lines...)
		}
	}
	o.Outcome = c.end(err, o.Changed)
	if err != nil {
		o.fail(err)
	}
	if o.Outcome == Waits {
		o.Waiting = &Waiting{c.words(), int((c.Request.Confirm + time.Second - 1) / time.Second)}
	}
	return o
}

// milliseconds is the time that has passed.
func milliseconds(began time.Time) float64 { return float64(time.Since(began).Microseconds()) / 1000 }

// end says how the call ended.
func (c *Call) end(err error, changed bool) End {
	failed := (*plan.Failed)(nil)
	switch {
	case errors.As(err, &failed) && len(failed.Left) > 0:
		return InPart
	case failed != nil:
		return PutBack
	case err != nil:
		return Refused
	case !changed:
		return Nothing
	case c.Request.DryRun:
		return Would
	case c.Request.Confirm > 0 && (c.Request.Command == config.Start || c.Request.Command == config.Stop):
		return Waits
	}
	return Done
}

// changes says whether the call is one that is meant to change something.
func (c *Call) changes() bool {
	return c.Request.Command != config.Status && c.Request.Command != config.Report && !c.Request.OnlyCheck && !c.Request.DryRun
}

// tell writes a line to the system's log about a call that was meant to change
// something, and keeps what became of the change for status.
func (c *Call) tell(o *Outcome) {
	if !c.changes() || os.Geteuid() != 0 {
		return
	}
	severity, why := syslog.Notice, ""
	if len(o.Errors) > 0 {
		severity, why = syslog.Warning, ": "+o.Errors[0].Reason
	}
	syslog.Send(severity, fmt.Sprintf("%s%s: %s%s, %.0f ms", c.words(), calledBy(), o.Outcome, why, o.Milliseconds))
	switch o.Outcome {
	case Done, Waits, PutBack, InPart:
	default:
		return
	}
	if c.Request.Command != config.Recover && c.Request.Command != config.Confirm { // those keep what became of the other call
		c.keep(&Last{Line: c.words(), Outcome: o.Outcome, Why: strings.TrimPrefix(why, ": "), Time: time.Now(), Milliseconds: o.Milliseconds})
	}
}

// calledBy tells who has run the program, for the log.
func calledBy() string {
	parent := os.Getppid()
	text := fmt.Sprintf(" (called by pid %d", parent)
	if comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", parent)); err == nil {
		text = fmt.Sprintf(" (called by %s, pid %d", bytes.TrimSpace(comm), parent)
	}
	if user := os.Getenv("SUDO_USER"); user != "" {
		text += ", for " + user
	}
	return text + ")"
}
