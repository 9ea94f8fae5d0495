package operate

import (
	"xbr-script/internal/refusal"
	"xbr-script/internal/systemd"
)

// refuseHotplug refuses to rename an interface that Debian's ifupdown has
// brought up by allow-hotplug: its unit is bound to the device of that name
// (BindsTo=sys-subsystem-net-devices-eth0.device). systemd ends it a moment after
// the renaming, and it takes addresses and routes off whatever has the name then.
func (v *view) refuseHotplug() error {
	for _, w := range v.moving() {
		unit := "ifup@" + w.NetDev + ".service"
		up, err := systemd.Up(unit)
		if err != nil {
			return err
		}
		if up {
			return refusal.New(`in /etc/network/interfaces write "auto `+w.NetDev+`" in place of "allow-hotplug `+w.NetDev+`", and boot anew`,
				"cannot rename %s: systemd would run ifdown %s then, as the unit %s ends with the card's name", w.NetDev, w.NetDev, unit)
		}
	}
	return nil
}
