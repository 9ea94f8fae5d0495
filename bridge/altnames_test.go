package bridge

import (
	"strings"
	"testing"

	"xbr-script/internal/host"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/testing/nstest"
)

// TestAltNames moves names from one interface to another, also when somebody
// gives one back meanwhile, and when a third interface has taken one for good.
func TestAltNames(t *testing.T) {
	nstest.New(t)
	nstest.Script(t, `
		ip link add nic0 type veth peer name dev0
		ip link add other0 type bridge
		ip link property add dev nic0 altname enp3s0 altname uplink`)
	conn, err := rtnl.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	h, err := host.Read(conn)
	if err != nil {
		t.Fatal(err)
	}
	step := newBuilder(conn, h).moveAltNames(h.Name("nic0").Index, h.Name("dev0").Index, []string{"enp3s0", "uplink"})
	moved := func(want string) {
		t.Helper()
		if got := nstest.Run(t, "ip", "link", "show", want); strings.Count(got, "altname") != 2 {
			t.Errorf("%s has not both names:\n%s", want, got)
		}
	}
	for range 2 {
		if err := step.Do[0].Do(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		moved("dev0")
	}
	nstest.Script(t, "ip link property del dev dev0 altname enp3s0\nip link property add dev nic0 altname enp3s0")
	if err := step.Do[0].Do(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	moved("dev0")
	if err := step.Undo[0].Do(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	moved("nic0")
	nstest.Script(t, "ip link property del dev nic0 altname uplink\nip link property add dev other0 altname uplink")
	if err := step.Do[0].Do(t.Context(), false); err == nil {
		t.Error("a name that another has counts as moved")
	}
	nstest.Script(t, "ip link del nic0")
	if err := step.Undo[0].Do(t.Context(), true); err != nil {
		t.Errorf("undoing on an interface that is gone: %v", err)
	}
}
