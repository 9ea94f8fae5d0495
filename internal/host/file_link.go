package host

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/rawjson"
	"xbr-script/internal/rtnl"
)

// linkForm is a link in a snapshot's file. Bytes are hexadecimal.
type linkForm struct {
	Index       int              `json:"index"`
	Name        rawjson.String   `json:"name"`
	AltNames    []rawjson.String `json:"alternative_names,omitempty"`
	Kind        string           `json:"kind,omitempty"`
	Bus         string           `json:"bus,omitempty"`
	Functions   bool             `json:"virtual_functions,omitempty"`
	Ethernet    bool             `json:"ethernet"`
	MAC         hexForm          `json:"mac,omitempty"`
	Perm        hexForm          `json:"permanent_mac,omitempty"`
	MTU         uint32           `json:"mtu"`
	TxQLen      uint32           `json:"queue_length"`
	Flags       flagsForm        `json:"flags"`
	OperUp      bool             `json:"operational"`
	OperUnknown bool             `json:"operational_unknown,omitempty"`
	Master      int              `json:"master,omitempty"`
	Lower       int              `json:"lower,omitempty"`
	Second      int              `json:"second_lower,omitempty"`
	Elsewhere   bool             `json:"lower_is_elsewhere,omitempty"`
	Group       uint32           `json:"group,omitempty"`
	Alias       rawjson.String   `json:"alias,omitempty"`
	Inet6       bool             `json:"inet6"`
	AddrGen     uint8            `json:"addr_gen_mode"`
	Token       netip.Addr       `json:"token,omitzero"`
	BridgeAttrs []byte           `json:"bridge_attributes,omitempty"` // as in Link
	PortAttrs   []byte           `json:"port_attributes,omitempty"`
	VXLANAttrs  []byte           `json:"vxlan_attributes,omitempty"`
	Settings    deviceForm       `json:"settings,omitzero"`
}

func formOfLink(l *Link) linkForm {
	return linkForm{
		Index: l.Index, Name: rawjson.String(l.Name), AltNames: rawjson.Strings(l.AltNames), Kind: l.Kind, Bus: l.Bus, Functions: l.Functions,
		Ethernet: l.Ethernet, MAC: hexForm(l.MAC), Perm: hexForm(l.Perm), MTU: l.MTU, TxQLen: l.TxQLen, Flags: flagsForm(l.Flags),
		OperUp: l.OperUp, OperUnknown: l.OperUnknown, Master: l.Master, Lower: l.Lower, Second: l.Second, Elsewhere: l.Elsewhere,
		Group: l.Group, Alias: rawjson.String(l.Alias), Inet6: l.Inet6, AddrGen: l.AddrGen, Token: l.Token,
		BridgeAttrs: l.BridgeAttrs, PortAttrs: l.PortAttrs, VXLANAttrs: l.VXLANAttrs,
	}
}

// link is the reverse, except for the settings.
func (f linkForm) link() (*Link, error) {
	if f.Index <= 0 || f.Name == "" {
		return nil, errors.New("a link has an index and a name")
	}
	if !rtnl.WholeAttrs(f.BridgeAttrs) || !rtnl.WholeAttrs(f.PortAttrs) || !rtnl.WholeAttrs(f.VXLANAttrs) {
		return nil, errors.New("it has attributes that are none")
	}
	l := &Link{
		Index: f.Index, Name: string(f.Name), AltNames: rawjson.Plain(f.AltNames), Kind: f.Kind, Bus: f.Bus, Functions: f.Functions,
		Ethernet: f.Ethernet, MAC: []byte(f.MAC), Perm: []byte(f.Perm), MTU: f.MTU, TxQLen: f.TxQLen, Flags: uint32(f.Flags),
		OperUp: f.OperUp, OperUnknown: f.OperUnknown, Master: f.Master, Lower: f.Lower, Second: f.Second, Elsewhere: f.Elsewhere,
		Group: f.Group, Alias: string(f.Alias), Inet6: f.Inet6, AddrGen: f.AddrGen, Token: f.Token,
		BridgeAttrs: f.BridgeAttrs, PortAttrs: f.PortAttrs, VXLANAttrs: f.VXLANAttrs,
	}
	if l.BridgeAttrs != nil {
		l.Bridge = parseBridge(l.BridgeAttrs)
	}
	l.PortState = portState(l.PortAttrs)
	return l, nil
}

// hexForm is a MAC address of any length.
type hexForm []byte

// MarshalText implements encoding.TextMarshaler.
func (f hexForm) MarshalText() ([]byte, error) {
	var text []byte
	for i, b := range f {
		if i > 0 {
			text = append(text, ':')
		}
		text = hex.AppendEncode(text, []byte{b})
	}
	return text, nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *hexForm) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(strings.ReplaceAll(string(text), ":", ""))
	*f = b
	return err
}

// flagsForm is IFF_… as a number and, after a #, their names, which are only for
// people to read.
type flagsForm uint32

// flagNames are the names that matter.
var flagNames = []struct {
	flag uint32
	name string
}{
	{unix.IFF_UP, "up"}, {unix.IFF_LOWER_UP, "lower_up"}, {unix.IFF_LOOPBACK, "loopback"}, {unix.IFF_NOARP, "noarp"},
	{unix.IFF_MULTICAST, "multicast"}, {unix.IFF_PROMISC, "promisc"}, {unix.IFF_ALLMULTI, "allmulti"},
}

// MarshalText implements encoding.TextMarshaler.
func (f flagsForm) MarshalText() ([]byte, error) {
	text := fmt.Sprintf("0x%x #", uint32(f))
	for _, n := range flagNames {
		if uint32(f)&n.flag != 0 {
			text += " " + n.name
		}
	}
	return []byte(text), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *flagsForm) UnmarshalText(text []byte) error {
	number, _, _ := strings.Cut(string(text), " #")
	v, err := strconv.ParseUint(number, 0, 32)
	*f = flagsForm(v)
	return err
}
