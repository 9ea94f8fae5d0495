package dhcpcd

import (
	"context"

	"xbr-script/internal/manager"
)

// Keeper says whether dhcpcd looks after dom0's interface, and whether it is one for
// that interface alone.
func (m Manager) Keeper(_ context.Context, move manager.Move) (*manager.Keeper, error) {
	if move.From == nil {
		return nil, nil
	}
	clients, err := m.clients([]manager.Move{move})
	if err != nil || len(clients) == 0 {
		return nil, err
	}
	for _, c := range clients {
		is, err := c.isFor(move)
		if err != nil {
			return nil, err
		}
		if is {
			by, err := c.by(move)
			return &manager.Keeper{Manager: "dhcpcd", By: by, How: "run again"}, err
		}
	}
	return nil, nil
}

// by is what it was run for.
func (c *client) by(move manager.Move) (string, error) {
	if !c.all {
		return "for " + move.From.Name + " alone", nil
	}
	s, err := c.scope()
	if len(s.named)+len(s.allowed) > 0 {
		return "for " + move.From.Name + " and others", err
	}
	return "for all interfaces", err
}
