package cloudinit

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"xbr-script/internal/manager"
	"xbr-script/internal/plan"
	"xbr-script/internal/rundir"
	"xbr-script/internal/shell"
)

// mark ends our lines.
const mark = "(xbr-script)"

// Leave is the operation by which cloud-init leaves the network alone as long as an interface
// is a port: by a line of the configuration that it has until the next boot. There may be one
// for each such interface: a key that comes again is no error there.
type Leave struct {
	Dev  string `json:"dev"`            // the NIC's name outside of a bridge
	Gone bool   `json:"gone,omitempty"` // the line is removed
}

var _ plan.Op = (*Leave)(nil)

func (l *Leave) gone() *Leave { return &Leave{l.Dev, true} }

// Kind is its name in the journal.
func (*Leave) Kind() string { return "cloud-init leave" }

// tail ends the line for that interface.
func (l *Leave) tail() string { return "# as long as " + l.Dev + " is a port " + mark }

func (l *Leave) line() string { return "network: {config: disabled} " + l.tail() }

// in says whether a text has the line.
func (l *Leave) in(text string) bool {
	for line := range strings.Lines(text) {
		if l.is(line) {
			return true
		}
	}
	return false
}

func (l *Leave) is(line string) bool { return strings.HasSuffix(strings.TrimSpace(line), l.tail()) }

// Commands are those that do the same.
func (l *Leave) Commands() []string {
	if l.Gone {
		return []string{"sed -i -E " + shell.Quote("/"+regexp.QuoteMeta(l.tail())+"$/d") + " " + runtime}
	}
	return []string{"mkdir -p " + filepath.Dir(runtime), "echo " + shell.Quote(l.line()) + " >>" + runtime}
}

// Do carries it out.
func (l *Leave) Do(context.Context, bool) error { return l.write(runtime) }

// write gives the file the line, or takes it out, and leaves what else is in it.
func (l *Leave) write(path string) error {
	if !plain().MatchString(l.Dev) {
		return fmt.Errorf("%q is no name that cloud-init can be told", l.Dev)
	}
	mode := fs.FileMode(0o644)
	was, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	var b strings.Builder
	for line := range strings.Lines(string(was)) {
		if !l.is(line) {
			b.WriteString(line)
		}
	}
	if text := b.String(); !l.Gone {
		if text != "" && !strings.HasSuffix(text, "\n") {
			b.WriteByte('\n')
		}
		b.WriteString(l.line() + "\n")
	}
	switch text := b.String(); {
	case text == string(was):
		return nil
	case text == "":
		err := rundir.Remove(path)
		_ = os.Remove(filepath.Dir(path)) // if nothing else is in it
		return err
	default:
		return manager.PutFile(path, text, mode, 0)
	}
}
