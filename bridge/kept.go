package bridge

import (
	"bytes"
	"encoding/json"
	"fmt"

	"xbr-script/internal/rawjson"
	"xbr-script/internal/refusal"
	"xbr-script/internal/rtnl"
)

// keptVersion is the form of the file in which stop keeps a network's settings
// for the next start. The first form was a list of the guests' ports by name.
const keptVersion = 2

// kept is what stop leaves for the next start: the guests' ports that it took
// out, and what an admin has set on the bridge and its ports. It is the form of
// the file, too.
type kept struct {
	Version int `json:"version"`
	// Index is the bridge's, by which entries of its tables name it.
	Index  int        `json:"bridge_index,omitempty"`
	Dom0Is string     `json:"dom0_is,omitempty"` // as Status has it: the bridge's own VLANs mean something else in the other shape
	Bridge settings   `json:"bridge,omitzero"`   // none of a bridge that start found: it keeps them itself
	NIC    keptPort   `json:"nic,omitzero"`
	Dom0   keptPort   `json:"dom0_port,omitzero"`
	Guests []keptPort `json:"guests,omitempty"`
}

// keptPort is a port and what is set on it. The interface is the same as long
// as index, name and kind are.
type keptPort struct {
	Index    int            `json:"index"`
	Name     rawjson.String `json:"name"`
	Kind     string         `json:"kind,omitempty"`
	Settings settings       `json:"settings,omitzero"`
}

// settings is what an admin has set on a port, or on a bridge itself: only
// what is not as it begins with, see defaults.go.
type settings struct {
	// Attrs are attributes as the kernel gave them, IFLA_BRPORT_… or IFLA_BR_….
	Attrs []byte `json:"attributes,omitempty"`
	// Backup is the index of the port that takes over when this one has no
	// carrier.
	Backup int `json:"backup_port,omitempty"`
	// VLANs are all of them; nil is the one that a port begins with.
	VLANs *[]vlan `json:"vlans,omitempty"`
	// VLANOptions, FDB and MDB are messages that make the entries, with the
	// interface indexes of then.
	VLANOptions rtnl.Wire `json:"vlan_options,omitempty"`
	FDB         rtnl.Wire `json:"fdb,omitempty"`
	MDB         rtnl.Wire `json:"mdb,omitempty"`
	// Group and Alias are those of a bridge beside dom0's interface and of
	// dom0's port; the other interfaces keep their own.
	Group uint32         `json:"group,omitempty"`
	Alias rawjson.String `json:"alias,omitempty"`
}

// vlan is a VLAN of a port, or a range of them.
type vlan struct {
	VID    uint16 `json:"vid"`
	Last   uint16 `json:"last,omitempty"`  // of a range
	Flags  uint16 `json:"flags,omitempty"` // rtnl.VLANPVID, rtnl.VLANUntagged
	Tunnel uint32 `json:"tunnel,omitempty"`
}

// none says whether nothing is set.
func (s settings) none() bool {
	return len(s.Attrs)+s.Backup+len(s.VLANOptions)+len(s.FDB)+len(s.MDB)+int(s.Group)+len(s.Alias) == 0 && s.VLANs == nil
}

// none says whether there is nothing to be kept.
func (k *kept) none() bool {
	return len(k.Guests) == 0 && k.Bridge.none() && k.NIC.Settings.none() && k.Dom0.Settings.none()
}

// names are those of the guests' ports.
func (k *kept) names() (list []string) {
	for _, g := range k.Guests {
		list = append(list, string(g.Name))
	}
	return list
}

// kept reads what stop has kept of a bridge, nothing if it has not.
func (s Store) kept(bridge string) (k kept, err error) {
	name := guestsName(bridge)
	_, err = s.records().LoadElse(name, &k, func(err error) error {
		path := s.records().Path(name)
		return refusal.Wrap(err, "without it the ports that it names stay out of the bridge, and what was set on them is lost: rm "+path,
			"cannot read %s, what stop has kept for start", path)
	})
	return k, err
}

// UnmarshalJSON implements json.Unmarshaler: it reads the file in its form, or
// in that of the first releases, the names of the guests' ports.
func (k *kept) UnmarshalJSON(data []byte) error {
	if bytes.HasPrefix(data, []byte("[")) {
		var names []string
		err := json.Unmarshal(data, &names)
		for _, name := range names {
			k.Guests = append(k.Guests, keptPort{Name: rawjson.String(name)})
		}
		return err
	}
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return err
	}
	if head.Version != keptVersion {
		return fmt.Errorf("it has the form %d, and this version knows %d", head.Version, keptVersion)
	}
	type form kept // has no such method
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode((*form)(k))
}
