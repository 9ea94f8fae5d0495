package dhcpcd

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/manager"
	"xbr-script/internal/testing/nstest"
)

// TestMain is also the fake dhcpcd, and a fake supervisor: this program under those names.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "dhcpcd" {
		fake(os.Args)
	}
	if filepath.Base(os.Args[0]) == "runsv" {
		supervise(os.Args[1], os.Args[2], os.Args[3])
	}
	os.Exit(m.Run())
}

// fake locks the file for the number of its process, goes into the background, has a
// helper, writes that number, and does nothing until it is killed. Words: the file, what
// it is, and whatever. It fails as long as the file "fails" is there. As long as the file
// "stays" is there, what was started first stays, as if it waited for an address.
func fake(args []string) {
	file, role := args[len(args)-2], args[len(args)-1]
	dir := filepath.Dir(os.Args[0])
	again := func(role string, files ...*os.File) {
		p, err := os.StartProcess(os.Args[0], append(args[:len(args)-1:len(args)-1], role),
			&os.ProcAttr{Files: append([]*os.File{nil, nil, nil}, files...), Sys: &unix.SysProcAttr{Setsid: role == "daemon"}})
		if err != nil {
			panic(err)
		}
		_ = p.Release()
	}
	switch role {
	case "helper":
		time.Sleep(time.Minute)
		os.Exit(0)
	case "daemon":
		again("helper")
		log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			panic(err)
		}
		_, _ = fmt.Fprintln(log, strings.Join(args[1:len(args)-2], " "))
		_ = log.Close()
		if err := os.WriteFile(file, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
			panic(err)
		}
		time.Sleep(time.Minute)
		os.Exit(0)
	}
	if _, err := os.Stat(filepath.Join(dir, "fails")); err == nil {
		os.Exit(3)
	}
	lock, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err != nil {
		os.Exit(4) // it runs already
	}
	again("daemon", lock)
	if _, err := os.Stat(filepath.Join(dir, "stays")); err == nil {
		time.Sleep(time.Minute)
	}
	os.Exit(0)
}

// world is a host with a fake dhcpcd, in namespaces of its own.
type world struct {
	*testing.T
	dir  string // where the program is
	file string // for the number of its process
}

// newWorld has one that was run with these words.
func newWorld(t *testing.T, pidFile string, words ...string) *world {
	t.Helper()
	nstest.New(t)
	w := &world{T: t, dir: t.TempDir(), file: pidFile}
	if err := os.MkdirAll("/run/dhcpcd", 0o700); err != nil {
		t.Fatal(err)
	}
	w.copyProgram()
	w.start(words...)
	t.Cleanup(func() { _ = kill(context.Background(), pidFile) })
	return w
}

func (w *world) copyProgram() {
	w.Helper()
	from, err := os.Open("/proc/self/exe")
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = from.Close() }()
	to, err := os.OpenFile(w.program(), os.O_CREATE|os.O_WRONLY, 0o700) //nolint:gosec // it is to be run
	if err != nil {
		w.Fatal(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		w.Fatal(err)
	}
	if err := to.Close(); err != nil {
		w.Fatal(err)
	}
}

func (w *world) program() string { return filepath.Join(w.dir, "dhcpcd") }

// start runs it, as an admin would.
func (w *world) start(words ...string) {
	w.Helper()
	r := &Run{PIDFile: w.file, Path: w.program(), Args: w.args(words...)}
	if err := r.Do(w.Context(), false); err != nil {
		w.Fatal(err)
	}
}

func (w *world) args(words ...string) []string {
	return append(append([]string{w.program()}, words...), w.file, "launcher")
}

// pid is that of the one that runs; 0 if none does.
func (w *world) pid() int {
	w.Helper()
	pid, err := running("", w.file)
	if err != nil {
		w.Fatal(err)
	}
	return pid
}

// runs are the words of the one that runs now; "nothing" if none does.
func (w *world) runs() string {
	w.Helper()
	if w.pid() == 0 {
		return "nothing"
	}
	log, err := os.ReadFile(filepath.Join(w.dir, "log"))
	if err != nil {
		w.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	return lines[len(lines)-1]
}

// move is that of eth0's addresses to a pair, or back.
func move(back bool) manager.Move {
	nic := &host.Link{Index: 2, Name: "eth0"}
	m := manager.Move{
		Undertaking: "start xenbr0", From: nic, NIC: nic, To: manager.Interface{Name: "eth0", Index: 7}, NetDev: "eth0", Port: "peth0",
		New: []manager.Interface{{Name: "peth0", Index: 2}, {Name: "vif0.0", Index: 8}, {Name: "xenbr0", Index: 6}},
	}
	if back {
		m.From, m.New = &host.Link{Index: 7, Name: "eth0"}, nil
		m.To.Index = 2
	}
	return m
}
