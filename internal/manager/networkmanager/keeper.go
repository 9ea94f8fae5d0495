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
	uuid, of, err := m.profile(move.From.Index)
	if err != nil || uuid == "" {
		return nil, err
	}
	how := ""
	if of != nil {
		uuid, how = of.Profile, "by a copy"
	}
	return &manager.Keeper{Manager: "NetworkManager", By: "profile " + titleOf(ctx, uuid), How: how}, nil
}

// titleOf is what a profile is called.
func titleOf(ctx context.Context, uuid string) string {
	limited, cancel := context.WithTimeout(ctx, tellLimit)
	defer cancel()
	title := uuid
	_ = ask(limited, func(ctx context.Context, c *conn) error {
		p, err := c.profile(ctx, uuid)
		if err != nil {
			return err
		}
		s, err := p.settings(ctx)
		if id := s.id(); id != "" {
			title = id
		}
		return err
	})
	return title
}
