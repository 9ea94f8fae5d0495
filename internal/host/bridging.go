package host

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
)

// Bridging is what the host's bridges have besides their settings.
type Bridging struct {
	VLANs       []rtnl.Msg // links of the family AF_BRIDGE, with the VLANs of each port and bridge
	VLANOptions []rtnl.Msg // settings of single VLANs (RTM_NEWVLAN)
	FDB         []rtnl.Msg // forwarding tables, including learnt entries
	MDB         []rtnl.Msg // multicast databases, one message or more a bridge
}

func (k kernel) bridging() (*Bridging, error) {
	b := &Bridging{}
	const vlansCompressed = 1 << 2 // RTEXT_FILTER_BRVLAN_COMPRESSED: as ranges
	links := make([]byte, unix.SizeofIfInfomsg)
	links[0] = unix.AF_BRIDGE
	links = rtnl.Msg{Type: unix.RTM_NEWLINK, Body: links}.With(unix.IFLA_EXT_MASK, rtnl.U32Bytes(vlansCompressed)).Body
	ports := make([]byte, 8) // struct br_port_msg and br_vlan_msg
	ports[0] = unix.AF_BRIDGE
	for _, d := range []dump{
		{&b.VLANs, unix.RTM_GETLINK, links},
		{&b.VLANOptions, unix.RTM_GETVLAN, ports},
		{&b.FDB, unix.RTM_GETNEIGH, family(unix.AF_BRIDGE)},
		{&b.MDB, unix.RTM_GETMDB, ports},
	} {
		msgs, err := k.conn.Dump(d.typ, d.body)
		if err != nil && !refusedWith(err, unix.EOPNOTSUPP) { // a kernel without that table
			return nil, err
		}
		*d.into = msgs
	}
	for i, m := range b.MDB {
		b.MDB[i] = m.As(unix.RTM_NEWMDB, 0) // it comes as RTM_GETMDB
	}
	return b, nil
}

// busOf is the bus of the hardware behind an interface, "" if there is none, for
// kernels that do not report it with the link (before 5.14).
func busOf(name string) (string, error) {
	target, err := os.Readlink("/sys/class/net/" + name + "/device/subsystem")
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return filepath.Base(target), nil
}

// functionsOf says whether the hardware behind an interface can have virtual functions.
func functionsOf(name string) (bool, error) {
	text, err := os.ReadFile("/sys/class/net/" + name + "/device/sriov_totalvfs")
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return false, nil
	}
	return strings.TrimSpace(string(text)) != "0", err
}

// tellNetfilter adds to a bridge's settings whether it shows its packets to
// iptables, on kernels that do not report it with the link (before 4.4).
func (l *Link) tellNetfilter() error {
	for name, typ := range map[string]int{"nf_call_iptables": unix.IFLA_BR_NF_CALL_IPTABLES, "nf_call_ip6tables": unix.IFLA_BR_NF_CALL_IP6TABLES} {
		if l.bridgeAttr(uint16(typ)) != nil {
			continue
		}
		data, err := os.ReadFile("/sys/class/net/" + l.Name + "/bridge/" + name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a kernel without it, or the bridge is gone
		}
		if err != nil {
			return err
		}
		if strings.HasPrefix(string(data), "1") {
			l.BridgeAttrs = append(slices.Clip(l.BridgeAttrs), nl.NewRtAttr(typ, []byte{1}).Serialize()...)
		}
	}
	return nil
}
