package nstest_test

import (
	"os"
	"path/filepath"
	"testing"

	"xbr-script/internal/testing/nstest"
)

// TestOwnEtcXen has what is mounted below /etc there afterwards, too.
func TestOwnEtcXen(t *testing.T) {
	nstest.New(t)
	nstest.IPTables(t, "legacy")
	nstest.Script(t, nstest.OwnEtcXen)
	if got, err := filepath.EvalSymlinks("/etc/alternatives/iptables"); err != nil || filepath.Base(got) != "xtables-legacy-multi" {
		t.Errorf("%s, %v", got, err)
	}
	nstest.Script(t, "touch /run/alternatives/mine")
	if _, err := os.Stat("/etc/alternatives/mine"); err != nil {
		t.Error("what is mounted on /etc/alternatives is hidden: ", err)
	}
	if files, err := os.ReadDir("/etc/xen"); err != nil || len(files) != 1 || files[0].Name() != "scripts" {
		t.Errorf("%v, %v", files, err)
	}
}
