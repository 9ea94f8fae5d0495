package carry

import (
	"context"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
	"xbr-script/internal/shell"
)

// Labels is the operation that gives address labels (ip-addrlabel(8)), which are for one
// interface, to another.
type Labels struct {
	From   int     `json:"From"` // indexes
	To     int     `json:"To"`
	Name   string  `json:"Name"` // that the latter has by then
	Labels []Label `json:"Labels"`
}

// Label is an entry by which the kernel selects source addresses (RFC 6724).
type Label struct {
	Prefix netip.Prefix `json:"Prefix"`
	Label  uint32       `json:"Label"`
}

// LabelsKind names a Labels in a journal.
const LabelsKind = "address labels"

// Kind implements plan.Op.
func (*Labels) Kind() string { return LabelsKind }

// Commands implements plan.Op. What is left on the other interface does no harm.
func (l *Labels) Commands() (lines []string) {
	for _, one := range l.Labels {
		lines = append(lines, fmt.Sprintf("ip addrlabel add prefix %v dev %s label %d", one.Prefix, shell.Quote(l.Name), one.Label))
	}
	return lines
}

// Do implements plan.Op. The kernel refuses a label for an interface that does not exist
// (ip6addrlbl_newdel), and knows no label that was deleted.
func (l *Labels) Do(_ context.Context, undoing bool) error {
	c, gone, err := dial(l.To, undoing)
	if err != nil || gone {
		return err
	}
	defer func() { _ = c.Close() }()
	var add, remove rtnl.Wire
	for _, one := range l.Labels {
		add = add.Add(one.message(unix.RTM_NEWADDRLABEL, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, l.To))
		remove = remove.Add(one.message(unix.RTM_DELADDRLABEL, 0, l.From))
	}
	if err := send(c, add); err != nil {
		return err
	}
	return send(c, remove, unix.ESRCH)
}

// message begins with a struct ifaddrlblmsg (linux/if_addrlabel.h).
func (l Label) message(typ, flags uint16, index int) rtnl.Msg {
	const address, label = 1, 2 // IFAL_ADDRESS, IFAL_LABEL
	body := append([]byte{unix.AF_INET6, 0, byte(l.Prefix.Bits()), 0}, rtnl.U32Bytes(uint32(index))...)
	m := rtnl.Msg{Type: typ, Flags: flags, Body: append(body, 0, 0, 0, 0)}
	return m.With(address, l.Prefix.Addr().AsSlice()).With(label, rtnl.U32Bytes(l.Label))
}
