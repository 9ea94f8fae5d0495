// Package strict makes antispoof=strict: a guest can be nobody but itself.
//
// For each bridge there is a table of nftables of the family bridge, xbr-<bridge>. Its
// chain sees a frame before the bridge learns from it, and finds out by the port whose
// frame that is. A guest may send with one MAC address, and in ARP, IPv4 and IPv6 only
// what belongs to that address and to its own IP addresses; everything else is dropped.
// So is all that a port sends that nobody has admitted. What rules have to know of
// guests is in sets and maps: neither their number nor that of the bridges makes a frame
// take longer.
//
// Planning is a pure function of a snapshot of the host, the records, and what a Reader
// has seen of nftables.
//
// chains.go has the rules, expr.go what they are made of (as nft writes it and as the
// kernel takes it), state.go what is in the sets, table.go both as messages and as
// text, kernel.go and apply.go read and write tables, plan.go has the steps, ports.go whose
// ports are where, and status.go what is in force.
package strict
