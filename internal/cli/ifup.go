package cli

import (
	"os"
	"path/filepath"

	"xbr-script/bridge"
	"xbr-script/internal/config"
	"xbr-script/internal/refusal"
)

// systemdUnits is where systemd has a link for each unit that is up.
const systemdUnits = "/run/systemd/units"

// refuseHotplug refuses to rename an interface that Debian's ifupdown has
// brought up by allow-hotplug: its unit is bound to the device of that name
// (BindsTo=sys-subsystem-net-devices-eth0.device). systemd ends it a moment after
// the renaming, and it takes addresses and routes off whatever has the name then.
func (c *call) refuseHotplug(dir string) error {
	for _, w := range c.wants {
		if c.stays(w) {
			continue
		}
		unit := "ifup@" + w.NetDev + ".service"
		if _, err := os.Lstat(filepath.Join(dir, "invocation:"+unit)); err == nil {
			return refusal.New(`in /etc/network/interfaces write "auto `+w.NetDev+`" in place of "allow-hotplug `+w.NetDev+`", and boot anew`,
				"cannot rename %s: systemd would run ifdown %s then, as the unit %s ends with the card's name", w.NetDev, w.NetDev, unit)
		}
	}
	return nil
}

// stays tells whether a card has the name already that it shall have.
func (c *call) stays(w bridge.Want) bool {
	moved := c.host.Name(w.PDev) != nil
	return moved == (c.req.Command == config.Start)
}
