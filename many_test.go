package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"xbr-script/internal/testing/nstest"
)

// TestManyBridges starts 256 bridges in one call, which may take no more than
// 64 MiB of memory.
func TestManyBridges(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes the kernel long to rename so many")
	}
	const bridges, limit = 256, 64 << 10 // KiB
	nstest.New(t)
	nstest.Script(t, "sysctl -qw net.ipv6.conf.default.accept_dad=0")
	nstest.Run(t, "sh", "-ec", fmt.Sprintf(`
		for i in $(seq 0 %d); do
			echo link add eth$i type veth peer name lan$i
			echo link set eth$i up
			echo link set lan$i up
			echo addr add 10.$((i / 200 + 1)).$((i %% 200)).2/24 dev eth$i
		done >/run/batch; ip -batch /run/batch`, bridges-1))
	var words []string
	for i := range bridges {
		words = append(words, fmt.Sprintf("vifnum=%d netdev=eth%d check=no", i, i))
	}
	for _, command := range []string{"start", "stop"} {
		cmd := program(command + " " + strings.Join(words, " --next "))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		used := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss
		t.Logf("%s: %d KiB", command, used)
		if used > limit {
			t.Errorf("%s takes %d KiB, more than %d", command, used, limit)
		}
	}
}
