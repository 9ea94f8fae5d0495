package ifupdown

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/manager"
)

// Keeper says whether ifupdown has brought dom0's interface up, and by which part of
// its configuration. It goes by the NIC's name.
func (m Manager) Keeper(_ context.Context, move manager.Move) (*manager.Keeper, error) {
	// Debian's ifupdown keeps a file for each interface (ifup(8)).
	data, err := os.ReadFile(m.Root + "/run/network/ifstate." + move.NetDev)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENAMETOOLONG) {
		return nil, nil
	}
	is := strings.TrimSpace(string(data))
	if err != nil || is == "" { // it is down
		return nil, err
	}
	return &manager.Keeper{Manager: "ifupdown", By: "iface " + is}, nil
}
