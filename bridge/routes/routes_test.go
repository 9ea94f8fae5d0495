package routes

import (
	"testing"

	"xbr-script/internal/host"
	"xbr-script/internal/rtnl"
)

// TestSwitch compares the messages for hosts with a few routes.
func TestSwitch(t *testing.T) {
	for name, c := range map[string]struct {
		host     string
		off      bool
		do, undo string
	}{
		"one address": {host: `
addr 10.0.0.2/24 dev eth0
10.0.0.0/24 dev eth0 proto kernel src 10.0.0.2
default via 10.0.0.1 dev eth0`, do: `
del 10.0.0.0/24 dev new0 proto kernel scope link src 10.0.0.2
replace 10.0.0.0/24 dev new0 proto kernel src 10.0.0.2
replace default via 10.0.0.1 dev new0`, undo: `
del 10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.2
replace 10.0.0.0/24 dev eth0 proto kernel src 10.0.0.2
replace default via 10.0.0.1 dev eth0`},
		"on an interface that is off there are no twins": {host: `
addr 10.0.0.2/24 dev eth0
10.1.0.0/16 dev eth0 proto static`, off: true, do: `
replace 10.1.0.0/16 dev new0 proto static`, undo: `
replace 10.1.0.0/16 dev eth0 proto static`},
		"a prefix route that somebody removed": {host: `
addr 10.0.0.2/24 dev eth0
default via 10.0.0.1 dev eth0`, do: `
del 10.0.0.0/24 dev new0 proto kernel scope link src 10.0.0.2
append 10.0.0.1/32 dev new0 proto static
replace default via 10.0.0.1 dev new0
del 10.0.0.1/32 dev new0 proto static scope link`, undo: `
del 10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.2
append 10.0.0.1/32 dev eth0 proto static
replace default via 10.0.0.1 dev eth0
del 10.0.0.1/32 dev eth0 proto static scope link`},
		"an address without a prefix route": {host: `
addr 10.0.0.2/24 dev eth0 noprefixroute
10.9.0.0/16 dev eth0 proto static`, do: `
replace 10.9.0.0/16 dev new0 proto static`, undo: `
replace 10.9.0.0/16 dev eth0 proto static`},
		"the kernel's own in table local come with the address": {host: `
addr 10.0.0.2/32 dev eth0
local 10.0.0.2/32 dev eth0 src 10.0.0.2`, do: "", undo: ""},
		"one prefix on two NICs, first": {host: `
addr 10.0.0.2/24 dev eth0
addr 10.0.0.12/24 dev eth1
10.0.0.0/24 dev eth0 proto kernel src 10.0.0.2
10.0.0.0/24 dev eth1 proto kernel src 10.0.0.12`, do: `
del 10.0.0.0/24 dev new0 proto kernel scope link src 10.0.0.2
replace 10.0.0.0/24 dev new0 proto kernel src 10.0.0.2`, undo: `
del 10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.2
del 10.0.0.0/24 dev new0 proto kernel scope link src 10.0.0.2
del 10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.2
prepend 10.0.0.0/24 dev eth0 proto kernel src 10.0.0.2
append 10.0.0.0/24 dev eth1 proto kernel src 10.0.0.12`},
		"one prefix on two NICs, second": {host: `
addr 10.0.0.2/24 dev eth0
addr 10.0.0.12/24 dev eth1
10.0.0.0/24 dev eth1 proto kernel src 10.0.0.12
10.0.0.0/24 dev eth0 proto kernel src 10.0.0.2`, do: `
del 10.0.0.0/24 dev new0 proto kernel scope link src 10.0.0.2
del 10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.2
append 10.0.0.0/24 dev new0 proto kernel src 10.0.0.2`, undo: `
del 10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.2
del 10.0.0.0/24 dev new0 proto kernel scope link src 10.0.0.2
del 10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.2
append 10.0.0.0/24 dev eth0 proto kernel src 10.0.0.2
append 10.0.0.0/24 dev eth1 proto kernel src 10.0.0.12`},
		"another's between two": {host: `
10.1.0.0/16 dev eth0 proto static
10.1.0.0/16 dev eth1 proto static
10.1.0.0/16 via 10.0.0.7 dev eth0 proto static
10.1.0.0/16 via 10.0.0.8 dev eth1 proto static`, do: `
append 10.0.0.7/32 dev new0 proto static
replace 10.1.0.0/16 dev new0 proto static
del 10.1.0.0/16 via 10.0.0.7 dev eth0 proto static
append 10.1.0.0/16 via 10.0.0.7 dev new0 proto static
del 10.1.0.0/16 via 10.0.0.8 dev eth1 proto static
append 10.1.0.0/16 via 10.0.0.8 dev eth1 proto static
del 10.0.0.7/32 dev new0 proto static scope link`, undo: `
append 10.0.0.7/32 dev eth0 proto static
del 10.1.0.0/16 dev new0 proto static scope link
del 10.1.0.0/16 dev eth0 proto static scope link
del 10.1.0.0/16 via 10.0.0.7 dev new0 proto static
del 10.1.0.0/16 via 10.0.0.7 dev eth0 proto static
del 10.1.0.0/16 via 10.0.0.8 dev eth1 proto static
del 10.1.0.0/16 via 10.0.0.8 dev eth1 proto static
prepend 10.1.0.0/16 dev eth0 proto static
append 10.1.0.0/16 via 10.0.0.7 dev eth0 proto static
append 10.1.0.0/16 via 10.0.0.8 dev eth1 proto static
append 10.1.0.0/16 dev eth1 proto static
append 10.1.0.0/16 via 10.0.0.8 dev eth1 proto static
del 10.0.0.7/32 dev eth0 proto static scope link`},
		"groups are apart by metric and table": {host: `
default via 10.0.0.1 dev eth0
default via 10.6.0.1 dev eth1 metric 50
default via 10.0.0.6 dev eth0 metric 50
default via 10.0.0.6 dev eth0 table 100`, do: `
append 10.0.0.1/32 dev new0 proto static
append 10.0.0.6/32 dev new0 proto static
replace default via 10.0.0.1 dev new0
del default via 10.0.0.6 dev eth0 proto boot metric 50
append default via 10.0.0.6 dev new0 metric 50
replace default via 10.0.0.6 dev new0 table 100
del 10.0.0.1/32 dev new0 proto static scope link
del 10.0.0.6/32 dev new0 proto static scope link`, undo: `
append 10.0.0.1/32 dev eth0 proto static
append 10.0.0.6/32 dev eth0 proto static
replace default via 10.0.0.1 dev eth0
del default via 10.0.0.6 dev new0 proto boot metric 50
del default via 10.0.0.6 dev eth0 proto boot metric 50
append default via 10.0.0.6 dev eth0 metric 50
append default via 10.6.0.1 dev eth1 metric 50
replace default via 10.0.0.6 dev eth0 table 100
del 10.0.0.1/32 dev eth0 proto static scope link
del 10.0.0.6/32 dev eth0 proto static scope link`},
		"the address's metric": {host: `
addr 10.0.0.2/24 dev eth0 metric 77
10.0.0.0/24 dev eth0 proto kernel src 10.0.0.2 metric 77`, do: `
del 10.0.0.0/24 dev new0 proto kernel scope link src 10.0.0.2 metric 77
replace 10.0.0.0/24 dev new0 proto kernel src 10.0.0.2 metric 77`, undo: `
del 10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.2 metric 77
replace 10.0.0.0/24 dev eth0 proto kernel src 10.0.0.2 metric 77`},
		"legs over two NICs": {host: `
10.0.0.0/24 dev eth0 proto static
10.12.0.0/16 hop eth0 10.0.0.8 hop eth1 10.6.0.8`, do: `
replace 10.0.0.0/24 dev new0 proto static
replace 10.12.0.0/16 nexthop via 10.0.0.8 dev new0 weight 1 nexthop via 10.6.0.8 dev eth1 weight 1`, undo: `
replace 10.0.0.0/24 dev eth0 proto static
replace 10.12.0.0/16 nexthop via 10.0.0.8 dev eth0 weight 1 nexthop via 10.6.0.8 dev eth1 weight 1`},
		"a gateway that no route leads to": {host: `
10.51.0.0/16 via 10.50.0.1 dev eth0`, do: `
append 10.50.0.1/32 dev new0 proto static
replace 10.51.0.0/16 via 10.50.0.1 dev new0
del 10.50.0.1/32 dev new0 proto static scope link`, undo: `
append 10.50.0.1/32 dev eth0 proto static
replace 10.51.0.0/16 via 10.50.0.1 dev eth0
del 10.50.0.1/32 dev eth0 proto static scope link`},
		"nexthop objects": {host: `
nexthop 5 via 10.0.0.5 dev eth0
nexthop 6 via 10.6.0.5 dev eth1
10.0.0.0/24 dev eth0 proto static
10.20.0.0/16 via 10.0.0.5 dev eth0 nhid 5`, do: `
replace 10.0.0.0/24 dev new0 proto static
ip nexthop replace id 5 via 10.0.0.5 dev new0`, undo: `
replace 10.0.0.0/24 dev eth0 proto static
ip nexthop replace id 5 via 10.0.0.5 dev eth0`},
		"nothing of it": {host: `
addr 10.6.0.2/24 dev eth1
10.6.0.0/24 dev eth1 proto kernel src 10.6.0.2
default via 10.6.0.1 dev eth1`, do: "", undo: ""},
		"IPv6: an address with its prefix route": {host: `
addr 2001:db8::2/64 dev eth0
2001:db8::/64 dev eth0 proto kernel metric 256
default6 via 2001:db8::1 dev eth0 metric 1024`, do: `
addr replace 2001:db8::2/64 dev new0
del 2001:db8::/64 dev eth0 proto kernel metric 256
replace default via 2001:db8::1 dev new0 metric 1024`, undo: `
addr replace 2001:db8::2/64 dev eth0
del 2001:db8::/64 dev new0 proto kernel metric 256
replace default via 2001:db8::1 dev eth0 metric 1024`},
		"IPv6: a prefix route that somebody removed": {host: `
addr 2001:db8::2/64 dev eth0
default6 via fe80::1 dev eth0 metric 1024`, do: `
addr replace 2001:db8::2/64 dev new0
del 2001:db8::/64 dev new0 proto kernel
replace default via fe80::1 dev new0 metric 1024`, undo: `
addr replace 2001:db8::2/64 dev eth0
del 2001:db8::/64 dev eth0 proto kernel
replace default via fe80::1 dev eth0 metric 1024`},
		"IPv6: off": {host: `
addr 2001:db8::2/64 dev eth0
2001:db8:9::/64 dev eth0 proto static metric 5`, off: true, do: `
addr replace 2001:db8::2/64 dev new0
prepend 2001:db8:9::/64 dev new0 proto static metric 5
del 2001:db8:9::/64 dev eth0 proto static metric 5`, undo: `
addr replace 2001:db8::2/64 dev eth0
prepend 2001:db8:9::/64 dev eth0 proto static metric 5
del 2001:db8:9::/64 dev new0 proto static metric 5`},
		"IPv6: without a gateway, beside another's": {host: `
2001:db8:12::/48 dev eth0 metric 5
2001:db8:12::/48 dev eth1 metric 5`, do: `
prepend 2001:db8:12::/48 dev new0 metric 5
del 2001:db8:12::/48 dev eth0 proto boot metric 5`, undo: `
prepend 2001:db8:12::/48 dev eth0 metric 5
del 2001:db8:12::/48 dev new0 proto boot metric 5`},
		"IPv6: a router's": {host: `
addr 2001:db8:1::2/64 dev eth0 noprefixroute
2001:db8:1::/64 dev eth0 metric 256 own prefix
default6 via fe80::1 dev eth0 metric 1024 own default`, do: `
addr replace 2001:db8:1::2/64 dev new0 noprefixroute
prepend 2001:db8:1::/64 dev new0 proto kernel metric 256   # stands in until the next router advertisement: the right one is the kernel's own, which no command can make
del 2001:db8:1::/64 dev eth0 metric 256
prepend default via fe80::1 dev new0 proto ra metric 1025   # stands in until the next router advertisement: the right one has the metric before and is the kernel's own, which no command can make
del default via fe80::1 dev eth0 metric 1024`, undo: `
addr replace 2001:db8:1::2/64 dev eth0 noprefixroute
prepend 2001:db8:1::/64 dev eth0 proto kernel metric 256   # stands in until the next router advertisement: the right one is the kernel's own, which no command can make
del 2001:db8:1::/64 dev new0 metric 256
prepend default via fe80::1 dev eth0 proto ra metric 1025   # stands in until the next router advertisement: the right one has the metric before and is the kernel's own, which no command can make
del default via fe80::1 dev new0 metric 1024`},
		"IPv6: a router's prefix in which there is an address": {host: `
addr 2001:db8:1::2/64 dev eth0
2001:db8:1::/64 dev eth0 metric 256 own prefix`, do: `
addr replace 2001:db8:1::2/64 dev new0
del 2001:db8:1::/64 dev new0 metric 256
prepend 2001:db8:1::/64 dev new0 proto kernel metric 256   # stands in until the next router advertisement: the right one is the kernel's own, which no command can make
del 2001:db8:1::/64 dev eth0 metric 256`, undo: `
addr replace 2001:db8:1::2/64 dev eth0
del 2001:db8:1::/64 dev eth0 metric 256
prepend 2001:db8:1::/64 dev eth0 proto kernel metric 256   # stands in until the next router advertisement: the right one is the kernel's own, which no command can make
del 2001:db8:1::/64 dev new0 metric 256`},
		"IPv6: a program's, in the kernel's place": {host: `
default6 via fe80::1 dev eth0 proto ra metric 1024`, do: `
prepend default via fe80::1 dev new0 proto ra metric 1024
del default via fe80::1 dev eth0 proto ra metric 1024`, undo: `
prepend default via fe80::1 dev eth0 proto ra metric 1024
del default via fe80::1 dev new0 proto ra metric 1024`},
		"IPv6: an address that was temporary, and is not used": {host: `
addr 2001:db8::2/64 dev eth0 noprefixroute
addr 2001:db8::77/64 dev eth0 noprefixroute spent`, do: `
addr replace 2001:db8::2/64 dev new0 noprefixroute`, undo: `
addr replace 2001:db8::2/64 dev eth0 noprefixroute`},
		"IPv6: one that is temporary is the kernel's when undoing": {host: `
addr 2001:db8::77/64 dev eth0 noprefixroute temporary`, do: `
addr replace 2001:db8::77/64 dev new0 noprefixroute`, undo: ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := aHost(t, c.host)
			do, undo := Switch(h, h.State(eth0), new0, host.Power(!c.off))
			compare(t, "do", do, c.do)
			compare(t, "undo", undo, c.undo)
		})
	}
}

// TestAgain compares the messages that make routes anew, or take them over.
func TestAgain(t *testing.T) {
	const lost = `
addr 10.0.0.2/24 dev eth0
addr 2001:db8::2/64 dev eth0
nexthop 5 via 10.0.0.5 dev eth0
10.0.0.0/24 dev eth0 proto kernel src 10.0.0.2
10.1.0.0/16 dev eth1 proto static
10.1.0.0/16 via 10.0.0.7 dev eth0
10.1.0.0/16 dev eth1 src 10.6.0.2
10.20.0.0/16 via 10.0.0.5 dev eth0 nhid 5
default via 10.0.0.1 dev eth0
2001:db8::/64 dev eth0 proto kernel metric 256
2001:db8:9::/64 dev eth0 metric 5
2001:db8:13::/48 via 2001:db8::13 dev eth1 metric 1024 src 2001:db8::2
default6 via 2001:db8::1 dev eth0 metric 1024`
	for name, c := range map[string]struct {
		make func(h *host.Host) rtnl.Wire
		want string
	}{
		"restore on the other": {func(h *host.Host) rtnl.Wire { return Restore(h, h.State(eth0), new0) }, `
del 10.0.0.0/24 dev new0 proto kernel scope link src 10.0.0.2
del 10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.2
del 10.0.0.0/24 dev new0 proto kernel scope link src 10.0.0.2
prepend 10.0.0.0/24 dev new0 proto kernel src 10.0.0.2
addr replace 2001:db8::2/64 dev new0
prepend 2001:db8:9::/64 dev new0 metric 5
ip nexthop replace id 5 via 10.0.0.5 dev new0
del 10.1.0.0/16 via 10.0.0.7 dev eth0 proto boot
del 10.1.0.0/16 via 10.0.0.7 dev new0 proto boot
del 10.1.0.0/16 dev eth1 proto boot scope link src 10.6.0.2
del 10.1.0.0/16 dev eth1 proto boot scope link src 10.6.0.2
append 10.1.0.0/16 via 10.0.0.7 dev new0
append 10.1.0.0/16 dev eth1 src 10.6.0.2
del 10.20.0.0/16 nhid 5 proto boot
del 10.20.0.0/16 nhid 5 proto boot
prepend 10.20.0.0/16 nhid 5
del default via 10.0.0.1 dev eth0 proto boot
del default via 10.0.0.1 dev new0 proto boot
prepend default via 10.0.0.1 dev new0
prepend default via 2001:db8::1 dev new0 metric 1024
del 2001:db8:13::/48 via 2001:db8::13 dev eth1 proto boot metric 1024
prepend 2001:db8:13::/48 via 2001:db8::13 dev eth1 src 2001:db8::2 metric 1024
add 2001:db8:13::/48 via 2001:db8::13 dev eth1 metric 1024`},
		"restore on the same": {func(h *host.Host) rtnl.Wire { return Restore(h, h.State(eth0), eth0) }, `
del 10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.2
del 10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.2
del 10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.2
prepend 10.0.0.0/24 dev eth0 proto kernel src 10.0.0.2
addr replace 2001:db8::2/64 dev eth0
prepend 2001:db8:9::/64 dev eth0 metric 5
ip nexthop replace id 5 via 10.0.0.5 dev eth0
del 10.1.0.0/16 via 10.0.0.7 dev eth0 proto boot
del 10.1.0.0/16 via 10.0.0.7 dev eth0 proto boot
del 10.1.0.0/16 dev eth1 proto boot scope link src 10.6.0.2
del 10.1.0.0/16 dev eth1 proto boot scope link src 10.6.0.2
append 10.1.0.0/16 via 10.0.0.7 dev eth0
append 10.1.0.0/16 dev eth1 src 10.6.0.2
del 10.20.0.0/16 nhid 5 proto boot
del 10.20.0.0/16 nhid 5 proto boot
prepend 10.20.0.0/16 nhid 5
del default via 10.0.0.1 dev eth0 proto boot
del default via 10.0.0.1 dev eth0 proto boot
prepend default via 10.0.0.1 dev eth0
prepend default via 2001:db8::1 dev eth0 metric 1024
del 2001:db8:13::/48 via 2001:db8::13 dev eth1 proto boot metric 1024
prepend 2001:db8:13::/48 via 2001:db8::13 dev eth1 src 2001:db8::2 metric 1024
add 2001:db8:13::/48 via 2001:db8::13 dev eth1 metric 1024`},
		"mend another's": {func(h *host.Host) rtnl.Wire { return Mend(h, h.State(eth0), map[string]bool{h.Routes[1].Key(): true}) }, `
del 10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.2
del 10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.2
del 10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.2
prepend 10.0.0.0/24 dev eth0 proto kernel src 10.0.0.2
addr replace 2001:db8::2/64 dev eth0
prepend 2001:db8:9::/64 dev eth0 metric 5
ip nexthop replace id 5 via 10.0.0.5 dev eth0
del 10.1.0.0/16 dev eth1 proto static scope link
del 10.1.0.0/16 dev eth1 proto static scope link
del 10.1.0.0/16 via 10.0.0.7 dev eth0 proto boot
del 10.1.0.0/16 via 10.0.0.7 dev eth0 proto boot
del 10.1.0.0/16 dev eth1 proto boot scope link src 10.6.0.2
del 10.1.0.0/16 dev eth1 proto boot scope link src 10.6.0.2
prepend 10.1.0.0/16 dev eth1 proto static
append 10.1.0.0/16 via 10.0.0.7 dev eth0
append 10.1.0.0/16 dev eth1 src 10.6.0.2
del 10.20.0.0/16 nhid 5 proto boot
del 10.20.0.0/16 nhid 5 proto boot
prepend 10.20.0.0/16 nhid 5
del default via 10.0.0.1 dev eth0 proto boot
del default via 10.0.0.1 dev eth0 proto boot
prepend default via 10.0.0.1 dev eth0
prepend default via 2001:db8::1 dev eth0 metric 1024
del 2001:db8:13::/48 via 2001:db8::13 dev eth1 proto boot metric 1024
prepend 2001:db8:13::/48 via 2001:db8::13 dev eth1 src 2001:db8::2 metric 1024
add 2001:db8:13::/48 via 2001:db8::13 dev eth1 metric 1024`},
		"take": {func(h *host.Host) rtnl.Wire { return Take(h, h.State(eth0), new0) }, `
del 10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.2
del 10.0.0.0/24 dev new0 proto kernel scope link src 10.0.0.2
prepend 10.0.0.0/24 dev new0 proto kernel src 10.0.0.2
addr replace 2001:db8::2/64 dev new0
del 2001:db8::/64 dev eth0 proto kernel metric 256
prepend 2001:db8:9::/64 dev new0 metric 5
del 2001:db8:9::/64 dev eth0 proto boot metric 5
ip nexthop replace id 5 via 10.0.0.5 dev new0
del 10.1.0.0/16 via 10.0.0.7 dev eth0 proto boot
del 10.1.0.0/16 via 10.0.0.7 dev new0 proto boot
del 10.1.0.0/16 dev eth1 proto boot scope link src 10.6.0.2
del 10.1.0.0/16 dev eth1 proto boot scope link src 10.6.0.2
append 10.1.0.0/16 via 10.0.0.7 dev new0
append 10.1.0.0/16 dev eth1 src 10.6.0.2
del 10.20.0.0/16 nhid 5 proto boot
del 10.20.0.0/16 nhid 5 proto boot
prepend 10.20.0.0/16 nhid 5
del default via 10.0.0.1 dev eth0 proto boot
del default via 10.0.0.1 dev new0 proto boot
prepend default via 10.0.0.1 dev new0
replace default via 2001:db8::1 dev new0 metric 1024
del 2001:db8:13::/48 via 2001:db8::13 dev eth1 proto boot metric 1024
prepend 2001:db8:13::/48 via 2001:db8::13 dev eth1 src 2001:db8::2 metric 1024
add 2001:db8:13::/48 via 2001:db8::13 dev eth1 metric 1024`},
		"keep the order": {func(h *host.Host) rtnl.Wire { return KeepOrder(h, h.State(eth0)) }, `
del 10.1.0.0/16 via 10.0.0.7 dev eth0 proto boot
del 10.1.0.0/16 via 10.0.0.7 dev eth0 proto boot
del 10.1.0.0/16 dev eth1 proto boot scope link src 10.6.0.2
del 10.1.0.0/16 dev eth1 proto boot scope link src 10.6.0.2
append 10.1.0.0/16 via 10.0.0.7 dev eth0
append 10.1.0.0/16 dev eth1 src 10.6.0.2`},
		"there is nothing to take": {func(h *host.Host) rtnl.Wire { return Take(h, h.State(new0), eth0) }, ""},
	} {
		t.Run(name, func(t *testing.T) { compare(t, name, c.make(aHost(t, lost)), c.want) })
	}
}
