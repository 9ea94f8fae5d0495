package nstest_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"xbr-script/internal/testing/nstest"
)

// links are the interfaces that sysfs shows.
func links(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("/sys/class/net")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestNew(t *testing.T) {
	nstest.New(t)
	if got := links(t); !slices.Equal(got, []string{"lo"}) {
		t.Errorf("interfaces in a new namespace: %q", got)
	}
	if entries, err := os.ReadDir("/run"); err != nil || len(entries) > 0 {
		t.Errorf("/run is not empty: %v %v", entries, err)
	}
	nstest.Script(t, `
		# a comment
		ip link add br0 type bridge

		ip link show dev lo | grep -q UP && ip link set dev br0 up`)
	if got := links(t); !slices.Equal(got, []string{"br0", "lo"}) {
		t.Errorf("interfaces after the script: %q", got)
	}
	if out := nstest.Run(t, "ip", "-br", "link"); strings.Count(out, "\n") != 2 {
		t.Errorf("commands see other interfaces:\n%s", out)
	}
	_, err := nstest.Try(t, "ip", "link", "set", "dev", "none", "up")
	if err == nil || !strings.Contains(err.Error(), "Cannot find device") {
		t.Errorf("error of a command that fails: %v", err)
	}
}

// TestApart puts many namespaces side by side: each sees only its own bridge.
func TestApart(t *testing.T) {
	for i := range 8 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			nstest.New(t)
			bridge := fmt.Sprint("br", i)
			nstest.Run(t, "ip", "link", "add", bridge, "type", "bridge")
			if got := links(t); !slices.Equal(got, []string{bridge, "lo"}) {
				t.Errorf("interfaces: %q", got)
			}
		})
	}
}

// recorder notes how a test ends; like the real T it does not return then.
type recorder struct{ failed, skipped string }

func (r *recorder) Fatal(args ...any) { r.failed = fmt.Sprint(args...); panic(r) }
func (r *recorder) Skip(args ...any)  { r.skipped = fmt.Sprint(args...); panic(r) }

func record(f func(nstest.T)) *recorder {
	r := &recorder{}
	func() {
		defer func() { _ = recover() }()
		f(r)
	}()
	return r
}

func TestGuard(t *testing.T) {
	got := record(func(r nstest.T) { nstest.Run(r, "true") })
	if !strings.Contains(got.failed, "not in a test's") {
		t.Errorf("a command ran outside a namespace: %+v", got)
	}
	nstest.New(t)
	if got := record(func(r nstest.T) { nstest.Run(r, "false") }); !strings.Contains(got.failed, "exit status 1") {
		t.Errorf("a command that fails: %+v", got)
	}
}

func TestBeside(t *testing.T) {
	nstest.New(t)
	nstest.Script(t, "ip link add br0 type bridge\ntouch /run/here")
	var names []string
	var err error
	<-nstest.Beside(t, func() {
		nstest.Guard(t)
		names = links(t)
		_, err = os.Stat("/run/here")
	})
	if !slices.Equal(names, []string{"br0", "lo"}) || err != nil {
		t.Errorf("a goroutine beside sees the interfaces %q, and of /run %v", names, err)
	}
}
