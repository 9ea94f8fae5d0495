package nstest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// A new namespace begins with the settings of the machine: it inherits all of
// net/ipv4/conf including ip_forward (devinet_init_net), and with
// net.core.devconf_inherit_init_net=1 those of IPv6, too. ipv6.disable_ipv6=1 on the
// kernel's command line holds for all namespaces, and so does the filtering of
// bridges once br_netfilter is loaded. Hence each namespace is given the settings
// of an untuned kernel (ipv4_devconf, ipv6_devconf), and bridges that no firewall
// sees.
const (
	knownIPv4 = `forwarding=0
		accept_local=0 accept_redirects=1 arp_accept=0 arp_announce=0 arp_evict_nocarrier=1 arp_filter=0 arp_ignore=0
		arp_notify=0 bc_forwarding=0 bootp_relay=0 disable_policy=0 disable_xfrm=0 drop_gratuitous_arp=0
		drop_unicast_in_l2_multicast=0 force_igmp_version=0 igmpv2_unsolicited_report_interval=10000
		igmpv3_unsolicited_report_interval=1000 ignore_routes_with_linkdown=0 log_martians=0 medium_id=0
		promote_secondaries=0 proxy_arp=0 proxy_arp_pvlan=0 route_localnet=0 rp_filter=0 secure_redirects=1
		send_redirects=1 shared_media=1 src_valid_mark=0 tag=0`
	knownIPv6 = `disable_ipv6=0 forwarding=0
		accept_ra=1 accept_ra_defrtr=1 accept_ra_from_local=0 accept_ra_min_hop_limit=1 accept_ra_min_lft=0 accept_ra_mtu=1
		accept_ra_pinfo=1 accept_ra_rt_info_max_plen=0 accept_ra_rt_info_min_plen=0 accept_ra_rtr_pref=1 accept_redirects=1
		accept_source_route=0 accept_untracked_na=0 addr_gen_mode=0 autoconf=1 dad_transmits=1 disable_policy=0
		drop_unicast_in_l2_multicast=0 drop_unsolicited_na=0 enhanced_dad=1 force_mld_version=0 force_tllao=0
		hop_limit=64 ignore_routes_with_linkdown=0 keep_addr_on_down=0 max_addresses=16 max_desync_factor=600
		mldv1_unsolicited_report_interval=10000 mldv2_unsolicited_report_interval=1000 ndisc_evict_nocarrier=1 ndisc_notify=0
		ndisc_tclass=0 optimistic_dad=0 proxy_ndp=0 ra_defrtr_metric=1024 regen_max_retry=3 router_probe_interval=60
		router_solicitation_delay=1 router_solicitation_interval=4 router_solicitation_max_interval=3600
		suppress_frag_ndisc=1 temp_prefered_lft=86400 temp_valid_lft=604800 use_oif_addrs_only=0 use_optimistic=0` //nolint:misspell // the kernel spells it so
)

// known are the settings, in an order in which none changes an earlier one: those
// for all interfaces before those of new ones, and before those of lo.
var known = []struct{ dir, values string }{
	{"net/ipv4/conf/all", knownIPv4 + " accept_source_route=0"},
	{"net/ipv4/conf/default", knownIPv4 + " accept_source_route=1"},
	{"net/ipv4/conf/lo", knownIPv4 + " accept_source_route=1"},
	{"net/ipv6/conf/all", knownIPv6 + " accept_dad=0 mtu=1280 router_solicitations=-1 use_tempaddr=0"},
	{"net/ipv6/conf/default", knownIPv6 + " accept_dad=1 mtu=1280 router_solicitations=-1 use_tempaddr=0"},
	{"net/ipv6/conf/lo", knownIPv6},
	{"net/bridge", "bridge-nf-call-arptables=0 bridge-nf-call-ip6tables=0 bridge-nf-call-iptables=0"},
}

// hostVariable is an environment variable with settings ("net/ipv4/ip_forward=1
// …") that each namespace has instead of those that it has inherited: so `make
// test-hosts` lets this machine stand for others.
const hostVariable = "XBR_TEST_HOST"

// withFilter loads br_netfilter where it is a module: tests with physdev rules have it loaded
// in any case, and the settings of namespaces must not change under those beside them.
var withFilter = sync.OnceFunc(func() {
	if _, err := os.Stat("/proc/sys/net/bridge"); err != nil {
		_ = exec.CommandContext(context.Background(), "modprobe", "-q", "br_netfilter").Run() // there may be none
	}
})

// settle gives the calling thread's namespace known settings.
func settle() error {
	withFilter()
	for _, s := range strings.Fields(os.Getenv(hostVariable)) {
		if err := set(s); err != nil {
			return fmt.Errorf("%s: %w", hostVariable, err)
		}
	}
	for _, k := range known {
		for _, s := range strings.Fields(k.values) {
			if err := set(k.dir + "/" + s); err != nil {
				return err
			}
		}
	}
	return nil
}

// set writes a setting, name=value, if its value differs. Older kernels have
// fewer settings.
func set(setting string) error {
	name, value, _ := strings.Cut(setting, "=")
	path := "/proc/sys/" + name
	old, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && strings.TrimSpace(string(old)) == value {
		return nil
	}
	return os.WriteFile(path, []byte(value), 0)
}

// Netns makes a named namespace beside the test's, for a neighbour, with known
// settings as well and lo switched off, as ip(8) leaves it.
func Netns(t T, name string) {
	helper(t)()
	Run(t, "ip", "netns", "add", name)
	if err := inside("/run/netns/"+name, settle); err != nil {
		t.Fatal(err)
	}
}

// Inside calls f on a thread in the namespace of that name, which Netns has made.
func Inside(t T, name string, f func() error) {
	helper(t)()
	if err := inside("/run/netns/"+name, f); err != nil {
		t.Fatal(err)
	}
}

// inside calls f on a thread in that namespace, which ends with it. The path is
// looked up here: /run is this thread's.
func inside(path string, f func() error) error {
	ns, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = ns.Close() }()
	ended := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			ended <- err
			return
		}
		ended <- f()
	}()
	return <-ended
}
