package cli

import (
	"xbr-script/bridge"
	"xbr-script/internal/config"
	"xbr-script/internal/host"
)

// moving is a wanted bridge whose card gets another name by this call.
type moving struct {
	bridge.Want
	dev, nic *host.Link // as by Interfaces
	then     string     // what dom0's interface is called afterwards
}

// moving are those that are not as they shall be already.
func (c *call) moving() []moving {
	var all []moving
	for _, w := range c.wants {
		if (c.host.Name(w.PDev) != nil) == (c.req.Command == config.Start) {
			continue
		}
		dev, nic := w.Interfaces(c.host)
		all = append(all, moving{w, dev, nic, c.then(w)})
	}
	return all
}

// then is what dom0's interface is called after this call.
func (c *call) then(w bridge.Want) string {
	if c.req.Command == config.Start {
		return w.Dom0()
	}
	return w.NetDev
}
