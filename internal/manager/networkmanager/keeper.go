package networkmanager

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
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
	if runs, err := m.Up(Unit); err != nil || !runs {
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

// Warnings say what becomes of a bridge whose NIC NetworkManager has yet to configure, and
// that with netplan a bridge would lose dom0's addresses: netplan apply has NetworkManager
// forget which profile a bridge has.
func (m Manager) Warnings(moves []manager.Move) (texts []string, err error) {
	if runs, err := m.Up(Unit); err != nil || !runs {
		return nil, err
	}
	made, err := filepath.Glob(m.Root + profilesDir + "/netplan-*")
	for _, move := range moves {
		if !move.Moves() || !move.OnBridge {
			continue
		}
		// That it cannot be told is for Around to say.
		if ch, _ := m.choice(move); ch != nil {
			texts = append(texts, ch.late(move.NIC.Name, move.To.Name))
		}
		if len(made) == 0 {
			continue
		}
		keeper, failed := m.Keeper(context.Background(), move)
		if err = errors.Join(err, failed); keeper != nil {
			texts = append(texts, fmt.Sprintf("netplan apply and netplan try would have NetworkManager give %s up, which loses its addresses then: stop comes before them; "+
				"without dom0=bridge they do no harm", move.To.Name))
		}
	}
	return texts, err
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

// willing says whether it will configure an interface as soon as it can: there is no
// cable, say, or no server has answered yet. If it cannot be asked, it is not.
func (m Manager) willing(index int) bool {
	return m.lookedAt(index, func(state uint32, managed, auto bool) bool {
		return managed && auto && state >= stateUnavailable && state < stateActivated
	})
}

// takes says whether it takes a profile by itself; not if it cannot be asked.
func (m Manager) takes(uuid string) (does bool) {
	if manager.StandsForHost(m.Root) {
		return false
	}
	limited, cancel := context.WithTimeout(context.Background(), tellLimit)
	defer cancel()
	_ = ask(limited, func(ctx context.Context, c *conn) error {
		p, err := c.profile(ctx, uuid)
		if err != nil {
			return err
		}
		s, err := p.settings(ctx)
		does = err == nil && s.auto()
		return err
	})
	return does
}

// trying says whether it is about to configure an interface.
func (m Manager) trying(index int) bool {
	return m.lookedAt(index, func(state uint32, _, _ bool) bool { return isTrying(state) })
}

// lookedAt says whether that is so of the device with that index; false if it cannot be
// asked, as of a host in a file, or if it does not know the device.
func (m Manager) lookedAt(index int, is func(state uint32, managed, auto bool) bool) (so bool) {
	_ = m.asked(index, func(ctx context.Context, _ *conn, d device) error {
		var state uint32
		var managed, auto bool
		err := errors.Join(d.get(ctx, "State", &state), d.get(ctx, "Managed", &managed), d.get(ctx, "Autoconnect", &auto))
		so = err == nil && is(state, managed, auto)
		return err
	})
	return so
}

// asked asks about the device with that index, if NetworkManager can be asked and knows it.
func (m Manager) asked(index int, do func(context.Context, *conn, device) error) error {
	if manager.StandsForHost(m.Root) {
		return nil
	}
	limited, cancel := context.WithTimeout(context.Background(), tellLimit)
	defer cancel()
	return ask(limited, func(ctx context.Context, c *conn) error {
		dev, err := nameOf("", index)
		if err != nil || dev == "" {
			return err
		}
		devices, err := c.devices(ctx)
		if err != nil || len(devices[dev]) != 1 {
			return err
		}
		return do(ctx, c, devices[dev][0])
	})
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
