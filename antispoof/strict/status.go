package strict

import (
	"slices"
	"strings"
)

// Status is the state of one bridge's table.
type Status struct {
	InForce   bool          `json:"in_force"`        // nothing is wrong
	Wrong     []string      `json:"wrong,omitempty"` // what is; start mends it
	Notes     []string      `json:"notes,omitempty"` // what is as asked, but should be known
	Guests    []GuestStatus `json:"guests"`          // by their ports
	Strangers []string      `json:"strangers"`       // ports that nobody admitted, from which nothing passes
	// AdmitBy is the command that admits the guest of such a port, by its name.
	AdmitBy    map[string]string `json:"admit_by,omitempty"`
	Unadmitted uint64            `json:"unadmitted"`       // frames dropped that came from such ports
	FromLAN    uint64            `json:"dropped_from_lan"` // frames dropped that came from the LAN with a MAC address from here
}

// GuestStatus is a guest's part of it.
type GuestStatus struct {
	Port      string            `json:"port"`
	Name      string            `json:"name,omitempty"`        // the guest's, in xenstore
	By        string            `json:"admitted_by,omitempty"` // "xenstore" if nobody else has admitted it
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
	d.coming = comingIn(b)
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
	shut := d.portsWithout(b, rec.State.Guests)
	open := rec.State.open(shut)
	st.Strangers = append(st.Strangers, slices.DeleteFunc(shut, func(name string) bool { return slices.Contains(open, name) })...)
	for _, port := range st.Strangers {
		if st.AdmitBy == nil {
			st.AdmitBy = map[string]string{}
		}
		st.AdmitBy[port] = d.admitBy(port)
	}
	st.Unadmitted, st.FromLAN = counters[unadmitted].Packets, counters[forgedLAN].Packets
	st.Notes = append(st.Notes, d.xenNotes(b)...)
	for _, g := range rec.State.Guests {
		st.Guests = append(st.Guests, d.guestStatus(g, counters))
	}
	return st, p.Host.Err()
}

func cause(err error) string {
	if e, ok := err.(interface{ Unwrap() error }); ok && e.Unwrap() != nil {
		return e.Unwrap().Error()
	}
	return err.Error()
}

func (d *draft) guestStatus(g Guest, counters map[string]Count) GuestStatus {
	st := GuestStatus{Port: g.Port, MAC: g.MAC, Addresses: []string{}, Router: g.Router, RA: g.RA, DHCP: g.DHCP, There: d.Host.Name(g.Port) != nil, Dropped: map[string]uint64{}}
	if v := d.Xen.Of(g.Port); v != nil {
		st.Name = v.Name
		if d.admittedAt(g.Port) == nil {
			st.By = "xenstore"
		}
	}
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
	if open := rec.State.open(d.portsWithout(b, rec.State.Guests)); len(open) > 0 {
		wrong = append(wrong, "nobody admitted "+strings.Join(open, ", ")+", and what comes from there passes all the same")
	}
	made := slices.DeleteFunc(slices.Clone(rec.State.Guests), d.gone)
	if now := d.guestsOf(b.Name, d.all(), len(d.records) > 1); !slices.EqualFunc(made, now, Guest.equal) {
		wrong = append(wrong, "the rules are for other guests: "+portsOf(made)+" instead of "+portsOf(now))
	}
	return wrong
}

// gone says whether a guest's port is in no bridge and nobody admitted it: what the table
// has of it does no harm.
func (d *draft) gone(g Guest) bool { return d.away(g.Port) && d.admittedAt(g.Port) == nil }

// open are those of the ports that nobody admitted which the table does not know: it was
// made before they were there, for a kernel whose rules cannot ask for the bridge.
func (s *State) open(strangers []string) []string {
	return slices.DeleteFunc(slices.Clone(strangers), func(name string) bool {
		return s.ByBridge || slices.Contains(s.Shut, name) || strings.HasPrefix(name, "vif") || strings.HasPrefix(name, "tap")
	})
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
