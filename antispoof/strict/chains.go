package strict

import (
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// set is a set or a map of the table. Its elements come from State.
type set struct {
	name     string
	fields   []field // what it is asked for
	interval bool    // it has ranges
	does     bool    // it is a map to what becomes of a frame
	counts   bool    // it is a map to counters
	raw      bool    // nft knows its fields only as bytes
	most     bool    // most frames are looked up in it
}

// Sets. Those about neighbour discovery have the same content as others, because nft
// can look up bytes without a name only in a set of such bytes.
var (
	ports   = &set{name: "ports", fields: []field{port}, does: true, most: true}
	macs    = &set{name: "macs", fields: []field{port, source}}
	lanMACs = &set{name: "not-from-lan", fields: []field{source}, most: true}
	addrs4  = &set{name: "addresses4", fields: []field{port, source4}}
	nets4   = &set{name: "networks4", fields: []field{port, source4}, interval: true}
	addrs6  = &set{name: "addresses6", fields: []field{port, source6}}
	nets6   = &set{name: "networks6", fields: []field{port, source6}, interval: true}
	taken4  = &set{name: "taken4", fields: []field{etherType, source4}, interval: true}
	taken6  = &set{name: "taken6", fields: []field{etherType, source6}, interval: true}

	// What most frames are: TCP and UDP from one of the guest's own addresses, found at once.
	own4 = &set{name: "own4", fields: []field{port, source, source4}, most: true}
	own6 = &set{name: "own6", fields: []field{port, source, source6}, most: true}

	linkAddr    = &set{name: "nd-macs", fields: []field{port, rawMAC}, raw: true}
	ndAddrs     = &set{name: "nd-addresses", fields: []field{port, target}, raw: true}
	ndNets      = &set{name: "nd-networks", fields: []field{port, target}, raw: true, interval: true}
	ndTaken     = &set{name: "nd-taken", fields: []field{etherType, target}, raw: true, interval: true}
	anySource   = &set{name: "any-source", fields: []field{port}}    // guests that may send from any address that is nobody's
	anyNeighbor = &set{name: "any-neighbour", fields: []field{port}} // and say that they have it
	routers     = &set{name: "routers", fields: []field{port}}       // guests that may send router advertisements
	dhcpServers = &set{name: "dhcp-servers", fields: []field{port}}
	sets        = []*set{ports, macs, lanMACs, addrs4, nets4, addrs6, nets6, taken4, taken6, own4, own6,
		linkAddr, ndAddrs, ndNets, ndTaken, anySource, anyNeighbor, routers, dhcpServers}
)

// A message of neighbour discovery that is not behind an extension header.
var (
	rawMAC   = field{text: "@th,208,48", base: transport, offset: 26, size: 6, kind: ether}
	target   = field{text: "@th,64,128", base: transport, offset: 8, size: 16, kind: ip6}
	icmpType = at(transport, 0, 1)
	proto4   = at(network, 9, 1)
	length6  = at(network, 4, 2)
	next6    = at(network, 6, 1)
	hops6    = at(network, 7, 1)
	option   = at(transport, 24, 2) // type and length of what follows the target
	rsOption = at(transport, 8, 2)
)

// The reasons for which a guest's frame is dropped.
const (
	byMAC     = "mac"     // another source address
	byType    = "type"    // neither ARP, RARP, IPv4 nor IPv6: VLANs, LLC, PPPoE, …
	byARP     = "arp"     // the address of somebody else in ARP
	byIPv4    = "ipv4"    // from the address of somebody else
	byIPv6    = "ipv6"    // from the address of somebody else
	byND      = "nd"      // the address of somebody else in neighbour discovery
	byRouter  = "router"  // what only a router sends
	byDHCP    = "dhcp"    // what only a DHCP server sends
	byOptions = "options" // IP options, routing headers, fragments from link-local addresses, broken packets
)

// Reasons are all of them.
var Reasons = []string{byMAC, byType, byARP, byIPv4, byIPv6, byND, byRouter, byDHCP, byOptions}

// Counters of frames that are not an admitted guest's.
const (
	unadmitted = "unadmitted" // from a port that nobody admitted
	forgedLAN  = "lan"        // from the LAN, with the MAC address of a guest or of dom0
)

func dropChain(reason string) string { return "drop-" + reason }

// dropped is the map from ports to the counters for a reason.
func dropped(reason string) *set {
	return &set{name: "dropped-" + reason, fields: []field{port}, counts: true}
}

// chain is a chain of the table.
type chain struct {
	name  string
	hook  int // NF_BR_…; -1 if only others go to it
	rules []rule
}

// linux/netfilter_bridge.h, and the number of the priority: before the bridge's own
// tables (NF_BR_PRI_NAT_DST_BRIDGED) and br_netfilter (NF_BR_PRI_BRNF).
const (
	preRouting = 0
	localIn    = 1
	priority   = -300
	noHook     = -1
)

// chains are the rules for a bridge. Each chain accepts what it knows to be right, so a
// frame that is too short for a rule is dropped at the end; and no chain with a hook has
// a policy other than accept, because while a transaction is being prepared a new chain is
// in force without its rules.
func chains(s *State) []chain {
	lan := rule{isText(port, quoted(s.NIC), ifnameBytes(s.NIC)), to("lan")}
	list := []chain{
		{"prerouting", preRouting, slices.Concat([]rule{lan}, fast(), []rule{{to("by-port")}})},
		// The bridge learns from frames that it does not forward, to 01:80:c2:00:00:0x,
		// without showing them to prerouting (br_handle_frame, br_handle_local_finish).
		{"input", localIn, []rule{
			{maskedMAC(dest, []byte{255, 255, 255, 255, 255, 0xf0}, []byte{1, 0x80, 0xc2, 0, 0, 0}), to("by-port")},
		}},
		{"by-port", noHook, append([]rule{
			lan,
			{decide(ports, port)},
		}, s.strangers()...)},
		{"shut", noHook, []rule{{count(unadmitted), drop}}},
		{"lan", noHook, []rule{{in(lanMACs, source), count(forgedLAN), drop}, {accept}}},
		{"guest", noHook, []rule{
			{in(macs, port, source), to("mac-is-right")},
			{to(dropChain(byMAC))},
		}},
		{"mac-is-right", noHook, []rule{
			{is(etherType, unix.ETH_P_IP), to("is-ip4")},
			{is(etherType, unix.ETH_P_IPV6), to("is-ip6")},
			{is(etherType, unix.ETH_P_ARP), to("is-arp")},
			{is(etherType, unix.ETH_P_RARP), to("is-rarp")},
			{to(dropChain(byType))},
		}},
	}
	list = append(list, common()...)
	for _, reason := range Reasons {
		list = append(list, chain{dropChain(reason), noHook, []rule{{countBy(dropped(reason), port)}, {drop}}})
	}
	return list
}

// fast are the rules for what most frames are, in the order of what each part costs the
// kernel. What they do not accept passes the others. That a port of the protocol can be
// read says that the packet is whole up to there, and no later fragment where kernels
// look for none; if such a fragment passes all the same, it would have done so later, too.
func fast() []rule {
	guests := func(own *set, typ uint64) []part {
		return []part{in(own, own.fields...), is(etherType, typ), accept}
	}
	four, six := is(at(network, 0, 1), 0x45), masked(at(network, 0, 1), 0xf0, 0x60)
	return []rule{
		append(rule{four, is(proto4, tcp), isNot(fromPort, 0)}, guests(own4, unix.ETH_P_IP)...),
		append(rule{four, is(proto4, udp), isNot(fromPort, dhcpServer4), isNot(toPort, dhcpClient4)}, guests(own4, unix.ETH_P_IP)...),
		append(rule{six, is(next6, tcp), isNot(fromPort, 0)}, guests(own6, unix.ETH_P_IPV6)...),
		append(rule{six, is(next6, udp), isNot(fromPort, dhcpServer6), isNot(toPort, dhcpClient6)}, guests(own6, unix.ETH_P_IPV6)...),
	}
}

// common are the chains that are the same for all bridges. They are made when they are
// first asked for: that takes half a millisecond, and most calls never ask.
var common = sync.OnceValue(func() []chain { return slices.Concat(arpChains(), ip4Chains(), ip6Chains(), ndChains()) })

// strangers are the rules for frames of ports that are in no map.
func (s *State) strangers() []rule {
	if s.ByBridge {
		return []rule{{isText(bridge, quoted(s.Bridge), ifnameBytes(s.Bridge)), to("shut")}}
	}
	return []rule{{begins(port, "vif"), to("shut")}, {begins(port, "tap"), to("shut")}}
}

// arpIs is whole ARP about IPv4 on Ethernet, with that operation, from the guest's own
// MAC address.
func arpIs(operation uint64) []part {
	sender, end := at(network, 8, 6), at(network, 24, 4)
	return []part{is(at(network, 0, 8), 0x0001080006040000|operation), present(end), in(linkAddr, port, sender)}
}

func arpChains() []chain {
	return []chain{
		{"is-arp", noHook, []rule{
			append(arpIs(1), to("arp-request")),
			append(arpIs(2), to("arp-sender")),
			{to(dropChain(byARP))},
		}},
		{"arp-request", noHook, []rule{
			{isText(arpIP, "0.0.0.0", make([]byte, 4)), to("arp-probe")},
			{to("arp-sender")},
		}},
		// Who probes an address at the same time as another takes it from him (RFC 5227, 2.1.1).
		{"arp-probe", noHook, []rule{
			{in(addrs4, port, arpTarget), accept},
			{in(nets4, port, arpTarget), accept},
			{in(anyNeighbor, port), notIn(taken4, etherType, arpTarget), accept},
			{to(dropChain(byARP))},
		}},
		{"arp-sender", noHook, []rule{
			{in(addrs4, port, arpIP), accept},
			{in(nets4, port, arpIP), accept},
			{in(anyNeighbor, port), notIn(taken4, etherType, arpIP), accept},
			{to(dropChain(byARP))},
		}},
		{"is-rarp", noHook, []rule{ // tells switches where a guest is that has moved
			append(arpIs(3), in(linkAddr, port, at(network, 18, 6)), to("rarp-sender")),
			{to(dropChain(byARP))},
		}},
		{"rarp-sender", noHook, []rule{
			{isText(arpIP, "0.0.0.0", make([]byte, 4)), accept},
			{to("arp-sender")},
		}},
	}
}

// valid matches IP packets that the kernel can make sense of up to the transport header
// (nft_set_pktinfo_ipv4_validate and the like).
var valid = isNot(l4proto, 255)

const (
	icmp, igmp, tcp, udp, icmpv6, pim = unix.IPPROTO_ICMP, unix.IPPROTO_IGMP, unix.IPPROTO_TCP, unix.IPPROTO_UDP, unix.IPPROTO_ICMPV6, unix.IPPROTO_PIM
	dhcpClient4, dhcpServer4          = 68, 67
	dhcpClient6, dhcpServer6          = 546, 547
	hopHeader, destinationHeader      = unix.IPPROTO_HOPOPTS, unix.IPPROTO_DSTOPTS
	routingHeader, fragmentHeader     = unix.IPPROTO_ROUTING, unix.IPPROTO_FRAGMENT
	authHeader                        = unix.IPPROTO_AH
	icmpRedirect, icmpIRDP            = 5, 9
	igmp1Report, igmp2Report          = 0x12, 0x16
	igmp2Leave, igmp3Report           = 0x17, 0x22
)

var (
	fromPort = at(transport, 0, 2)
	toPort   = at(transport, 2, 2)
)

func ip4Chains() []chain {
	return []chain{
		{"is-ip4", noHook, []rule{
			{valid, is(at(network, 0, 1), 0x45), to("ip4-protocol")},
			{valid, is(at(network, 0, 1), 0x46), is(at(network, 20, 4), 0x94040000), to("ip4-protocol")}, // Router Alert alone: IGMP
			{to(dropChain(byOptions))},
		}},
		{"ip4-protocol", noHook, []rule{
			{is(l4proto, tcp), to("ip4-source")},
			// What is in later fragments is no header. Kernels differ in whether they take it for
			// one (nft_payload_fast_eval).
			{maskedNot(at(network, 6, 2), 0x1fff, 0), to("ip4-source")},
			{is(l4proto, udp), to("udp4")},
			{is(l4proto, icmp), to("icmp4")},
			{is(l4proto, igmp), to("igmp4")},
			{is(l4proto, pim), to("routers-only4")},
			{to("ip4-source")},
		}},
		{"icmp4", noHook, []rule{
			{is(icmpType, icmpRedirect), to("routers-only4")},
			{is(icmpType, icmpIRDP), to("routers-only4")},
			{to("ip4-source")},
		}},
		// Queries, and what else says that a router for multicast is here: the bridge believes
		// both, and PIM (br_multicast_ipv4_rcv).
		{"igmp4", noHook, []rule{
			{is(icmpType, igmp1Report), to("igmp-report")},
			{is(icmpType, igmp2Report), to("igmp-report")},
			{is(icmpType, igmp2Leave), to("igmp-report")},
			{is(icmpType, igmp3Report), to("igmp-report")},
			{to("routers-only4")},
		}},
		{"igmp-report", noHook, []rule{
			{isText(source4, "0.0.0.0", make([]byte, 4)), accept}, // before it has an address (RFC 3376, 4.2.13)
			{to("ip4-source")},
		}},
		{"routers-only4", noHook, []rule{{in(routers, port), to("ip4-source")}, {to(dropChain(byRouter))}}},
		{"udp4", noHook, []rule{
			{is(fromPort, dhcpServer4), notIn(dhcpServers, port), to(dropChain(byDHCP))},
			{is(toPort, dhcpClient4), notIn(dhcpServers, port), to(dropChain(byDHCP))},
			{
				isText(source4, "0.0.0.0", make([]byte, 4)), isText(dest4, "255.255.255.255", []byte{255, 255, 255, 255}),
				is(fromPort, dhcpClient4), is(toPort, dhcpServer4), accept,
			},
			{to("ip4-source")},
		}},
		{"ip4-source", noHook, []rule{
			{in(addrs4, port, source4), accept},
			{in(nets4, port, source4), accept},
			{in(anySource, port), notIn(taken4, etherType, source4), accept},
			{to(dropChain(byIPv4))},
		}},
	}
}

// Types of ICMPv6.
const (
	mldQuery, mldReport, mldDone, mld2Report  = 130, 131, 132, 143
	routerSolicit, routerAdvert               = 133, 134
	neighSolicit, neighAdvert, redirect       = 135, 136, 137
	renumbering, inverseSolicit, inverseReply = 138, 141, 142
	multicastRouter, noMulticastRouter        = 151, 153
)
