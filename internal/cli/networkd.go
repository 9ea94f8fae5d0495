package cli

import (
	"slices"

	"xbr-script/internal/config"
	"xbr-script/internal/networkd"
	"xbr-script/internal/plan"
)

// follow puts the steps by which systemd-networkd follows dom0's addresses
// around a plan that moves those of a card that it configures.
func (c *call) follow(p *plan.Plan) {
	if len(p.Steps) == 0 || !networkd.Here() {
		return
	}
	limit := c.patience()
	if c.req.NoCheck {
		limit = 0
	}
	if heirs := c.heirs(networkd.Reader{}); len(heirs) > 0 {
		first, last := networkd.Reader{}.Follow(heirs, limit)
		p.Steps = slices.Concat([]plan.Step{first}, p.Steps, []plan.Step{last})
	}
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
