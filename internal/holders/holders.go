// Package holders finds what holds on to a NIC from outside: what points at its
// index or its name, or has a socket bound to it. start and stop move what the kernel
// keeps on the NIC itself; what only points at it would break in silence.
//
// Read gathers data from the kernel, and Find decides what becomes of each holder: a
// pure function of that data, the host and the moves of a plan. Each kind of holder is
// an entry in the list finders, with a file of its own.
package holders

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Outcome is what becomes of a holder.
type Outcome string

// The outcomes, the most important last.
const (
	Moves    Outcome = "moves"              // it means dom0's interface afterwards, too
	Followed Outcome = "followed"           // somebody else sees to it: Then says who
	Stays    Outcome = "stays with the NIC" // and that is right
	Breaks   Outcome = "will break"         // Then says what helps
	InTheWay Outcome = "in the way"         // the call is refused because of it
)

// outcomes are all of them, in the order in which they are told.
var outcomes = []Outcome{InTheWay, Breaks, Followed, Moves, Stays}

// Holder is one thing, or several of one kind and owner, that hold on to an
// interface.
type Holder struct {
	Interface string  `json:"interface"` // as it is called before the call
	Kind      string  `json:"kind"`
	What      string  `json:"what"`
	Owners    []Owner `json:"owners,omitempty"` // the programs whose it is, if it is a program's
	Outcome   Outcome `json:"outcome"`
	Then      string  `json:"then,omitempty"` // what happens to it, or what helps
}

// String is a holder in one line, without its outcome.
func (h Holder) String() string {
	text := h.Kind + ": " + h.What
	if len(h.Owners) > 0 {
		text += " of " + ownersText(h.Owners)
	}
	if h.Then != "" {
		text += ": " + h.Then
	}
	return text
}

// Admits says whether new connections may be kept out if what holds on breaks: it decides
// who gets in, or the host may have its network by it alone.
func (h Holder) Admits() bool {
	return h.Kind == nftables || h.Kind == legacyTables || h.Kind == pppoe
}

// nftables is the kind of its rules and hooks, and pppoe that of sessions.
const (
	nftables = "nftables"
	pppoe    = "PPPoE"
)

// Owner is a program that has a socket.
type Owner struct {
	Program string `json:"program"`        // as in /proc/PID/comm: at most 15 bytes
	PID     int    `json:"pid"`            //
	Unit    string `json:"unit,omitempty"` // systemd's unit that it belongs to
}

func (o Owner) String() string {
	if o.Unit == "" {
		return fmt.Sprintf("%s (pid %d)", o.Program, o.PID)
	}
	return fmt.Sprintf("%s (pid %d, %s)", o.Program, o.PID, o.Unit)
}

// maxOwners is how many programs a line names.
const maxOwners = 3

func ownersText(owners []Owner) string {
	var names []string
	for _, o := range owners[:min(len(owners), maxOwners)] {
		names = append(names, o.String())
	}
	if more := len(owners) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

// restart is what helps a program.
func restart(owners []Owner) string {
	for _, o := range owners {
		if o.Unit != "" && !configures(o.Unit) {
			return "restart it afterwards: systemctl restart " + o.Unit
		}
	}
	return "restart it afterwards"
}

// configures says whether restarting a unit of systemd takes addresses away, and with
// them whoever is logged in: those that call ifdown, and what gives up its lease.
func configures(unit string) bool {
	name, _, _ := strings.Cut(strings.TrimSuffix(unit, ".service"), "@")
	return slices.Contains([]string{"networking", "network", "ifup", "ifupdown", "wicked", "wickedd", "dhcpcd", "dhclient", "connman", "NetworkManager", "systemd-networkd"}, name)
}

// Interface is an interface by its name and its index.
type Interface struct {
	Name  string
	Index int // 0 if it is not known yet
}

// Move is what a call does to one NIC: what dom0 has goes from one interface to
// another.
type Move struct {
	Start    bool // start, not stop
	OnBridge bool // dom0's interface is the bridge itself, while the network is up
	Guarded  bool // with antispoof: bridged packets are not tracked, and dom0's pass
	Bridge   string
	Port     string    // the NIC's name while the network is up
	MAC      string    // dom0's
	From, To Interface // the one that has dom0's addresses before, and the one that has them afterwards
}

// Find says what becomes of everything that holds on to the interfaces of the moves:
// what is in the way and what breaks comes first.
func Find(d *Data, moves []Move) []Holder {
	var all []Holder
	for _, m := range moves {
		for _, f := range finders {
			if f.find == nil {
				continue
			}
			for _, h := range f.find(d, m) {
				h.Interface = m.From.Name
				all = append(all, h)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Holder) int {
		return cmp.Compare(slices.Index(outcomes, a.Outcome), slices.Index(outcomes, b.Outcome))
	})
	return all
}

// Breaking are those that break.
func Breaking(all []Holder) []Holder {
	return slices.DeleteFunc(slices.Clone(all), func(h Holder) bool { return h.Outcome != Breaks })
}

// plural is a number of things, such as "1 rule" and "2 rules".
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// some are the first few of several texts.
func some(texts []string) string {
	const most = 3
	if len(texts) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(texts[:most], ", "), len(texts)-most)
	}
	return strings.Join(texts, ", ")
}
