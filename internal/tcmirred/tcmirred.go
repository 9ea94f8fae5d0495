// Package tcmirred reads the actions of traffic control that send packets to another
// interface (tc-mirred(8)), and changes to which one.
package tcmirred

import (
	"encoding/binary"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
)

// Action is an action. Filters and other actions know it by its index.
type Action struct {
	Index uint32
	To    int // index of the interface that it sends to
	how   uint32
	attrs []byte // what the kernel tells of it
}

// Attributes of an action (linux/pkt_cls.h, linux/tc_act/tc_mirred.h).
const (
	actTab     = 1 // TCA_ACT_TAB: the root of a message
	actKind    = 1
	actOptions = 2
	actCookie  = 6
	actFlags   = 7
	actHWStats = 8
	parms      = 2 // TCA_MIRRED_PARMS, a struct tc_mirred

	howAt, toAt, sizeofParms = 20, 24, 28
	ingressRedirect          = 3 // TCA_INGRESS_REDIR, which TCA_INGRESS_MIRROR follows

	sizeofMsg = 4 // struct tcamsg
)

// Ingress says whether packets come in by the interface, rather than leave by it.
func (a Action) Ingress() bool { return a.how >= ingressRedirect }

// Read reads those of the network namespace.
func Read(c *rtnl.Conn) ([]Action, error) {
	one := nl.NewRtAttr(1|unix.NLA_F_NESTED, nil)
	one.AddRtAttr(actKind, nl.ZeroTerminated("mirred"))
	tab := nl.NewRtAttr(actTab|unix.NLA_F_NESTED, nil)
	tab.AddChild(one)
	var all []Action
	err := c.DumpEach(unix.RTM_GETACTION, append(make([]byte, sizeofMsg), tab.Serialize()...), func() { all = nil }, func(m rtnl.Msg) {
		if len(m.Body) < sizeofMsg {
			return
		}
		for action := range rtnl.ParseAttrs(rtnl.FindAttr(m.Body[sizeofMsg:], actTab)) {
			if a, ok := parse(action.Value); ok {
				all = append(all, a)
			}
		}
	})
	return all, err
}

// parse reads an action. The kernel may also send to a block of interfaces, which has no
// index of one.
func parse(b []byte) (a Action, ok bool) {
	p := rtnl.FindAttr(rtnl.FindAttr(b, actOptions), parms)
	if len(p) < sizeofParms {
		return a, false
	}
	a = Action{Index: rtnl.U32(p[:4]), how: rtnl.U32(p[howAt : howAt+4]), To: int(rtnl.U32(p[toAt : toAt+4])), attrs: append([]byte{}, b...)}
	return a, a.To != 0
}

// Send is the message by which the action sends to another interface. It keeps its index,
// and what it has counted (tcf_mirred_init).
func (a Action) Send(to int) rtnl.Msg {
	p := append([]byte{}, rtnl.FindAttr(rtnl.FindAttr(a.attrs, actOptions), parms)...)
	binary.NativeEndian.PutUint32(p[toAt:], uint32(to))
	one := nl.NewRtAttr(1|unix.NLA_F_NESTED, nil)
	for _, typ := range []uint16{actKind, actCookie, actFlags, actHWStats} {
		if v := rtnl.FindAttr(a.attrs, typ); v != nil {
			one.AddRtAttr(int(typ), v)
		}
	}
	one.AddRtAttr(actOptions|unix.NLA_F_NESTED, nl.NewRtAttr(parms, p).Serialize())
	tab := nl.NewRtAttr(actTab|unix.NLA_F_NESTED, nil)
	tab.AddChild(one)
	return rtnl.Msg{Type: unix.RTM_NEWACTION, Flags: rtnl.Replace, Body: append(make([]byte, sizeofMsg), tab.Serialize()...)}
}
