package xenstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// VIF is a guest's interface, as the toolstack has written it into xenstore: in a folder
// that no guest can write to.
type VIF struct {
	Domain int    `json:"domain"`
	Device int    `json:"device"`
	Name   string `json:"name,omitempty"` // the guest's
	Port   string `json:"port"`           // vifname=, else vifDOMAIN.DEVICE
	MAC    string `json:"mac,omitempty"`
	IP     string `json:"ip,omitempty"` // as in the vif line: addresses and networks, by blanks
	Bridge string `json:"bridge,omitempty"`
	Script string `json:"script,omitempty"` // the hotplug script, with its folder
}

// Seen is what xenstore knows of guests.
type Seen struct {
	// Err is why it could not be read.
	Err  error `json:"-"`
	VIFs []VIF `json:"vifs,omitempty"` // none where there is no Xen
}

// Look reads all guests' interfaces.
func Look() *Seen {
	c, err := Open()
	if errors.Is(err, ErrAbsent) {
		return &Seen{}
	}
	if err == nil {
		defer func() { _ = c.Close() }()
		var list []VIF
		if list, err = c.VIFs(); err == nil {
			return &Seen{VIFs: list}
		}
	}
	if os.Geteuid() != 0 && (errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM)) {
		err = errors.New("xenstore tells only root")
	}
	return &Seen{Err: err}
}

// Of is the interface that a port belongs to, or nil. The port of the emulated device of
// a fully virtualised guest is called the same, with "-emu" (libxl's TAP_DEVICE_SUFFIX).
func (s *Seen) Of(port string) *VIF {
	if s == nil {
		return nil
	}
	i := slices.IndexFunc(s.VIFs, func(v VIF) bool { return v.Port == port || v.Emulated() == port })
	if i < 0 {
		return nil
	}
	return &s.VIFs[i]
}

// maxName is how many bytes an interface's name may have (IFNAMSIZ less the NUL).
const maxName = 15

// Emulated is what the port of the emulated device is called, if there is one.
func (v VIF) Emulated() string {
	name := v.Port + "-emu"
	return name[:min(len(name), maxName)]
}

// VIFs are those of all guests, in order.
func (c *Client) VIFs() ([]VIF, error) {
	domains, err := c.numbers("backend/vif")
	if err != nil {
		return nil, err
	}
	var list []VIF
	for _, domain := range domains {
		devices, err := c.numbers(fmt.Sprintf("backend/vif/%d", domain))
		if err != nil {
			return nil, err
		}
		for _, device := range devices {
			v, err := c.VIF(domain, device)
			if err != nil {
				return nil, err
			}
			list = append(list, *v)
		}
	}
	return list, nil
}

// numbers are the names below a path that are numbers. A path that is not there, or has
// gone meanwhile, has none.
func (c *Client) numbers(path string) (list []int, err error) {
	names, err := c.Directory(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, name := range names {
		if n, err := strconv.ParseUint(name, 10, 31); err == nil {
			list = append(list, int(n))
		}
	}
	slices.Sort(list)
	return list, err
}

// VIF reads one.
func (c *Client) VIF(domain, device int) (*VIF, error) {
	v := &VIF{Domain: domain, Device: device}
	path := Path(domain, device)
	for _, f := range []struct {
		path string
		to   *string
	}{
		{fmt.Sprintf("/local/domain/%d/name", domain), &v.Name},
		{path + "/vifname", &v.Port}, {path + "/mac", &v.MAC}, {path + "/ip", &v.IP}, {path + "/bridge", &v.Bridge}, {path + "/script", &v.Script},
	} {
		value, err := c.Read(f.path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		*f.to = strings.TrimSpace(value)
	}
	if v.Port == "" {
		v.Port = fmt.Sprintf("vif%d.%d", domain, device)
	}
	return v, nil
}

// Path is where the toolstack keeps what the backend of an interface needs: relative, so
// that it is right in a driver domain, too.
func Path(domain, device int) string { return fmt.Sprintf("backend/vif/%d/%d", domain, device) }
