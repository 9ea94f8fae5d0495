package main

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

// sent is a direction with a probe a millisecond on two flows. Each is answered
// half a millisecond later, except those listed as lost.
func sent(n int, lost ...int) *direction {
	d := &direction{probes: make([]probe, n)}
	for _, to := range []string{"192.0.2.1", "2001:db8::1"} {
		d.flows = append(d.flows, flow{to: netip.MustParseAddr(to)})
	}
	for i := range n {
		p := &d.probes[i]
		at := int64(i) * int64(time.Millisecond)
		p.sent.Store(1 + at)
		p.there.Store(1 + at + 200000)
		p.again.Store(1 + at + 300000)
		p.count.Store(1<<16 | 1)
		p.back.Store(1 + at + 500000)
		if slices.Contains(lost, i) {
			p.count.Store(1)
			p.back.Store(0)
		}
	}
	d.n.Store(int64(n))
	return d
}

func TestTally(t *testing.T) {
	d := sent(20, 7, 8, 9)
	d.probes[8].there.Store(0)
	d.probes[12].count.Add(1 << 16)
	d.probes[15].there.Add(3000000)
	got := d.tally(0, 20, time.Unix(0, 0))
	for _, c := range []struct {
		what      string
		got, want float64
	}{
		{"sent", float64(got.Sent), 20},
		{"lost", float64(got.Lost), 3},
		{"lost on the way there", float64(got.LostThere), 1},
		{"twice", float64(got.Twice), 1},
		{"gap", got.Gap, 4},
		{"hole: probes 7 and 9 are of one flow, 5 and 11 are its next ones", got.Hole, 6},
		{"late", got.Late, 3.2},
		{"losses", float64(len(got.Losses)), 3},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v, want %v", c.what, c.got, c.want)
		}
	}
}

func TestTallyWithoutEnd(t *testing.T) {
	if got := sent(10, 6, 7, 8, 9).tally(0, 10, time.Unix(0, 0)); got.Lost != 4 || got.Hole != 5 {
		t.Errorf("what never comes back lasts until the end: %+v", got)
	}
}

func TestPeersByHand(t *testing.T) {
	const dry = `# create it
ip link add name xenbr0 index 3 type bridge
sysctl -qw /net/ipv6/conf/xenbr0/disable_ipv6=1
ip link set dev peth0 master xenbr0
bridge fdb replace 00:1b:21:3c:4d:5e dev vif0.0 master static
ip -6 route replace default via 2001:db8::1 dev eth0
ip neigh del 192.0.2.1 dev peth0
ip link set dev peth0 address fe:ff:ff:ff:ff:ff || true
`
	wantOne := []string{
		"link add name xenbr0 type bridge", "link set dev peth0 master xenbr0",
		"link set dev peth0 address fe:ff:ff:ff:ff:ff", "route replace default via 2001:db8::1 dev eth0",
	}
	if got := single(dry); !slices.Equal(got, wantOne) {
		t.Errorf("one batch:\n%q\nwant\n%q", got, wantOne)
	}
	const wantAll = `set -e
ip -batch - <<'END'
link add name xenbr0 type bridge
END
echo '1' >/proc/sys/net/ipv6/conf/xenbr0/disable_ipv6
ip -batch - <<'END'
link set dev peth0 master xenbr0
END
bridge fdb replace 00:1b:21:3c:4d:5e dev vif0.0 master static
ip -batch - <<'END'
route replace default via 2001:db8::1 dev eth0
link set dev peth0 address fe:ff:ff:ff:ff:ff
END
`
	if got := batches(dry); got != wantAll {
		t.Errorf("careful:\n%s\nwant\n%s", got, wantAll)
	}
}
