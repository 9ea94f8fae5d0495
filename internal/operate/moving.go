package operate

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
func (v *view) moving() []moving {
	var all []moving
	for _, w := range v.wants {
		if (v.host.Name(w.PDev) != nil) == (v.Request.Command == config.Start) {
			continue
		}
		dev, nic := w.Interfaces(v.host)
		all = append(all, moving{w, dev, nic, v.then(w)})
	}
	return all
}

// then is what dom0's interface is called after this call.
func (v *view) then(w bridge.Want) string {
	if v.Request.Command == config.Start {
		return w.Dom0()
	}
	return w.NetDev
}
