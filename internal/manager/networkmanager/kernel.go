package networkmanager

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/manager"
	"xbr-script/internal/manager/foreign"
	"xbr-script/internal/rtnl"
)

// nudgeEach is after how many looks at an interface it is nudged.
const nudgeEach = 10

// nudge has the kernel tell of an interface, by giving it the group that it has. Before
// 1.44 NetworkManager looks what there is on an interface that it is to manage only when
// it hears of one.
func nudge(index int) error {
	conn, err := rtnl.Dial()
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	is, err := conn.Link(index)
	if err != nil {
		return err
	}
	same := rtnl.Msg{Type: unix.RTM_NEWLINK, Body: slices.Clone(is.Fixed())}
	clear(same.Body[8:]) // ifi_flags and ifi_change
	_, err = conn.Send(rtnl.Pack(same.With(unix.IFLA_GROUP, rtnl.U32Bytes(is.U32(unix.IFLA_GROUP)))))
	return err // one that is gone need not be looked at
}

// lookAt finds what an interface has that NetworkManager takes off when it begins with it;
// nothing if its index is not known. Routes that are in its profile it calls static.
func lookAt(index int) (*foreign.Found, error) {
	if index == 0 {
		return nil, nil
	}
	return foreign.Taker{Index: index, Leases: true, Protocol: unix.RTPROT_STATIC}.Look()
}

// options are those of a bridge that can be set, as /sys has them: NetworkManager
// gives a bridge without STP the default forward delay, with which a port would not
// forward at once if STP were switched on.
type options map[string]string

func optionsOf(bridge string) (options, error) {
	o := options{}
	dir := optionsDir(bridge)
	files, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, file := range files {
		info, err := file.Info()
		if err != nil {
			return nil, err
		}
		if info.Mode()&0o600 != 0o600 {
			continue
		}
		text, err := manager.Content(filepath.Join(dir, file.Name()))
		if err != nil {
			return nil, err
		}
		o[file.Name()] = text
	}
	return o, nil
}

// refusal says whether NetworkManager would do harm to a bridge that has them.
func (o options) refusal(bridge string) error {
	if o["vlan_filtering"] == "1" {
		return fmt.Errorf("it would take the VLANs off %s", bridge)
	}
	return nil
}

// put sets those that are others now.
func (o options) put(bridge string) error {
	now, err := optionsOf(bridge)
	for name, text := range o {
		if was := now[name]; err == nil && was != text {
			err = errors.Join(err, os.WriteFile(filepath.Join(optionsDir(bridge), name), []byte(strings.TrimSpace(text)), 0o600))
		}
	}
	return err
}

func optionsDir(bridge string) string { return "/sys/class/net/" + bridge + "/bridge" }
