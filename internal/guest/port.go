// Package guest knows the names of guests' ports under Xen, and the names of
// NICs.
package guest

import (
	"regexp"
	"sync"
)

// Patterns that only few calls need.
var (
	port = pattern(`^(vif[1-9][0-9]*\.[0-9]+(-emu?)?|tap[0-9]+\.[0-9]+)$`)
	nic  = pattern(`^p?(eth[0-9]+|en[oOpPsSxX][0-9a-fA-F].*|em[0-9]+|p[0-9]+p[0-9]+|wlan[0-9]+|wwan[0-9]+|usb[0-9]+|wl[ops][0-9].*)$`)
)

func pattern(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}

// IsPort says whether Xen would give this name to a guest's port, made of the
// domain's and the device's number, unless the admin names it (vifname=). Domain 0
// is dom0; a tap, or a name in "-emu" (libxl; "-em" where it is cut off), belongs
// to a fully virtualised guest.
func IsPort(name string) bool { return port().MatchString(name) }

// IsNIC says whether the kernel, udev or biosdevname would give this name to a
// NIC, or start to a NIC that is a port.
func IsNIC(name string) bool {
	return nic().MatchString(name) || len(name) == longest && name[0] == 'p' && nic().MatchString("e"+name[1:])
}

// longest is how many bytes an interface's name may have (IFNAMSIZ less the NUL). A
// name as long as that loses its first character to the p of a port.
const longest = 15
