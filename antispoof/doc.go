// Package antispoof keeps Xen's guests from sending with IPv4 and IPv6
// addresses that are not theirs, as antispoof=yes of Xen's network-bridge was meant
// to, and touches nobody else's rule.
//
// For each bridge there is a chain XBR-<bridge> in the tables raw and filter
// of iptables and ip6tables, and a jump to it where packets of that bridge pass:
// PREROUTING, FORWARD and INPUT. Rules of vif-bridge or the admin, which come before
// the jump in FORWARD, say what a guest may send; the chain lets the NIC and dom0
// through and drops the rest. Only this bridge is told to show its packets to
// iptables (nf_call_iptables).
//
// Planning is a pure function of a snapshot of the host, the records and what a Reader
// has seen of the rules (read.go, seen.go).
//
// draft.go has the order of the steps, rules.go the content of the chains, position.go
// where the jumps go, edit.go the operation that makes the rules in one transaction,
// kernel.go what else the kernel needs, vif.go what Xen's vif-bridge does, and
// status.go what is in force.
package antispoof
