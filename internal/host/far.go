package host

import (
	"net"
	"os"

	"golang.org/x/sys/unix"

	"xbr-script/internal/netns"
	"xbr-script/internal/rtnl"
)

// Far is an interface in another network namespace, a container's for instance, that
// stands on one of this. In this namespace the kernel tells nothing of it.
type Far struct {
	Name  string
	Kind  string
	MAC   net.HardwareAddr
	Lower int    // index of the one that it stands on
	Place string // where it is, as it follows "in"
}

// AboveFar are those on top of the interface with that index. There may be more: this
// program may not see every namespace.
func (h *Host) AboveFar(index int) []Far {
	a := h.answers()
	if a.Far == nil {
		a.Far = append([]Far{}, a.from.far()...)
	}
	var above []Far
	for _, f := range a.Far {
		if f.Lower == index {
			above = append(above, f)
		}
	}
	return above
}

func (kernel) far() (all []Far) {
	others := netns.Others()
	if len(others) == 0 {
		return nil
	}
	here, err := os.Open(netns.Here)
	if err != nil {
		return nil
	}
	defer func() { _ = here.Close() }()
	for _, n := range others {
		c, err := n.Dial()
		if err != nil {
			continue // it has ended, or this program is not let in
		}
		all = append(all, farIn(c, here, n.String())...)
		_ = c.Close() // it was only read
	}
	return all
}

// farIn finds those in a namespace. One that cannot be read has ended.
func farIn(c *rtnl.Conn, here *os.File, place string) (all []Far) {
	msgs, err := dumpLinks(c)
	if err != nil {
		return nil
	}
	home, known := uint32(0), false
	for _, m := range msgs {
		l, id := parseLink(m), m.Get(unix.IFLA_LINK_NETNSID)
		if l == nil || len(id) != 4 || l.Lower == 0 || l.Kind == "veth" || l.Kind == "netkit" {
			continue
		}
		// Only now has this namespace a number there (rtnl_fill_link_netnsid).
		if !known {
			if home, known = netns.Number(c, here); !known {
				return nil
			}
		}
		if rtnl.U32(id) == home {
			all = append(all, Far{l.Name, l.Kind, l.MAC, l.Lower, place})
		}
	}
	return all
}
