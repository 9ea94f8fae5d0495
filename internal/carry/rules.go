package carry

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"xbr-script/internal/ipcmd"
	"xbr-script/internal/nfnetlink"
	"xbr-script/internal/nfrule"
	"xbr-script/internal/rtnl"
)

// Rules is the operation that lets rules of nftables which mean one of two interfaces by
// its index mean another of them, or both. It reads the rules when it is carried out, and
// changes all of them in one transaction, each in its place. So it does not matter what
// they meant before, and those that somebody adds while the network moves are turned, too.
type Rules struct {
	Of    [2]int        `json:"Of"`   // indexes of the two interfaces
	By    []int         `json:"By"`   // what they are to mean: one of them, or both
	Kept  []nfrule.Kept `json:"Kept"` // they are left alone
	Names ipcmd.Names   `json:"Names"`
}

// RulesKind names a Rules in a journal.
const RulesKind = "nftables indexes"

// Kind implements plan.Op.
func (*Rules) Kind() string { return RulesKind }

// tries is how often it begins anew because somebody else changes rules.
const tries = 20

// Do implements plan.Op.
func (r *Rules) Do(context.Context, bool) error {
	conn, err := nfnetlink.Dial()
	if err != nil {
		return err
	}
	defer func() { _ = conn.Leave() }() // if it fails, it is closed
	for range tries {
		generation, msgs, readErr := r.change()
		if readErr != nil || len(msgs) == 0 {
			return readErr
		}
		if err = conn.CommitAt(generation, msgs...); !errors.Is(err, unix.ERESTART) {
			return err
		}
	}
	return fmt.Errorf("the rules change all the time: %w", err)
}

// change is what the change takes now.
func (r *Rules) change() (generation uint32, msgs nfrule.Messages, err error) {
	if generation, err = nfnetlink.Generation(); err != nil {
		return 0, nil, err
	}
	c, err := rtnl.DialNetfilter()
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = c.Close() }()
	rules, err := nfrule.Read(c)
	if err != nil {
		return 0, nil, err
	}
	return generation, rules.Change(nfrule.Swap{Of: r.Of, By: r.By}, r.Kept), nil
}

// Commands implements plan.Op: nft cannot change the index in a rule, only write the
// rule anew from its text.
func (r *Rules) Commands() []string {
	mean := fmt.Sprint(r.By[0])
	if len(r.By) > 1 {
		mean = fmt.Sprintf("%d and %d", r.By[0], r.By[1])
	}
	return []string{"# no command does this: the rules of nftables with the index of " + r.Names[r.Of[0]] + " (iif, oif) mean " + mean}
}
