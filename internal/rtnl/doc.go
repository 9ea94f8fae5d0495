// Package rtnl speaks rtnetlink in raw messages.
//
// What dom0 has on a NIC must reach its new port whole. A library that turns
// messages into structs drops what its structs do not know (nexthop ids, the
// metric of an address, IFA_PROTO, a route's preference or expiry), and drops
// silently what next year's kernel adds. So state is moved as the kernel gave
// it: dump, change the interface index, send back.
//
// Msg is one message, Conn the socket, Batch a list of messages that is sent
// in one system call and can be kept in a journal. Names renders a message as
// the ip(8) or bridge(8) command that does the same.
package rtnl
