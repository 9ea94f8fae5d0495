package host

import (
	"bytes"

	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
)

// ReadAgain takes a snapshot after an earlier one, was. Once the interfaces are
// known, moved says which of them have become others. Since there may be very many
// routes, the snapshot leaves out those that are as they were except for their
// interface. missing are those that were there and are not, or not in the place
// where they were looked for.
func (h *Host) ReadAgain(c *rtnl.Conn, moved func(now *Host) map[int]int) (now *Host, missing []rtnl.Msg, err error) {
	if now, err = links(c); err != nil {
		return nil, nil, err
	}
	err = now.dump(c.Dump, append([]dump{{&now.Addrs, unix.RTM_GETADDR, make([]byte, unix.SizeofIfAddrmsg)}}, dumpsBesides(now)...))
	if err != nil {
		return nil, nil, err
	}
	renumber := moved(now)
	for _, af := range []uint8{unix.AF_INET, unix.AF_INET6} {
		d := &differ{was: h.routesOf(af), moved: renumber}
		ask := func(typ uint16, body []byte) ([]rtnl.Msg, error) {
			err := c.DumpEach(typ, body, d.begin, d.see)
			return d.others, err
		}
		if err := now.dump(ask, []dump{{&now.Routes, unix.RTM_GETROUTE, family(af)}}); err != nil {
			return nil, nil, err
		}
		missing = append(missing, d.rest()...)
	}
	err = now.markOwn(c)
	return now, missing, err
}

// WithRoutes is the host with other routes.
func (h *Host) WithRoutes(routes []rtnl.Msg) *Host {
	h.answers() // shared from here on
	other := *h
	other.Routes, other.states = routes, nil
	return &other
}

// routesOf are the routes of one family, which are next to each other.
func (h *Host) routesOf(af uint8) []rtnl.Msg {
	begin := 0
	for begin < len(h.Routes) && h.Routes[begin].Family() != af {
		begin++
	}
	end := begin
	for end < len(h.Routes) && h.Routes[end].Family() == af {
		end++
	}
	return h.Routes[begin:end]
}

// differ finds out how a list of routes differs from an earlier one. Usually they
// are the same, in the same order.
type differ struct {
	was    []rtnl.Msg
	moved  map[int]int
	next   int        // the first of was that is not yet passed
	passed []rtnl.Msg // of the earlier list, but not seen
	others []rtnl.Msg // seen, but not in the place that the earlier list has
}

// ahead is how far to look for a route after ones that are gone.
const ahead = 16

func (d *differ) begin() { d.next, d.passed, d.others = 0, nil, nil }

// see takes the next route.
func (d *differ) see(m rtnl.Msg) {
	if !m.HasAny(rtnl.RtaNhID) {
		m = m.Settable()
	}
	for i := d.next; i < min(d.next+ahead, len(d.was)); i++ {
		if rtnl.SameRoute(d.was[i], m, d.moved) {
			d.passed = append(d.passed, d.was[d.next:i]...)
			d.next = i + 1
			return
		}
	}
	m.Body = bytes.Clone(m.Body)
	d.others = append(d.others, m)
}

// rest is what was not seen.
func (d *differ) rest() []rtnl.Msg { return append(d.passed, d.was[d.next:]...) }
