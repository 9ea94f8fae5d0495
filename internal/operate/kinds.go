package operate

import (
	"xbr-script/bridge/divert"
	"xbr-script/internal/manager/lease"
	"xbr-script/internal/netop"
	"xbr-script/internal/plan"
	"xbr-script/internal/sysctl"
	"xbr-script/internal/vif"
)

// kinds are all operations that a journal can have: those of features and
// managers, each from the package that owns it, and those that they share.
func (c *Call) kinds() plan.Kinds {
	all := []plan.Kinds{netop.Kinds(c.conn), sysctl.Kinds(), divert.Kinds(), vif.Kinds()}
	for _, f := range (&view{Call: c}).features() {
		all = append(all, f.Kinds())
	}
	all = append(all, lease.Manager{}.Kinds())
	for _, m := range c.managers() {
		all = append(all, m.Kinds())
	}
	return plan.Merge(all...)
}
