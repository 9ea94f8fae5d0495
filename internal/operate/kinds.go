package operate

import (
	"xbr-script/antispoof"
	"xbr-script/bridge"
	"xbr-script/bridge/divert"
	"xbr-script/internal/netop"
	"xbr-script/internal/networkd"
	"xbr-script/internal/networkmanager"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/sysctl"
)

// kinds are all operations that a journal can have, each from the package that
// owns it.
func kinds(c *rtnl.Conn) plan.Kinds {
	return plan.Merge(netop.Kinds(c), sysctl.Kinds(), divert.Kinds(), bridge.Kinds(c), antispoof.Kinds(), networkd.Kinds(), networkmanager.Kinds())
}
