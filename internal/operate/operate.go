// Package operate does what a call asks for: it keeps other calls away, takes
// back what an earlier one left, reads the host, makes the plan, carries it out and
// finds out whether the network is still there. It gives its caller what there is to
// say, and package cli prints it.
package operate

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"xbr-script/internal/config"
	"xbr-script/internal/holders"
	"xbr-script/internal/manager/bound"
	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/rundir"
	"xbr-script/internal/shell"
)

// runDir is where the program keeps things. It must not survive a reboot: what
// it describes does not either.
const runDir = "/run/xbr-script"

// lockWait is how long a call waits for another to end.
const lockWait = 60 * time.Second

// Call is one run of the program.
type Call struct {
	Request *config.Request
	Name    string   // of the program, if it is not xbr-script
	Args    []string // the command line without the program's name
	// What report tells of the program: its version, and where its configuration file is.
	Version, ConfigFile string
	Note                func(text string)    // gets at once what the user should know meanwhile
	Trace               func(command string) // if set, gets each command before it is carried out
	// Ask puts a question to the user that is answered by yes or no; nil if there is
	// nobody to ask. No answer in time is a no.
	Ask func(ctx context.Context, question string) bool
	// While, if set, is told what the call begins to wait for, and at most how long. What
	// it returns is called when that is over.
	While func(what string, limit time.Duration) (over func())

	conn *rtnl.Conn
	told bool            // the user knows what is taken in place of empty values
	said map[string]bool // warnings that the user has been given
	yes  bool            // the user has been asked, and wants to go on
	root string          // the folder with the programs of a host in a file; "": this machine's are meant
	laid *hostPrograms   // what is in that folder
	// bound are the units that end with names of interfaces, since the host was read last.
	bound *bound.Listing
	// What is said of the call at its end.
	changed bool                             // something on the host is other than before
	notes   []string                         // what Note was given
	breaks  []holders.Holder                 // what will not go on by itself
	hook    func(step int, after bool) error // plan.Runner's, for tests
}

// Result is what a call came to; with an error it has an Outcome only.
type Result struct {
	Outcome *Outcome // what became of the call, also with an error
	Lines   []string // what was done; of a dry run the script
	Notes   []string // what the user should know about it
	// Forecast is what the script of a dry run comes to, if that changes networks.
	Forecast *Forecast
	Report   *Report  // the answer of the command status
	Check    *Check   // the answer of the command check
	Dossier  *Dossier // the answer of the command report
}

// Run carries out the command. refusal.Text of an error says what the user can do.
func (c *Call) Run(ctx context.Context) (*Result, error) {
	began := time.Now()
	note := c.Note
	c.Note = func(text string) {
		c.notes = append(c.notes, text)
		note(text)
	}
	r, err := c.run(ctx)
	o := c.outcome(r, err, began)
	c.tell(o)
	if err != nil {
		return &Result{Outcome: o}, err
	}
	r.Outcome = o
	return r, nil
}

// run carries out the command.
func (c *Call) run(ctx context.Context) (*Result, error) {
	defer c.forget()
	if c.Request.Host == "" {
		conn, err := rtnl.Dial()
		if err != nil {
			return nil, err
		}
		defer func() { _ = conn.Close() }()
		c.conn = conn
	}
	if c.Request.Command == config.Status {
		return c.status(ctx)
	}
	if c.Request.Command == config.Report {
		return c.report(ctx)
	}
	if c.Request.DryRun {
		return c.dryRun(ctx)
	}
	if c.Request.OnlyCheck {
		return c.check(ctx)
	}
	if os.Geteuid() != 0 {
		return nil, refusal.New("run it with sudo, or see what it would do with --dry-run", "cannot change the network: that needs root")
	}
	lock, err := c.lock(ctx, lockWait)
	if err != nil {
		return nil, err
	}
	defer func() { _ = lock.Release() }()
	_ = rundir.Sweep(runDir) // what cannot be removed is in nobody's way
	switch c.Request.Command {
	case config.Recover:
		return c.recover(ctx)
	case config.Confirm:
		return c.confirm()
	}
	if c.Request.Command.AboutGuest() {
		return c.changeGuest(ctx)
	}
	return c.change(ctx)
}

// words are the command line.
func (c *Call) words() string { return cmp.Or(c.Name, "xbr-script") + " " + strings.Join(c.Args, " ") }

// quoted is the command line for a shell.
func (c *Call) quoted() string { return shell.Join("xbr-script", c.Args...) }

// lock keeps other calls away.
func (c *Call) lock(ctx context.Context, limit time.Duration) (*plan.Lock, error) {
	who := fmt.Sprintf("%q (pid %d)", c.words(), os.Getpid())
	return plan.Acquire(ctx, runDir, who, limit, func(holder string) func() { return c.while(holder, limit) })
}

// while says what the call waits for; the function that it returns says that this is over.
func (c *Call) while(what string, limit time.Duration) (over func()) {
	if c.While == nil {
		return func() {}
	}
	return c.While(what, limit)
}

func (c *Call) runner() *plan.Runner {
	return &plan.Runner{
		Dir: runDir, Kinds: c.kinds(),
		Command: c.words(), Confirm: c.Request.Confirm, Trace: c.Trace, While: c.While, Hook: c.hook,
	}
}
