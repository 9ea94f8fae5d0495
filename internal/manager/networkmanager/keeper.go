package networkmanager

import (
	"cmp"
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
	return &manager.Keeper{Manager: "NetworkManager", By: "profile " + m.title(ctx, uuid), How: how}, nil
}

// title is what a profile is called, as far as it can be told.
func (m Manager) title(ctx context.Context, uuid string) string {
	if manager.StandsForHost(m.Root) {
		return cmp.Or(m.Titles[uuid], uuid)
	}
	return titleOf(ctx, uuid)
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

// active says whether a device has that profile, as its file says. The file may be that
// of another interface, which had the same index: NetworkManager writes none for one that
// it leaves alone from the beginning, and removes old ones seldom. If it cannot be asked,
// the file has to do.
func active(index int, uuid string) bool {
	limited, cancel := context.WithTimeout(context.Background(), tellLimit)
	defer cancel()
	is := true
	_ = ask(limited, func(ctx context.Context, c *conn) error {
		dev, err := nameOf("", index)
		if err != nil || dev == "" {
			return err
		}
		devices, err := c.devices(ctx)
		if err != nil {
			return err
		}
		found := false
		for _, d := range devices[dev] {
			has, err := d.profile(ctx)
			if err != nil {
				return err
			}
			found = found || has == uuid
		}
		is = found || len(devices[dev]) == 0 // it has yet to hear of the interface's name
		return nil
	})
	return is
}
