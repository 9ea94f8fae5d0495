package antispoof

import (
	"golang.org/x/sys/unix"
)

// family is one of IPv4 and IPv6, which have rules of their own.
type family struct {
	label   string // for people
	program string
	names   string // the file that lists the tables of the legacy back end
	flag    string // what makes one bridge show its packets, in its sysfs directory
	attr    uint16 // the same as an attribute of its link
	global  string // what makes every bridge show them, below /proc/sys
	bits    int    // of an address
	module  string // of the legacy back end
	nfproto uint8  // for netfilter
}

var ipv4 = &family{
	label: "IPv4", program: "iptables", names: "/proc/thread-self/net/ip_tables_names",
	flag: "nf_call_iptables", attr: unix.IFLA_BR_NF_CALL_IPTABLES, global: "net/bridge/bridge-nf-call-iptables", bits: 32, module: "ip_tables", nfproto: unix.NFPROTO_IPV4,
}

var ipv6 = &family{
	label: "IPv6", program: "ip6tables", names: "/proc/thread-self/net/ip6_tables_names",
	flag: "nf_call_ip6tables", attr: unix.IFLA_BR_NF_CALL_IP6TABLES, global: "net/bridge/bridge-nf-call-ip6tables", bits: 128, module: "ip6_tables", nfproto: unix.NFPROTO_IPV6,
}

// familyOf is the family that a program is for: iptables, ip6tables-legacy.
func familyOf(program string) *family {
	if len(program) >= len(ipv6.program) && program[:len(ipv6.program)] == ipv6.program {
		return ipv6
	}
	return ipv4
}
