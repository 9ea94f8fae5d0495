package strict

import (
	"context"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/shell"
)

const learnKind = "bridge learn"

// learn is an operation on whether a bridge learns from frames to 01:80:c2:00:00:0x
// (BR_BOOLOPT_NO_LL_LEARN, Linux 4.20). No hook sees LLDP before it does
// (br_handle_frame): a guest would get what others send to the gateway by one frame.
type learn struct {
	Bridge string `json:"bridge"`
	Index  int    `json:"index"` // by which it is known whatever it is called by now
	Off    bool   `json:"off"`
}

// Kind implements plan.Op.
func (*learn) Kind() string { return learnKind }

// Commands implements plan.Op.
func (l *learn) Commands() []string {
	value := "0"
	if l.Off {
		value = "1"
	}
	return []string{"ip link set dev " + shell.Quote(l.Bridge) + " type bridge no_linklocal_learn " + value}
}

// noLinkLocalLearn is the bit of IFLA_BR_MULTI_BOOLOPT, BR_BOOLOPT_NO_LL_LEARN.
const noLinkLocalLearn = 1

// Do implements plan.Op.
func (l *learn) Do(_ context.Context, undoing bool) error {
	c, err := rtnl.Dial()
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	value := uint32(0)
	if l.Off {
		value = noLinkLocalLearn
	}
	opt := nl.NewRtAttr(unix.IFLA_BR_MULTI_BOOLOPT, append(rtnl.U32Bytes(value), rtnl.U32Bytes(noLinkLocalLearn)...)).Serialize()
	kind := nl.NewRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("bridge")).Serialize()
	data := nl.NewRtAttr(nl.IFLA_INFO_DATA, opt).Serialize()
	body := make([]byte, unix.SizeofIfInfomsg)
	copy(body[4:], rtnl.U32Bytes(uint32(l.Index)))
	m := rtnl.Msg{Type: unix.RTM_NEWLINK, Body: body}.With(unix.IFLA_LINKINFO, append(kind, data...))
	refused, err := c.Send(rtnl.Pack(m))
	if err == nil && len(refused) > 0 {
		err = refused[0]
	}
	if undoing && errors.Is(err, unix.ENODEV) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("what %s learns from: %w", l.Bridge, err)
	}
	return nil
}

// learns says whether a bridge learns from such frames.
func learns(h *host.Host, bridge string) bool {
	l := h.Name(bridge)
	if l == nil {
		return true
	}
	opts := rtnl.FindAttr(l.BridgeAttrs, unix.IFLA_BR_MULTI_BOOLOPT)
	return len(opts) != 8 || rtnl.U32(opts[:4])&noLinkLocalLearn == 0
}

// notLearning is the step that stops or allows it.
func (p *Planner) notLearning(b Bridge, off bool) plan.Step {
	if learns(p.Host, b.Name) != off {
		return plan.Step{}
	}
	title := "let " + b.Name + " learn nothing from frames that no rule sees"
	if !off {
		title = "let " + b.Name + " learn from all frames again"
	}
	return plan.Step{Title: title, Do: []plan.Op{&learn{b.Name, b.Index, off}}, Undo: []plan.Op{&learn{b.Name, b.Index, !off}}}
}
