package netns

import (
	"fmt"
	"maps"
	"os"
	"testing"
)

// TestMounted finds namespaces in a mountinfo, and no other mounts.
func TestMounted(t *testing.T) {
	const text = `22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
311 24 0:4 net:[4026532288] /run/netns/lan shared:119 - nsfs nsfs rw
312 24 0:4 net:[4026532289] /run/a\040b\134 rw - nsfs nsfs rw
313 24 0:4 mnt:[4026532290] /run/snapd/ns/lxd.mnt rw - nsfs nsfs rw
nonsense
`
	want := map[string]string{"net:[4026532288]": "/run/netns/lan", "net:[4026532289]": `/run/a b\`}
	if got := mounted(text); !maps.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestName: a namespace is called what its admin calls it, if he has named it.
func TestName(t *testing.T) {
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	pid := os.Getpid()
	process := fmt.Sprintf("of %s (pid %d)", comm[:len(comm)-1], pid)
	for want, n := range map[string]Namespace{
		"lan": {point: "/run/netns/lan"}, "wan": {pid: pid, point: "/var/run/netns/wan"}, "cni-1": {point: "/run/netns/cni-1"},
		"/run/docker/netns/1": {point: "/run/docker/netns/1"}, process: {pid: pid, point: "/run/docker/netns/1"},
	} {
		if got := n.String(); got != "the network namespace "+want {
			t.Errorf("%+v: %s", n, got)
		}
	}
	for _, n := range []Namespace{{pid: pid}, {pid: pid, point: "/run/netns/cni-1"}} {
		if got := n.String(); got != "the network namespace "+process {
			t.Errorf("%+v: %s", n, got)
		}
	}
}

// BenchmarkOthers is what looking for them costs on this machine.
func BenchmarkOthers(b *testing.B) {
	for b.Loop() {
		Others()
	}
}
