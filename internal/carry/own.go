package carry

import (
	"net/netip"

	"xbr-script/internal/holders"
	"xbr-script/internal/nfrule"
	"xbr-script/internal/plan"
)

// ownName is the record of what a bridge's dom0's interface had before start.
func ownName(bridge string) string { return "own." + bridge + ".json" }

// LoadOwn reads what dom0's interface of a bridge had before start; nil is nothing.
func LoadOwn(r plan.Records, bridge string) (*holders.Own, error) {
	return ownForms.Load(r, ownName(bridge))
}

// KeepOwn is the step that keeps it for stop, or with nil forgets it.
func KeepOwn(r plan.Records, bridge string, o *holders.Own) (plan.Step, error) {
	return ownForms.Keep(r, ownName(bridge), o)
}

// ownForms are the forms of what dom0's interface had before start.
var ownForms = plan.Form[holders.Own]{
	Version: ownVersion,
	Write:   func(o *holders.Own) any { return formOfOwn(o) },
	Read:    map[int]func([]byte) (*holders.Own, error){ownVersion: plan.FormOf((*ownForm).own)},
	Without: "stop can do without it, but then rules, labels and sockets that were the bridge's own before start become the NIC's",
}

const ownVersion = 1

type ownForm struct {
	Version   int            `json:"version"`
	Rules     []keptForm     `json:"rules,omitempty"`
	Policy    bool           `json:"ip_rules,omitempty"`
	Labels    []netip.Prefix `json:"address_labels,omitempty"`
	Redirects []uint32       `json:"redirects,omitempty"`
	Bound     []uint64       `json:"sockets,omitempty"` // by their cookies
	Packet    []int          `json:"packet_sockets,omitempty"`
	Members   []memberForm   `json:"members,omitempty"`
}

type keptForm struct {
	Family uint8  `json:"family"`
	Table  string `json:"table"`
	Handle uint64 `json:"handle,omitempty"`
	Set    string `json:"set,omitempty"`
}

type memberForm struct {
	Cookie uint64     `json:"socket"`
	Group  netip.Addr `json:"group"`
}

func formOfOwn(o *holders.Own) *ownForm {
	f := &ownForm{Version: ownVersion, Policy: o.Policy, Labels: o.Labels, Redirects: o.Redirects, Bound: o.Bound, Packet: o.Packet}
	for _, k := range o.Rules {
		f.Rules = append(f.Rules, keptForm(k))
	}
	for _, m := range o.Members {
		f.Members = append(f.Members, memberForm(m))
	}
	return f
}

// own is the reverse of formOfOwn.
func (f *ownForm) own() (*holders.Own, error) {
	o := &holders.Own{Policy: f.Policy, Labels: f.Labels, Redirects: f.Redirects, Bound: f.Bound, Packet: f.Packet}
	for _, k := range f.Rules {
		o.Rules = append(o.Rules, nfrule.Kept(k))
	}
	for _, m := range f.Members {
		o.Members = append(o.Members, holders.Membership(m))
	}
	return o, nil
}
