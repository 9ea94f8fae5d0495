package cli

import (
	"fmt"
	"slices"

	"xbr-script/internal/config"
)

// tellEmpty says once what is taken in place of keys without a value: netdev=$x
// of a wrapper in which x is unset may have meant another NIC than the default.
func (c *call) tellEmpty(instead func(key string, bridge int) string) {
	if c.told {
		return
	}
	c.told = true
	for _, e := range c.req.Empty {
		line := fmt.Sprintf("xbr-script: %s= is empty, and counts as not given", e.Key)
		if text := instead(e.Key, e.Bridge); text != "" {
			line += ": " + text + " is meant"
		}
		say(c.stderr, line)
	}
}

// instead is what was settled in place of an empty key of a bridge.
func (c *call) instead(key string, i int) string {
	if i < 0 {
		return "what " + c.req.File + " says"
	}
	left := slices.DeleteFunc(slices.Clone(c.req.Bridges[:i+1]), config.Bridge.Null)
	if c.req.Bridges[i].Null() || len(left) == 0 {
		return ""
	}
	switch w := c.wants[len(left)-1]; key {
	case "netdev":
		return "netdev=" + w.NetDev
	case "bridge":
		return "bridge=" + w.Bridge
	case "vifnum":
		return fmt.Sprintf("vifnum=%d", w.VifNum)
	}
	return ""
}
