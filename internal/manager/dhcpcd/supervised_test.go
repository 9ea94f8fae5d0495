package dhcpcd

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/idle"
	"xbr-script/internal/manager"
	"xbr-script/internal/plan"
)

// supervisor is a process that does what is written into a pipe: it starts the dhcpcd of a
// world, but not again. It gives the folder with the pipe.
func (w *world) supervisor() (dir string) {
	w.Helper()
	dir = w.TempDir()
	program := filepath.Join(w.dir, "runsv")
	err := os.Mkdir(filepath.Join(dir, "supervise"), 0o700)
	if err == nil {
		err = os.Link(w.program(), program)
	}
	if err == nil {
		err = unix.Mkfifo(filepath.Join(dir, "supervise", "control"), 0o600)
	}
	if err != nil {
		w.Fatal(err)
	}
	tells(dir, w.pid(), up)
	p, err := os.StartProcess(program, []string{program, w.program(), w.file, dir}, &os.ProcAttr{Files: []*os.File{nil, nil, os.Stderr}})
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = p.Kill(); _, _ = p.Wait() })
	s := &Supervise{Dir: dir}
	deadline(w.T, func() bool { return s.say('x') == nil })
	return dir
}

// supervise does what it is told.
func supervise(program, file, dir string) {
	fifo, err := os.OpenFile(filepath.Join(dir, "supervise", "control"), os.O_RDWR, 0)
	if err != nil {
		panic(err)
	}
	for word := make([]byte, 1); ; {
		if _, err := fifo.Read(word); err != nil {
			panic(err)
		}
		switch pid, _ := running("", file); word[0] {
		case once, down:
			tells(dir, pid, down)
		case up:
			p, err := os.StartProcess(program, []string{program, "supervised", file, "launcher"}, &os.ProcAttr{Files: []*os.File{nil, nil, nil}})
			if err != nil {
				panic(err)
			}
			_, _ = p.Wait()
			for pid == 0 {
				pid, _ = running("", file)
			}
			tells(dir, pid, up)
		}
	}
}

// tells writes the file with its status.
func tells(dir string, pid int, wanted byte) {
	data := make([]byte, 20)
	data[12], data[13], data[14], data[17] = byte(pid), byte(pid>>8), byte(pid>>16), wanted
	name := filepath.Join(dir, "supervise", "status")
	err := os.WriteFile(name+".new", data, 0o600)
	if err == nil {
		err = os.Rename(name+".new", name)
	}
	if err != nil {
		panic(err)
	}
}

// TestSupervise has a supervisor start dhcpcd no more, and then again.
func TestSupervise(t *testing.T) {
	w := newWorld(t, "/run/dhcpcd/pid", "-q")
	dir := w.supervisor()
	quiet := &Supervise{Dir: dir, PIDFile: w.file}
	begin := &Supervise{Dir: dir, PIDFile: w.file, Up: true}
	for _, step := range []struct {
		op   plan.Op
		runs string
		want byte
	}{
		{quiet, "-q", down}, {quiet, "-q", down}, {&End{PIDFile: w.file}, "nothing", down}, {quiet, "nothing", down},
		{begin, "supervised", up}, {begin, "supervised", up},
	} {
		if err := step.op.Do(t.Context(), false); err != nil {
			t.Fatalf("%+v: %v", step.op, err)
		}
		deadline(t, func() bool {
			_, wanted, err := begin.status()
			return err == nil && wanted == step.want && w.runs() == step.runs
		})
	}
	gone := &Supervise{Dir: t.TempDir(), PIDFile: w.file}
	if err := gone.Do(t.Context(), false); err != nil {
		t.Errorf("one that has ended: %v", err)
	}
	if err := gone.Ready(t.Context()); err == nil {
		t.Error("one that has ended is said to be there")
	}
}

// deadline waits until something holds.
func deadline(t *testing.T, holds func() bool) {
	t.Helper()
	for !holds() {
		if err := idle.For(t.Context(), pause); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSupervisedSteps tells a supervisor, and runs one for all interfaces without it as
// long as it has an argument more.
func TestSupervisedSteps(t *testing.T) {
	const mark, denied = serviceMark + "/etc/sv/d", "--denyinterfaces=xbr-script@peth0,peth0,vif0.0,xenbr0,vif*"
	kinds := func(ops []plan.Op) string {
		var all []string
		for _, op := range ops {
			k := strings.TrimPrefix(op.Kind(), "dhcpcd ")
			if s, is := op.(*Supervise); is && s.Up {
				k = "up"
			}
			if r, is := op.(*Run); is {
				k += " " + strings.Join(r.Args[1:], " ")
			}
			all = append(all, k)
		}
		return strings.Join(all, ", ")
	}
	for name, c := range map[string]struct {
		file, args, parent string
		back               bool
		want               []string
	}{
		"one":             {"eth0.pid", "-B eth0", "runsv", false, []string{"supervise, end", "up", "up", "supervise, end"}},
		"all":             {"pid", "-B", "runsv", false, []string{"supervise, end", "up", "run " + mark + " " + denied + " -B", "end"}},
		"all, up":         {"pid", mark + " " + denied + " -B", "init", true, []string{"end", "run " + mark + " " + denied + " -B", "up", "supervise, end"}},
		"all, by nothing": {"pid", "-B", "init", false, []string{"end", "run -B", "run " + denied + " -B", "end"}},
	} {
		root := files{
			"run/dhcpcd/" + c.file: "77", "proc/77/stat": "77 (dhcpcd) S 70 1", "proc/70/comm": c.parent + "\n",
			"proc/77/cmdline": "dhcpcd\x00" + strings.ReplaceAll(c.args, " ", "\x00") + "\x00",
		}.root(t)
		if err := os.Symlink("/etc/sv/d", root+"/proc/70/cwd"); err != nil {
			t.Fatal(err)
		}
		before, after, err := Manager{Root: root}.Around([]manager.Move{move(c.back)})
		if err != nil || len(before) != 1 || len(after) != 1 {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := []string{kinds(before[0].Do), kinds(before[0].Undo), kinds(after[0].Do), kinds(after[0].Undo)}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
