// Package ifupdown refuses to rename an interface that Debian's ifupdown has
// brought up by allow-hotplug: its unit is bound to the device of that name
// (BindsTo=sys-subsystem-net-devices-eth0.device). systemd ends the unit a moment
// after the renaming, and that removes addresses and routes from whatever has the
// name then.
package ifupdown

import (
	"errors"

	"xbr-script/internal/manager"
	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
)

// Manager is ifupdown.
type Manager struct {
	Up   func(unit string) (bool, error) // says whether a unit of systemd is up
	Root string                          // where the host's files are; "" is /
}

// Kinds are none: ifupdown is not told anything.
func (Manager) Kinds() plan.Kinds { return nil }

// Around refuses the moves of interfaces that came up by allow-hotplug.
func (m Manager) Around(moves []manager.Move) (_, _ []plan.Step, err error) {
	for _, move := range moves {
		err = errors.Join(err, m.refuse(move.NetDev))
	}
	return nil, nil, err
}

func (m Manager) refuse(netdev string) error {
	unit := "ifup@" + netdev + ".service"
	up, err := m.Up(unit)
	if err != nil || !up {
		return err
	}
	return refusal.New(`in /etc/network/interfaces write "auto `+netdev+`" in place of "allow-hotplug `+netdev+`", and reboot`,
		"cannot rename %s: systemd would run ifdown %s then, as the unit %s ends with the NIC's name", netdev, netdev, unit)
}
