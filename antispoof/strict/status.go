package strict

import (
	"slices"
	"strings"
)

// Status is the state of one bridge's table.
type Status struct {
	InForce    bool          `json:"in_force"`         // nothing is wrong
	Wrong      []string      `json:"wrong,omitempty"`  // what is; start mends it
	Notes      []string      `json:"notes,omitempty"`  // what is as asked, but should be known
	Guests     []GuestStatus `json:"guests"`           // by their ports
	Strangers  []string      `json:"strangers"`        // ports that nobody admitted, from which nothing passes
	Unadmitted uint64        `json:"unadmitted"`       // frames dropped that came from such ports
	FromLAN    uint64        `json:"dropped_from_lan"` // frames dropped that came from the LAN with a MAC address from here
}

// GuestStatus is a guest's part of it.
type GuestStatus struct {
	Port      string            `json:"port"`
	MAC       string            `json:"mac"`
	Addresses []string          `json:"addresses"` // none: any that is not known to be another's
	Router    bool              `json:"router,omitempty"`
	RA        bool              `json:"ra,omitempty"`
	DHCP      bool              `json:"dhcp,omitempty"`
	There     bool              `json:"there"`   // the port exists
	Dropped   map[string]uint64 `json:"dropped"` // frames, by reason; only reasons with some
}

// Status says how one bridge's table stands; nil if it is to have none.
func (p *Planner) Status(b Bridge) (*Status, error) {
	d, err := p.draft()
	if err != nil {
		return nil, err
	}
	rec := d.records[b.Name]
	if rec == nil {
		return nil, nil
	}
	st := &Status{Guests: []GuestStatus{}, Strangers: []string{}}
	var counters map[string]Count
	if err := p.Seen.known(); err != nil {
		st.Wrong = []string{"the tables of nftables cannot be read: " + cause(err)}
	} else {
		st.Wrong = d.wrong(b, rec)
		if t := p.Seen.Tables[b.Name]; t != nil {
			counters = t.Counters
		}
	}
	st.InForce = len(st.Wrong) == 0
	st.Notes = notes(&rec.State)
	st.Strangers = append(st.Strangers, d.strangers(b)...)
	st.Unadmitted, st.FromLAN = counters[unadmitted].Packets, counters[forgedLAN].Packets
	for _, g := range rec.State.Guests {
		st.Guests = append(st.Guests, p.guestStatus(g, counters))
	}
	return st, p.Host.Err()
}

func cause(err error) string {
	if e, ok := err.(interface{ Unwrap() error }); ok && e.Unwrap() != nil {
		return e.Unwrap().Error()
	}
	return err.Error()
}

func (p *Planner) guestStatus(g Guest, counters map[string]Count) GuestStatus {
	st := GuestStatus{Port: g.Port, MAC: g.MAC, Addresses: []string{}, Router: g.Router, RA: g.RA, DHCP: g.DHCP, There: p.Host.Name(g.Port) != nil, Dropped: map[string]uint64{}}
	for _, a := range g.Addresses {
		st.Addresses = append(st.Addresses, addrText(a))
	}
	for _, reason := range Reasons {
		if n := counters[counterName(reason, g.Port)].Packets; n > 0 {
			st.Dropped[reason] = n
		}
	}
	return st
}

// wrong lists what is not as it was made.
func (d *draft) wrong(b Bridge, rec *record) []string {
	wrong := rec.State.differences(d.Seen.Tables[b.Name], nil).texts()
	if learns(d.Host, b.Name) && d.Host.Name(b.Name) != nil {
		wrong = append(wrong, "a guest can draw to itself what others send, with frames that no rule sees: no_linklocal_learn is off")
	}
	if now := d.guestsOf(b.Name, d.guests, len(d.records) > 1); !slices.EqualFunc(rec.State.Guests, now, Guest.equal) {
		wrong = append(wrong, "the rules are for other guests: "+portsOf(rec.State.Guests)+" instead of "+portsOf(now))
	}
	return wrong
}

func portsOf(guests []Guest) string {
	var names []string
	for _, g := range guests {
		names = append(names, g.Port)
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
