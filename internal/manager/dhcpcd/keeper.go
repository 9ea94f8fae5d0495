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
	is, err := m.runs(move.From.Name)
	if err == nil && is {
		return &manager.Keeper{Manager: "dhcpcd", By: "for " + move.From.Name + " alone"}, nil
	}
	if err == nil && move.Leased() {
		is, err = m.runs("")
	}
	if err != nil || !is {
		return nil, err
	}
	return &manager.Keeper{Manager: "dhcpcd", By: "for all interfaces"}, nil
}
