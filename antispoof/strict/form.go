package strict

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"xbr-script/internal/plan"
)

// record is what start leaves for one bridge: what its table was made for.
type record struct {
	State   State
	Learned bool // from frames to 01:80:c2:00:00:0x, before
}

// admitted are the guests that somebody admitted, by their ports.
type admitted struct{ Guests []Guest }

const (
	recordPrefix = "strict."
	admittedName = "admitted.json"
)

func recordName(bridge string) string { return recordPrefix + bridge + ".json" }

// The forms of the records. A form that has been written somewhere never changes.
var (
	recordForms = plan.Form[record]{
		Version: 1,
		Write:   func(r *record) any { return formOfRecord(r) },
		Read:    map[int]func([]byte) (*record, error){1: plan.FormOf((*recordForm).record)},
		Without: "without it stop removes the rules all the same",
	}
	admittedForms = plan.Form[admitted]{
		Version: 1,
		Write:   func(a *admitted) any { return formOfAdmitted(a) },
		Read:    map[int]func([]byte) (*admitted, error){1: plan.FormOf((*admittedForm).admitted)},
		Without: "without it every guest has to be admitted again",
	}
)

type recordForm struct {
	Version   int          `json:"version"`
	Bridge    string       `json:"bridge"`
	NIC       string       `json:"nic"`
	Port      string       `json:"port,omitempty"`
	MAC       string       `json:"mac,omitempty"`
	ByBridge  bool         `json:"by_bridge,omitempty"`
	Shut      []string     `json:"shut,omitempty"`
	Elsewhere []string     `json:"elsewhere,omitempty"`
	Taken     []netip.Addr `json:"taken,omitempty"`
	Guests    []guestForm  `json:"guests,omitempty"`
	Learned   bool         `json:"learned,omitempty"`
}

type admittedForm struct {
	Version int         `json:"version"`
	Guests  []guestForm `json:"guests"`
}

type guestForm struct {
	Port      string         `json:"port"`
	MAC       string         `json:"mac"`
	Addresses []netip.Prefix `json:"addresses,omitempty"`
	Router    bool           `json:"router,omitempty"`
	RA        bool           `json:"ra,omitempty"`
	DHCP      bool           `json:"dhcp,omitempty"`
	Bridge    string         `json:"bridge,omitempty"`
}

func formOfRecord(r *record) *recordForm {
	s := r.State
	return &recordForm{1, s.Bridge, s.NIC, s.Port, s.MAC, s.ByBridge, s.Shut, s.Elsewhere, s.Taken, formOfGuests(s.Guests), r.Learned}
}

func formOfAdmitted(a *admitted) *admittedForm { return &admittedForm{1, formOfGuests(a.Guests)} }

func formOfGuests(guests []Guest) (list []guestForm) {
	for _, g := range guests {
		list = append(list, guestForm(g))
	}
	return list
}

// record is the reverse of formOfRecord.
func (f *recordForm) record() (*record, error) {
	if f.Bridge == "" || f.NIC == "" {
		return nil, errors.New("one of the names is missing in it")
	}
	guests, err := guestsOf(f.Guests)
	return &record{State{f.Bridge, f.NIC, f.Port, f.MAC, f.ByBridge, f.Shut, f.Elsewhere, f.Taken, guests}, f.Learned}, err
}

func (f *admittedForm) admitted() (*admitted, error) {
	guests, err := guestsOf(f.Guests)
	return &admitted{guests}, err
}

// guestsOf is the reverse of formOfGuests.
func guestsOf(list []guestForm) (guests []Guest, err error) {
	for _, f := range list {
		if mac, err := net.ParseMAC(f.MAC); err != nil || len(mac) != 6 {
			return nil, fmt.Errorf("it has the MAC address %q", f.MAC)
		}
		if f.Port == "" {
			return nil, errors.New("a port is missing in it")
		}
		guests = append(guests, Guest(f))
	}
	return guests, nil
}

// records are those of all bridges that have a table.
func (p *Planner) records() (map[string]*record, error) {
	files, err := p.Records.List(recordPrefix)
	if err != nil {
		return nil, err
	}
	recs := map[string]*record{}
	for _, file := range files {
		rec, err := recordForms.Load(p.Records, file)
		if err != nil {
			return nil, err
		}
		if rec != nil {
			recs[strings.TrimSuffix(strings.TrimPrefix(file, recordPrefix), ".json")] = rec
		}
	}
	return recs, nil
}

// admitted reads the guests.
func (p *Planner) admitted() ([]Guest, error) {
	a, err := admittedForms.Load(p.Records, admittedName)
	if err != nil || a == nil {
		return nil, err
	}
	return a.Guests, nil
}

// keepAdmitted is the step that makes these the admitted guests.
func (p *Planner) keepAdmitted(guests []Guest) (plan.Step, error) {
	if len(guests) == 0 {
		return admittedForms.Keep(p.Records, admittedName, nil)
	}
	return admittedForms.Keep(p.Records, admittedName, &admitted{guests})
}

// with is the list with a guest in its place.
func with(guests []Guest, g Guest) []Guest {
	list := without(guests, g.Port)
	at, _ := slices.BinarySearchFunc(list, g, func(a, b Guest) int { return strings.Compare(a.Port, b.Port) })
	return slices.Insert(list, at, g)
}

// without is the list without the guest of that port.
func without(guests []Guest, port string) []Guest {
	return slices.DeleteFunc(slices.Clone(guests), func(o Guest) bool { return o.Port == port })
}
