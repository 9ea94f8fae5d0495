// Package divert sends frames for dom0 another way in the moment in which its NIC
// becomes a port of the bridge, or ceases to be one.
package divert

import (
	"context"
	"io"
	"net"

	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
)

// When the NIC becomes a port, or gets dom0's MAC address as a port, the kernel makes
// that address local to the bridge (br_fdb_add_local, replacing whatever entry there
// is), and frames to dom0 end there until the next message points the entry to dom0's
// port. While it ceases to be a port, it is one that is disabled (del_nbp). Each takes
// a few microseconds, in which a busy host loses a frame. The shield takes those frames
// before the bridge sees them, and sends them out of dom0's port, so that dom0's
// interface receives them.

// Op is the operation that raises the shield, or takes it down. A kernel without such a
// thing does without it; and it ends with the process, so there is nothing to recover.
type Op struct {
	On    bool             `json:"On"`
	Index int              `json:"Index"` // of the NIC
	To    Target           `json:"To"`
	MAC   net.HardwareAddr `json:"MAC"`
	At    *Place           `json:"-"` // shared by the operations of one plan; nil if read from a journal
	Conn  *rtnl.Conn       `json:"-"`
}

// Place holds the shield that is up, if one is.
type Place struct{ up io.Closer }

// Kind names an Op in a journal.
const Kind = "shield"

// Kinds are the operations of this package.
func Kinds() plan.Kinds { return plan.Kinds{Kind: func() plan.Op { return &Op{} }} }

// Kind implements plan.Op.
func (*Op) Kind() string { return Kind }

// Commands implements plan.Op: no program can do that.
func (*Op) Commands() []string { return nil }

// Do implements plan.Op. It never fails: without the shield a frame may be
// lost, and that is all.
func (s *Op) Do(context.Context, bool) error {
	if s.At == nil {
		return nil // it has gone with the process that wrote the journal
	}
	if s.At.up != nil {
		_ = s.At.up.Close() // fails only if it is gone, with the NIC
		s.At.up = nil
	}
	if s.On {
		s.At.up = s.raise()
	}
	return nil
}

// raise uses the first of two ways that the kernel offers; nil if it offers neither.
// Nftables can only send out of an interface.
func (s *Op) raise() io.Closer {
	if l, err := host.ReadLink(s.Conn, s.Index); err == nil && !s.To.Into {
		if f, err := newNftFwd(l.Name, s.MAC, s.To.Index); err == nil {
			return f
		}
	}
	if r, err := newRedirect(s.Index, s.MAC, s.To); err == nil {
		return r
	}
	return nil
}

// Target is where the frames have to go: out of an interface, or in, as if they had
// arrived there.
type Target struct {
	Index int  `json:"Index"`
	Into  bool `json:"Into"`
}
