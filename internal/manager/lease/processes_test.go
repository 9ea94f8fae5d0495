package lease

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// TestProcesses leaves out the kernel's threads, and nothing else.
func TestProcesses(t *testing.T) {
	const kernel = "2 (kthreadd) S 0 0 0 0 -1 2129984 0 0" // with PF_KTHREAD
	for name, c := range map[string]struct {
		stat     string
		children string // of process 2
		want     []running
	}{
		"a machine":              {kernel, "3 30 ", []running{{"1", "init"}, {"300", "dhclient"}}},
		"children are not told":  {kernel, "", []running{{"1", "init"}, {"3", "kworker/0:0"}, {"30", "dhclient"}, {"300", "dhclient"}}},
		"no threads":             {"", "", []running{{"1", "init"}, {"2", "kthreadd"}, {"3", "kworker/0:0"}, {"30", "dhclient"}, {"300", "dhclient"}}},
		"a program by that name": {"2 (kthreadd) S 1 2 2 0 -1 4194304 0 0", "3 30 ", []running{{"1", "init"}, {"2", "kthreadd"}, {"3", "kworker/0:0"}, {"30", "dhclient"}, {"300", "dhclient"}}},
		"another program":        {"2 (sh (kthreadd) S 1 2 2 0 -1 2129984 0 0", "3 30 ", []running{{"1", "init"}, {"2", "kthreadd"}, {"3", "kworker/0:0"}, {"30", "dhclient"}, {"300", "dhclient"}}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range map[string]string{
				"1/comm": "init\n", "2/comm": "kthreadd\n", "3/comm": "kworker/0:0\n", "30/comm": "dhclient\n", "300/comm": "dhclient\n",
				"2/stat": c.stat, "2/task/2/children": c.children, "7/nothing": "", "sys/comm": "none\n",
			} {
				path := filepath.Join(dir, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, err := processes(dir)
			slices.SortFunc(got, func(a, b running) int { return number(t, a.pid) - number(t, b.pid) })
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("%v, %v, want %v", got, err, c.want)
			}
		})
	}
}

func number(t *testing.T, pid string) int {
	t.Helper()
	n, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestThisMachine finds this very process, as /proc tells of it.
func TestThisMachine(t *testing.T) {
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	all, err := processes("/proc")
	self := running{strconv.Itoa(os.Getpid()), string(comm[:len(comm)-1])}
	if err != nil || !slices.Contains(all, self) {
		t.Errorf("%v, %v", all, err)
	}
}

// TestBegin finds the same whether the names were read in the background or not.
func TestBegin(t *testing.T) {
	pid := strconv.Itoa(startClient(t, "-6", "eth0"))
	for _, begun := range []bool{false, true} {
		l := &Listing{}
		if begun {
			l.Begin()
		}
		for range 2 { // the second time nothing is read
			found, err := Manager{Listing: l}.clients("dhclient")
			if err != nil || !slices.ContainsFunc(found, func(c client) bool { return strconv.Itoa(c.pid) == pid && c.v6 }) {
				t.Errorf("begun: %t: %v, %v", begun, found, err)
			}
		}
	}
}
