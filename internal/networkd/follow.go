package networkd

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"xbr-script/internal/plan"
)

// Heir is an interface that systemd-networkd shall configure as it did another.
type Heir struct {
	Was    Link     // what it did with the other
	From   string   // the name of the other
	Dev    string   // the name of the heir
	Others []string // the names of new interfaces that it shall leave alone
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
			d, s := progress(h, restarted)
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
func progress(h Heir, restarted time.Time) (decided, settled bool) {
	l, decided := since(h.Dev, restarted)
	for _, name := range h.Others {
		_, known := since(name, restarted)
		decided = decided && known
	}
	return decided, decided && (l.State == h.Was.State || l.State == "configured")
}

// taken is nil if it has decided as it should.
func taken(heirs []Heir, restarted time.Time) error {
	for _, h := range heirs {
		if l, _ := since(h.Dev, restarted); !l.Configures() {
			return &plan.Advised{
				Text: fmt.Sprintf("%s does not fit %s", h.Was.File, h.Dev),
				Hint: fmt.Sprintf("let its [Match] go by name: Name=%s, and no Driver=, Path= or PermanentMACAddress=", h.Dev),
			}
		}
		for _, name := range h.Others {
			if l, _ := since(name, restarted); l.Configures() {
				return &plan.Advised{
					Text: fmt.Sprintf("%s fits %s, too", l.File, name),
					Hint: fmt.Sprintf("a file before that keeps it from bridges and their ports:\n  "+
						`printf '[Match]\nName=%s vif*\n[Link]\nUnmanaged=yes\n' >/etc/systemd/network/05-xen.network`, strings.Join(h.Others, " ")),
				}
			}
		}
	}
	return nil
}

// since is what it has decided about an interface since it was restarted, if it
// has.
func since(name string, restarted time.Time) (Link, bool) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return Link{}, false
	}
	l := LinkOf(i.Index)
	if l.when.Before(restarted) || l.State == "pending" || l.State == "initialized" {
		return Link{}, false
	}
	return l, true
}
