package operate

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"xbr-script/internal/testing/nstest"
)

// uploads is a session over the link-local address in which somebody on the LAN sends all
// the time.
func uploads(t *testing.T, port string) (works func() bool) {
	l, err := net.Listen("tcp6", "[::]:"+port)
	must0(t, err)
	var c net.Conn
	nstest.Inside(t, "lan", func() error { c, err = net.Dial("tcp6", "[fe80::42%lan0]:"+port); return err })
	here := accepts(t, l)
	over, ended := make(chan struct{}), make(chan error, 1)
	t.Cleanup(func() { close(over); _ = c.Close() })
	go func() {
		for {
			select {
			case <-over:
				return
			case <-time.After(500 * time.Microsecond):
			}
			if _, err := c.Write(make([]byte, 100)); err != nil {
				ended <- err
				return
			}
		}
	}()
	return func() bool {
		buf := make([]byte, 1<<20)
		for range 3 {
			_ = here.SetReadDeadline(time.Now().Add(patience))
			if _, err := here.Read(buf); err != nil {
				return false
			}
		}
		return len(ended) == 0
	}
}

// kernels are what comes to hold on to eth0 in the kernel.
const kernels = `
	ip addrlabel add prefix 2001:db8:7::/48 dev eth0 label 99
	ip mptcp endpoint add 192.168.0.2 id 7 subflow dev eth0
	ip link add vx3 index 4000 type vxlan id 3 dev eth0 dstport 4791
	ip link set vx3 up
	nft add table inet f
	nft add chain inet f input '{ type filter hook input priority 0; policy drop; }'
	nft add rule inet f input iif lo accept
	nft add rule inet f input ct state established accept
	nft add rule inet f input iif eth0 meta l4proto != 47 accept`

// TestLate has what has come to hold on to dom0's interface since a change go on when that
// is taken back, as it would with the call the other way; and what would end is named.
func TestLate(t *testing.T) {
	for i, shape := range []string{"", " dom0=bridge"} {
		for j, command := range []string{"start", "stop"} {
			live := i == j
			if testing.Short() && !live {
				continue // each once is enough
			}
			t.Run(fmt.Sprintf("%s%s, live %v", command, shape, live), func(t *testing.T) {
				newHost(t, lan+linkLocal+behind+`
				sysctl -qw net.ipv4.ip_forward=1
				iptables-nft -t nat -A POSTROUTING -s 172.17.0.0/24 ! -o con0 -j MASQUERADE`)
				c := calls{t, live}
				before := uploads(t, "4038")
				if command == "stop" {
					must0(t, c.do("start netdev=eth0 check=no"+shape))
					shape = ""
				}
				must0(t, c.run(command+" netdev=eth0 check=no confirm=600"+shape, func(v *view) { v.host.LiveRename = live })) // without a timer
				works := map[string]func() bool{"an upload from before": before, "an upload": uploads(t, "4039"), "masqueraded": masked(t)}
				for _, p := range programs {
					if !p.not {
						works[p.name] = p.begin(t)
					}
				}
				nstest.Script(t, kernels)
				lasts := routesMulticast(t)
				made := kernelState(t)
				r := doCall(t.Context(), t, "recover", nil)
				if r.err != nil || !strings.Contains(r.stderr, "will break: multicast routing: interface 0 in ip_mr_vif of") {
					t.Fatalf("%v, %s", r.err, r.stderr)
				}
				if lasts() {
					t.Error("multicast routing goes on, though it was said to break")
				}
				for name, works := range works {
					if !works() {
						t.Errorf("it does not work any more: %s", name)
					}
				}
				if now := kernelState(t); now != made {
					t.Errorf("before\n%s\nnow\n%s", made, now)
				}
			})
		}
	}
}

// TestNoWayBack has a stop that is not confirmed stay, and nothing happen to interfaces that
// somebody has made meanwhile and that have the indexes or names of those that it has deleted:
// all that would be done is about these.
func TestNoWayBack(t *testing.T) {
	for _, c := range []struct{ shape, made, why, again string }{
		{"", "ip link add new0 index $dom0 type bridge", "new0 has the index", "bridge=xenbr0 netdev=eth0 vifnum=0"},
		{" dom0=bridge", "ip link add new0 index $dom0 type bridge", "new0 has the index", "bridge=eth0 netdev=eth0 dom0=bridge"},
		{"", "ip link add xenbr0 index 4000 type bridge", "another interface is called xenbr0 by now", ""},
	} {
		newHost(t, lan)
		must(t, "start netdev=eth0 check=no"+c.shape)
		dom0 := strings.TrimSpace(nstest.Run(t, "cat", "/sys/class/net/eth0/ifindex"))
		must0(t, calls{T: t}.run("stop check=no confirm=600", func(*view) {})) // without a timer
		nstest.Script(t, strings.ReplaceAll(c.made, "$dom0", dom0))
		before := nstest.Run(t, "ip", "-d", "link")
		r := doCall(t.Context(), t, "recover", nil)
		if r.err == nil || !strings.Contains(r.stderr, c.why) || !strings.Contains(r.stderr, "what it has done stays; xbr-script start "+c.again) {
			t.Errorf("%v, %s", r.err, r.stderr)
		}
		if now := nstest.Run(t, "ip", "-d", "link"); now != before {
			t.Errorf("before\n%s\nnow\n%s", before, now)
		}
		if r := doCall(t.Context(), t, "status", nil); r.err != nil || r.Report.Unfinished != "" {
			t.Errorf("%v, %q", r.err, r.Report.Unfinished)
		}
		if c.again != "" {
			must(t, "start check=no "+c.again)
		}
	}
}

// TestIndexesStayFree has interfaces come while a stop waits to be confirmed, as those of
// guests and containers do: the kernel gives them no index of those that stop has deleted,
// and the stop can be taken back.
func TestIndexesStayFree(t *testing.T) {
	for _, shape := range []string{"", " dom0=bridge", " dom0=bridge bridge=xenbr0"} {
		newHost(t, lan)
		nstest.Script(t, "ip link add own0 index 40 type bridge; ip link del own0") // the kernel has chosen less than start does
		must(t, "start netdev=eth0 check=no"+shape)
		before := nstest.Run(t, "ip", "-o", "link")
		must0(t, calls{T: t}.run("stop check=no confirm=600", func(*view) {})) // without a timer
		nstest.Script(t, "for n in 1 2 3; do ip link add new$n type bridge; done")
		must(t, "recover")
		nstest.Script(t, "for n in 1 2 3; do ip link del new$n; done")
		if now := nstest.Run(t, "ip", "-o", "link"); now != before {
			t.Errorf("before\n%s\nnow\n%s", before, now)
		}
	}
}

// kernelState is what there is of that.
func kernelState(t *testing.T) string {
	t.Helper()
	return nstest.Script(t, `
	ip addrlabel
	ip mptcp endpoint
	ip -d link show dev vx3 | sed 's,tso_max.*,,'
	nft list table inet f`)
}
