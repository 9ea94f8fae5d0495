package routes

import (
	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/rtnl"
)

// AddState are the messages that put the addresses and neighbours of a state on
// its interface. IPv6 addresses are there then, but have no effect yet: see Quiet.
func AddState(s host.State) []rtnl.Msg {
	msgs := rtnl.AllAs(s.Addrs4, unix.RTM_NEWADDR, rtnl.Add)
	for _, m := range s.Addrs6 {
		msgs = append(msgs, Quiet(m))
	}
	return append(msgs, rtnl.AllAs(s.Neighs, unix.RTM_NEWNEIGH, rtnl.Replace)...)
}

// DelState are the messages that remove addresses and neighbours again, secondary
// addresses before their primary ones.
func DelState(s host.State) []rtnl.Msg {
	msgs := rtnl.AllAs(rtnl.Reversed(s.Neighs), unix.RTM_DELNEIGH, 0)
	return append(append(msgs, DelAddrs(s.Addrs6)...), DelAddrs(s.Addrs4)...)
}

// DelAddrs are the messages that remove addresses, the last one first, whatever
// their labels are by now.
func DelAddrs(addrs []rtnl.Msg) []rtnl.Msg {
	msgs := make([]rtnl.Msg, 0, len(addrs))
	for _, m := range rtnl.Reversed(addrs) {
		msgs = append(msgs, m.Without(unix.IFA_LABEL).As(unix.RTM_DELADDR, 0))
	}
	return msgs
}

// Joined are those addresses that a socket of the kernel's has joined as multicast groups
// (IFA_F_MCAUTOJOIN). They have to be removed one by one: if they go with the interface,
// or with IPv6 on it, the socket remains a member (inet6_addr_del, addrconf_ifdown), and
// there they cannot be added again.
func Joined(addrs []rtnl.Msg) []rtnl.Msg {
	return rtnl.Rest(addrs, func(m rtnl.Msg) bool { return m.AddrFlags()&unix.IFA_F_MCAUTOJOIN == 0 })
}

// Quiet is the message that adds an IPv6 address which is there but has no effect
// yet: it gets no route, no temporary addresses are made for it, and if it has
// been found unique on the link before, it does not wait a second to be found
// unique again.
func Quiet(m rtnl.Msg) rtnl.Msg {
	flags := m.AddrFlags() &^ unix.IFA_F_MANAGETEMPADDR
	silent := flags | unix.IFA_F_NOPREFIXROUTE
	if flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) == 0 {
		silent |= unix.IFA_F_NODAD
	}
	return m.With(unix.IFA_FLAGS, rtnl.U32Bytes(silent)).As(unix.RTM_NEWADDR, rtnl.Add)
}

// Final is the message that gives an address that Quiet added its own flags.
func Final(m rtnl.Msg) rtnl.Msg { return m.As(unix.RTM_NEWADDR, rtnl.Replace) }

// Unspent is what of a state arrives where it moves to.
func Unspent(h *host.Host, s host.State) host.State {
	s.Addrs6 = rtnl.Rest(s.Addrs6, h.Spent)
	return s
}

// Readdress are the addresses of an interface, all of one family, that are not what
// they were any more, from the first on that is not in its place, and the messages
// that make them so again. What has come meanwhile stays.
func Readdress(was, now []rtnl.Msg) (wrong, msgs []rtnl.Msg) {
	known := map[string]bool{}
	for _, m := range was {
		known[m.Key()] = true
	}
	now = rtnl.Rest(now, func(m rtnl.Msg) bool { return !known[m.Key()] })
	first := 0
	for first < min(len(was), len(now)) && was[first].Key() == now[first].Key() {
		first++
	}
	wrong = was[first:]
	if len(wrong) == 0 {
		return nil, nil
	}
	if was[0].Family() == unix.AF_INET {
		index := int(rtnl.U32(was[0].Fixed()[4:8])) // ifa_index
		return wrong, Relabel(index, 0, rtnl.AllAs(was, unix.RTM_NEWADDR, rtnl.Add), first)
	}
	msgs = DelAddrs(wrong)
	for _, m := range wrong {
		msgs = append(msgs, Quiet(m), Final(m))
	}
	return wrong, msgs
}
