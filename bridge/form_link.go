package bridge

import (
	"errors"
	"net"
	"net/netip"

	"xbr-script/internal/host"
	"xbr-script/internal/rawjson"
)

// linkForm is an interface in a record.
type linkForm struct {
	Name        rawjson.String   `json:"name"`
	AltNames    []rawjson.String `json:"alternative_names,omitempty"`
	Alias       rawjson.String   `json:"alias,omitempty"`
	Index       int              `json:"index"`
	Kind        string           `json:"kind,omitempty"`
	Ethernet    bool             `json:"ethernet,omitempty"`
	MAC         net.HardwareAddr `json:"mac,omitempty"`
	MTU         uint32           `json:"mtu"`
	TxQLen      uint32           `json:"queue_length"`
	Flags       uint32           `json:"flags"`
	Master      int              `json:"master,omitempty"`
	Lower       int              `json:"lower,omitempty"`
	Elsewhere   bool             `json:"lower_is_elsewhere,omitempty"`
	Group       uint32           `json:"group,omitempty"`
	AddrGen     uint8            `json:"addr_gen_mode"`
	Inet6       bool             `json:"inet6,omitempty"`
	Token       netip.Addr       `json:"token,omitzero"`
	Perm        net.HardwareAddr `json:"permanent_mac,omitempty"`
	PortState   uint8            `json:"port_state,omitempty"`
	OperUp      bool             `json:"operational,omitempty"`
	Bridge      bridgeForm       `json:"bridge,omitzero"`
	Bus         string           `json:"bus,omitempty"`
	OperUnknown bool             `json:"operational_unknown,omitempty"`
}

// bridgeForm is what a bridge has besides. It has no name of its own, so that
// linkForm1 has the same.
type bridgeForm = struct {
	STP           bool   `json:"stp,omitempty"`
	ForwardDelay  uint32 `json:"forward_delay,omitempty"`
	Snooping      bool   `json:"multicast_snooping,omitempty"`
	VLANFiltering bool   `json:"vlan_filtering,omitempty"`
}

// linkForm1 is an interface in a journal, and in the first form of records.
type linkForm1 struct {
	Name      rawjson.String   `json:"Name"`
	AltNames  []rawjson.String `json:"AltNames"`
	Alias     rawjson.String   `json:"Alias"`
	Index     int              `json:"Index"`
	Kind      string           `json:"Kind"`
	Ethernet  bool             `json:"Ethernet"`
	MAC       net.HardwareAddr `json:"MAC"`
	MTU       uint32           `json:"MTU"`
	TxQLen    uint32           `json:"TxQLen"`
	Flags     uint32           `json:"Flags"`
	Master    int              `json:"Master"`
	Lower     int              `json:"Lower"`
	Elsewhere bool             `json:"Elsewhere"`
	Group     uint32           `json:"Group"`
	AddrGen   uint8            `json:"AddrGen"`
	Inet6     bool             `json:"Inet6"`
	Token     netip.Addr       `json:"Token"`
	Perm      net.HardwareAddr `json:"Perm"`
	PortState uint8            `json:"PortState"`
	OperUp    bool             `json:"OperUp"`
	Bridge    struct {
		STP           bool   `json:"STP"`
		ForwardDelay  uint32 `json:"ForwardDelay"`
		Snooping      bool   `json:"Snooping"`
		VLANFiltering bool   `json:"VLANFiltering"`
	} `json:"Bridge"`
	Bus         string `json:"Bus,omitempty"`
	OperUnknown bool   `json:"OperUnknown,omitempty"`
}

// formOfLink is nil for nil. Attributes that are carried as the kernel gave them
// are kept elsewhere, see keptForm.
func formOfLink(l *host.Link) *linkForm {
	if l == nil {
		return nil
	}
	return &linkForm{
		Index: l.Index, Name: rawjson.String(l.Name), AltNames: rawjson.Strings(l.AltNames), Kind: l.Kind, Ethernet: l.Ethernet,
		MAC: l.MAC, MTU: l.MTU, TxQLen: l.TxQLen, Flags: l.Flags, Master: l.Master, Lower: l.Lower, Elsewhere: l.Elsewhere,
		Alias: rawjson.String(l.Alias), Group: l.Group, AddrGen: l.AddrGen, Inet6: l.Inet6, Token: l.Token, Perm: l.Perm,
		PortState: l.PortState, OperUp: l.OperUp, Bridge: bridgeForm(l.Bridge), Bus: l.Bus, OperUnknown: l.OperUnknown,
	}
}

// formOfLink1 is the same for a journal.
func formOfLink1(l *host.Link) *linkForm1 { return (*linkForm1)(formOfLink(l)) }

// link is the reverse of formOfLink.
func (f *linkForm) link() (*host.Link, error) {
	switch {
	case f == nil:
		return nil, nil
	case f.Index <= 0 || f.Name == "":
		return nil, errors.New("an interface in it has no index or no name")
	}
	return &host.Link{
		Index: f.Index, Name: string(f.Name), AltNames: rawjson.Plain(f.AltNames), Kind: f.Kind, Ethernet: f.Ethernet,
		MAC: f.MAC, MTU: f.MTU, TxQLen: f.TxQLen, Flags: f.Flags, Master: f.Master, Lower: f.Lower, Elsewhere: f.Elsewhere,
		Alias: string(f.Alias), Group: f.Group, AddrGen: f.AddrGen, Inet6: f.Inet6, Token: f.Token, Perm: f.Perm,
		PortState: f.PortState, OperUp: f.OperUp, Bridge: host.BridgeInfo(f.Bridge), Bus: f.Bus, OperUnknown: f.OperUnknown,
	}, nil
}

// link is the reverse of formOfLink1.
func (f *linkForm1) link() (*host.Link, error) { return (*linkForm)(f).link() }
