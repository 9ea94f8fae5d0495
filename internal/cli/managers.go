package cli

import (
	"slices"

	"xbr-script/bridge"
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
	first, last := c.followNetworkd(networkd.Reader{})
	if r := (networkmanager.Reader{}); r.Runs() {
		f, l, err := c.followNetworkManager(r)
		if err != nil {
			return err
		}
		first, last = append(first, f...), append(l, last...)
	}
	p.Steps = slices.Concat(first, p.Steps, last)
	return nil
}

// followNetworkd gives the steps for the cards that systemd-networkd configures.
func (c *call) followNetworkd(r networkd.Reader) (first, last []plan.Step) {
	heirs := c.heirs(r)
	if len(heirs) == 0 {
		return nil, nil
	}
	limit := c.patience()
	if c.req.NoCheck {
		limit = 0
	}
	f, l := r.Follow(heirs, limit)
	return []plan.Step{f}, []plan.Step{l}
}

// heirs are the interfaces that will have what systemd-networkd configures on
// others.
func (c *call) heirs(r networkd.Reader) []networkd.Heir {
	var heirs []networkd.Heir
	for _, w := range c.wants {
		dev, nic := w.Interfaces(c.host)
		if dev == nil || c.stays(w) {
			continue
		}
		h := networkd.Heir{Was: r.Link(dev.Index), From: dev.Name, Dev: w.NetDev}
		if !h.Was.Configures() && nic != nil {
			h.Was = r.Link(nic.Index) // it has not been told
		}
		if !h.Was.Configures() {
			continue
		}
		if c.req.Command == config.Start {
			h.Dev = w.Dom0()
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
func (c *call) followNetworkManager(r networkmanager.Reader) (first, last []plan.Step, err error) {
	for _, w := range c.wants {
		dev, nic := w.Interfaces(c.host)
		if dev == nil || nic == nil || c.stays(w) {
			continue
		}
		if err := c.refuseNetworkManager(r, w, dev); err != nil {
			return nil, nil, err
		}
		switch profile := r.Profile(dev.Index); {
		case profile != "":
			f, l := networkmanager.Follow(dev.Name, w.NetDev, w.PDev, profile)
			first, last = append(first, f), append(last, l)
		case dev == nic && !r.Released(nic.Index):
			first = append(first, networkmanager.Leave(nic.Name))
		}
	}
	return first, last, nil
}

// refuseNetworkManager refuses what it could not follow: the profile of a card
// does not fit a bridge, nor that of a bridge a card.
func (c *call) refuseNetworkManager(r networkmanager.Reader, w bridge.Want, dev *host.Link) error {
	links := []*host.Link{c.host.Name(w.Bridge)}
	if c.req.Command == config.Start && w.Dom0() == w.Bridge {
		links = append(links, dev)
	}
	for _, l := range links {
		if l != nil && r.Profile(l.Index) != "" {
			return refusal.New("nmcli device set "+l.Name+" managed no lets it go and keeps its addresses, but a lease is not renewed then",
				"cannot %s %s: NetworkManager configures %s, and cannot go on with it", c.req.Command, w.Bridge, l.Name)
		}
	}
	return nil
}
