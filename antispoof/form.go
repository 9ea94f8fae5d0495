package antispoof

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"xbr-script/internal/plan"
	"xbr-script/internal/sysctl"
)

// The records have forms of their own on disk. A form that has been written
// somewhere never changes: what is added or renamed needs another version, and the
// former can still be read.

// recordForms are the forms of a bridge's record.
var recordForms = plan.Form[record]{
	Version: recordVersion,
	Write:   func(r *record) any { return formOfRecord(r) },
	Read: map[int]func([]byte) (*record, error){
		1:             plan.FormOf((*recordForm1).record),
		recordVersion: plan.FormOf((*recordForm).record),
	},
	Without: "without it stop removes the rules, but leaves the bridge showing its packets to iptables",
}

const recordVersion = 2

// recordForm is version 2.
type recordForm struct {
	Version     int            `json:"version"`
	Bridge      string         `json:"bridge"`
	NIC         string         `json:"nic"`
	Port        string         `json:"port,omitempty"`
	MAC         string         `json:"mac,omitempty"`
	Addrs       []netip.Prefix `json:"addresses,omitempty"`
	GuestsAllow bool           `json:"guests_allow,omitempty"`
	Style       string         `json:"style"`
	Backend     string         `json:"backend"`
	Flags       []flagForm     `json:"flags,omitempty"`
}

// flagForm is a flag of a bridge.
type flagForm struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func formOfRecord(r *record) *recordForm {
	b := r.Bridge
	f := &recordForm{
		Version: recordVersion, Bridge: b.Name, NIC: b.NIC, Port: b.Port, MAC: b.MAC.String(), Addrs: b.Addrs, GuestsAllow: b.GuestsAllow,
		Style: string(r.Style), Backend: r.Backend,
	}
	for _, s := range r.Flags {
		f.Flags = append(f.Flags, flagForm{s.Name, s.Value})
	}
	return f
}

// record is the reverse of formOfRecord.
func (f *recordForm) record() (*record, error) {
	var mac net.HardwareAddr
	if f.MAC != "" {
		var err error
		if mac, err = net.ParseMAC(f.MAC); err != nil {
			return nil, err
		}
	}
	switch {
	case f.Bridge == "" || f.NIC == "":
		return nil, errors.New("one of the names is missing in it")
	case style(f.Style) != insert && style(f.Style) != appended:
		return nil, fmt.Errorf("it has the style %q", f.Style)
	case f.Backend != "nft" && f.Backend != "legacy":
		return nil, fmt.Errorf("it has the back end %q", f.Backend)
	}
	r := &record{
		Bridge: Bridge{Name: f.Bridge, NIC: f.NIC, Port: f.Port, MAC: mac, Addrs: f.Addrs, GuestsAllow: f.GuestsAllow},
		Style:  style(f.Style), Backend: f.Backend,
	}
	for _, s := range f.Flags {
		r.Flags = append(r.Flags, sysctl.Set{Name: s.Name, Value: s.Value})
	}
	return r, nil
}

// recordForm1 is the form without a version.
type recordForm1 struct {
	Bridge struct {
		Name        string           `json:"Name"`
		NIC         string           `json:"NIC"`
		Port        string           `json:"Port"`
		MAC         net.HardwareAddr `json:"MAC"`
		Addrs       []netip.Prefix   `json:"Addrs"`
		GuestsAllow bool             `json:"GuestsAllow"`
	} `json:"Bridge"`
	Style   string `json:"Style"`
	Backend string `json:"Backend"`
	Calls   []struct {
		Name  string `json:"Name"`
		Value string `json:"Value"`
		Index int    `json:"Index"` // was never written
	} `json:"Calls"`
}

func (f *recordForm1) record() (*record, error) {
	b := f.Bridge
	now := recordForm{
		Bridge: b.Name, NIC: b.NIC, Port: b.Port, MAC: b.MAC.String(), Addrs: b.Addrs, GuestsAllow: b.GuestsAllow,
		Style: f.Style, Backend: f.Backend,
	}
	for _, s := range f.Calls {
		now.Flags = append(now.Flags, flagForm{s.Name, s.Value})
	}
	return now.record()
}

// hostForms are the forms of the host's record.
var hostForms = plan.Form[hostRecord]{
	Version: hostVersion,
	Write:   func(r *hostRecord) any { return &hostForm{hostVersion, r.NewTables} },
	Read: map[int]func([]byte) (*hostRecord, error){
		1:           plan.FormOf((*hostForm1).record),
		hostVersion: plan.FormOf((*hostForm).record),
	},
	Without: "without it stop leaves tables of iptables that were not there before",
}

const hostVersion = 2

// hostForm is version 2.
type hostForm struct {
	Version   int                 `json:"version"`
	NewTables map[string][]string `json:"new_tables,omitempty"`
}

func (f *hostForm) record() (*hostRecord, error) { return &hostRecord{f.NewTables}, nil }

// hostForm1 is the form without a version.
type hostForm1 struct {
	NewTables map[string][]string `json:"NewTables"`
}

func (f *hostForm1) record() (*hostRecord, error) { return &hostRecord{f.NewTables}, nil }
