package networkmanager

import (
	"context"

	"xbr-script/internal/manager"
)

// Settled says whether NetworkManager has configured the interface with that index, or will
// not do so before something happens, such as that a cable is put in. It is what nm-online
// waits for; with 0 it is that of all interfaces (nm-online -s). If it does not run, or
// cannot be asked, nothing is to be waited for.
func (m Manager) Settled(ctx context.Context, index int) bool {
	if runs, err := m.Up(Unit); err != nil || !runs || manager.StandsForHost(m.Root) {
		return true
	}
	limited, cancel := context.WithTimeout(ctx, tellLimit)
	defer cancel()
	settled := true
	_ = ask(limited, func(ctx context.Context, c *conn) (err error) {
		settled, err = c.settled(ctx, index)
		return err
	})
	return settled
}

// settled is Settled.
func (c *conn) settled(ctx context.Context, index int) (is bool, err error) {
	var starting bool
	if err := get(ctx, c.bus.Object(name, "/org/freedesktop/NetworkManager"), name, "Startup", &starting); err != nil {
		return true, err
	}
	if index == 0 {
		return !starting, nil
	}
	dev, err := nameOf("", index)
	if err != nil || dev == "" {
		return true, err
	}
	devices, err := c.devices(ctx)
	if err != nil {
		return true, err
	}
	for _, d := range devices[dev] {
		var state uint32
		if err := d.get(ctx, "State", &state); err != nil {
			return true, err
		}
		if state == stateActivated {
			return true, nil
		}
		starting = starting || isTrying(state)
	}
	return !starting, nil
}

// isTrying says whether a device in that state is being configured.
func isTrying(state uint32) bool { return state > stateDisconnected && state < stateActivated }
