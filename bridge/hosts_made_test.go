package bridge_test

import (
	"encoding/json"
	"strings"

	"xbr-script/internal/testing/nstest"
)

// plain is a host with one NIC that has an address of each family, and a second
// NIC.
const plain = quick + `
ip link add eth0 address 00:16:3e:00:00:01 type veth peer name lan0
ip link add eth1 address 00:16:3e:00:00:02 type veth peer name lan1
for i in lan0 lan1; do sysctl -qw net/ipv6/conf/$i/disable_ipv6=1; ip link set $i up; done
ip link set eth0 up
ip link set eth1 up
ip addr add 192.168.0.2/24 brd + dev eth0
ip addr add 2001:db8::2/64 dev eth0
ip route add default via 192.168.0.1
ip -6 route add default via 2001:db8::1
` + careful

// guests are ports of guests, on a bridge that the program has made.
const guests = `
ip link add vif1.0 address fe:ff:ff:ff:ff:ff type veth peer name g1
ip link add vif2.0 address fe:ff:ff:ff:ff:ff type veth peer name g2
for i in vif1.0 vif2.0; do ip link set $i master xenbr0 up; done
iptables -I FORWARD -m physdev --physdev-is-bridged --physdev-in vif1.0 -s 192.168.0.101 -j ACCEPT
`

// firewalled is a host with a firewall and containers.
const firewalled = plain + `
iptables -N DOCKER
iptables -A FORWARD -o docker0 -j DOCKER
iptables -A FORWARD -m comment --comment 'it is "so"' -j REJECT
iptables -t nat -A POSTROUTING -s 172.17.0.0/16 -j MASQUERADE
ip6tables -P FORWARD DROP
sysctl -qw net/ipv4/conf/lan0/forwarding=1
`

// oldXen is a vif-common.sh of Xen 3.0, as far as the program reads it.
var oldXen = nstest.OwnEtcXen + `
printf '%s\n' 'frob_iptable()' '{' 'c="-A"' '}' 'handle_iptable()' '{' 'true' '}' >/etc/xen/scripts/vif-common.sh
`

// routes are a thousand routes.
var routes = "for i in 0 1 2 3; do for j in $(seq 0 249); do echo route add 10.$i.$j.0/24 via 192.168.0.$((j % 5 + 1)); done; done | ip -batch -\n"

// hostsInFiles are the hosts of testdata/hosts.
func hostsInFiles() []hostInFile {
	const start, stop = "start vifnum=0 netdev=eth0", "stop vifnum=0 netdev=eth0"
	const onBridge = start + " dom0=bridge"
	const three = "start vifnum=0 netdev=eth0 --next vifnum=1 netdev=eth1 --next vifnum=2 netdev=eth2"
	lvs := "start vifnum=0 netdev=eth0 antispoof=yes ip_forward=0\nstart vifnum=1 netdev=dummy0 antispoof=yes"
	of := func(script string) network { return network{script: script} }
	inXenbr0 := func(script string) string {
		var lines []string
		for line := range strings.Lines(strings.ReplaceAll(script, "$br", "xenbr0")) {
			if line = strings.TrimSpace(line); line != "" {
				lines = append(lines, "sh "+line)
			}
		}
		return strings.Join(lines, "\n")
	}
	settledUp := start + "\n" + inXenbr0(settled.guests) + "\n" + stop
	return []hostInFile{
		{name: "seed000", network: seed000, call: start},
		{name: "seed000-up", network: seed000, up: lvs, call: stop},
		{name: "seed000-bridge-up", network: seed000, up: strings.ReplaceAll(lvs, " antispoof", " dom0=bridge antispoof"), call: stop},
		{name: "seed002", network: seed002, call: start},
		{name: "seed002-up", network: seed002, up: three, call: stop},
		{name: "seed002-bridge-up", network: seed002, up: strings.ReplaceAll(three, "netdev", "dom0=bridge netdev"), call: stop},

		{name: "rich", network: rich, call: start},
		{name: "rich-up", network: rich, up: start, call: stop},
		{name: "rich-bridge-up", network: rich, up: onBridge, call: stop},
		{name: "rich-old", network: rich, call: start, edit: old},
		{name: "rich-old-up", network: rich, up: start, call: stop, edit: old},
		{name: "rich-old-bridge-up", network: rich, up: onBridge, call: stop, edit: old},
		{name: "announced", network: announced, call: start},
		{name: "announced-up", network: announced, up: start, call: stop},
		{name: "announced-old-up", network: announced, up: start, call: stop, edit: old},
		{name: "settled", network: of(settled.script), up: settledUp, call: start},
		{name: "settled-up", network: of(settled.script), up: settledUp + "\n" + start + "\n" + inXenbr0(settled.more), call: stop},
		{name: "settled-bridge-up", network: of(settled.script), up: strings.ReplaceAll(settledUp+"\n"+start+"\n"+inXenbr0(settled.more), "netdev=", "bridge=xenbr0 dom0=bridge netdev="), call: stop},

		{name: "functions", network: of(plain), call: start, edit: withFunctions("eth0")},
		{name: "functions-up", network: of(plain), up: start, call: stop, edit: withFunctions("peth0")},
		{name: "vlans", network: of(plain), call: start, edit: withVLANs("eth0")},
		{name: "vlans-old", network: of(plain), call: start, edit: func(f *hostFile) { withVLANs("eth0")(f); old(f) }},
		{name: "vlans-up", network: of(plain), up: start, call: stop, edit: withVLANs("peth0")},
		{name: "bond", network: of(plain), call: start, edit: asBond},
		{name: "routes", network: of(plain), then: routes, call: start},
		{name: "off", network: of(plain), then: "ip link set eth1 down", call: start},
		{name: "private", network: of(plain), then: `sysctl -qw net/ipv6/conf/eth0/stable_secret=2001:db8::77 net/ipv6/conf/eth0/use_tempaddr=2
sysctl -qw net/ipv6/conf/eth1/router_solicitations=3
ip token set ::7 dev eth1
ip link property add dev eth0 altname uplink
sysctl -qw net/ipv4/conf/all/rp_filter=1 net/ipv4/conf/eth0/rp_filter=1`, call: start},

		{name: "guarded", network: of(plain), up: start + " antispoof=yes\n" + inXenbr0(guests), call: stop},
		{name: "guarded-allow-up", network: of(plain), up: start + " antispoof=yes guests=allow ip_forward=1", call: stop},
		{name: "firewalled", network: of(firewalled), call: start + " antispoof=yes ip_forward=1"},
		{name: "firewalled-up", network: of(firewalled), up: start + " antispoof=yes ip_forward=1", call: stop},
		{name: "firewalled-flushed", network: of(firewalled), up: start + " antispoof=yes ip_forward=1", then: "iptables -F FORWARD\nip6tables -t raw -F\nsysctl -qw net/ipv4/ip_forward=0\nbridge fdb replace 00:16:3e:00:00:01 dev vif0.0 master static", call: start + " antispoof=yes"},
		{name: "old-scripts", network: of(firewalled), call: start + " antispoof=yes", edit: rules(`"path": ""`, `"path": "/etc/xen/scripts/vif-bridge"`, `"appends": false`, `"appends": true`)},
		{name: "old-xen-up", network: of(oldXen + plain), up: start + " antispoof=yes\nsh iptables -A FORWARD -m physdev --physdev-in vif7.0 -s 192.168.0.7 -j ACCEPT", call: stop},
		{name: "old-xen-dropped", network: of(oldXen + plain + "iptables -P FORWARD DROP\n"), up: start + " antispoof=yes", then: "iptables -A FORWARD -s 192.0.2.7 -j DROP", call: stop},
		{name: "legacy", network: of(firewalled), backend: "legacy", call: start + " antispoof=yes"},
		{name: "legacy-up", network: of(firewalled), backend: "legacy", up: start + " antispoof=yes", call: stop},
		{name: "switched", network: of(plain), up: start + " antispoof=yes", call: stop, edit: seen("backend", "legacy")},
		{name: "no-netfilter", network: of(plain), call: start + " antispoof=yes", edit: noNetfilter},
		{name: "nftables", network: of(plain), call: start + " antispoof=yes", edit: seen("ground", map[string]any{"nftables_forwarding": []string{"inet firewalld"}, "other_back_end": []string{"iptables-legacy", ""}})},
		{name: "guarded-routed", network: of(plain), up: start + " antispoof=yes\nsh ip addr add 10.9.0.1/24 dev xenbr0\n" + inXenbr0(guests), call: start + " antispoof=yes"},
		{name: "guarded-behind", network: of(plain), up: start + " antispoof=yes\n" + inXenbr0(guests), then: `iptables -I FORWARD -i xenbr0 -m physdev --physdev-is-bridged -j ACCEPT
iptables -A FORWARD -m physdev --physdev-is-bridged --physdev-in vif2.0 -j ACCEPT
iptables -I XBR-xenbr0 -j ACCEPT
iptables -t raw -A XBR-xenbr0 -s 192.0.2.1 -j DROP
ip6tables -I INPUT -j ACCEPT
ip6tables -t raw -A PREROUTING -i xenbr0 -j XBR-xenbr0`, call: start + " antispoof=yes"},
		{name: "left-over", network: of(plain), up: start + " antispoof=yes", then: "rm /run/xbr-script/antispoof*", call: stop},
		{name: "debian-scripts", network: of(plain), call: start + " antispoof=yes", edit: rules(`"path": ""`, `"path": "/etc/xen/scripts/vif-common.sh"`, `"disabled": false`, `"disabled": true`)},
		{name: "no-iptables", network: of(plain), call: start + " antispoof=yes", edit: func(f *hostFile) { f.AntiSpoof = json.RawMessage(`{"missing": "ip6tables"}`) }},
		{name: "no-modules", network: of(plain), call: start + " antispoof=yes", edit: rules(`"ground": {`, `"ground": { "kernel_lacks": "this kernel (6.1.0) has no xt_physdev",`, `"ground":{`, `"ground":{"kernel_lacks": "this kernel (6.1.0) has no xt_physdev",`)},

		{name: "broken", network: of(plain), up: start, then: "ip link set peth0 nomaster\nip link set vif0.0 down\nip link set xenbr0 down", call: start},
		{name: "broken-bridge", network: of(plain), up: onBridge, then: "ip link set peth0 nomaster", call: start},
		{name: "no-record", network: of(plain), up: start, then: "rm /run/xbr-script/bridge.*", call: stop},
		{name: "damaged-record", network: of(plain), up: start, then: "echo x >>/run/xbr-script/bridge.xenbr0.json", call: stop},
		{name: "hidden", network: of(plain), up: start, then: "ip link del peth0", call: stop},
		{name: "found", network: of(plain), then: `ip link add veth0 type veth peer name vif0.0
ip link add xenbr0 type bridge
ip link add vif7.0 type veth peer name g7
ip link set vif7.0 master xenbr0 up`, call: start},
		{name: "taken", network: of(plain), then: `ip link add peth0 type bridge
ip link add veth1 type ifb
ip link property add dev lan1 altname xenbr2
ip link add xenbr3 type bridge
ip link set lan1 master xenbr3
ip link add xenbr4 type ifb
ip link add br5 type bridge
ip addr add 10.5.0.1/24 dev br5
ip rule add iif eth1 lookup 100
ip link add tap6 type ifb
ip link set tap6 master xenbr3`, call: start},
		{name: "macvlan", network: of(plain), call: start, edit: above("eth0", "mv0", "macvlan")},
		{name: "tunnel", network: of(plain), call: start, edit: above("eth0", "gre0", "gretap")},
		{name: "macsec", network: of(plain), call: start, edit: above("eth0", "ms0", "macsec")},
		{name: "hostile", network: of(plain), then: `ip link set eth0 alias "$(printf '\377; reboot \033[m')"
ip link set lan1 down
ip link set lan1 name 'a;b'`, call: start},
	}
}
