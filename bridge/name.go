package bridge

import (
	"strconv"

	"xbr-script/internal/config"
	"xbr-script/internal/shell"
)

// fit refuses names that this program would not take on its command line: the
// default route's device may have such a name, since the kernel accepts nearly any.
func (w Want) fit() error {
	for _, name := range []string{w.NetDev, w.PDev, w.Bridge, w.VDev, w.Dom0()} {
		if reason := config.CheckName(name); reason != "" {
			return refuse("give the interface another name first: ip link set dev "+shell.Quote(w.NetDev)+" name eth"+strconv.Itoa(w.VifNum),
				"cannot use the name %s", reason)
		}
	}
	return nil
}
