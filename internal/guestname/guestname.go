// Package guestname finds out whose the ports of bridges are. Xen's toolstack says so in
// xenstore, libvirt in files, and the kernel itself tells of network namespaces. No
// program is run, and no guest is asked.
package guestname

import (
	"cmp"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/xenstore"
)

// Guest is what is known of the guest that a port belongs to.
type Guest struct {
	Port string `json:"port"`
	Name string `json:"name,omitempty"`
	// By is who says so: "xenstore", "libvirt" or, of a network namespace, "kernel".
	By     string `json:"by"`
	Device string `json:"device,omitempty"` // the guest's own name of its interface
	MAC    string `json:"mac,omitempty"`    // the guest's
	// Addresses are those that the toolstack has written down, or the kernel knows, without
	// the lengths of their prefixes.
	Addresses []string `json:"addresses,omitempty"`
}

// Reader is where names come from.
type Reader struct {
	Conn *rtnl.Conn
	Xen  *xenstore.Seen // nil: it is still to be asked
	Root string         // the folder in which /run is; "": the real one
}

// Look finds the guests of all ports, as far as they are known. The error says what could
// not be read; the rest is right.
func (r Reader) Look(h *host.Host) ([]Guest, error) {
	if r.Xen == nil {
		r.Xen = xenstore.Look()
	}
	list := OfXen(r.Xen)
	virt, virtErr := readLibvirt(r.Root + "/run/libvirt")
	spaces, spacesErr := r.namespaces(h)
	for _, g := range slices.Concat(virt, spaces) {
		if Of(list, g.Port) == nil {
			list = append(list, g)
		}
	}
	list = slices.DeleteFunc(list, func(g Guest) bool { return !isPort(h, g.Port) })
	heardErr := r.addHeard(list)
	slices.SortStableFunc(list, func(a, b Guest) int { return cmp.Compare(a.Port, b.Port) })
	return list, errors.Join(r.Xen.Err, virtErr, spacesErr, heardErr)
}

// isPort says whether an interface of that name is in something.
func isPort(h *host.Host, name string) bool {
	l := h.Name(name)
	return l != nil && l.Name == name && l.Master != 0
}

// Of is the guest of a port, nil if it is not known.
func Of(list []Guest, port string) *Guest {
	i := slices.IndexFunc(list, func(g Guest) bool { return g.Port == port })
	if i < 0 {
		return nil
	}
	return &list[i]
}

// OfXen are the guests that xenstore knows: each with its port, and with that of its
// emulated device.
func OfXen(xen *xenstore.Seen) (list []Guest) {
	if xen == nil {
		return nil
	}
	for _, v := range xen.VIFs {
		g := Guest{Port: v.Port, Name: v.Name, By: "xenstore", MAC: macText(v.MAC), Addresses: addresses(strings.Fields(v.IP))}
		list = append(list, g)
		g.Port = v.Emulated()
		list = append(list, g)
	}
	return list
}

// macText is a MAC address as the kernel's are written, "" if it is none.
func macText(text string) string {
	mac, err := net.ParseMAC(text)
	if err != nil {
		return ""
	}
	return mac.String()
}

// addresses are the texts that are addresses, without lengths of prefixes.
func addresses(texts []string) (list []string) {
	for _, t := range texts {
		t, _, _ = strings.Cut(t, "/")
		if a, err := netip.ParseAddr(t); err == nil && !slices.Contains(list, a.String()) {
			list = append(list, a.String())
		}
	}
	return list
}

// addHeard gives guests of which only the MAC address is known those IP addresses under
// which dom0 knows it as a neighbour.
func (r Reader) addHeard(list []Guest) error {
	if !slices.ContainsFunc(list, func(g Guest) bool { return g.MAC != "" && len(g.Addresses) == 0 }) {
		return nil
	}
	heard := map[string][]string{}
	for _, af := range []uint8{unix.AF_INET, unix.AF_INET6} {
		req := make([]byte, unix.SizeofNdMsg)
		req[0] = af
		neighs, err := r.Conn.Dump(unix.RTM_GETNEIGH, req)
		if refused := (*rtnl.Error)(nil); errors.As(err, &refused) && refused.Errno == unix.EOPNOTSUPP {
			continue // a kernel without IPv6
		} else if err != nil {
			return err
		}
		for _, m := range neighs {
			mac, addr := net.HardwareAddr(m.Get(unix.NDA_LLADDR)).String(), m.Get(unix.NDA_DST)
			if a, ok := netip.AddrFromSlice(addr); ok && mac != "" && host.Lasting(m) {
				heard[mac] = append(heard[mac], a.String())
			}
		}
	}
	for i, g := range list {
		if len(g.Addresses) == 0 {
			list[i].Addresses = addresses(heard[g.MAC])
		}
	}
	return nil
}
