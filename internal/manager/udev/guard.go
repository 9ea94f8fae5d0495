package udev

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"xbr-script/internal/manager"
	"xbr-script/internal/plan"
	"xbr-script/internal/program"
	"xbr-script/internal/rundir"
	"xbr-script/internal/shell"
)

const (
	// mark is in the names of our files.
	mark = "xbr-script-"
	// original begins the line of the .link file that has the names.
	original = "OriginalName="
)

// Guard is the operation that has udev leave interfaces as they are, by two files in
// /run: a .link file, the first of those that fit them, that says nothing of them, and a
// rule, the last one, that keeps them their names, whatever rules before it said. Another
// one has NetworkManager leave the port alone, even when it has been made to forget that
// it was told so (netplan apply does); what it has been told since counts more.
// Without names it removes the files.
type Guard struct {
	Port  string   `json:"port"`            // the NIC's name as a port
	Names []string `json:"names,omitempty"` // of the interfaces, the port among them
}

var _ plan.Patient = (*Guard)(nil)

// with is one that has another name, too, if udev can be told that.
func (g *Guard) with(name string) *Guard {
	if !plain().MatchString(name) || slices.Contains(g.Names, name) {
		return g
	}
	return &Guard{Port: g.Port, Names: slices.Sorted(slices.Values(append(slices.Clone(g.Names), name)))}
}

// Kind is its name in the journal.
func (*Guard) Kind() string { return "udev guard" }

// paths are those of the .link file and of the rules.
func (g *Guard) paths() []string {
	return []string{"/run/systemd/network/0-" + mark + g.Port + ".link", "/run/udev/rules.d/99-" + mark + g.Port + ".rules"}
}

// texts are what is in them, in lines.
func (g *Guard) texts() [][]string {
	return [][]string{
		{"# Left as it is while it is in use by xbr-script", "[Match]", original + strings.Join(g.Names, " "), "", "[Link]"},
		{
			`SUBSYSTEM=="net", KERNEL=="` + strings.Join(g.Names, "|") + `", NAME="$kernel"`,
			`SUBSYSTEM=="net", KERNEL=="` + g.Port + `", ENV{NM_UNMANAGED}="1"`,
		},
	}
}

// reloadLimit is how long udev may take to read them.
const reloadLimit = 10 * time.Second

// settleLimit is how long udev may take with what has happened so far: what is renamed is
// to have the guard that was there then.
const settleLimit = 5 * time.Second

var settle = []string{"settle", fmt.Sprintf("--timeout=%d", int(settleLimit/time.Second))}

// reload has udev read them now: by itself it looks for new files every three seconds.
var reload = []string{"control", "--reload", fmt.Sprintf("--timeout=%d", int(reloadLimit/time.Second))}

// Await implements the interface of operations that wait.
func (*Guard) Await() plan.Wait {
	return plan.Wait{For: "udev to read its rules", Limit: settleLimit + reloadLimit}
}

// Commands are those that do the same.
func (g *Guard) Commands() (all []string) {
	texts := g.texts()
	all = []string{shell.Join("udevadm", settle...)}
	for i, path := range g.paths() {
		if len(g.Names) == 0 {
			all = append(all, "rm -f "+shell.Quote(path))
			continue
		}
		all = append(all, shell.Make(path, strings.Join(texts[i], "\n"))...)
	}
	return append(all, shell.Join("udevadm", reload...))
}

// Do carries it out.
func (g *Guard) Do(ctx context.Context, _ bool) error {
	for _, name := range append([]string{g.Port}, g.Names...) {
		if !plain().MatchString(name) {
			return fmt.Errorf("%q is no name that udev can be told", name)
		}
	}
	if err := told(ctx, settle); err != nil {
		return err
	}
	texts := g.texts()
	for i, path := range g.paths() {
		if err := g.put(path, strings.Join(texts[i], "\n")+"\n"); err != nil {
			return err
		}
	}
	return told(ctx, reload)
}

// put gives a file its content, or removes it, and its folder if nothing else is in it.
func (g *Guard) put(path, text string) error {
	if len(g.Names) == 0 {
		err := rundir.Remove(path)
		_ = os.Remove(filepath.Dir(path))
		return err
	}
	return manager.PutFile(path, text, 0o644, 0)
}

// told has udevadm do something. What udev does not hear it comes to know in any case, if
// later.
func told(ctx context.Context, args []string) error {
	udevadm, err := program.Find("udevadm")
	if errors.Is(err, program.ErrMissing) {
		return nil
	}
	if err == nil {
		_, _ = program.Run(ctx, "", udevadm, args...)
	}
	return context.Cause(ctx)
}
