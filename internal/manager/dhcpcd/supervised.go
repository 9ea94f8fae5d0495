package dhcpcd

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/idle"
	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
	"xbr-script/internal/shell"
)

// supervisors start a program again that has ended: those of runit, s6, OpenRC and
// daemontools.
var supervisors = []string{"runsv", "s6-supervise", "supervise-daemo", "supervise"} // as long as the kernel keeps names

// told are those of them that can be told, in the folder in which they are, to start it no
// more when it ends, and which say whether they have heard: runit's (runsv(8)), and that
// of daemontools, from which runit has its files.
var told = []string{"runsv", "supervise"}

// Supervises says whether a program of that name is one of those, whose folder is its
// service's.
func Supervises(comm string) bool { return slices.Contains(told, comm) }

// Supervise has such a supervisor start dhcpcd, and again whenever it ends, or start it no
// more. One that runs goes on.
type Supervise struct {
	Dir     string `json:"dir"` // the service's folder
	PIDFile string `json:"pid_file"`
	Up      bool   `json:"up"`
}

var (
	_ plan.Prudent = (*Supervise)(nil)
	_ plan.Patient = (*Supervise)(nil)
)

// Kind is its name in the journal.
func (*Supervise) Kind() string { return "dhcpcd supervise" }

// Await is what it waits for.
func (s *Supervise) Await() plan.Wait {
	return plan.Wait{For: "dhcpcd's supervisor", Limit: endLimit + runLimit}
}

const (
	up   = 'u' // and again when it ends
	down = 'd' // ends it
	once = 'o' // no more when it ends
)

// Commands are those that do the same.
func (s *Supervise) Commands() []string {
	command := func(c rune) string { return fmt.Sprintf("printf %c >%s", c, shell.Quote(s.file("control"))) }
	if !s.Up {
		return []string{command(once)}
	}
	return append((&End{PIDFile: s.PIDFile}).Commands(), command(up))
}

func (s *Supervise) file(name string) string { return filepath.Join(s.Dir, "supervise", name) }

// Ready says whether the supervisor is there.
func (s *Supervise) Ready(context.Context) error {
	if _, _, err := s.status(); err != nil {
		return refusal.Wrap(err, letOnce("its supervisor"), "cannot ask the supervisor of dhcpcd in %s", s.Dir)
	}
	return nil
}

func letOnce(by string) string { return "let it be started once, at boot, and not by " + by }

// status is the number of the process that it has started, 0 if none runs, and whether it
// is to run. The file is that of daemontools: 12 bytes of time, the number, whether the
// process stands still, and "u" or "d".
func (s *Supervise) status() (pid int, wanted byte, err error) {
	const number, want = 12, 17
	data, err := os.ReadFile(s.file("status"))
	if err == nil && len(data) <= want {
		err = fmt.Errorf("%s is too short", s.file("status"))
	}
	if err != nil {
		return 0, 0, err
	}
	return int(binary.LittleEndian.Uint32(data[number:])), data[want], nil
}

// Do carries it out. A supervisor that has ended starts nothing.
func (s *Supervise) Do(ctx context.Context, _ bool) error {
	err := s.quiet(ctx)
	if err == nil && s.Up {
		err = s.begin(ctx)
	}
	if errors.Is(err, unix.ENXIO) || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// quiet has it start no more, and waits until it has heard.
func (s *Supervise) quiet(ctx context.Context) error {
	for end := time.Now().Add(endLimit); ; {
		pid, wanted, err := s.status()
		if err != nil || wanted == down {
			return err
		}
		word := byte(once)
		if pid == 0 { // else it would start it
			word = down
		}
		if err := s.say(word); err != nil {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s does not do what %s says after %v", s.Dir, s.file("control"), endLimit)
		}
		if err := idle.For(ctx, pause); err != nil {
			return err
		}
	}
}

// begin has it start dhcpcd anew: one may have begun amid the change, or is not its own.
func (s *Supervise) begin(ctx context.Context) error {
	if err := kill(ctx, s.PIDFile); err != nil {
		return err
	}
	if err := s.say(up); err != nil {
		return err
	}
	return (&Run{PIDFile: s.PIDFile}).await(ctx, nil)
}

// say writes a word for it.
func (s *Supervise) say(word byte) error {
	fd, err := unix.Open(s.file("control"), unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	_, err = unix.Write(fd, []byte{word})
	return err
}

// As long as one for all interfaces has an argument more, it is not its supervisor that has
// run it. Which that is stands in another argument, by a variable that its hooks do not
// know.
const serviceMark = "--env=xbr_script_service="

// serviceOf is the folder of the service that it was before; "" if it was none.
func serviceOf(args []string) string {
	for _, a := range args {
		if dir, is := strings.CutPrefix(a, serviceMark); is {
			return dir
		}
	}
	return ""
}

// withService is a command line that says so as long as one is needed.
func withService(args []string, dir string) []string {
	args = slices.DeleteFunc(slices.Clone(args), func(a string) bool { return strings.HasPrefix(a, serviceMark) })
	if dir != "" && slices.ContainsFunc(args, denies) {
		args = slices.Insert(args, 1, serviceMark+dir)
	}
	return args
}
