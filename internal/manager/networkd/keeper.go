package networkd

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"

	"xbr-script/internal/manager"
)

// name is what it is called.
const name = "systemd-networkd"

// copied is the beginning of a copy, before the path of the original.
const copied = "# Of "

// What it is given for dom0's interface: see heirs.
const (
	byCopy   = "by a copy"
	byDropIn = "by a drop-in"
)

// Keeper says whether it configures dom0's interface, by which file, and whether that
// had to be copied, or got a drop-in.
func (m Manager) Keeper(_ context.Context, move manager.Move) (*manager.Keeper, error) {
	if move.From == nil {
		return nil, nil
	}
	k, err := see(m.Root, []manager.Move{move})
	if err != nil {
		return nil, err
	}
	return k.keeper(move), nil
}

func (k *known) keeper(m manager.Move) *manager.Keeper {
	was := k.was(m)
	if !was.Configures() {
		return nil
	}
	by, how := was.File, ""
	switch f := k.find(was.File); {
	case f == nil:
	case m.Moves():
		how = howOf(k.heirs(m, was))
	case f.path == copyFor(m.From.Name):
		how = byCopy
		// Only root can read a copy of what only root can read.
		by = cmp.Or(f.original(), by)
	case slices.ContainsFunc(f.dropins, func(d file) bool { return filepath.Base(d.path) == dropInFor(m.From.Name) }):
		how = byDropIn
	}
	return &manager.Keeper{Manager: name, By: filepath.Base(by), How: how}
}

func howOf(f *file) string {
	switch {
	case f == nil:
		return ""
	case filepath.Ext(f.path) == ".conf":
		return byDropIn
	}
	return byCopy
}
