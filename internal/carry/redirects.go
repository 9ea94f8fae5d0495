package carry

import (
	"context"
	"fmt"
	"slices"

	"xbr-script/internal/rtnl"
	"xbr-script/internal/shell"
	"xbr-script/internal/tcmirred"
)

// Redirects is the operation by which actions of traffic control that send to one
// interface (tc-mirred(8)) send to another one.
type Redirects struct {
	From    int      `json:"From"` // indexes
	To      int      `json:"To"`
	Name    string   `json:"Name"`    // that the latter has by then
	Actions []uint32 `json:"Actions"` // by their own indexes; others that send there are left alone
}

// RedirectsKind names a Redirects in a journal.
const RedirectsKind = "tc redirects"

// Kind implements plan.Op.
func (*Redirects) Kind() string { return RedirectsKind }

// Commands implements plan.Op: tc would have to be told all of an action again.
func (r *Redirects) Commands() (lines []string) {
	for _, index := range r.Actions {
		lines = append(lines, shell.Comment(fmt.Sprintf("the action that tc actions get action mirred index %d prints sends to %s", index, r.Name)))
	}
	return lines
}

// Do implements plan.Op. An action that is gone, or sends elsewhere by now, is left alone.
func (r *Redirects) Do(_ context.Context, undoing bool) error {
	c, gone, err := dial(r.To, undoing)
	if err != nil || gone {
		return err
	}
	defer func() { _ = c.Close() }()
	all, err := tcmirred.Read(c)
	if err != nil {
		return err
	}
	var w rtnl.Wire
	for _, a := range all {
		if a.To == r.From && slices.Contains(r.Actions, a.Index) {
			w = w.Add(a.Send(r.To))
		}
	}
	return send(c, w)
}
