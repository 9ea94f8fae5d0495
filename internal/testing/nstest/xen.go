package nstest

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// XenScripts fetches Debian's Xen scripts and unpacks them: it returns the folder that is
// /etc/xen/scripts elsewhere. It has to run outside of a test's namespace, where there is
// a network. XBR_TEST_XEN names a folder with those of another version instead.
func XenScripts(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("XBR_TEST_XEN"); dir != "" {
		return dir
	}
	dir := t.TempDir()
	for _, command := range []string{
		"apt-get download -q xen-utils-common || { apt-get update -q && apt-get download -q xen-utils-common; }",
		"dpkg -x xen-utils-common_*.deb .",
	} {
		cmd := exec.Command("sh", "-ec", command)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			why := fmt.Sprintf("cannot get Debian's package xen-utils-common: %v\n%s", err, out)
			if os.Getenv("CI") == "true" {
				t.Fatal(why)
			}
			t.Skip(why)
		}
	}
	return dir + "/etc/xen/scripts"
}
