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
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/antispoof"
	"xbr-script/bridge"
	"xbr-script/forward"
	"xbr-script/internal/config"
	"xbr-script/internal/host"
	"xbr-script/internal/networkd"
	"xbr-script/internal/networkmanager"
	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/rundir"
	"xbr-script/internal/shell"
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

// manyRoutes is from where on they decide how much memory is taken.
const manyRoutes = 20000

// call is one run of the program.
type call struct {
	req            *config.Request
	words          string // the command line, for the journal and the lock
	quoted         string // the same for a shell
	stdout, stderr io.Writer

	conn      *rtnl.Conn
	host      *host.Host
	store     bridge.Store
	antispoof *antispoof.Planner
	forward   forward.Forward
	wants     []bridge.Want
	up        []bridge.Want // every network that is up
	told      bool          // what is taken in place of empty values

	hook func(step int, after bool) error // plan.Runner's, for tests
}

// Run is the program. args begins with its name.
func Run(args []string, version string, stdout, stderr io.Writer) int {
	if len(args) == 3 && args[1] == timerWord {
		return runTimer(args[2])
	}
	signal.Ignore(unix.SIGPIPE) // a closed terminal must not end a change half-way
	out, errs := newOutput(stdout), newOutput(stderr)
	defer errs.close()
	defer out.close()
	return run(args, version, out, errs)
}

func run(args []string, version string, stdout, stderr io.Writer) int {
	req, err := config.Parse(args[1:], config.Source{
		Name: filepath.Base(args[0]), Getenv: os.Getenv, ReadFile: readFile, DefaultFile: defaultFile,
	})
	if err != nil {
		return complain(stderr, err)
	}
	for _, note := range req.Notes {
		say(stderr, "xbr-script: "+note)
	}
	switch {
	case req.Help:
		say(stdout, help)
		return done
	case req.Version:
		say(stdout, "xbr-script "+version)
		return done
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	status, err := newCall(req, args[1:], stdout, stderr).run(ctx)
	if err != nil {
		return complain(stderr, err)
	}
	return status
}

func newCall(req *config.Request, args []string, stdout, stderr io.Writer) *call {
	return &call{
		req: req, words: "xbr-script " + strings.Join(args, " "), quoted: shell.Join("xbr-script", args...), stdout: stdout, stderr: stderr,
		antispoof: &antispoof.Planner{Records: plan.Records{Dir: runDir}},
	}
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
	var fail *plan.Failed
	var bad *plan.BadJournal
	var busy *plan.Busy
	switch {
	case errors.As(err, &usage):
		status, hint = badUsage, usage.Hint
	case errors.As(err, &refused):
		hint = refused.Hint
	case errors.As(err, &fail):
		hint = "everything was put back as it was"
		if len(fail.Left) > 0 {
			hint = "this is left to be done by hand:\n  " + strings.Join(fail.Left, "\n  ") +
				"\n  rm " + plan.JournalPath(runDir) + "   # when all is done"
		}
		if advice := (*plan.Advised)(nil); errors.As(err, &advice) {
			separator := "; "
			if len(fail.Left) > 0 {
				separator = "\nhint: "
			}
			hint += separator + advice.Hint
		}
	case errors.As(err, &bad):
		hint = "look at the network with ip and brctl, put right what is not, then: rm " + bad.Path
	case errors.As(err, &busy):
		hint = "nothing was changed; try again when it has ended"
	}
	say(stderr, "xbr-script: "+err.Error())
	if hint != "" {
		say(stderr, "hint: "+hint)
	}
	return status
}

// run carries out the command.
func (c *call) run(ctx context.Context) (int, error) {
	conn, err := rtnl.Dial()
	if err != nil {
		return failed, err
	}
	defer func() { _ = conn.Close() }()
	c.conn = conn
	c.antispoof.Ctx = ctx
	switch {
	case c.req.Command == config.Status:
		return c.status(ctx)
	case c.req.DryRun:
		return done, c.dryRun()
	case os.Geteuid() != 0:
		return failed, refusal.New("run it with sudo, or see what it would do with --dry-run", "cannot change the network: that needs root")
	}
	lock, err := c.lock(ctx, lockWait)
	if err != nil {
		return failed, err
	}
	defer func() { _ = lock.Release() }()
	_ = rundir.Sweep(runDir) // what cannot be removed is in nobody's way
	switch c.req.Command {
	case config.Recover:
		return done, c.recover(ctx)
	case config.Confirm:
		return done, c.confirm()
	}
	return done, c.change(ctx)
}

// lock keeps other calls away.
func (c *call) lock(ctx context.Context, limit time.Duration) (*plan.Lock, error) {
	who := fmt.Sprintf("%q (pid %d)", c.words, os.Getpid())
	return plan.Acquire(ctx, runDir, who, limit, func(holder string) {
		say(c.stderr, "xbr-script: waiting for "+holder)
	})
}

func (c *call) runner() *plan.Runner {
	r := &plan.Runner{
		Dir: runDir, Kinds: plan.Merge(bridge.Kinds(c.conn), antispoof.Kinds(), networkd.Kinds(), networkmanager.Kinds()), Command: c.words, Confirm: c.req.Confirm, Hook: c.hook,
	}
	if c.req.Verbose {
		r.Trace = func(line string) { say(c.stderr, "+ "+line) }
	}
	return r
}

// look reads the host and settles which bridges are meant.
func (c *call) look() error {
	read := host.Read
	if c.req.Command == config.Status {
		read = host.Look
	}
	h, err := read(c.conn)
	if err != nil {
		return fmt.Errorf("cannot read the network: %w", err)
	}
	records, err := plan.ReadRecords(runDir)
	if err != nil {
		return err
	}
	c.host, c.wants = h, nil
	c.store, c.forward.Records = bridge.Store(records), records
	c.antispoof = &antispoof.Planner{Records: records, Host: h, Scripts: c.antispoof.Scripts, Ctx: c.antispoof.Ctx}
	if len(h.Routes) > manyRoutes {
		debug.SetGCPercent(50) // a little more work for a third less memory
	}
	return c.resolve()
}

// resolve settles the names.
func (c *call) resolve() error {
	records, err := c.store.All()
	if err != nil {
		return err
	}
	c.up = bridge.Standing(c.host, records)
	if c.wants, err = c.started(records); err != nil {
		return err
	}
	if c.wants != nil {
		c.tellEmpty(func(string, int) string { return "every bridge that was started" })
		return nil
	}
	asked := slices.DeleteFunc(slices.Clone(c.req.Bridges), config.Bridge.Null)
	c.wants, err = bridge.Resolve(c.req.Command, asked, c.host, records)
	if err == nil {
		c.tellEmpty(c.instead)
	}
	return err
}

// started is what a stop or status that names nothing is about: every bridge
// that was started. Of those whose records are lost, or which somebody else's
// script made, it can be told that they are up, but not which of them to stop.
func (c *call) started(records []*bridge.Record) ([]bridge.Want, error) {
	if c.req.Given || c.req.Command == config.Start {
		return nil, nil
	}
	var wants []bridge.Want
	for _, r := range records {
		wants = append(wants, r.Want)
	}
	switch names := bridge.Others(c.up, wants); {
	case c.req.Command == config.Status:
		recorded := func(w bridge.Want) bool { return slices.ContainsFunc(wants, w.Same) }
		return append(wants, slices.DeleteFunc(slices.Clone(c.up), recorded)...), nil
	case wants == nil && len(names) > 1:
		return nil, refusal.New("name each: xbr-script stop bridge="+shell.Quote(c.up[0].Bridge)+" netdev="+shell.Quote(c.up[0].NetDev),
			"cannot tell which bridge to stop: there is no record of any, and up are %s", strings.Join(names, ", "))
	case wants == nil && len(names) == 1:
		return c.up, nil
	}
	return wants, nil
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
