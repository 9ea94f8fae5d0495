package bridge

import (
	"context"
	"slices"

	"xbr-script/internal/host"
	"xbr-script/internal/netop"
	"xbr-script/internal/rtnl"
)

const advanceKind = "advance"

// advance sees to it that the indexes of what stop deletes are not the next that the kernel
// gives out: while the stop waits to be confirmed they have to stay free, or there is no way
// back (see vacant). The kernel goes on from the last index that it has chosen itself
// (dev_index_reserve), and leaves out those in use; these were chosen by start, so the
// kernel may not have come to them yet. It does so with an interface that is made and
// deleted at once.
type advance struct {
	Past int        `json:"Past"` // the highest index that is to stay free
	Conn *rtnl.Conn `json:"-"`
}

const (
	// stepping is what the interface is called.
	stepping = "xbr-next"
	// maxSteps is after how many of them nothing more is done: something else is wrong.
	maxSteps = 64
)

// advance is the operation for what the plan deletes.
func (b *builder) advance() *advance { return &advance{slices.Max(b.removed()), b.conn} }

// Kind implements plan.Op.
func (*advance) Kind() string { return advanceKind }

// Commands implements plan.Op.
func (*advance) Commands() []string { return nil }

// Do implements plan.Op. Undoing it deletes what may be left of it.
func (a *advance) Do(ctx context.Context, undoing bool) error {
	index, err := a.find()
	for range maxSteps {
		switch {
		case err != nil:
			return err
		case index != 0:
			if err := a.send(ctx, delLink(index)); err != nil {
				return err
			}
		}
		if undoing || index > a.Past {
			return nil
		}
		if err := a.send(ctx, addLink(0, attrName(stepping), attrMAC(portMAC), attrSettings())); err != nil {
			return err
		}
		index, err = a.find()
	}
	return nil
}

// find is the index of that interface, 0 if there is none.
func (a *advance) find() (int, error) {
	links, err := host.ReadLinkList(a.Conn)
	for _, l := range links {
		if l.Name == stepping && l.Kind == "bridge" && sameMAC(l.MAC, portMAC) {
			return l.Index, nil
		}
	}
	return 0, err
}

func (a *advance) send(ctx context.Context, m rtnl.Msg) error {
	b := netop.Batch{Wire: rtnl.Pack(m), Conn: a.Conn}
	return b.Do(ctx, false)
}
