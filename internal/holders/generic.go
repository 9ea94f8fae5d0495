package holders

import (
	"fmt"
	"slices"

	"xbr-script/internal/mptcp"
)

// readEndpoints reads the endpoints of MPTCP that are for an interface: the kernel binds
// subflows to it that it begins there. What they are made anew for ends connections that
// have nothing else, which are only looked for if there is such an endpoint.
func readEndpoints(r *reader) error {
	c, err := r.to(generic)
	if err != nil || c == nil {
		return err
	}
	k, err := mptcp.Of(c)
	if err == nil {
		r.Endpoints, err = k.Endpoints()
	}
	if err != nil || !slices.ContainsFunc(r.Endpoints, func(e mptcp.Endpoint) bool { return r.indexes[e.Index] && e.Binds() }) {
		return unlessLacking(err)
	}
	if c, err = r.to(sockDiag); err != nil || c == nil {
		return err
	}
	r.Subflows, err = mptcp.Subflows(c)
	return unlessLacking(err)
}

// findEndpoints: an endpoint is made anew for the other interface (package carry), unless
// that would end connections that go on otherwise.
func findEndpoints(d *Data, m Move) (all []Holder) {
	for _, e := range d.EndpointsOn(m.From.Index) {
		h := Holder{Kind: "MPTCP", What: fmt.Sprintf("endpoint %v, id %d", e.Addr, e.ID), Outcome: Moves, Then: "it is made anew for dom0's " + m.To.Name}
		if n := d.endsWith(e); n > 0 {
			h.Outcome = Breaks
			h.Then = fmt.Sprintf("nothing new begins there, and to make it anew would end %s; once that is no matter: ip mptcp endpoint delete id %d; ip mptcp endpoint add %s dev %s",
				plural(n, "connection"), e.ID, e.Words(), m.To.Name)
		}
		if n := d.endsWith(e); n > 0 && d.LetGo[e.Index] {
			h.Then = fmt.Sprintf("NetworkManager may delete it as it lets %s go, and make it anew: that ends %s", m.From.Name, plural(n, "connection"))
		}
		if !e.Binds() {
			h.Outcome, h.Then = Followed, "the kernel tells others of it, whatever its interface"
		}
		all = append(all, h)
	}
	return all
}

// EndpointsOn are the endpoints of MPTCP that are for an interface.
func (d *Data) EndpointsOn(index int) []mptcp.Endpoint {
	return slices.DeleteFunc(slices.Clone(d.Endpoints), func(e mptcp.Endpoint) bool { return e.Index != index })
}

// Anew are those of them that are made anew.
func (d *Data) Anew(index int) []mptcp.Endpoint {
	return slices.DeleteFunc(d.EndpointsOn(index), func(e mptcp.Endpoint) bool { return !e.Binds() || d.endsWith(e) > 0 })
}

// endsWith counts the connections that would end with an endpoint.
func (d *Data) endsWith(e mptcp.Endpoint) int {
	return mptcp.Ending(d.Subflows, e.Addr, d.EndpointsOn(e.Index))
}
