package bridge

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/rtnl"
)

// State is what became of a wanted bridge.
type State string

// The states of a bridge.
const (
	Up     State = "up"           // as asked
	Down   State = "not up"       // nothing of it
	Differ State = "not as asked" // up, but see Differences
)

// Port is an interface in the bridge, or dom0's own.
type Port struct {
	Name    string `json:"name"`
	MAC     string `json:"mac"`
	Up      bool   `json:"up"`
	Carrier bool   `json:"carrier"`
}

// Status is what a person wants to know about one bridge.
type Status struct {
	Bridge      string   `json:"bridge"`
	State       State    `json:"state"`
	MAC         string   `json:"mac,omitempty"`
	VifNum      int      `json:"vifnum"`
	NetDev      string   `json:"netdev"`
	Dom0Is      Shape    `json:"dom0_is"`        // what dom0's side is or would be
	NIC         *Port    `json:"nic,omitempty"`  // the physical interface
	Dom0        *Port    `json:"dom0,omitempty"` // dom0's interface
	Dom0Port    *Port    `json:"dom0_port,omitempty"`
	Guests      []Port   `json:"guests"`
	Detached    []string `json:"detached,omitempty"` // guests' ports that stop took out
	Addresses   []string `json:"addresses"`
	Defaults    []string `json:"default_routes"`
	Why         []string `json:"why,omitempty"`       // where unnamed values came from
	AnyLease    bool     `json:"any_lease,omitempty"` // start was told lease=any, and stop does not ask
	Differences []string `json:"differences,omitempty"`
	Notes       []string `json:"notes,omitempty"` // what somebody has chosen: start leaves it
}

// Status says how one wanted bridge stands.
func (p *Planner) Status(w Spec) (Status, error) {
	s := findParts(w, p.Host)
	st := Status{
		Bridge: w.Bridge, State: Down, VifNum: w.VifNum, NetDev: w.NetDev, Dom0Is: w.Shape, Why: w.Why,
		Guests: []Port{}, Addresses: []string{}, Defaults: []string{},
	}
	kept, err := p.Store.kept(w.Bridge)
	if err != nil {
		return st, err
	}
	if back, _, _ := kept.comeBack(p.Host, s.br); !s.up {
		st.Detached = names(back)
	}
	st.NIC = portOf(s.nic)
	if !s.up {
		if s.nic != nil {
			st.Addresses, st.Defaults = p.reach(s.nic)
		}
		return st, nil
	}
	st.State = Up
	rec, err := p.Store.Load(w.Bridge)
	if err != nil {
		return st, err
	}
	st.AnyLease = rec != nil && rec.AnyLease
	for _, d := range s.differences(p.Host) {
		st.State = Differ
		st.Differences = append(st.Differences, d.text)
	}
	st.Dom0, st.Dom0Port = portOf(s.dev), portOf(s.port)
	if s.br != nil {
		st.MAC = s.br.MAC.String()
	}
	st.Notes = s.notes()
	for _, l := range s.others(p.Host) {
		if why := noGuest(l); why != "" {
			st.Notes = append(st.Notes, l.Name+" is in the bridge, too, and will not come back with guests' ports: "+why)
		} else {
			st.Guests = append(st.Guests, *portOf(l))
		}
	}
	if s.dev != nil {
		st.Addresses, st.Defaults = p.reach(s.dev)
	}
	return st, p.Host.Err()
}

// Back names the guests' ports that a start of the bridge puts in, because stop took
// them out.
func (p *Planner) Back(w Spec) ([]string, error) {
	kept, err := p.Store.kept(w.Bridge)
	if err != nil {
		return nil, err
	}
	s := findParts(w, p.Host)
	back, _, _ := kept.comeBack(p.Host, s.br)
	if s.up {
		return nil, nil
	}
	return names(back), nil
}

func portOf(l *host.Link) *Port {
	if l == nil {
		return nil
	}
	return &Port{l.Name, l.MAC.String(), l.Up(), l.Running()}
}

// reach lists an interface's addresses and the default routes over it.
func (p *Planner) reach(l *host.Link) (addrs, defaults []string) {
	addrs, defaults = []string{}, []string{}
	st := p.Host.State(l.Index)
	for _, m := range append(st.Addrs4, st.Addrs6...) {
		addrs = append(addrs, addressText(m))
	}
	names := p.Host.Names()
	for _, m := range st.Routes {
		if m.Fixed()[1] == 0 && m.Table() == unix.RT_TABLE_MAIN {
			defaults = append(defaults, names.Route(m))
		}
	}
	return addrs, defaults
}

func addressText(m rtnl.Msg) string {
	addr, ok := netip.AddrFromSlice(m.Local())
	if !ok {
		return "?"
	}
	return netip.PrefixFrom(addr, int(m.Body[1])).String()
}
