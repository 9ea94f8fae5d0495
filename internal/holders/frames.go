package holders

import (
	"os"
	"path/filepath"
	"strings"

	"xbr-script/internal/rtnl"
)

// What of the kernel itself takes frames of one type from an interface gets none any more
// once that is a port: a bridge takes a port's frames first (__netif_receive_skb_core).
// What does so is listed nowhere (/proc/net/ptype leaves an interface's own entries out),
// and so each kind is asked in its own way.

// readTIPC reads the bearers of TIPC (linux/tipc_netlink.h). One is switched off when its
// interface gets another name, or goes (tipc_l2_device_event).
func readTIPC(r *reader) error {
	const getBearers, version = 4, 1
	c, err := r.to(generic)
	if err != nil || c == nil {
		return err
	}
	family, err := c.Family("TIPCv2")
	if err != nil || family == 0 {
		return unlessLacking(err)
	}
	msgs, err := c.Dump(family, []byte{getBearers, version, 0, 0})
	for _, m := range msgs {
		if media, name := bearer(m.Body); name != "" {
			r.use(Use{r.indexOf(name), "TIPC", "bearer " + media + ":" + name, Breaks, "enable it anew on dom0's interface: tipc bearer enable media " + media + " device NAME"})
		}
	}
	return unlessLacking(err)
}

// bearer is what a bearer of TIPC is on: an interface. One over UDP has none, and goes by
// the routes.
func bearer(body []byte) (media, name string) {
	const attrBearer, attrName = 1, 1 // TIPC_NLA_BEARER, TIPC_NLA_BEARER_NAME
	if len(body) < rtnl.SizeofGenl {
		return "", ""
	}
	media, name, _ = strings.Cut(rtnl.String(rtnl.FindAttr(rtnl.FindAttr(body[rtnl.SizeofGenl:], attrBearer), attrName)), ":")
	if media != "eth" && media != "ib" {
		return "", ""
	}
	return media, name
}

// readFCoE finds the controllers by which disks are reached over an interface
// (fcoe_ctlr_device_add).
func readFCoE(r *reader) error {
	controllers, err := filepath.Glob("/sys/bus/fcoe/devices/ctlr_*")
	if err != nil {
		return err
	}
	for _, c := range controllers {
		path, err := os.Readlink(c)
		if err != nil {
			continue // it has gone
		}
		name := filepath.Base(filepath.Dir(path))
		r.use(Use{r.indexOf(name), "FCoE", "controller " + filepath.Base(c), Breaks, "its disks go: stop what uses them first, and set it up anew on dom0's interface"})
	}
	return nil
}
