package host

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/ipcmd"
	"xbr-script/internal/rawjson"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/sysctl"
)

// formVersion is the form of a snapshot in a file. Version 1 has only the names that are
// in rules for routing.
const formVersion = 2

// form is a snapshot in a file. What is unknown is left out.
//
// A message of the kernel is a string: base64 and, after a #, the command that would
// make the same object, which is only for people to read.
type form struct {
	Version    int        `json:"version"`
	ByteOrder  string     `json:"byte_order"` // of the numbers in messages
	LiveRename bool       `json:"live_rename"`
	Rejoins    bool       `json:"rejoins_groups,omitempty"`
	Stations   []int      `json:"stations,omitempty"`
	ReadAt     int64      `json:"read_at"` // nanoseconds since the host had booted
	Links      []linkForm `json:"links"`
	Addrs      []string   `json:"addresses"`
	Routes     []string   `json:"routes"`
	Neighs     []string   `json:"neighbours"`
	Nexthops   []string   `json:"nexthops"`

	NewDevice deviceForm        `json:"new_interface_settings,omitzero"`
	Settings  map[string]string `json:"settings,omitzero"`
	Static    []string          `json:"static_forwarding_entries,omitzero"`
	Rules     []string          `json:"rules,omitzero"`
	Names     []rawjson.String  `json:"names_in_rules,omitzero"` // in version 1
	Sockets   *socketsForm      `json:"ipv6_sockets,omitempty"`
	Bridging  *bridgingForm     `json:"bridge_tables,omitempty"`
	Far       []farForm         `json:"in_other_namespaces,omitempty"`
}

// deviceForm is an interface's settings. Links have only those that differ from a
// new interface's, with null for what is missing.
type deviceForm map[sysctl.Key]*string

// farForm is an interface in another network namespace that stands on one of this.
type farForm struct {
	Name  rawjson.String `json:"name"`
	Kind  string         `json:"kind"`
	MAC   hexForm        `json:"mac,omitempty"`
	Lower int            `json:"lower"`
	Place rawjson.String `json:"place"`
}

type socketsForm struct {
	Hidden bool         `json:"hidden"`
	Local  []netip.Addr `json:"local"`
}

type bridgingForm struct {
	VLANs       []string `json:"vlans"`
	VLANOptions []string `json:"vlan_options"`
	FDB         []string `json:"forwarding"`
	MDB         []string `json:"multicast"`
}

// list is one of the snapshot's lists of messages, and where it is kept.
type list struct {
	name string
	typ  uint16 // of all the messages
	msgs *[]rtnl.Msg
	text *[]string
}

func (f *form) lists(h *Host) []list {
	return []list{
		{"addresses", unix.RTM_NEWADDR, &h.Addrs, &f.Addrs},
		{"routes", unix.RTM_NEWROUTE, &h.Routes, &f.Routes},
		{"neighbours", unix.RTM_NEWNEIGH, &h.Neighs, &f.Neighs},
		{"nexthops", unix.RTM_NEWNEXTHOP, &h.Nexthops, &f.Nexthops},
		{"static_forwarding_entries", unix.RTM_NEWNEIGH, &h.Asked.Static, &f.Static},
		{"rules", unix.RTM_NEWRULE, &h.Asked.Rules, &f.Rules},
	}
}

func (f *bridgingForm) lists(b *Bridging) []list {
	return []list{
		{"vlans", unix.RTM_NEWLINK, &b.VLANs, &f.VLANs},
		{"vlan_options", unix.RTM_NEWVLAN, &b.VLANOptions, &f.VLANOptions},
		{"forwarding", unix.RTM_NEWNEIGH, &b.FDB, &f.FDB},
		{"multicast", unix.RTM_NEWMDB, &b.MDB, &f.MDB},
	}
}

// byteOrder is that of this machine.
func byteOrder() string {
	if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 {
		return "little"
	}
	return "big"
}

// MarshalJSON implements json.Marshaler.
func (h *Host) MarshalJSON() ([]byte, error) {
	a := h.answers()
	f := form{
		Version: formVersion, ByteOrder: byteOrder(), LiveRename: h.LiveRename, Rejoins: h.Rejoins, Stations: h.Stations, ReadAt: int64(h.At),
		Settings: a.Settings,
	}
	fresh, known := a.Devices[newDevice]
	if known {
		f.NewDevice = formOfDevice(fresh, nil)
	}
	for _, l := range h.Links {
		lf := formOfLink(l)
		if d, known := a.Devices[l.Name]; known {
			lf.Settings = formOfDevice(d, fresh)
		}
		f.Links = append(f.Links, lf)
	}
	lists := f.lists(h)
	if a.Sockets != nil {
		f.Sockets = &socketsForm{a.Sockets.Hidden, a.Sockets.Local}
	}
	if a.Bridging != nil {
		f.Bridging = &bridgingForm{}
		lists = append(lists, f.Bridging.lists(a.Bridging)...)
	}
	for _, l := range a.Far {
		f.Far = append(f.Far, farForm{rawjson.String(l.Name), l.Kind, hexForm(l.MAC), l.Lower, rawjson.String(l.Place)})
	}
	names := h.Names()
	for _, l := range lists {
		if err := l.write(names); err != nil {
			return nil, err
		}
	}
	return json.Marshal(f)
}

// write makes the text of the messages.
func (l list) write(names ipcmd.Names) error {
	if *l.msgs == nil {
		return nil
	}
	*l.text = []string{}
	for _, m := range *l.msgs {
		if m.Type != l.typ {
			return fmt.Errorf("%s: there is a message of type %d", l.name, m.Type)
		}
		text := base64.StdEncoding.EncodeToString(m.Body)
		if c := names.Command(m.As(m.Type, unix.NLM_F_CREATE|unix.NLM_F_EXCL)); !strings.HasPrefix(c, "#") {
			text += " # " + c
		}
		*l.text = append(*l.text, text)
	}
	return nil
}

// read is the reverse.
func (l list) read() error {
	if *l.text == nil {
		return nil
	}
	*l.msgs = make([]rtnl.Msg, 0, len(*l.text))
	for i, text := range *l.text {
		text, _, _ = strings.Cut(text, " #")
		body, err := base64.StdEncoding.DecodeString(text)
		m := rtnl.Msg{Type: l.typ, Body: body}
		if err == nil && !m.Whole() {
			err = errors.New("it is not a whole message")
		}
		if err != nil {
			return fmt.Errorf("%s: number %d: %w", l.name, i+1, err)
		}
		*l.msgs = append(*l.msgs, m)
	}
	return nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (h *Host) UnmarshalJSON(data []byte) error {
	f, err := parseForm(data)
	if err != nil {
		return err
	}
	a := &Asked{Devices: map[string]sysctl.Device{}, Settings: f.Settings}
	*h = Host{LiveRename: f.LiveRename, Rejoins: f.Rejoins, Stations: f.Stations, At: time.Duration(f.ReadAt), Asked: a}
	if f.Names != nil {
		a.Rules = rulesNaming(rawjson.Plain(f.Names))
	}
	if f.NewDevice != nil {
		a.Devices[newDevice] = f.NewDevice.device(nil)
	}
	for _, lf := range f.Links {
		l, err := lf.link()
		if err != nil {
			return fmt.Errorf("links: %s: %w", lf.Name, err)
		}
		if lf.Settings != nil {
			a.Devices[l.Name] = lf.Settings.device(a.Devices[newDevice])
		}
		h.Links = append(h.Links, l)
	}
	lists := f.lists(h)
	if f.Sockets != nil {
		a.Sockets = &Sockets{f.Sockets.Hidden, f.Sockets.Local}
	}
	for _, l := range f.Far {
		a.Far = append(a.Far, Far{string(l.Name), l.Kind, net.HardwareAddr(l.MAC), l.Lower, string(l.Place)})
	}
	if f.Bridging != nil {
		a.Bridging = &Bridging{}
		lists = append(lists, f.Bridging.lists(a.Bridging)...)
	}
	for _, l := range lists {
		if err := l.read(); err != nil {
			return err
		}
	}
	return nil
}

// parseForm reads a snapshot that this program understands.
func parseForm(data []byte) (f form, err error) {
	var head struct {
		Version   int    `json:"version"`
		ByteOrder string `json:"byte_order"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return f, err
	}
	switch {
	case head.Version != formVersion && head.Version != 1:
		return f, fmt.Errorf("it has the form %d, and this version knows %d and 1", head.Version, formVersion)
	case head.ByteOrder != byteOrder():
		return f, fmt.Errorf("it is of a host with the byte order %q, and this one has %q", head.ByteOrder, byteOrder())
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	err = d.Decode(&f)
	if err == nil && (f.Version == 1 && f.Rules != nil || f.Version != 1 && f.Names != nil) {
		err = fmt.Errorf("the form %d has no such rules", f.Version)
	}
	return f, err
}

// rulesNaming are rules of which only the names in them are known, before the usual one.
func rulesNaming(names []string) []rtnl.Msg {
	rules := []rtnl.Msg{}
	fixed := make([]byte, unix.SizeofRtMsg)
	fixed[0], fixed[4], fixed[7] = unix.AF_INET, unix.RT_TABLE_MAIN, unix.FR_ACT_TO_TBL
	toMain := rtnl.Msg{Type: unix.RTM_NEWRULE, Body: fixed}
	for _, name := range names {
		rules = append(rules, toMain.With(unix.FRA_IIFNAME, append([]byte(name), 0)))
	}
	return append(rules, toMain.With(unix.FRA_PRIORITY, rtnl.U32Bytes(32766)))
}

// formOfDevice is what an interface's settings have that the others do not have.
func formOfDevice(d, others sysctl.Device) deviceForm {
	f := deviceForm{}
	for k, v := range d {
		if other, there := others[k]; !there || other != v {
			f[k] = &v
		}
	}
	for k := range others {
		if _, there := d[k]; !there {
			f[k] = nil
		}
	}
	return f
}

// device is the reverse.
func (f deviceForm) device(others sysctl.Device) sysctl.Device {
	d := sysctl.Device{}
	for k, v := range others {
		d[k] = v
	}
	for k, v := range f {
		if v == nil {
			delete(d, k)
		} else {
			d[k] = *v
		}
	}
	return d
}
