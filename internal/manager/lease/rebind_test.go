package lease

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/manager"
	"xbr-script/internal/plan"
	"xbr-script/internal/testing/faults"
	"xbr-script/internal/testing/formtest"
	"xbr-script/internal/testing/nstest"
)

// TestMain is also a fake dhclient: this program under that name.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "dhclient" {
		fakeClient(os.Args[len(os.Args)-1])
	}
	os.Exit(m.Run())
}

// fakeClient has a socket that is bound to the interface and one that is not, says so,
// and stays until its input ends. That of DHCPv4 is a packet socket.
func fakeClient(dev string) {
	if !slices.Contains(os.Args, "-6") {
		fakeClient4(dev)
	}
	for _, name := range []string{dev, ""} {
		fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM, 0)
		if err == nil && name != "" {
			err = unix.BindToDevice(fd, name)
		}
		if err != nil {
			panic(err)
		}
	}
	stay()
}

func fakeClient4(dev string) {
	nic, err := net.InterfaceByName(dev)
	if err != nil {
		panic(err)
	}
	all := binary.NativeEndian.Uint16([]byte{0, unix.ETH_P_ALL})
	for _, index := range []int{nic.Index, 0} {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
		if err == nil {
			err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: index})
		}
		if err != nil {
			panic(err)
		}
	}
	stay()
}

func stay() {
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// startClient runs a fake dhclient until the test ends.
func startClient(t *testing.T, args ...string) (pid int) {
	t.Helper()
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "dhclient")
	if err := os.WriteFile(program, self, 0o700); err != nil { //nolint:gosec // it is to be run
		t.Fatal(err)
	}
	in, theirIn, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p, err := os.StartProcess(program, append([]string{"dhclient"}, args...), &os.ProcAttr{Files: []*os.File{in, theirOut, os.Stderr}})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = in.Close(), theirOut.Close()
	t.Cleanup(func() {
		_ = theirIn.Close()
		_, _ = p.Wait()
	})
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	_ = out.Close()
	return p.Pid
}

// bound are the indexes that the sockets of a process are bound to.
func bound(t *testing.T, pid int) (all []int) {
	t.Helper()
	err := (&Rebind{Program: "dhclient", PID: pid}).each(func(socket int) error {
		if at, err := unix.Getsockname(socket); err == nil {
			if at, ok := at.(*unix.SockaddrLinklayer); ok {
				all = append(all, at.Ifindex)
				return nil
			}
		}
		index, err := unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX)
		all = append(all, index)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

// TestRebind makes each step go wrong in each way while the socket of dhclient -6 goes
// from the NIC to dom0's interface, and back.
func TestRebind(t *testing.T) {
	nstest.New(t)
	nstest.Script(t, "ip link add eth0 type veth peer name lan0\nip link add dom0 type bridge")
	index := func(name string) int {
		i, err := net.InterfaceByName(name)
		if err != nil {
			t.Fatal(err)
		}
		return i.Index
	}
	nic, dom0 := index("eth0"), index("dom0")
	pid := startClient(t, "-6", "eth0")
	around := func(from, to int) func() *plan.Plan {
		return func() *plan.Plan {
			m := Manager{Links: []string{"eth0"}}
			_, after, err := m.Around([]manager.Move{{From: &host.Link{Index: from, Name: "eth0"}, To: manager.Interface{Name: "eth0", Index: to}}})
			if err != nil || len(after) != 1 || after[0].Do[0].(*Rebind).PID != pid {
				t.Fatalf("%v, %v", after, err)
			}
			return &plan.Plan{Steps: after}
		}
	}
	r := plan.Runner{Dir: t.TempDir(), Kinds: plan.Merge((Manager{}).Kinds())}
	for _, c := range [][2]int{{nic, dom0}, {dom0, nic}} {
		m := &faults.Matrix{T: t, Runner: r, Same: func(what string) bool {
			if is := bound(t, pid); !slices.Equal(is, []int{0, c[0]}) {
				t.Errorf("%s: bound to %v", what, is)
				return false
			}
			return true
		}}
		m.Try("change", around(c[0], c[1]))
		if err := r.Run(t.Context(), around(c[0], c[1])()); err != nil {
			t.Fatal(err)
		}
		if is := bound(t, pid); !slices.Equal(is, []int{0, c[1]}) {
			t.Errorf("bound to %v, want %d", is, c[1])
		}
		t.Log(m)
	}
}

// TestHandedOver makes stop go wrong in each way: a dhclient that was run for dom0's
// interface hears by the NIC after it, and only then; one that hears by the NIC is left
// alone.
func TestHandedOver(t *testing.T) {
	nstest.New(t)
	nstest.Script(t, "ip link add peth0 type veth peer name lan0\nip link set lan0 up\nip link set peth0 up\nip link add eth0 up type bridge")
	index := func(name string) int {
		i, err := net.InterfaceByName(name)
		if err != nil {
			t.Fatal(err)
		}
		return i.Index
	}
	nic, dom0 := index("peth0"), index("eth0")
	pid := startClient(t, "eth0")
	r := plan.Runner{Dir: t.TempDir(), Kinds: plan.Merge((Manager{}).Kinds())}
	stop := func() *plan.Plan {
		m := Manager{Links: []string{"eth0", "peth0"}}
		move := manager.Move{From: &host.Link{Index: dom0, Name: "eth0"}, NIC: &host.Link{Index: nic, Name: "peth0"}, To: manager.Interface{Name: "eth0", Index: nic}}
		before, after, err := m.Around([]manager.Move{move})
		if err != nil || len(after) != 0 {
			t.Fatal(after, err)
		}
		return &plan.Plan{Steps: before}
	}
	is := func(what string, want int) bool {
		got := bound(t, pid)
		if !slices.Equal(got, []int{0, want}) {
			t.Errorf("%s: bound to %v, want %d", what, got, want)
		}
		return slices.Equal(got, []int{0, want})
	}
	m := &faults.Matrix{T: t, Runner: r, Same: func(what string) bool { return is(what, dom0) }}
	m.Try("stop", stop)
	if m.Steps != 1 {
		t.Errorf("%d steps", m.Steps)
	}
	if err := r.Run(t.Context(), stop()); err != nil {
		t.Fatal(err)
	}
	is("stopped", nic)
	if p := stop(); len(p.Steps) != 0 {
		t.Errorf("it hears by the NIC already: %v", p.Steps)
	}
	// What was to hear by an interface that does not come back is left as it is.
	if err := (&Rebind{Program: "dhclient", PID: pid, From: nic, To: 1 << 20}).Do(t.Context(), true); err != nil {
		t.Error(err)
	}
	is("without dom0's interface", nic)
	t.Log(m)
}

// TestNoProcess leaves alone what is not there, or is another program by now.
func TestNoProcess(t *testing.T) {
	for _, r := range []*Rebind{{Program: "dhclient", PID: os.Getpid()}, {Program: "dhclient", PID: 1 << 22}} {
		if err := r.each(func(int) error { return context.Canceled }); err != nil {
			t.Error(err)
		}
		if err := r.Ready(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestOpForms holds the form of the operation.
func TestOpForms(t *testing.T) {
	formtest.Ops(t, (Manager{}).Kinds(), &Rebind{Program: "dhclient", PID: 77, From: 2, To: 7, Dev: "eth0"})
}
