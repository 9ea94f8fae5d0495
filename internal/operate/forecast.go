package operate

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"xbr-script/bridge"
	"xbr-script/internal/config"
	"xbr-script/internal/manager"
)

// Forecast is what a plan comes to, in few words: what a dry run begins with.
type Forecast struct {
	Moves []Passage `json:"moves"`
	// Asked are the hosts that are asked before and after: of those on a NIC's link one has
	// to answer again, or everything is put back. Nobody is asked if there is none.
	Asked []string `json:"asked"`
	// LinkOff says that NICs are switched off meanwhile, and WaitSeconds how long their
	// links, and the hosts, are waited for after that.
	LinkOff     bool `json:"link_off"`
	WaitSeconds int  `json:"wait_seconds"`
	// ConfirmSeconds is after what time everything is put back unless it is confirmed; 0: it
	// need not be.
	ConfirmSeconds int `json:"confirm_seconds,omitempty"`
}

// Passage is what moves from a NIC to dom0's interface, or back.
type Passage struct {
	Bridge string `json:"bridge"`
	NetDev string `json:"netdev"`
	// NIC is what the NIC is called before, and Becomes what it is called afterwards.
	NIC     string `json:"nic"`
	Becomes string `json:"becomes"`
	From    string `json:"from"` // the interface with dom0's addresses before
	To      string `json:"to"`   // and after
	// Dom0Port is dom0's port in the bridge, which comes or goes; "" if the bridge itself
	// is To, or was From.
	Dom0Port  string   `json:"dom0_port,omitempty"`
	Addresses int      `json:"addresses"` // how many
	Routes    int      `json:"routes"`
	Guests    []string `json:"guests,omitempty"` // ports that come or go with it
	// Managers configure From, see Entry.
	Managers []manager.Keeper `json:"managers,omitzero"`
}

// forecast sums up a plan that has been made. It asks nobody.
func (v *view) forecast(ctx context.Context) (*Forecast, error) {
	f := &Forecast{Moves: []Passage{}, Asked: []string{}, WaitSeconds: int(v.patience() / time.Second), ConfirmSeconds: int(v.Request.Confirm / time.Second)}
	for _, w := range v.moving() {
		m := v.move(w)
		if m.From == nil || m.NIC == nil {
			continue
		}
		keepers, err := v.keepers(ctx, m)
		if err != nil && !errors.Is(err, fs.ErrPermission) {
			return nil, err
		}
		guests, err := v.passing(w)
		if err != nil {
			return nil, err
		}
		st := v.host.State(m.From.Index)
		p := Passage{
			Bridge: w.Bridge, NetDev: w.NetDev, NIC: m.NIC.Name, Becomes: w.PDev, From: m.From.Name, To: m.To.Name, Dom0Port: w.VIF,
			Addresses: len(st.Addrs4) + len(st.Addrs6), Routes: len(st.Routes), Guests: guests, Managers: keepers,
		}
		if v.Request.Command == config.Stop {
			p.Becomes = w.NetDev
		}
		f.LinkOff = f.LinkOff || !v.host.LiveRename && m.NIC.Up()
		f.Moves = append(f.Moves, p)
	}
	f.Asked = v.askedHosts(f.Asked)
	return f, v.host.Err()
}

// askedHosts names those whom watch asks.
func (v *view) askedHosts(names []string) []string {
	if v.Request.NoCheck {
		return names
	}
	for _, l := range v.near() {
		for _, h := range l.hosts {
			names = append(names, h.String())
		}
	}
	if a := v.Request.Check; a.IsValid() {
		names = append(names, a.String())
	}
	return names
}

// passing are the guests' ports that a start puts in, or a stop takes out.
func (v *view) passing(w bridge.Spec) ([]string, error) {
	if v.Request.Command == config.Start {
		return v.network.Back(w)
	}
	st, err := v.network.Status(w)
	var ports []string
	for _, g := range st.Guests {
		ports = append(ports, g.Name)
	}
	return ports, err
}
