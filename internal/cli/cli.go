// Package cli is the command line: it reads the arguments, calls the planners
// and the runner, and words what came of it.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/antispoof"
	"xbr-script/bridge"
	"xbr-script/forward"
	"xbr-script/internal/config"
	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
	"xbr-script/internal/rtnl"
)

// Exit statuses.
const (
	done     = 0
	failed   = 1 // and everything is as it was before
	badUsage = 2
	notUp    = 3 // status: at least one bridge is not up
	notAsked = 4 // status: up, but not as asked
)

// Where the program keeps things. runDir must not survive a reboot: what it
// describes does not either.
const (
	runDir      = "/run/xbr-script"
	defaultFile = "/etc/xen/xbr-script.conf"
)

// lockWait is how long a call waits for another to end.
const lockWait = 60 * time.Second

// call is one run of the program.
type call struct {
	req            *config.Request
	words          string // the command line, for the journal and the lock
	stdout, stderr io.Writer

	conn      *rtnl.Conn
	host      *host.Host
	store     bridge.Store
	antispoof *antispoof.Planner
	forward   forward.Forward
	wants     []bridge.Want
}

// Run is the program. args begins with its name.
func Run(args []string, version string, stdout, stderr io.Writer) int {
	signal.Ignore(unix.SIGPIPE) // a closed terminal must not end a change half-way
	out, errs := newOutput(stdout), newOutput(stderr)
	defer errs.close()
	defer out.close()
	return run(args, version, out, errs)
}

func run(args []string, version string, stdout, stderr io.Writer) int {
	req, err := config.Parse(args[1:], config.Source{ReadFile: readFile, DefaultFile: defaultFile})
	if err != nil {
		return complain(stderr, err)
	}
	switch {
	case req.Help:
		say(stdout, help)
		return done
	case req.Version:
		say(stdout, "xbr-script "+version)
		return done
	}
	c := &call{
		req: req, words: "xbr-script " + strings.Join(args[1:], " "), stdout: stdout, stderr: stderr,
		store: bridge.Store{Dir: runDir}, antispoof: &antispoof.Planner{Dir: runDir}, forward: forward.Forward{Dir: runDir},
	}
	status, err := c.run()
	if err != nil {
		return complain(stderr, err)
	}
	return status
}

// readFile reads a configuration file, but not without end.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, config.MaxFileSize+1))
}

// say prints a line.
func say(w io.Writer, line string) { _, _ = fmt.Fprintln(w, line) }

// complain prints an error with its hint and gives the exit status.
func complain(stderr io.Writer, err error) int {
	status, hint := failed, ""
	var usage *config.UsageError
	var refused *refusal.Error
	var rules *antispoof.Refusal
	var fail *plan.Failed
	var bad *plan.BadJournal
	switch {
	case errors.As(err, &usage):
		status, hint = badUsage, usage.Hint
	case errors.As(err, &refused):
		hint = refused.Hint
	case errors.As(err, &rules):
		hint = rules.Hint
	case errors.As(err, &fail):
		hint = "everything was put back as it was"
		if len(fail.Left) > 0 {
			hint = "this is left to be done by hand:\n  " + strings.Join(fail.Left, "\n  ") +
				"\n  rm " + plan.JournalPath(runDir) + "   # when all is done"
		}
	case errors.As(err, &bad):
		hint = "look at the network with ip and brctl, put right what is not, then: rm " + bad.Path
	}
	say(stderr, "xbr-script: "+err.Error())
	if hint != "" {
		say(stderr, "hint: "+hint)
	}
	return status
}

// run carries out the command.
func (c *call) run() (int, error) {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	if c.req.Command != config.Status && !c.req.DryRun {
		lock, err := c.begin(ctx)
		if err != nil {
			return failed, err
		}
		defer func() { _ = lock.Release() }()
	}
	if err := c.look(); err != nil {
		return failed, err
	}
	defer func() { _ = c.conn.Close() }()
	if c.req.Command == config.Status {
		return c.status()
	}
	p, lines, err := c.plan()
	if err != nil {
		return failed, err
	}
	if c.req.DryRun {
		c.dryRun(p, lines)
		return done, nil
	}
	if len(p.Steps) > 0 {
		if err := c.runner().Run(ctx, p); err != nil {
			return failed, err
		}
	}
	for _, l := range lines {
		say(c.stdout, l)
	}
	return done, nil
}

// begin takes the lock and takes back what a call that died has left.
func (c *call) begin(ctx context.Context) (*plan.Lock, error) {
	if os.Geteuid() != 0 {
		return nil, refusal.New("run it with sudo, or see what it would do with --dry-run", "cannot change the network: that needs root")
	}
	who := fmt.Sprintf("%q (pid %d)", c.words, os.Getpid())
	lock, err := plan.Acquire(ctx, runDir, who, lockWait, func(holder string) {
		say(c.stderr, "xbr-script: waiting for "+holder)
	})
	if err != nil {
		return nil, err
	}
	return lock, c.recover()
}

// recover takes back a change that was cut short.
func (c *call) recover() error {
	conn, err := rtnl.Dial()
	if err != nil {
		return err
	}
	c.conn = conn
	r := c.runner()
	u, err := r.Unfinished()
	if err != nil || u == nil {
		return err
	}
	say(c.stderr, fmt.Sprintf("xbr-script: taking back %q (pid %d), which was cut short", u.Command, u.PID))
	return r.Recover(u)
}

func (c *call) runner() *plan.Runner {
	r := &plan.Runner{Dir: runDir, Kinds: plan.Merge(bridge.Kinds(c.conn), antispoof.Kinds()), Command: c.words}
	if c.req.Verbose {
		r.Trace = func(line string) { say(c.stderr, "+ "+line) }
	}
	return r
}

// look reads the host and settles which bridges are meant.
func (c *call) look() error {
	if c.conn == nil {
		conn, err := rtnl.Dial()
		if err != nil {
			return err
		}
		c.conn = conn
	}
	h, err := host.Read(c.conn)
	if err != nil {
		return fmt.Errorf("cannot read the network: %w", err)
	}
	c.host = h
	return c.resolve()
}

// resolve settles the names. A stop or status that names nothing means every
// bridge that was started.
func (c *call) resolve() error {
	if !c.req.Given && c.req.Command != config.Start {
		records, err := c.store.All()
		if err != nil {
			return err
		}
		for _, r := range records {
			c.wants = append(c.wants, r.Want)
		}
		if len(records) > 0 {
			return nil
		}
	}
	for _, b := range c.req.Bridges {
		if b.Null() {
			continue
		}
		w, err := bridge.Resolve(b, c.host)
		if err != nil {
			return err
		}
		c.wants = append(c.wants, w)
	}
	return nil
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

// dryRun prints the plan as a script.
func (c *call) dryRun(p *plan.Plan, lines []string) {
	commands := p.Commands()
	if len(commands) == 0 {
		say(c.stdout, "# nothing to do: "+strings.Join(lines, "; "))
	}
	for _, line := range commands {
		say(c.stdout, line)
	}
}
