package guestname

import (
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/netns"
	"xbr-script/internal/rtnl"
)

// namespaces are the guests whose interfaces are in other network namespaces, such as
// containers: what the kernel tells of the other ends of pairs. The program does not
// enter any of them, it asks by their numbers (IFLA_TARGET_NETNSID and the like, Linux
// 4.20; an older kernel's answers do not have that number, and count for nothing).
func (r Reader) namespaces(h *host.Host) (list []Guest, err error) {
	spaces, in := map[uint32]map[int]Guest{}, map[string]uint32{}
	for _, l := range h.Links {
		if l.Kind != "veth" || !l.Elsewhere || l.Master == 0 {
			continue
		}
		m, err := r.Conn.Link(l.Index)
		if err != nil || m.Get(unix.IFLA_LINK_NETNSID) == nil {
			continue // it has gone, or its other end has come here
		}
		id := m.U32(unix.IFLA_LINK_NETNSID)
		if spaces[id] == nil {
			if spaces[id], err = r.space(id); err != nil {
				return nil, err
			}
		}
		if peer, there := spaces[id][l.Lower]; there {
			peer.Port, peer.By = l.Name, "kernel"
			list, in[l.Name] = append(list, peer), id
		}
	}
	if len(list) == 0 {
		return nil, nil
	}
	names, err := r.names()
	for i, g := range list {
		list[i].Name = names[in[g.Port]]
	}
	return list, err
}

// space are the interfaces in the namespace with that number, by index; none if one may
// not know.
func (r Reader) space(id uint32) (map[int]Guest, error) {
	devices := map[int]Guest{}
	req := rtnl.Msg{Type: unix.RTM_NEWLINK, Body: make([]byte, unix.SizeofIfInfomsg)}.With(unix.IFLA_TARGET_NETNSID, rtnl.U32Bytes(id))
	links, err := r.Conn.Dump(unix.RTM_GETLINK, req.Body)
	if err != nil {
		return nil, unlessRefused(err)
	}
	for _, m := range links {
		if f := m.Fixed(); f != nil && m.Get(unix.IFLA_TARGET_NETNSID) != nil {
			index := int(int32(rtnl.U32(f[4:8]))) // ifi_index
			devices[index] = Guest{Device: rtnl.String(m.Get(unix.IFLA_IFNAME)), MAC: net.HardwareAddr(m.Get(unix.IFLA_ADDRESS)).String()}
		}
	}
	req = rtnl.Msg{Type: unix.RTM_NEWADDR, Body: make([]byte, unix.SizeofIfAddrmsg)}.With(unix.IFA_TARGET_NETNSID, rtnl.U32Bytes(id))
	addrs, err := r.Conn.DumpOnly(unix.RTM_GETADDR, req.Body)
	if err != nil {
		return devices, unlessRefused(err)
	}
	for _, m := range addrs {
		a, ok := netip.AddrFromSlice(m.Local())
		if !ok || m.Get(unix.IFA_TARGET_NETNSID) == nil || a.IsLinkLocalUnicast() {
			continue
		}
		index := int(rtnl.U32(m.Fixed()[4:8])) // ifa_index
		if g, there := devices[index]; there {
			g.Addresses = append(g.Addresses, a.String())
			devices[index] = g
		}
	}
	return devices, nil
}

// unlessRefused is nil if the kernel itself has said no: then nothing is known of that
// namespace, and that is all there is to it.
func unlessRefused(err error) error {
	if refused := (*rtnl.Error)(nil); errors.As(err, &refused) {
		return nil
	}
	return err
}

// names are those that "ip netns" has given to namespaces, by the numbers that these have
// here.
func (r Reader) names() (map[uint32]string, error) {
	folder := r.Root + "/run/netns"
	files, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	names := map[uint32]string{}
	for _, file := range files {
		if id, ok := r.number(filepath.Join(folder, file.Name())); ok {
			names[id] = file.Name()
		}
	}
	return names, err
}

// number is the number of a namespace with that file.
func (r Reader) number(file string) (uint32, bool) {
	f, err := os.Open(file)
	if err != nil {
		return 0, false
	}
	defer func() { _ = f.Close() }()
	return netns.Number(r.Conn, f)
}
