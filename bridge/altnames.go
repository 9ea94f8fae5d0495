package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/netop"
	"xbr-script/internal/plan"
	"xbr-script/internal/rawjson"
	"xbr-script/internal/rtnl"
)

// moveAltNames is the step that gives one interface's alternative names to
// another.
func (b *builder) moveAltNames(from, to int, names []string) plan.Step {
	move := func(from, to int) []plan.Op {
		var msgs []rtnl.Msg
		for _, n := range names {
			msgs = append(msgs, altName(rtnl.DelLinkProp, from, n), altName(rtnl.NewLinkProp, to, n))
		}
		if len(msgs) == 0 {
			return nil
		}
		return []plan.Op{&altNames{*b.batch(msgs...), to, rawjson.Strings(names), b.conn}}
	}
	return plan.Step{
		Title: "move the alternative names of " + b.names[from],
		Do:    move(from, to),
		Undo:  move(to, from),
	}
}

// altNames moves alternative names to an interface. udev gives a NIC its own
// back when it sees it renamed, if nobody has them at that moment.
type altNames struct {
	Batch netop.Batch      `json:"Batch"`
	To    int              `json:"To"`    // the interface's index
	Names []rawjson.String `json:"Names"` // which it has then
	Conn  *rtnl.Conn       `json:"-"`
}

// altNamesTries is how often udev may come between: it does once, for each
// time that the NIC is renamed.
const altNamesTries = 10

// Kind implements plan.Op.
func (*altNames) Kind() string { return altNamesKind }

// Commands implements plan.Op.
func (a *altNames) Commands() []string { return a.Batch.Commands() }

// Do implements plan.Op.
func (a *altNames) Do(ctx context.Context, undoing bool) error {
	batch := a.Batch
	batch.Conn = a.Conn
	for range altNamesTries {
		if err := batch.Do(ctx, undoing); err != nil {
			return err
		}
		l, err := host.ReadLink(a.Conn, a.To)
		if undoing && errors.Is(err, unix.ENODEV) {
			return nil
		}
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(a.Names, func(n rawjson.String) bool { return !slices.Contains(l.AltNames, string(n)) }) {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("somebody gives the names %q to another interface again and again", a.Names)
}
