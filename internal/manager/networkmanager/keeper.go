package networkmanager

import (
	"context"
	"time"

	"xbr-script/internal/manager"
)

// tellLimit is how long it may take to tell what a profile is called.
const tellLimit = 2 * time.Second

// Keeper says whether it configures dom0's interface, and by which profile. If it
// cannot be asked what that is called, its UUID has to do.
func (m Manager) Keeper(ctx context.Context, move manager.Move) (*manager.Keeper, error) {
	if move.From == nil {
		return nil, nil
	}
	if runs, err := m.Up(unit); err != nil || !runs {
		return nil, err
	}
	uuid, err := m.Profile(move.From.Index)
	if err != nil || uuid == "" {
		return nil, err
	}
	return &manager.Keeper{Manager: "NetworkManager", By: "profile " + titleOf(ctx, move.From.Index, uuid)}, nil
}

// titleOf is what the profile is called that configures an interface.
func titleOf(ctx context.Context, index int, uuid string) string {
	limited, cancel := context.WithTimeout(ctx, tellLimit)
	defer cancel()
	title := uuid
	_ = ask(limited, func(ctx context.Context, c *conn) error {
		dev, err := nameOf("", index)
		if err != nil {
			return err
		}
		devices, err := c.devices(ctx)
		for _, d := range devices[dev] {
			if is, id, err := d.profile(ctx); err == nil && is == uuid && id != "" {
				title = id
			}
		}
		return err
	})
	return title
}
