// Package guest knows what Xen calls the ports of its guests, and what NICs are
// called.
package guest

import (
	"regexp"
	"sync"
)

// Patterns that few calls need.
var (
	port = pattern(`^(vif[1-9][0-9]*\.[0-9]+(-emu?)?|tap[0-9]+\.[0-9]+)$`)
	nic  = pattern(`^p?(eth[0-9]+|en[oOpPsSxX][0-9a-fA-F].*|em[0-9]+|p[0-9]+p[0-9]+|wlan[0-9]+|wwan[0-9]+|usb[0-9]+|wl[ops][0-9].*)$`)
)

func pattern(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}

// IsPort says whether that is how Xen names a guest's port, with the domain's
// and the device's number, unless the admin names it (vifname=): domain 0 is
// dom0, a tap or "-emu" (libxl; "-em" where it is cut off) a fully virtual
// guest's.
func IsPort(name string) bool { return port().MatchString(name) }

// IsNIC says whether that is how the kernel, udev or biosdevname call a NIC, or
// start one that is a port.
func IsNIC(name string) bool { return nic().MatchString(name) }
