package strict

import (
	"bytes"
	"os"
	"path/filepath"
)

// stockScript is Xen's own, which admits nobody by itself.
const stockScript = "vif-bridge"

// stockHooks are what it runs when it is done (call_hooks in xen-hotplug-common.sh, since
// Xen 4.2).
const stockHooks = "/etc/xen/scripts/vif-post.d/*.hook"

// hooked says whether one of these files has guests admitted: whether it calls vif-xbr.
func hooked(pattern string) bool {
	files, _ := filepath.Glob(pattern) // it fails only for a bad pattern
	for _, file := range files {
		st, err := os.Stat(file)
		if err != nil || !st.Mode().IsRegular() || st.Mode()&0o100 == 0 {
			continue
		}
		text, err := os.ReadFile(file)
		if err == nil && bytes.Contains(text, []byte("vif-xbr")) {
			return true
		}
	}
	return false
}
