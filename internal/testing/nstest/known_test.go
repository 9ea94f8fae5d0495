package nstest_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"xbr-script/internal/testing/nstest"
)

// hosts are machines as people have them: settings that a new namespace
// inherits.
var hosts = map[string]string{
	"router": `net/ipv4/ip_forward=1 net/ipv6/conf/all/forwarding=1 net/ipv4/conf/all/rp_filter=2 net/ipv4/conf/default/rp_filter=2
		net/ipv4/conf/all/send_redirects=0 net/ipv4/conf/default/proxy_arp=1 net/ipv6/conf/all/proxy_ndp=1 net/ipv6/conf/default/accept_ra=2`,
	"desktop": `net/ipv4/conf/all/rp_filter=1 net/ipv4/conf/default/rp_filter=1 net/ipv4/conf/lo/rp_filter=1
		net/ipv4/conf/default/promote_secondaries=1 net/ipv4/conf/all/promote_secondaries=1 net/ipv4/conf/default/accept_source_route=0
		net/ipv6/conf/all/use_tempaddr=2 net/ipv6/conf/default/use_tempaddr=2 net/ipv6/conf/default/addr_gen_mode=1
		net/ipv6/conf/default/accept_ra=0 net/ipv6/conf/default/autoconf=0`,
	"Docker and libvirt": `net/ipv4/ip_forward=1 net/ipv4/conf/all/route_localnet=1 net/ipv4/conf/default/forwarding=1
		net/bridge/bridge-nf-call-arptables=1 net/bridge/bridge-nf-call-iptables=1 net/bridge/bridge-nf-call-ip6tables=1`,
	"load balancer": `net/ipv4/conf/all/arp_ignore=1 net/ipv4/conf/all/arp_announce=2 net/ipv4/conf/all/arp_filter=1
		net/ipv4/conf/all/accept_local=1 net/ipv4/conf/default/arp_notify=1 net/ipv4/conf/default/arp_accept=1`,
	"hardened": `net/ipv4/conf/all/accept_redirects=0 net/ipv4/conf/default/accept_redirects=0 net/ipv4/conf/all/secure_redirects=0
		net/ipv4/conf/all/log_martians=1 net/ipv4/conf/all/drop_gratuitous_arp=1 net/ipv6/conf/all/accept_redirects=0
		net/ipv6/conf/default/max_addresses=1 net/ipv6/conf/default/dad_transmits=0 net/ipv6/conf/default/router_solicitations=0
		net/ipv6/conf/all/keep_addr_on_down=1 net/ipv6/conf/default/keep_addr_on_down=1`,
	"IPv6 off":             `net/ipv6/conf/all/disable_ipv6=1 net/ipv6/conf/default/disable_ipv6=1 net/ipv6/conf/lo/disable_ipv6=1`,
	"IPv6 off at boot":     `net/ipv6/conf/default/disable_ipv6=1 net/ipv6/conf/lo/disable_ipv6=1`,
	"forwarding by device": `net/ipv4/conf/default/forwarding=1 net/ipv4/conf/lo/forwarding=1 net/ipv6/conf/default/forwarding=1`,
}

// TestKnown makes namespaces as on other machines: they, and what is made in
// them, have the same settings everywhere.
func TestKnown(t *testing.T) {
	var plain, beside []string
	t.Run("untuned", func(t *testing.T) {
		plain, beside = world(t)
		if len(plain) < 300 {
			t.Fatalf("only %d settings", len(plain))
		}
	})
	for name, inherited := range hosts {
		t.Run(name, func(t *testing.T) {
			for _, s := range strings.Fields(inherited) {
				setting, value, _ := strings.Cut(s, "=")
				if line := setting + " " + value; slices.Contains(plain, line) {
					t.Errorf("%s is no other machine's setting", line)
				}
			}
			t.Setenv("XBR_TEST_HOST", inherited)
			here, there := world(t)
			same(t, "the namespace", plain, here)
			same(t, "the one beside it", beside, there)
		})
	}
}

func same(t *testing.T, what string, want, got []string) {
	t.Helper()
	for _, l := range got {
		if !slices.Contains(want, l) {
			t.Errorf("%s: %s", what, l)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s has %d settings, not %d", what, len(got), len(want))
	}
}

// world is the settings of a new namespace with a bridge and a NIC, and of one
// beside it.
func world(t *testing.T) (here, there []string) {
	t.Helper()
	nstest.New(t)
	nstest.Script(t, `
		netns lan
		ip -n lan link set lo up
		ip link add eth0 type veth peer name lan0 netns lan
		ip link add br0 type bridge`)
	there = strings.Split(nstest.Run(t, "ip", "netns", "exec", "lan", "sh", "-c",
		"cd /proc/sys && grep -rs . net/ipv[46]/conf net/ipv4/ip_forward net/bridge; true"), "\n")
	slices.Sort(there)
	for _, dir := range []string{"net/ipv4", "net/ipv6", "net/bridge", "net/netfilter"} {
		here = append(here, settings(t, dir)...)
	}
	return here, there
}

// settings are all readable settings below a directory, except counters and
// what a namespace makes up.
func settings(t *testing.T, dir string) (list []string) {
	t.Helper()
	err := filepath.WalkDir("/proc/sys/"+dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil // it has gone, or never existed
		}
		name := strings.TrimPrefix(path, "/proc/sys/")
		switch filepath.Base(name) {
		case "nf_conntrack_count", "tcp_fastopen_key", "flush", "ip_local_reserved_ports":
			return nil
		}
		if value, err := os.ReadFile(path); err == nil {
			list = append(list, name+" "+strings.TrimSpace(string(value)))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}
