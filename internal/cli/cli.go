// Package cli is the command line: it reads the arguments, has package operate
// do what they ask for, prints what came of it, and gives the exit status.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/config"
	"xbr-script/internal/operate"
	"xbr-script/internal/refusal"
	"xbr-script/internal/vif"
)

// Exit statuses besides those of errors, which are refusal's.
const (
	done     = 0
	notUp    = 3 // status: at least one bridge is not up
	notAsked = 4 // status: up, but not as asked; check: something breaks
)

// defaultFile is read where no key is given.
const defaultFile = "/etc/xen/xbr-script.conf"

// Run is the program. args begins with its name.
func Run(args []string, version string, stdout, stderr io.Writer) int {
	if len(args) == 3 && args[1] == operate.TimerWord {
		return exitStatus(operate.Timer(args[2]))
	}
	if filepath.Base(args[0]) == vif.Script {
		return hotplug(args, stderr)
	}
	signal.Ignore(unix.SIGPIPE) // a closed terminal must not end a change half-way
	out, errs := newOutput(stdout), newOutput(stderr)
	out.look = lookOf(isTerminal(unix.Stdout), os.Getenv)
	defer errs.close()
	defer out.close()
	status, err := run(args, version, out, errs)
	if err != nil {
		_, _ = io.WriteString(errs, refusal.Text(err))
		return exitStatus(err)
	}
	return status
}

func exitStatus(err error) int {
	if err == nil {
		return done
	}
	return refusal.ExitStatus(err)
}

func run(args []string, version string, stdout, stderr *output) (int, error) {
	if isCompletion(filepath.Base(args[0]), args[1:]) {
		script, err := completionFor(args[2:])
		_, _ = io.WriteString(stdout, script)
		return done, err
	}
	req, err := config.Parse(args[1:], config.Source{
		Name: filepath.Base(args[0]), Getenv: os.Getenv, ReadFile: readFile, DefaultFile: defaultFile,
	})
	if err != nil {
		if slices.Contains(args, config.JSONOption) {
			err = errors.Join(err, printJSON(stdout, operate.NotUnderstood(args[1:], err)))
		}
		return 0, err
	}
	note := func(text string) { say(stderr, "xbr-script: "+text) }
	for _, n := range req.Notes {
		note(n)
	}
	switch {
	case req.Help:
		say(stdout, help)
		return done, nil
	case req.Version:
		say(stdout, "xbr-script "+version)
		return done, nil
	}
	ctx, stop := untilSignal()
	defer stop()
	c := &operate.Call{Request: req, Args: args[1:], Version: version, ConfigFile: defaultFile, Note: note, While: waiting{stderr, isTerminal(unix.Stderr)}.begin}
	person := personAt(args[0], stderr)
	if person != nil {
		c.Ask = person.ask
	}
	if req.Verbose {
		c.Trace = func(command string) { say(stderr, "+ "+command) }
	}
	result, err := c.Run(ctx)
	if err != nil {
		if req.JSON {
			err = errors.Join(err, printJSON(stdout, result.Outcome))
		}
		return 0, err
	}
	status, err := show(stdout, req, result)
	if err != nil || person == nil || result.Outcome.Waiting == nil || req.JSON {
		return status, err
	}
	return person.hold(ctx, stdout, req.Confirm, func() error { return confirm(ctx, c, stdout) })
}

// confirm keeps the change of a call.
func confirm(ctx context.Context, of *operate.Call, stdout io.Writer) error {
	req := &config.Request{Command: config.Confirm}
	c := &operate.Call{Request: req, Args: []string{string(config.Confirm)}, Note: of.Note, While: of.While}
	result, err := c.Run(ctx)
	if err == nil {
		_, err = show(stdout, req, result)
	}
	return err
}

// show prints what came of a call.
func show(w io.Writer, req *config.Request, r *operate.Result) (int, error) {
	if req.JSON && r.Check == nil && r.Report == nil && r.Dossier == nil {
		return done, printJSON(w, r.Outcome)
	}
	if r.Forecast != nil {
		printForecast(w, req.Command, r.Forecast)
	}
	for _, l := range r.Lines {
		say(w, l)
	}
	for _, n := range r.Notes {
		wrap(w, "", "  ", strings.Fields(n), "")
	}
	answer := &page{colours: looks(w).colours}
	defer func() { answer.print(w) }()
	switch {
	case r.Dossier != nil:
		data, err := r.Dossier.JSON(req.Hide)
		_, _ = answer.Write(data)
		return done, err
	case r.Check != nil && req.JSON:
		return checkStatus(r.Check), printJSON(answer, r.Check)
	case r.Check != nil:
		printCheck(answer, r.Check)
		return checkStatus(r.Check), nil
	case r.Report != nil && !req.JSON && req.Draw != config.NoDrawing:
		printPicture(answer, req, r.Report, looks(w))
		return statusOf(r.Report), nil
	case r.Report != nil && req.JSON:
		return statusOf(r.Report), printJSON(answer, r.Report)
	case r.Report != nil:
		printReport(answer, r.Report, req.Verbose)
		return statusOf(r.Report), nil
	}
	return done, nil
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
