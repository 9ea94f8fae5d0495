package main

import (
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// attach makes an interface a port of a new datapath of Open vSwitch, as its daemon would
// (linux/openvswitch.h). Both stay.
func attach(datapath, name string) error {
	const cmdNew, dpName, dpUpcall, vportType, vportName, vportUpcall, netdev = 1, 1, 2, 2, 3, 5, 1
	none := make([]byte, 4) // nobody is asked about packets without a flow
	err := openVSwitch("ovs_datapath", 0, cmdNew, nl.NewRtAttr(dpName, nl.ZeroTerminated(datapath)), nl.NewRtAttr(dpUpcall, none))
	if err != nil {
		return fmt.Errorf("cannot make the datapath %s: %w", datapath, err)
	}
	dp, err := net.InterfaceByName(datapath)
	if err != nil {
		return err
	}
	err = openVSwitch("ovs_vport", dp.Index, cmdNew, nl.NewRtAttr(vportType, nl.Uint32Attr(netdev)),
		nl.NewRtAttr(vportName, nl.ZeroTerminated(name)), nl.NewRtAttr(vportUpcall, none))
	if err != nil {
		return fmt.Errorf("cannot make %s a port of %s: %w", name, datapath, err)
	}
	return nil
}

// fixed is the part of a message before its attributes.
type fixed []byte

// Len and Serialize are those of nl.NetlinkRequestData.
func (f fixed) Len() int          { return len(f) }
func (f fixed) Serialize() []byte { return f }

// openVSwitch sends a command of a family: a struct ovs_header and attributes.
func openVSwitch(family string, index int, command uint8, attrs ...nl.NetlinkRequestData) error {
	f, err := netlink.GenlFamilyGet(family)
	if err != nil {
		return err
	}
	req := nl.NewNetlinkRequest(int(f.ID), unix.NLM_F_ACK)
	req.AddData(&nl.Genlmsg{Command: command, Version: 1})
	req.AddData(fixed(nl.Uint32Attr(uint32(index))))
	for _, a := range attrs {
		req.AddData(a)
	}
	_, err = req.Execute(unix.NETLINK_GENERIC, 0)
	return err
}
