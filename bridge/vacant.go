package bridge

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"

	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/shell"
)

const vacantKind = "vacant"

// vacant finds out, before interfaces that stop has deleted are made again, whether another
// one has the index or the name of one of them. Everything that follows would be about that
// one: while a stop waits to be confirmed, a guest or a container may begin.
type vacant struct {
	Each  []seat     `json:"Each"`
	Again string     `json:"Again"` // the words that make the networks anew
	Conn  *rtnl.Conn `json:"-"`
}

// seat is an interface that was deleted; see remove.
type seat struct {
	Index int              `json:"Index"`
	Name  string           `json:"Name"` // it is made with
	Later string           `json:"Later,omitempty"`
	Kind  string           `json:"Kind"`
	MAC   net.HardwareAddr `json:"MAC,omitempty"`
	Peer  int              `json:"Peer,omitempty"`
}

// vacant is the operation for what the plan deletes.
func (b *builder) vacant() *vacant {
	v := &vacant{Again: wordsOf(b.specs), Conn: b.conn}
	for _, d := range b.doomed {
		r := d.remove
		v.Each = append(v.Each, seat{d.indexes[0], r.Name, r.Later, r.What, r.MAC, r.Peer})
		if r.Peer != 0 {
			v.Each = append(v.Each, seat{Index: r.Peer, Name: b.names[r.Peer], Kind: r.What, Peer: d.indexes[0]})
		}
	}
	return v
}

// wordsOf are the words by which start makes the networks.
func wordsOf(specs []Spec) string {
	var all []string
	for _, w := range specs {
		text := "bridge=" + shell.Quote(w.Bridge) + " netdev=" + shell.Quote(w.NetDev)
		if w.onBridge() {
			text += " dom0=bridge"
		} else {
			text += fmt.Sprintf(" vifnum=%d", w.VifNum)
		}
		all = append(all, text)
	}
	return strings.Join(all, " --next ")
}

// Kind implements plan.Op.
func (*vacant) Kind() string { return vacantKind }

// Commands implements plan.Op.
func (*vacant) Commands() []string { return nil }

// Do implements plan.Op.
func (v *vacant) Do(ctx context.Context, _ bool) error { return v.Open(ctx) }

// Open implements plan.Gate.
func (v *vacant) Open(context.Context) error {
	links, err := host.ReadLinkList(v.Conn)
	if err != nil {
		return err
	}
	for _, s := range v.Each {
		for _, l := range links {
			switch {
			case l.Index == s.Index && !s.is(l):
				return v.taken("%s has the index %d by now, which %s had", l.Name, s.Index, s.Name)
			case l.Index != s.Index && (l.Name == s.Name || slices.Contains(l.AltNames, s.Name)):
				return v.taken("another interface is called %s by now", s.Name)
			}
		}
	}
	return nil
}

func (v *vacant) taken(format string, args ...any) error {
	return plan.Closed{Why: refusal.New("what it has done stays; xbr-script start "+v.Again+" makes the network anew", format, args...)}
}

// is says whether the interface that has the index is the one.
func (s seat) is(l *host.Link) bool {
	r := remove{Name: s.Name, Later: s.Later, What: s.Kind, MAC: s.MAC, Peer: s.Peer}
	return r.is(l, true)
}
