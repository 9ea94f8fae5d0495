// Package manager has what the programs that configure NICs, the managers, are told
// about a plan. Each has a package of its own below this one.
package manager

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/rtnl"
)

// Interface is an interface by its name, and by its index, which stays when somebody
// renames it.
type Interface struct {
	Name  string
	Index int // 0 if it is not known
}

// Move is what happens to one NIC: dom0's addresses go to another interface,
// and the NIC gets another name.
type Move struct {
	Undertaking string     // what the call is about, as it would follow "cannot": "start xenbr0"
	From        *host.Link // the interface that has dom0's addresses before; nil if it is missing
	To          Interface  // the one that has them afterwards
	Before      string     // what To is called until the NIC has given its name up
	NIC         *host.Link // nil if it is missing
	NetDev      string     // the NIC's name outside of a bridge
	Port        string     // its name as a port
	Bridge      *host.Link // nil if it is not there yet
	OnBridge    bool       // the bridge is To
	// Expiring are From's addresses that are valid only for a time, but for those that
	// the kernel renews.
	Expiring []rtnl.Msg
	// AnyLease says that they are moved whoever renews them.
	AnyLease bool
	// Bare says that From has no address, apart from link-local ones.
	Bare bool
	// New are the other interfaces that are there afterwards and were not before,
	// the NIC under its new name among them.
	New []Interface
}

// Leased says whether From has an IPv4 address that is valid only for a time.
func (m Move) Leased() bool {
	return slices.ContainsFunc(m.Expiring, func(a rtnl.Msg) bool { return a.Family() == unix.AF_INET })
}

// AtRest is the move of a network that stays as it is: dom0's addresses are on that
// interface.
func AtRest(m Move) Move {
	m.To, m.New = Interface{}, nil
	if m.From != nil {
		m.To = Interface{Name: m.From.Name, Index: m.From.Index}
	}
	return m
}

// Moves says whether dom0's addresses go from the NIC to an interface in its place.
func (m Move) Moves() bool {
	return m.From != nil && m.From == m.NIC && m.To.Index != m.NIC.Index
}

// Keeper is a manager that configures dom0's interface.
type Keeper struct {
	Manager string `json:"manager"`       // its name, such as "systemd-networkd"
	By      string `json:"by,omitempty"`  // the file or profile that it goes by
	How     string `json:"how,omitempty"` // what it has been given, or would be, to go by that
}

// String has all of it, such as "systemd-networkd, 10-netplan-eth0.network, by a copy".
func (k Keeper) String() string {
	words := []string{k.Manager}
	for _, w := range []string{k.By, k.How} {
		if w != "" {
			words = append(words, w)
		}
	}
	return strings.Join(words, ", ")
}
