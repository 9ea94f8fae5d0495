package strict

func ip6Chains() []chain {
	return []chain{
		{"is-ip6", noHook, []rule{{valid, to("ip6-next")}, {to(dropChain(byOptions))}}},
		{"ip6-next", noHook, []rule{
			{is(next6, tcp), to("ip6-source")},
			{is(next6, udp), to("udp6")},
			{is(next6, icmpv6), to("icmp6")},
			{has("rt", routingHeader), to(dropChain(byOptions))},
			{is(next6, hopHeader), to("ip6-hop")},
			{is(next6, destinationHeader), to("ip6-destination")},
			{is(next6, fragmentHeader), to("ip6-fragment")},
			{has("frag", fragmentHeader), to(dropChain(byOptions))},
			{is(next6, authHeader), to("ip6-auth")},
			{to("ip6-behind")},
		}},
		// Of extension headers there may be one, or another behind hop-by-hop options of eight
		// bytes: so each is where a rule can look at it.
		{"ip6-hop", noHook, append([]rule{
			{is(headerNext(0), destinationHeader), is(headerSize(0), 0), to("ip6-hop-destination")},
			{is(headerNext(0), fragmentHeader), is(headerSize(0), 0), to("ip6-hop-fragment")},
		}, lastHeader(0)...)},
		{"ip6-destination", noHook, destinationOptions(0)},
		{"ip6-hop-destination", noHook, destinationOptions(1)},
		{"ip6-fragment", noHook, fragment(0)},
		{"ip6-hop-fragment", noHook, fragment(1)},
		// The kernel looks for no protocol behind AH. Neighbour discovery has 255 hops, reports of
		// groups have one.
		{"ip6-auth", noHook, append(anotherHeader(0), []rule{
			{is(headerNext(0), icmpv6), is(hops6, 255), to(dropChain(byOptions))},
			{is(headerNext(0), icmpv6), is(hops6, 1), to(dropChain(byOptions))},
			{to("ip6-source")},
		}...)},
		// The header of the protocol has to be in the packet, and in the first of its fragments
		// (RFC 7112): it is there that rules look for it.
		{"ip6-upper", noHook, []rule{
			{present(at(transport, 0, 4)), to("ip6-behind")},
			{to(dropChain(byOptions))},
		}},
		{"ip6-behind", noHook, []rule{ // what is behind extension headers
			{is(l4proto, udp), to("udp6")},
			{is(l4proto, icmpv6), to("icmp6-behind")},
			{is(l4proto, pim), to("routers-only")},
			{to("ip6-source")},
		}},
		{"udp6", noHook, []rule{
			{is(fromPort, dhcpServer6), notIn(dhcpServers, port), to(dropChain(byDHCP))},
			{is(toPort, dhcpClient6), notIn(dhcpServers, port), to(dropChain(byDHCP))},
			{to("ip6-source")},
		}},
		{"ip6-source", noHook, []rule{
			{in(addrs6, port, source6), accept},
			{in(nets6, port, source6), accept},
			{masked(at(network, 8, 2), 0xffc0, 0xfe80), notIn(anyNeighbor, port), to(dropChain(byIPv6))}, // nobody routes those
			{in(anySource, port), notIn(taken6, etherType, source6), accept},
			{to(dropChain(byIPv6))},
		}},
	}
}

// headerNext is what follows the nth extension header, if each before it has eight bytes;
// headerSize is its own size in units of eight bytes without the first.
func headerNext(n uint32) field { return at(network, 40+8*n, 1) }
func headerSize(n uint32) field { return at(network, 41+8*n, 1) }

// anotherHeader drops what has another extension header behind the nth.
func anotherHeader(n uint32) (rules []rule) {
	for _, another := range []uint64{hopHeader, destinationHeader, routingHeader, fragmentHeader, authHeader} {
		rules = append(rules, rule{is(headerNext(n), another), to(dropChain(byOptions))})
	}
	return rules
}

// lastHeader goes on behind an extension header that has to be the last.
func lastHeader(n uint32) []rule { return append(anotherHeader(n), rule{to("ip6-upper")}) }

// destinationOptions are only those that fit into eight bytes: a home address does not,
// by which a packet says that it is from another source (RFC 6275, 6.3).
func destinationOptions(n uint32) []rule {
	return append([]rule{{isNot(headerSize(n), 0), to(dropChain(byOptions))}}, lastHeader(n)...)
}

// fragment is for fragments. Router advertisements come from link-local addresses, and
// hide best in them.
func fragment(n uint32) []rule {
	later := rule{maskedNot(at(network, 42+8*n, 2), 0xfff8, 0), to("ip6-source")}
	return append([]rule{{masked(at(network, 8, 2), 0xffc0, 0xfe80), to(dropChain(byOptions))}, later}, lastHeader(n)...)
}

// unspecified matches packets from ::, as of a guest that is about to have an address.
var unspecified = isText(source6, "::", make([]byte, 16))

// withMAC is the option with the sender's MAC address in a message of 32 bytes: its
// type is 1 in a solicitation, 2 in an advertisement.
func withMAC(optionType uint64) []part {
	return []part{is(length6, 32), is(option, optionType<<8|1), in(linkAddr, port, rawMAC)}
}

// ndChains let nobody but a host's own addresses appear in neighbour discovery. Only
// messages without an option, or with the one that they are for, pass: nft cannot go
// through options, and the receiver takes the last that it finds. None may be behind an
// extension header (RFC 6980 has them ignored only if they are fragments).
func ndChains() []chain {
	return []chain{
		{"icmp6", noHook, []rule{
			{is(icmpType, neighSolicit), to("nd-solicit")},
			{is(icmpType, neighAdvert), to("nd-advert")},
			{is(icmpType, routerSolicit), to("nd-router-solicit")},
			{is(icmpType, routerAdvert), to("routers-only")},
			{is(icmpType, redirect), to("routers-only")},
			{is(icmpType, inverseSolicit), to(dropChain(byND))},
			{is(icmpType, inverseReply), to(dropChain(byND))},
			{to("icmp6-behind")},
		}},
		{"icmp6-behind", noHook, []rule{
			{is(icmpType, routerSolicit), to(dropChain(byND))},
			{is(icmpType, routerAdvert), to(dropChain(byRouter))},
			{is(icmpType, neighSolicit), to(dropChain(byND))},
			{is(icmpType, neighAdvert), to(dropChain(byND))},
			{is(icmpType, redirect), to(dropChain(byRouter))},
			{is(icmpType, inverseSolicit), to(dropChain(byND))},
			{is(icmpType, inverseReply), to(dropChain(byND))},
			{is(icmpType, renumbering), to("routers-only")},
			{is(icmpType, mldQuery), to("routers-only")},
			{is(icmpType, multicastRouter), to("routers-only")},
			{is(icmpType, noMulticastRouter), to("routers-only")},
			{is(icmpType, mldReport), unspecified, accept}, // before it has an address
			{is(icmpType, mldDone), unspecified, accept},
			{is(icmpType, mld2Report), unspecified, accept},
			{to("ip6-source")},
		}},
		{"routers-only", noHook, []rule{{in(routers, port), to("ip6-source")}, {to(dropChain(byRouter))}}},
		{"nd-solicit", noHook, []rule{
			{is(length6, 24), unspecified, to("nd-probe")},
			{is(length6, 24), to("ip6-source")},
			append(withMAC(1), to("ip6-source")),
			{is(length6, 32), is(option, 0x0e01), unspecified, to("nd-probe")}, // with a nonce (RFC 7527)
			{to(dropChain(byND))},
		}},
		// Whoever asks in vain takes an address; and who probes the same address at the same
		// time gives it up.
		{"nd-probe", noHook, []rule{
			{in(ndAddrs, port, target), accept},
			{in(ndNets, port, target), accept},
			{in(anyNeighbor, port), notIn(ndTaken, etherType, target), accept},
			{to(dropChain(byND))},
		}},
		{"nd-advert", noHook, []rule{
			{is(length6, 24), to("nd-target")},
			append(withMAC(2), to("nd-target")),
			{to(dropChain(byND))},
		}},
		{"nd-target", noHook, []rule{
			{in(ndAddrs, port, target), to("ip6-source")},
			{in(ndNets, port, target), to("ip6-source")},
			{in(anyNeighbor, port), notIn(ndTaken, etherType, target), to("ip6-source")},
			{to(dropChain(byND))},
		}},
		{"nd-router-solicit", noHook, []rule{
			{is(length6, 8), unspecified, accept},
			{is(length6, 8), to("ip6-source")},
			{is(length6, 16), is(rsOption, 0x0101), in(linkAddr, port, at(transport, 10, 6)), to("ip6-source")},
			{to(dropChain(byND))},
		}},
	}
}
