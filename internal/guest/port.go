// Package guest knows what Xen calls the ports of its guests.
package guest

import (
	"regexp"
	"sync"
)

// port is a pattern that few calls need.
var port = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(vif[1-9][0-9]*\.[0-9]+(-emu?)?|tap[0-9]+\.[0-9]+)$`)
})

// IsPort says whether that is how Xen names a guest's port, with the domain's
// and the device's number, unless the admin names it (vifname=): domain 0 is
// dom0, a tap or "-emu" (libxl; "-em" where it is cut off) a fully virtual
// guest's.
func IsPort(name string) bool { return port().MatchString(name) }
