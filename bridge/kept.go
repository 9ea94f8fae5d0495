package bridge

import "xbr-script/internal/rtnl"

// kept is what stop leaves for the next start: the guests' ports that it took out,
// and what an admin has set on the bridge and its ports. form_kept.go has its form on
// disk.
type kept struct {
	Index  int      // the bridge's index, which entries of its tables contain
	Shape  Shape    // in the other shape the bridge's own VLANs mean something else
	Bridge settings // none for a bridge that start found, which keeps them itself
	NIC    keptPort
	Dom0   keptPort
	Guests []keptPort
}

// keptPort is a port and what is set on it. The interface is the same as long
// as index, name and kind are.
type keptPort struct {
	Index    int
	Name     string
	Kind     string
	Settings settings
}

// settings is what an admin has set on a port, or on a bridge itself: only what is not
// the default, see defaults.go.
type settings struct {
	// Attrs are attributes as the kernel gave them, IFLA_BRPORT_… or IFLA_BR_….
	Attrs []byte
	// Backup is the index of the port that takes over when this one has no
	// carrier.
	Backup int
	// VLANs are all of them; nil is the one that a port begins with.
	VLANs *[]vlan
	// VLANOptions, FDB and MDB are messages that make the entries, with the interface
	// indexes of that time.
	VLANOptions, FDB, MDB rtnl.Wire
	// Group and Alias are those of a bridge beside dom0's interface and of
	// dom0's port; the other interfaces keep their own.
	Group uint32
	Alias string
}

// vlan is a VLAN of a port, or a range of them.
type vlan struct {
	VID    uint16
	Last   uint16 // of a range
	Flags  uint16 // rtnl.VLANPVID, rtnl.VLANUntagged
	Tunnel uint32
}

// none says whether nothing is set.
func (s settings) none() bool {
	return len(s.Attrs)+s.Backup+len(s.VLANOptions)+len(s.FDB)+len(s.MDB)+int(s.Group)+len(s.Alias) == 0 && s.VLANs == nil
}

// none says whether there is nothing to be kept.
func (k *kept) none() bool {
	return len(k.Guests) == 0 && k.Bridge.none() && k.NIC.Settings.none() && k.Dom0.Settings.none()
}

// names are the names of the guests' ports.
func (k *kept) names() (list []string) {
	for _, g := range k.Guests {
		list = append(list, g.Name)
	}
	return list
}
