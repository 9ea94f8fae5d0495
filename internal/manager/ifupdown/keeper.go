package ifupdown

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/manager"
)

// Keeper says whether ifupdown, or a program that does the same by the same
// configuration, has brought dom0's interface up, and by which part of it. They all go by
// the NIC's name.
func (m Manager) Keeper(_ context.Context, move manager.Move) (*manager.Keeper, error) {
	for _, look := range []func(dev string) (*manager.Keeper, error){m.debians, m.ng, m.two} {
		if keeper, err := look(move.NetDev); keeper != nil || err != nil {
			return keeper, err
		}
	}
	return nil, nil
}

// debians is Debian's ifupdown, which has a file for each interface (ifup(8)).
func (m Manager) debians(dev string) (*manager.Keeper, error) {
	is, err := manager.Content(m.Root + "/run/network/ifstate." + dev)
	if errors.Is(err, unix.ENAMETOOLONG) || err == nil && is == "" { // it is down
		return nil, nil
	}
	return &manager.Keeper{Manager: "ifupdown", By: "iface " + is}, err
}

// ng is ifupdown-ng, or that of busybox, which has no more than the first word in a line
// such as "eth0=home 1 explicit".
func (m Manager) ng(dev string) (*manager.Keeper, error) {
	text, err := manager.Content(m.Root + "/run/ifstate")
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if name, is, _ := strings.Cut(words[0], "="); name == dev {
			program := "ifupdown"
			if len(words) > 1 {
				program = "ifupdown-ng"
			}
			return &manager.Keeper{Manager: program, By: "iface " + is}, err
		}
	}
	return nil, err
}

// two is ifupdown2. Its file has Python's objects (pickle, of version 4 or 5), one for
// each interface that is up. It is in a folder that everybody may write to, and still
// there after a reboot, unlike the lock.
func (m Manager) two(dev string) (*manager.Keeper, error) {
	if _, err := os.Stat(m.Root + "/run/network/ifstatelock"); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	file, err := os.OpenFile(m.Root+"/var/tmp/network/ifstatenew", os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR) {
			err = nil
		}
		return nil, err
	}
	defer func() { _ = file.Close() }()
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || st.Uid != 0 && !manager.StandsForHost(m.Root) {
		return nil, err
	}
	const enough = 16 << 20
	data, err := io.ReadAll(io.LimitReader(file, enough))
	if err != nil || !strings.Contains(string(data), fmt.Sprintf("\x8c\x04name\x94\x8c%c%s\x94", byte(len(dev)), dev)) {
		return nil, err
	}
	return &manager.Keeper{Manager: "ifupdown2", By: "iface " + dev}, nil
}

// Warnings say what does not go on as before with dom0's interface under another name.
func (m Manager) Warnings(moves []manager.Move) (texts []string, err error) {
	for _, move := range moves {
		if !move.Moves() || move.To.Name == move.NetDev {
			continue
		}
		keeper, failed := m.Keeper(context.Background(), move)
		if err = errors.Join(err, failed); keeper == nil {
			continue
		}
		texts = append(texts, fmt.Sprintf("%s goes by the name %s, which no interface has before stop: until then ifup %[2]s fails, and does not change %s; "+
			"without bridge= the bridge is called %[2]s, and it goes on", keeper.Manager, move.NetDev, move.To.Name))
	}
	return texts, err
}
