package networkd

import (
	"os"
	"testing"

	"xbr-script/internal/manager/foreign"
)

// TestMain has the tests wait for nothing that their systemd-networkd does not do.
func TestMain(m *testing.M) {
	foreign.Quiet = 0
	os.Exit(m.Run())
}
