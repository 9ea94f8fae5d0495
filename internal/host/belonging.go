package host

import (
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/boottime"
	"xbr-script/internal/rtnl"
)

// settling bounds how long routes are read again because addresses have changed.
const settling = 2 * time.Second

// dumpBelonging reads addresses, and the routes that belong to them. The kernel makes
// routes with an address and removes them with it (addrconf_prefix_route,
// fib_add_ifaddr), but each dump is of one kind of object. If an address comes in between,
// there are its routes without it, and who restores those leaves routes that nobody
// removes any more. If one goes, or is made anew, it is there without its routes, and is
// restored without them. So addresses are read a second time, after the routes, and the
// routes again if any has changed. On a host where that goes on and on, the last try
// counts: neither a start nor status may wait for it forever.
func (h *Host) dumpBelonging(ask func(uint16, []byte) ([]rtnl.Msg, error)) error {
	addrs := dump{&h.Addrs, unix.RTM_GETADDR, make([]byte, unix.SizeofIfAddrmsg)}
	begin := boottime.Now()
	if err := h.dump(ask, []dump{addrs}); err != nil {
		return err
	}
	for {
		before := h.Addrs
		h.Addrs, h.Routes = nil, nil
		err := h.dump(ask, []dump{
			{&h.Routes, unix.RTM_GETROUTE, family(unix.AF_INET)},
			{&h.Routes, unix.RTM_GETROUTE, family(unix.AF_INET6)},
			addrs,
		})
		if err != nil || slices.EqualFunc(before, h.Addrs, sameAddr) || boottime.Now()-begin > settling {
			return err
		}
	}
}

// sameAddr says whether two messages are about one address, which has been there from
// the one to the other.
func sameAddr(a, b rtnl.Msg) bool { return a.Key() == b.Key() && a.Created() == b.Created() }
