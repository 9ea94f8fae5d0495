package dhcpcd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/idle"
	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
	"xbr-script/internal/shell"
)

// Run runs dhcpcd by a command line. One that runs already is ended first: it may have
// begun amid the change.
type Run struct {
	PIDFile string   `json:"pid_file"`
	Path    string   `json:"path"` // the program
	Args    []string `json:"args"` // with the program's name
	// Cgroup is the control group that it was in, which need not be that of this
	// process: all in that end with it, if it is a service.
	Cgroup string `json:"cgroup,omitempty"`
	Unit   string `json:"unit,omitempty"` // the service of systemd that it is
	// Denies says that the command line is not the service's own.
	Denies bool `json:"denies,omitempty"`
}

var (
	_ plan.Prudent = (*Run)(nil)
	_ plan.Patient = (*Run)(nil)
)

// Kind is its name in the journal.
func (*Run) Kind() string { return "dhcpcd run" }

// Await is what it waits for.
func (r *Run) Await() plan.Wait {
	return plan.Wait{For: "dhcpcd to begin", Limit: limit(r.Unit, endLimit+runLimit)} // the former one ends first
}

// Commands are those that do the same.
func (r *Run) Commands() []string {
	if r.Unit == "" {
		return []string{shell.Join(r.Path, r.Args[1:]...)}
	}
	commands := []string{"rm -f " + shell.Quote(dropIn(r.Unit))}
	if r.Denies {
		commands = shell.Make(dropIn(r.Unit), r.override())
	}
	return append(commands, "systemctl daemon-reload", "systemctl restart "+shell.Quote(r.Unit))
}

// Ready says whether the program is there, and whether systemd can be asked.
func (r *Run) Ready(ctx context.Context) error {
	if err := unix.Access(r.Path, unix.X_OK); err != nil {
		return refusal.Wrap(err, "nothing was changed; install it again: it has to be run after the change", "cannot run %s again, which looks after the NIC", r.Path)
	}
	return ready(ctx, r.Unit)
}

// Do carries it out.
func (r *Run) Do(ctx context.Context, _ bool) error {
	if r.Unit != "" {
		return r.startUnit(ctx)
	}
	if err := kill(ctx, r.PIDFile); err != nil {
		return err
	}
	if inService(ctx) {
		return r.outside(ctx)
	}
	ended, err := r.begin()
	if err != nil {
		return err
	}
	return r.await(ctx, ended)
}

// begin starts it in a session of its own. The channel gets what it ends with.
func (r *Run) begin() (<-chan error, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = null.Close() }()
	attr := &os.ProcAttr{
		Dir: "/", Files: []*os.File{null, null, null}, Sys: &unix.SysProcAttr{Setsid: true},
		Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
	}
	p, err := r.inGroup(attr)
	if err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() {
		state, err := p.Wait()
		if err == nil && !state.Success() {
			err = errors.New(state.String())
		}
		ended <- err
	}()
	return ended, nil
}

// inGroup starts it in the control group that it was in, or else in that of nobody, as
// the former is gone if nothing else was in it. If neither can be had (before Linux 5.7,
// in a container) it is in that of this process.
func (r *Run) inGroup(attr *os.ProcAttr) (*os.Process, error) {
	for _, name := range []string{r.Cgroup, "/"} {
		group, err := groupOf(name)
		if err != nil || group == nil || r.Cgroup == "" {
			continue
		}
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, int(group.Fd())
		p, err := os.StartProcess(r.Path, r.Args, attr)
		_ = group.Close()
		if err == nil {
			return p, nil
		}
	}
	attr.Sys.UseCgroupFD = false
	return os.StartProcess(r.Path, r.Args, attr)
}

// cgroups is where control groups of version 2 are.
const cgroups = "/sys/fs/cgroup"

// groupOf opens a control group; nil if there is none such any more.
func groupOf(name string) (*os.File, error) {
	if name == "" || !strings.HasPrefix(name, "/") {
		return nil, nil
	}
	group, err := os.OpenFile(filepath.Join(cgroups, name), os.O_RDONLY|unix.O_DIRECTORY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(group.Fd()), &st); err != nil || st.Type != unix.CGROUP2_SUPER_MAGIC {
		return nil, errors.Join(err, group.Close())
	}
	return group, nil
}

// await waits until it has begun: it has written the number of its process by then.
func (r *Run) await(ctx context.Context, ended <-chan error) error {
	for end := time.Now().Add(runLimit); ; {
		if pid, err := running("", r.PIDFile); err != nil || pid != 0 {
			return err
		}
		select {
		case err := <-ended:
			if err != nil {
				return fmt.Errorf("%s: %w", r.Path, err)
			}
			ended = nil // it has gone into the background
		default:
		}
		if time.Now().After(end) {
			return fmt.Errorf("it has not begun after %v", runLimit)
		}
		if err := idle.For(ctx, pause); err != nil {
			return err
		}
	}
}
