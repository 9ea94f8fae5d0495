package bridge

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"

	"xbr-script/internal/plan"
	"xbr-script/internal/rawjson"
	"xbr-script/internal/rtnl"
)

// keptForms are the forms of what stop keeps for start.
var keptForms = plan.Form[kept]{
	Version: keptVersion,
	Write:   func(k *kept) any { return formOfKept(k) },
	Read: map[int]func([]byte) (*kept, error){
		1:           namesKept,
		keptVersion: plan.FormOf((*keptForm).kept),
	},
	What:    "%s, what stop has kept for start",
	Without: "without it the ports that it names stay out of the bridge, and what was set on them is lost",
}

const keptVersion = 2

// keptForm is version 2.
type keptForm struct {
	Version int            `json:"version"`
	Index   int            `json:"bridge_index,omitempty"`
	Dom0Is  string         `json:"dom0_is,omitempty"`
	Bridge  settingsForm   `json:"bridge,omitzero"`
	NIC     keptPortForm   `json:"nic,omitzero"`
	Dom0    keptPortForm   `json:"dom0_port,omitzero"`
	Guests  []keptPortForm `json:"guests,omitempty"`
}

// keptPortForm is a port in it.
type keptPortForm struct {
	Index    int            `json:"index"`
	Name     rawjson.String `json:"name"`
	Kind     string         `json:"kind,omitempty"`
	Settings settingsForm   `json:"settings,omitzero"`
}

// settingsForm is what is set on a port, or on the bridge.
type settingsForm struct {
	Attrs       []byte         `json:"attributes,omitempty"`
	Backup      int            `json:"backup_port,omitempty"`
	VLANs       *[]vlanForm    `json:"vlans,omitempty"`
	VLANOptions rtnl.Wire      `json:"vlan_options,omitempty"`
	FDB         rtnl.Wire      `json:"fdb,omitempty"`
	MDB         rtnl.Wire      `json:"mdb,omitempty"`
	Group       uint32         `json:"group,omitempty"`
	Alias       rawjson.String `json:"alias,omitempty"`
}

// vlanForm is a VLAN of a port, or a range of them.
type vlanForm struct {
	VID    uint16 `json:"vid"`
	Last   uint16 `json:"last,omitempty"`
	Flags  uint16 `json:"flags,omitempty"`
	Tunnel uint32 `json:"tunnel,omitempty"`
}

func formOfKept(k *kept) *keptForm {
	f := &keptForm{
		Version: keptVersion, Index: k.Index, Dom0Is: k.Shape.String(),
		Bridge: formOfSettings(k.Bridge), NIC: formOfPort(k.NIC), Dom0: formOfPort(k.Dom0),
	}
	for _, g := range k.Guests {
		f.Guests = append(f.Guests, formOfPort(g))
	}
	return f
}

func formOfPort(p keptPort) keptPortForm {
	return keptPortForm{Index: p.Index, Name: rawjson.String(p.Name), Kind: p.Kind, Settings: formOfSettings(p.Settings)}
}

func formOfSettings(s settings) settingsForm {
	f := settingsForm{
		Attrs: s.Attrs, Backup: s.Backup, VLANOptions: s.VLANOptions, FDB: s.FDB, MDB: s.MDB,
		Group: s.Group, Alias: rawjson.String(s.Alias),
	}
	if s.VLANs != nil {
		list := make([]vlanForm, len(*s.VLANs))
		for i, v := range *s.VLANs {
			list[i] = vlanForm(v)
		}
		f.VLANs = &list
	}
	return f
}

// kept is the reverse of formOfKept.
func (f *keptForm) kept() (*kept, error) {
	shape, err := shapeNamed(cmp.Or(f.Dom0Is, Veth.String())) // it is left out where nothing but guests' ports is kept
	if err != nil {
		return nil, err
	}
	k := &kept{Index: f.Index, Shape: shape, Bridge: f.Bridge.settings(), NIC: f.NIC.port(), Dom0: f.Dom0.port()}
	for _, g := range f.Guests {
		k.Guests = append(k.Guests, g.port())
	}
	return k.whole()
}

// whole is k, if each port in it has a name.
func (k *kept) whole() (*kept, error) {
	if slices.Contains(k.names(), "") {
		return nil, errors.New("a port in it has no name")
	}
	return k, nil
}

func (f keptPortForm) port() keptPort {
	return keptPort{Index: f.Index, Name: string(f.Name), Kind: f.Kind, Settings: f.Settings.settings()}
}

func (f settingsForm) settings() settings {
	s := settings{
		Attrs: f.Attrs, Backup: f.Backup, VLANOptions: f.VLANOptions, FDB: f.FDB, MDB: f.MDB,
		Group: f.Group, Alias: string(f.Alias),
	}
	if f.VLANs != nil {
		list := make([]vlan, len(*f.VLANs))
		for i, v := range *f.VLANs {
			list[i] = vlan(v)
		}
		s.VLANs = &list
	}
	return s
}

// namesKept reads the form of the first releases: the names of the guests' ports.
func namesKept(data []byte) (*kept, error) {
	var names []string
	if err := json.Unmarshal(data, &names); err != nil {
		return nil, err
	}
	k := &kept{}
	for _, name := range names {
		k.Guests = append(k.Guests, keptPort{Name: name})
	}
	return k.whole()
}
