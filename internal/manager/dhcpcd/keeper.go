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
	switch {
	case !clients[0].all:
		return &manager.Keeper{Manager: "dhcpcd", By: "for " + move.From.Name + " alone", How: "run again"}, nil
	case leased(move, m.Root):
		return &manager.Keeper{Manager: "dhcpcd", By: "for all interfaces", How: "run again"}, nil
	}
	return nil, nil
}
