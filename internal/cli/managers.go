package cli

import (
	"slices"

	"xbr-script/internal/config"
	"xbr-script/internal/host"
	"xbr-script/internal/networkd"
	"xbr-script/internal/networkmanager"
	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
)

// follow puts the steps by which those who configure cards follow dom0's
// addresses around a plan that moves them.
func (c *call) follow(p *plan.Plan) error {
	if len(p.Steps) == 0 || !host.OfMachine() {
		return nil
	}
	first, last := c.followNetworkd()
	if networkmanager.Runs() {
		f, l, err := c.followNetworkManager()
		if err != nil {
			return err
		}
		first, last = append(first, f...), append(l, last...)
	}
	p.Steps = slices.Concat(first, p.Steps, last)
	return nil
}

// followNetworkd gives the steps for the cards that systemd-networkd configures.
func (c *call) followNetworkd() (first, last []plan.Step) {
	heirs := c.heirs()
	if len(heirs) == 0 {
		return nil, nil
	}
	limit := c.patience()
	if c.req.NoCheck {
		limit = 0
	}
	f, l := networkd.Follow(heirs, limit)
	return []plan.Step{f}, []plan.Step{l}
}

// heirs are the interfaces that will have what systemd-networkd configures on
// others.
func (c *call) heirs() []networkd.Heir {
	var heirs []networkd.Heir
	for _, w := range c.moving() {
		if w.dev == nil {
			continue
		}
		h := networkd.Heir{Was: networkd.LinkOf(w.dev.Index), From: w.dev.Name, Dev: w.then}
		if !h.Was.Configures() && w.nic != nil {
			h.Was = networkd.LinkOf(w.nic.Index) // it has not been told
		}
		if !h.Was.Configures() {
			continue
		}
		if c.req.Command == config.Start {
			for _, name := range []string{w.PDev, w.VIF, w.Bridge} {
				if name != "" && name != h.Dev && c.host.Name(name) == nil {
					h.Others = append(h.Others, name)
				}
			}
		}
		heirs = append(heirs, h)
	}
	return heirs
}

// followNetworkManager gives the steps for the cards that NetworkManager
// configures, and for those that it might.
func (c *call) followNetworkManager() (first, last []plan.Step, err error) {
	for _, w := range c.moving() {
		if w.dev == nil || w.nic == nil {
			continue
		}
		if err := c.refuseNetworkManager(w); err != nil {
			return nil, nil, err
		}
		switch profile := networkmanager.Profile(w.dev.Index); {
		case profile != "":
			f, l := networkmanager.Follow(w.dev.Name, w.then, w.PDev, profile)
			first, last = append(first, f), append(last, l)
		case w.dev == w.nic && !networkmanager.Released(w.nic.Index):
			first = append(first, networkmanager.Leave(w.nic.Name))
		}
	}
	return first, last, nil
}

// refuseNetworkManager refuses what it could not follow: the profile of a card
// does not fit a bridge, nor that of a bridge a card.
func (c *call) refuseNetworkManager(w moving) error {
	links := []*host.Link{c.host.Name(w.Bridge)}
	if w.then == w.Bridge {
		links = append(links, w.dev)
	}
	for _, l := range links {
		if l != nil && networkmanager.Profile(l.Index) != "" {
			return refusal.New("nmcli device set "+l.Name+" managed no lets it go and keeps its addresses, but a lease is not renewed then",
				"cannot %s %s: NetworkManager configures %s, and cannot go on with it", c.req.Command, w.Bridge, l.Name)
		}
	}
	return nil
}
