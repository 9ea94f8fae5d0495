package operate

import (
	"strings"

	"xbr-script/internal/draw"
	"xbr-script/internal/guestname"
)

// nameGuests adds to each bridge whose its guests' ports are.
func (v *view) nameGuests(r *Report) {
	all := v.guestNames()
	for i := range r.Bridges {
		e := &r.Bridges[i]
		for _, port := range e.Guests {
			if g := guestname.Of(all, port.Name); g != nil {
				e.GuestNames = append(e.GuestNames, *g)
			}
		}
	}
}

// guestNames are the guests of all ports, as far as they are known. That a name is not
// known is no reason not to tell the rest.
func (v *view) guestNames() []guestname.Guest {
	if v.named {
		return v.guests
	}
	v.named = true
	if v.Request.Host != "" {
		v.guests = append(guestname.OfXen(v.strict.Xen), v.guests...)
		return v.guests
	}
	var err error
	v.guests, err = guestname.Reader{Conn: v.conn, Xen: v.strict.Xen}.Look(v.host)
	if err != nil {
		v.Note(unnamed(err))
	}
	return v.guests
}

// unnamed says that names are missing, and why.
func unnamed(err error) string {
	return "cannot tell all guests' names: " + strings.ReplaceAll(err.Error(), "\n", "; ")
}

// picture is the whole host, or the bridges that the command line names.
func (v *view) picture() *draw.Picture {
	var names []string
	if v.Request.Given && v.Request.File == "" {
		for _, w := range v.specs {
			names = append(names, w.Bridge)
		}
	}
	return draw.Look(v.host, v.up, v.guestNames(), names...)
}
