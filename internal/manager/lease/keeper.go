package lease

import (
	"context"
	"slices"
	"strings"

	"xbr-script/internal/manager"
)

// Keeper says which DHCP clients look after dom0's interface, or which manager that cannot
// follow.
func (m Manager) Keeper(_ context.Context, move manager.Move) (*manager.Keeper, error) {
	if move.From == nil {
		return nil, nil
	}
	clients, err := m.clients("dhclient", "udhcpc", "udhcpc6")
	if err != nil {
		return nil, err
	}
	var programs []string
	for _, c := range clients {
		program := c.program
		if c.v6 && program == "dhclient" {
			program += " -6"
		}
		if c.isFor(move.From.Name, m.Links) && !slices.Contains(programs, program) {
			programs = append(programs, program)
		}
	}
	if len(programs) == 0 {
		o, err := m.other(move.From)
		if err != nil || o == nil {
			return nil, err
		}
		return &manager.Keeper{Manager: o.name, By: move.From.Name}, nil
	}
	slices.Sort(programs)
	return &manager.Keeper{Manager: strings.Join(programs, " and "), By: move.From.Name}, nil
}
