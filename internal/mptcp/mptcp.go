// Package mptcp reads the endpoints of MPTCP (ip-mptcp(8)), and says by which messages one
// is made anew for another interface.
package mptcp

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
)

// Endpoint is an address that the kernel uses for connections besides the one that they
// begin with, or tells others of.
type Endpoint struct {
	Addr  netip.Addr
	ID    uint8
	Flags uint32
	Index int // of its interface
}

// Flags of an endpoint (MPTCP_PM_ADDR_FLAG_…, linux/mptcp_pm.h), as ip calls them.
const (
	signal = 1 << iota
	subflow
	backup
	fullmesh
	implicit
	laminar
)

var flagNames = []string{"signal", "subflow", "backup", "fullmesh", "implicit", "laminar"}

// Binds says whether the kernel begins subflows at it, which are bound to its interface
// (__mptcp_subflow_connect). One that is only told to others is for any interface.
func (e Endpoint) Binds() bool {
	return e.Flags&(subflow|fullmesh|laminar) != 0 && e.Flags&implicit == 0
}

// On is the endpoint for another interface.
func (e Endpoint) On(index int) Endpoint {
	e.Index = index
	return e
}

// Words are what ip mptcp endpoint add is told of it.
func (e Endpoint) Words() string {
	text := fmt.Sprintf("%v id %d", e.Addr, e.ID)
	for i, name := range flagNames {
		if e.Flags&(1<<i) != 0 {
			text += " " + name
		}
	}
	return text
}

// Attributes and commands of the family mptcp_pm (linux/mptcp_pm.h).
const (
	familyName = "mptcp_pm"
	version    = 1
	addAddr    = 1
	delAddr    = 2
	getAddr    = 3

	attrAddr   = 1
	attrFamily = 1
	attrID     = 2
	attrAddr4  = 3
	attrAddr6  = 4
	attrFlags  = 6
	attrIndex  = 7
)

// Kernel is that part of the kernel which has the endpoints.
type Kernel struct {
	conn   *rtnl.Conn
	family uint16
}

// Of is that of the network namespace, by a connection to generic netlink. It has no
// endpoints if the kernel has no MPTCP.
func Of(c *rtnl.Conn) (*Kernel, error) {
	family, err := c.Family(familyName)
	return &Kernel{c, family}, err
}

// Endpoints are those that are for an interface.
func (k *Kernel) Endpoints() (all []Endpoint, err error) {
	if k.family == 0 {
		return nil, nil
	}
	msgs, err := k.conn.Dump(k.family, []byte{getAddr, version, 0, 0})
	for _, m := range msgs {
		if len(m.Body) < rtnl.SizeofGenl {
			continue
		}
		if e, ok := parse(rtnl.FindAttr(m.Body[rtnl.SizeofGenl:], attrAddr)); ok {
			all = append(all, e)
		}
	}
	return all, err
}

func parse(b []byte) (e Endpoint, ok bool) {
	id := rtnl.FindAttr(b, attrID)
	addr, ok := netip.AddrFromSlice(rtnl.FindAttr(b, attrAddr4))
	if !ok {
		addr, ok = netip.AddrFromSlice(rtnl.FindAttr(b, attrAddr6))
	}
	if !ok || len(id) != 1 {
		return e, false
	}
	e = Endpoint{Addr: addr, ID: id[0], Flags: rtnl.U32(rtnl.FindAttr(b, attrFlags)), Index: int(rtnl.U32(rtnl.FindAttr(b, attrIndex)))}
	return e, e.Index != 0
}

// Set makes an endpoint so. The kernel has no two of one address, and changes the interface
// of none (mptcp_pm_nl_append_new_local_addr), so one that is there has to go first; with it
// go the subflows from its address.
func (k *Kernel) Set(e Endpoint, there bool) error {
	if k.family == 0 {
		return fmt.Errorf("endpoint %v of MPTCP: %w", e.Addr, unix.EPROTONOSUPPORT)
	}
	var w rtnl.Wire
	if there {
		w = w.Add(k.message(delAddr, nl.NewRtAttr(attrID, nl.Uint8Attr(e.ID))))
	}
	family, attr := uint16(unix.AF_INET), attrAddr4
	if e.Addr.Is6() {
		family, attr = unix.AF_INET6, attrAddr6
	}
	w = w.Add(k.message(addAddr, nl.NewRtAttr(attrFamily, nl.Uint16Attr(family)), nl.NewRtAttr(attrID, nl.Uint8Attr(e.ID)),
		nl.NewRtAttr(attr, e.Addr.AsSlice()), nl.NewRtAttr(attrFlags, nl.Uint32Attr(e.Flags)), nl.NewRtAttr(attrIndex, nl.Uint32Attr(uint32(e.Index)))))
	refused, err := k.conn.Send(w)
	if err != nil || len(refused) == 0 {
		return err
	}
	all, err := k.Endpoints()
	if err == nil && !slices.ContainsFunc(all, func(o Endpoint) bool { return o.Addr == e.Addr }) {
		err = fmt.Errorf("endpoint %v of MPTCP: %w", e.Addr, refused[len(refused)-1])
	}
	return err // else somebody else has seen to it
}

func (k *Kernel) message(command byte, attrs ...*nl.RtAttr) rtnl.Msg {
	addr := nl.NewRtAttr(attrAddr|unix.NLA_F_NESTED, nil)
	for _, a := range attrs {
		addr.AddChild(a)
	}
	return rtnl.Msg{Type: k.family, Body: append([]byte{command, version, 0, 0}, addr.Serialize()...)}
}
