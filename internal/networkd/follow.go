package networkd

import (
	"cmp"
	"context"
	"strings"
	"time"

	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
	"xbr-script/internal/shell"
)

// Heir is an interface that systemd-networkd shall configure as it did another.
type Heir struct {
	Was    Link     `json:"Was"`    // what it did with the other
	From   string   `json:"From"`   // the name of the other
	Dev    string   `json:"Dev"`    // the name of the heir
	Others []string `json:"Others"` // the names of new interfaces that it shall leave alone
}

// Follow gives the steps around a change after which the heirs have the
// addresses. It is restarted after the change, and after that is undone. Within
// limit it must have taken the heirs, and none of the others; if limit is 0
// nobody looks.
func Follow(heirs []Heir, limit time.Duration) (first, last plan.Step) {
	var back []Heir
	for _, h := range heirs {
		back = append(back, Heir{Was: h.Was, From: h.Dev, Dev: h.From})
	}
	restart := &Restart{}
	first = plan.Step{Title: "have systemd-networkd return", Undo: []plan.Op{&Restart{Heirs: back, Limit: limit}}}
	last = plan.Step{Title: "have systemd-networkd follow", Do: []plan.Op{restart}}
	if limit > 0 {
		last.Check = func(ctx context.Context) error { return await(ctx, heirs, restart.at, limit) }
	}
	return first, last
}

// await waits until systemd-networkd, restarted then, has got so far with the
// heirs as it was before. That it gets an address is for others to find out.
func await(ctx context.Context, heirs []Heir, restarted time.Time, limit time.Duration) error {
	if restarted.IsZero() {
		return nil
	}
	for end := time.Now().Add(limit); ; {
		decided, settled := true, true
		for _, h := range heirs {
			d, s, err := progress(h, restarted)
			if err != nil {
				return err
			}
			decided, settled = decided && d, settled && s
		}
		late := time.Now().After(end)
		if decided || late {
			if err := taken(heirs, restarted); err != nil || settled || late {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// progress tells whether it has decided about all interfaces of one heir, and
// whether it is done with that.
func progress(h Heir, restarted time.Time) (decided, settled bool, err error) {
	l, decided, err := since(h.Dev, restarted)
	for _, name := range h.Others {
		_, known, otherErr := since(name, restarted)
		decided, err = decided && known, cmp.Or(err, otherErr)
	}
	return decided, decided && (l.State == h.Was.State || l.State == "configured"), err
}

// taken is nil if it has decided as it should.
func taken(heirs []Heir, restarted time.Time) error {
	for _, h := range heirs {
		l, _, err := since(h.Dev, restarted)
		if err != nil {
			return err
		}
		if !l.Configures() {
			return refusal.New("let its [Match] go by name: Name="+h.Dev+", and no Driver=, Path= or PermanentMACAddress=",
				"%s does not fit %s", h.Was.File, h.Dev)
		}
		for _, name := range h.Others {
			l, _, err := since(name, restarted)
			if err != nil {
				return err
			}
			if l.Configures() {
				return refusal.New("a file before that keeps it from bridges and their ports:\n  printf '%s\\n' "+
					shell.Quote("[Match]")+" "+shell.Quote("Name="+strings.Join(h.Others, " ")+" vif*")+" "+shell.Quote("[Link]")+
					" Unmanaged=yes >/etc/systemd/network/05-xen.network",
					"%s fits %s, too", l.File, name)
			}
		}
	}
	return nil
}

// since is what it has decided about an interface since it was restarted, if it
// has.
func since(name string, restarted time.Time) (Link, bool, error) {
	index, err := host.IndexOf(name)
	if err != nil || index == 0 {
		return Link{}, false, err
	}
	l, err := LinkOf(index)
	if err != nil || l.when.Before(restarted) || l.State == "pending" || l.State == "initialized" {
		return Link{}, false, err
	}
	return l, true, nil
}
