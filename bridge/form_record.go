package bridge

import (
	"errors"
	"fmt"
	"net/netip"

	"xbr-script/internal/plan"
	"xbr-script/internal/rawjson"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/sysctl"
)

// What this package has on disk outlives the program that wrote it. So each
// kind of file has a form of its own, a struct that nothing else is done with;
// the structs that plans are made from may change as they like. A form never
// changes: where something is added or renamed it gets the next version, and the
// former stays here to be read. testdata/forms has one file of each.

// recordForms are the forms of a Record.
var recordForms = plan.Form[Record]{
	Version: recordVersion,
	Write:   func(r *Record) any { return formOfRecord(r) },
	Read: map[int]func([]byte) (*Record, error){
		1:             plan.FormOf((*recordForm1).record),
		2:             plan.FormOf((*recordForm2).record),
		recordVersion: plan.FormOf((*recordForm).record),
	},
	Without: "stop can do without it, but then also removes a bridge or a pair that was there before start",
}

const recordVersion = 3

// recordForm is version 3.
type recordForm struct {
	recordForm2
	AnyLease bool `json:"any_lease,omitempty"`
}

// recordForm2 is version 2.
type recordForm2 struct {
	Version int              `json:"version"`
	Bridge  rawjson.String   `json:"bridge"`
	NetDev  rawjson.String   `json:"netdev"`
	VifNum  int              `json:"vifnum"`
	Dom0Is  string           `json:"dom0_is"` // as Status has it
	PDev    rawjson.String   `json:"pdev"`    // the names of the parts, see Want
	VDev    rawjson.String   `json:"vdev"`
	VIF     rawjson.String   `json:"vif,omitempty"`
	Why     []rawjson.String `json:"why,omitempty"`

	NICMAC  string     `json:"nic_mac"`
	NICOff  bool       `json:"nic_off,omitempty"`
	StandIn netip.Addr `json:"stand_in,omitzero"`

	FoundBridge plan.Later[linkForm]  `json:"found_bridge,omitzero"`
	FoundDom0   plan.Later[foundForm] `json:"found_dom0,omitzero"`
}

// foundForm is what was found of dom0's side.
type foundForm struct {
	Dev          *linkForm     `json:"interface"`
	DevSettings  sysctl.Device `json:"settings,omitempty"`
	Port         *linkForm     `json:"port,omitempty"`
	PortSettings sysctl.Device `json:"port_settings,omitempty"`
	Addrs6       rtnl.Wire     `json:"addresses6,omitempty"`
}

func formOfRecord(r *Record) *recordForm {
	w := r.Spec
	return &recordForm{AnyLease: r.AnyLease, recordForm2: recordForm2{
		Version: recordVersion, Bridge: rawjson.String(w.Bridge), NetDev: rawjson.String(w.NetDev), VifNum: w.VifNum, Dom0Is: w.Shape.String(),
		PDev: rawjson.String(w.PDev), VDev: rawjson.String(w.VDev), VIF: rawjson.String(w.VIF), Why: rawjson.Strings(w.Why),
		NICMAC: r.NICMAC, NICOff: r.NICOff, StandIn: r.StandIn,
		FoundBridge: plan.Later[linkForm]{V: formOfLink(r.FoundBridge)}, FoundDom0: plan.Later[foundForm]{V: formOfFound(r.FoundDom0)},
	}}
}

func formOfFound(f *found) *foundForm {
	if f == nil {
		return nil
	}
	return &foundForm{
		Dev: formOfLink(f.Dev), DevSettings: f.DevSettings, Port: formOfLink(f.Port), PortSettings: f.PortSettings,
		Addrs6: rtnl.Pack(f.Addrs6...),
	}
}

// record is the reverse of formOfRecord.
func (f *recordForm) record() (*Record, error) {
	r, err := f.recordForm2.record()
	if r != nil {
		r.AnyLease = f.AnyLease
	}
	return r, err
}

func (f *recordForm2) record() (*Record, error) {
	shape, err := shapeNamed(f.Dom0Is)
	if err == nil && (shape == OnBridge) != (f.VIF == "") {
		err = fmt.Errorf("dom0_is is %q in it, and dom0's port %q", f.Dom0Is, f.VIF)
	}
	if err != nil {
		return nil, err
	}
	r := &Record{
		Spec: Spec{
			VifNum: f.VifNum, Bridge: string(f.Bridge), NetDev: string(f.NetDev),
			PDev: string(f.PDev), VDev: string(f.VDev), VIF: string(f.VIF), Shape: shape, Why: rawjson.Plain(f.Why),
		},
		NICMAC: f.NICMAC, NICOff: f.NICOff, StandIn: f.StandIn,
	}
	var foundErr error
	r.FoundBridge, err = f.FoundBridge.V.link()
	r.FoundDom0, foundErr = f.FoundDom0.V.found()
	return r, errors.Join(r.whole(), err, foundErr)
}

// found is the reverse of formOfFound.
func (f *foundForm) found() (*found, error) {
	if f == nil {
		return nil, nil
	}
	dev, err := f.Dev.link()
	port, portErr := f.Port.link()
	if dev == nil && err == nil {
		err = errors.New("dom0's interface is missing in it")
	}
	return &found{Dev: dev, DevSettings: f.DevSettings, Port: port, PortSettings: f.PortSettings, Addrs6: f.Addrs6.Msgs()},
		errors.Join(err, portErr)
}

// whole says what a record lacks to be one, nil if nothing.
func (r *Record) whole() error {
	if w := r.Spec; w.Bridge == "" || w.NetDev == "" || w.PDev == "" || w.VDev == "" {
		return errors.New("one of the names is missing in it")
	}
	return nil
}

// recordForm1 is the form that had no version in it.
type recordForm1 struct {
	Want struct {
		VifNum      int              `json:"VifNum"`
		Bridge      rawjson.String   `json:"Bridge"`
		NetDev      rawjson.String   `json:"NetDev"`
		PDev        rawjson.String   `json:"PDev"`
		VDev        rawjson.String   `json:"VDev"`
		VIF         rawjson.String   `json:"VIF"` // "" if the bridge is dom0's interface
		AntiSpoof   *bool            `json:"AntiSpoof"`
		GuestsAllow bool             `json:"GuestsAllow"` // as AntiSpoof in the record of package antispoof
		Why         []rawjson.String `json:"Why"`
	} `json:"Want"`
	NICMAC      string      `json:"NICMAC"`
	NICOff      bool        `json:"NICOff"`
	StandIn     netip.Addr  `json:"StandIn"`
	FoundBridge *linkForm1  `json:"FoundBridge"`
	FoundDom0   *foundForm1 `json:"FoundDom0"`
}

// foundForm1 belongs to recordForm1.
type foundForm1 struct {
	Dev          *linkForm1    `json:"Dev"`
	DevSettings  sysctl.Device `json:"DevSettings"`
	Port         *linkForm1    `json:"Port"`
	PortSettings sysctl.Device `json:"PortSettings"`
	Addrs6       []msgForm     `json:"Addrs6"`
}

func (f *recordForm1) record() (*Record, error) {
	w, shape := f.Want, Veth
	if w.VIF == "" {
		shape = OnBridge
	}
	form := recordForm2{
		Bridge: w.Bridge, NetDev: w.NetDev, VifNum: w.VifNum, Dom0Is: shape.String(), PDev: w.PDev, VDev: w.VDev, VIF: w.VIF, Why: w.Why,
		NICMAC: f.NICMAC, NICOff: f.NICOff, StandIn: f.StandIn, FoundBridge: plan.Later[linkForm]{V: (*linkForm)(f.FoundBridge)},
	}
	if d := f.FoundDom0; d != nil {
		found := &foundForm{
			Dev: (*linkForm)(d.Dev), DevSettings: d.DevSettings, Port: (*linkForm)(d.Port), PortSettings: d.PortSettings,
		}
		for _, m := range d.Addrs6 {
			found.Addrs6 = found.Addrs6.Add(rtnl.Msg(m))
		}
		form.FoundDom0.V = found
	}
	return form.record()
}
