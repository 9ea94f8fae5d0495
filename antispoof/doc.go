// Package antispoof keeps Xen's guests from sending with IPv4 and IPv6
// addresses that are not theirs, as antispoof=yes of Xen's network-bridge
// meant to, without a rule of anybody else being touched.
//
// For each bridge there is a chain XBR-<bridge> in the tables raw and filter
// of iptables and ip6tables, and a jump to it where packets of that bridge
// pass: PREROUTING, FORWARD and INPUT. What a guest may send is said by rules
// of vif-bridge or the admin, which stand before the jump in FORWARD; the
// chain lets the NIC and dom0 through and drops the rest. The bridge alone is
// told to show its packets to iptables (nf_call_iptables).
//
// survey.go gives the order of the steps, rules.go what stands in the chains,
// place.go where the jumps go, edit.go the operation that brings the rules
// there in one transaction, kernel.go what the kernel needs besides, vif.go
// what Xen's vif-bridge does, status.go what is in force.
package antispoof
