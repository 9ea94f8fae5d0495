package operate

import (
	"fmt"
	"slices"

	"xbr-script/internal/config"
)

// tellEmpty says once what is taken in place of keys without a value: in a wrapper,
// netdev=$x with an unset x may have meant another NIC than the default.
func (v *view) tellEmpty(instead func(key string, bridge int) string) {
	if v.told {
		return
	}
	v.told = true
	for _, e := range v.Request.Empty {
		line := fmt.Sprintf("%s= is empty, and counts as not given", e.Key)
		if text := instead(e.Key, e.Bridge); text != "" {
			line += ": " + text + " is meant"
		}
		v.Note(line)
	}
}

// instead is what was settled in place of an empty key of a bridge.
func (v *view) instead(key string, i int) string {
	if i < 0 {
		return "what " + v.Request.File + " says"
	}
	left := slices.DeleteFunc(slices.Clone(v.Request.Bridges[:i+1]), config.Bridge.Null)
	if v.Request.Bridges[i].Null() || len(left) == 0 {
		return ""
	}
	switch w := v.specs[len(left)-1]; key {
	case "netdev":
		return "netdev=" + w.NetDev
	case "bridge":
		return "bridge=" + w.Bridge
	case "vifnum":
		return fmt.Sprintf("vifnum=%d", w.VifNum)
	}
	return ""
}
