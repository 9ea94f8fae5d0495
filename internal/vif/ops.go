package vif

import (
	"context"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"xbr-script/internal/plan"
	"xbr-script/internal/shell"
)

const mtuKind = "port mtu"

// mtu is an operation that gives a port an MTU if it can have that: a guest without it is
// better off than none, as vif-bridge has it (set_mtu).
type mtu struct {
	Port  string `json:"port"`
	Index int    `json:"index"`
	MTU   int    `json:"mtu"` // bytes
}

// Kind implements plan.Op.
func (*mtu) Kind() string { return mtuKind }

// Commands implements plan.Op.
func (m *mtu) Commands() []string {
	return []string{fmt.Sprintf("ip link set dev %s mtu %d || :", shell.Quote(m.Port), m.MTU)}
}

// Do implements plan.Op.
func (m *mtu) Do(context.Context, bool) error {
	err := netlink.LinkSetMTU(&netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: m.Index}}, m.MTU)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EOPNOTSUPP) {
		return nil
	}
	return err
}

// Kinds are the operations of this package.
func Kinds() plan.Kinds { return plan.Kinds{mtuKind: func() plan.Op { return &mtu{} }} }
