package operate

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/sockets"
	"xbr-script/internal/testing/nstest"
)

// ready is a bridge that is there before start, with what is its own, beside what is eth0's.
const ready = quiet + `
	ip link add br0 type bridge
	ip link set br0 up
	ip addrlabel add prefix 2001:db8:1::/48 dev br0 label 71
	ip addrlabel add prefix 2001:db8:2::/48 dev br0 label 72
	ip addrlabel add prefix 2001:db8:2::/48 dev eth0 label 73
	ip addrlabel add prefix 2001:db8:3::/48 dev eth0 label 74
	tc qdisc add dev eth1 clsact
	tc filter add dev eth1 ingress prio 1 u32 match u32 0 0 action mirred egress redirect dev br0
	nft add table inet f
	nft add set inet f own '{ type iface_index; elements = { "br0" }; }'
	nft add chain inet f c
	nft add rule inet f c iif br0 tcp dport 1 accept
	nft add rule inet f c oif @own tcp dport 2 accept
	nft add rule inet f c iif eth0 tcp dport 3 accept
	nft add rule inet f c oif { eth0, lo } tcp dport 4 accept
	nft add rule inet f c iifname br0 tcp dport 5 accept
	ip rule add iif br0 prohibit prio 5000`

// meanwhile is what comes while the bridge is dom0's interface.
const meanwhile = `
	ip addrlabel add prefix 2001:db8:4::/48 dev br0 label 75
	nft add rule inet f c iif br0 tcp dport 6 accept`

var group7 = [4]byte{239, 1, 2, 7}

// socketOn is a socket that is bound to an interface, or else a member of a group on
// interfaces.
func socketOn(t *testing.T, bound string, on ...int) (fd int) {
	t.Helper()
	fd = must2(t)(unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0))
	t.Cleanup(func() { _ = unix.Close(fd) })
	if bound != "" {
		must0(t, unix.SetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, bound))
	}
	for _, index := range on {
		must0(t, unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, &unix.IPMreqn{Multiaddr: group7, Ifindex: int32(index)}))
	}
	must0(t, unix.Bind(fd, &unix.SockaddrInet4{}))
	return fd
}

// owned tells what is about eth0 and br0 where that is ready, with sockets that it makes.
func owned(t *testing.T) (about func() string) {
	nic, br := nicIndex(t), linkIndex(t, "br0")
	own, moves := socketOn(t, "br0"), socketOn(t, "eth0")
	whose := []string{"the bridge", "the NIC", "both"}
	members := []int{socketOn(t, "", br), socketOn(t, "", nic), socketOn(t, "", nic, br)}
	bound := func(fd int) int {
		return map[int]int{nic: 1, br: 2}[must2(t)(unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX))]
	}
	return func() string {
		text := nstest.Script(t, `
		ip addrlabel | sed 's, *$,,' | grep dev | sort
		tc actions ls action mirred | grep -o 'to device.*'
		nft list table inet f`) + fmt.Sprintln("own", bound(own), "moves", bound(moves))
		for i, who := range whose {
			text += fmt.Sprintln(who, sockets.IsMember(members[i], nic, netip.AddrFrom4(group7)), sockets.IsMember(members[i], br, netip.AddrFrom4(group7)))
		}
		return text
	}
}

// TestOwn has what was about a bridge before it became dom0's interface stay with it after
// stop, and the NIC get back what was about it, and what came meanwhile.
func TestOwn(t *testing.T) {
	for _, end := range []string{"stop check=no", "recover"} {
		t.Run(end, func(t *testing.T) {
			newHost(t, ready)
			about := owned(t)
			before := about()
			line := "start dom0=bridge bridge=br0 netdev=eth0 check=no"
			if end == "recover" {
				must0(t, calls{T: t}.run(line+" confirm=600", func(*view) {})) // without a timer
			} else {
				must(t, line)
			}
			up := about()
			for _, want := range []string{`iif "br0" tcp dport 3`, `oif { "lo", "br0" } tcp dport 4`, "2001:db8:3::/48 dev br0 label 74", "2001:db8:2::/48 dev br0 label 72",
				"own 2 moves 2\n", "the NIC false true\n", "both true true\n"} {
				if !strings.Contains(up, want) {
					t.Errorf("up: there is no %q in\n%s", want, up)
				}
			}
			if end != "recover" {
				nstest.Script(t, meanwhile)
				before = strings.ReplaceAll(before, "dport 5 accept\n", "dport 5 accept\n\t\tiif \"eth0\" tcp dport 6 accept\n")
				before = strings.ReplaceAll(before, "dev eth0 label 74\n", "dev eth0 label 74\nprefix 2001:db8:4::/48 dev eth0 label 75\n")
				r := doCall(t.Context(), t, "check stop", nil)
				must0(t, r.err)
				for _, h := range r.Check.Holders {
					if h.Outcome == "will break" {
						t.Errorf("it is said to break: %s", h)
					}
				}
			}
			must(t, end)
			if now := about(); now != before {
				t.Errorf("before\n%s\nafter %s\n%s", before, end, now)
			}
			if left := nstest.Script(t, "ls "+runDir); strings.Contains(left, "own.") {
				t.Errorf("a record is left: %s", left)
			}
		})
	}
}

// TestOwnLoaded has somebody load the rules anew while the network is up: nobody can tell which
// are which, and all stay with the bridge that they name.
func TestOwnLoaded(t *testing.T) {
	newHost(t, ready)
	must(t, "start dom0=bridge bridge=br0 netdev=eth0 check=no")
	nstest.Script(t, `
	nft delete table inet f
	nft add table inet f
	nft add chain inet f c
	nft add rule inet f c iif br0 tcp dport 7 accept`)
	loaded := nstest.Run(t, "nft", "list", "table", "inet", "f")
	must(t, "stop check=no")
	if now := nstest.Run(t, "nft", "list", "table", "inet", "f"); now != loaded {
		t.Errorf("loaded\n%s\nafter stop\n%s", loaded, now)
	}
}

// TestOwnDeaths lets start and stop die at each step, and all is as before after the next call. In
// a short run only at every sixth.
func TestOwnDeaths(t *testing.T) {
	newHost(t, ready)
	about := owned(t)
	d := &deaths{T: t}
	for _, command := range []string{"start dom0=bridge bridge=br0 netdev=eth0", "stop netdev=eth0"} {
		command += " check=no"
		before, records := about(), nstest.Script(t, "ls "+runDir+" 2>/dev/null | grep own || true")
		for step, total := 0, 1; step < total; step++ {
			if testing.Short() && step%6 != 0 {
				continue
			}
			total = d.die(command, step, step%2 == 0)
			title := fmt.Sprintf("%s, step %d", command, step)
			d.next(title, next[d.cases%len(next)])
			if now := about(); now != before {
				t.Fatalf("%s: before\n%s\nnow\n%s", title, before, now)
			}
			if now := nstest.Script(t, "ls "+runDir+" | grep own || true"); now != records {
				t.Fatalf("%s: the records are %q, not %q", title, now, records)
			}
			d.cases++
		}
		must(t, command)
	}
	t.Logf("%d cases", d.cases)
}
