// Package rtnl speaks rtnetlink in raw messages.
//
// What dom0 has on a NIC must reach its new port whole. A library that turns
// messages into structs drops what its structs do not know (nexthop ids, the
// metric of an address, IFA_PROTO, a route's preference or expiry), and drops
// silently what next year's kernel adds. So state is moved as the kernel gave
// it: dump, change the interface index, send back.
//
// Msg is one message, Wire a list of them, Conn the socket. Package ipcmd prints a
// message as a command, and package netop has the operation that sends messages.
package rtnl
