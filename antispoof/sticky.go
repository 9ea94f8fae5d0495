package antispoof

import (
	"context"
	"errors"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/shell"
)

const stickyKind = "fdb"

// sticky is an operation on the entry of the forwarding table that sends
// frames for dom0 to its port. A static entry alone moves to the port of
// whoever sends with that MAC address; a sticky one stays (br_fdb_update).
type sticky struct {
	Port  string `json:"Port"`
	MAC   string `json:"MAC"`
	On    bool   `json:"On"`
	Index int    `json:"Index"` // of the port, by which it is known whatever it is called by now
}

// Kind implements plan.Op.
func (*sticky) Kind() string { return stickyKind }

// Commands implements plan.Op.
func (s *sticky) Commands() []string {
	cmd := "bridge fdb replace " + shell.Quote(s.MAC) + " dev " + shell.Quote(s.Port) + " master static"
	if s.On {
		cmd += " sticky"
	}
	return []string{cmd}
}

// Do implements plan.Op.
func (s *sticky) Do(_ context.Context, undoing bool) error {
	mac, err := net.ParseMAC(s.MAC)
	if err != nil {
		return err
	}
	link, err := interfaceOf(s.Index, s.Port)
	if err != nil {
		return gone(err, undoing)
	}
	if undoing && link.Attrs().MasterIndex == 0 {
		return nil // the entry went with its port
	}
	c, err := rtnl.Dial()
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	entry := rtnl.FDB(unix.RTM_NEWNEIGH, rtnl.Replace, link.Attrs().Index, mac)
	if s.On {
		entry = entry.Sticky()
	}
	refused, err := c.Send(rtnl.Pack(entry))
	if err == nil && len(refused) > 0 {
		err = refused[0]
	}
	return err
}

func gone(err error, undoing bool) error {
	var missing netlink.LinkNotFoundError
	if undoing && (errors.As(err, &missing) || errors.Is(err, unix.ENODEV)) {
		return nil
	}
	return err
}

// pinned says whether frames for dom0 have an entry that can be claimed. That of
// the bridge's own MAC address cannot.
func (b Bridge) pinned() bool { return len(b.MAC) > 0 && b.Port != "" }

// isSticky says whether the entry is there and sticky.
func (b Bridge) isSticky(h *host.Host) bool {
	l := h.Name(b.Port)
	return l != nil && h.Sticky(l.Index, b.MAC)
}

// pin is the step that makes it sticky.
func pin(h *host.Host, b Bridge) plan.Step {
	if !b.pinned() || b.isSticky(h) {
		return plan.Step{}
	}
	mac := b.MAC.String()
	return plan.Step{
		Title: "let frames for dom0 (" + mac + ") go to " + b.Port + " whoever claims that address",
		Do:    []plan.Op{&sticky{b.Port, mac, true, b.PortIndex}},
		Undo:  []plan.Op{&sticky{b.Port, mac, false, b.PortIndex}},
	}
}

// unpin is the step after which it is not.
func unpin(h *host.Host, b Bridge) plan.Step {
	if !b.pinned() || !b.isSticky(h) {
		return plan.Step{}
	}
	mac := b.MAC.String()
	return plan.Step{
		Title: "no longer pin frames for dom0 (" + mac + ") to " + b.Port,
		Do:    []plan.Op{&sticky{b.Port, mac, false, b.PortIndex}},
		Undo:  []plan.Op{&sticky{b.Port, mac, true, b.PortIndex}},
	}
}
