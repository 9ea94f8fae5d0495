package bridge

import (
	"context"
	"errors"
	"testing"

	"xbr-script/internal/ifname"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/testing/nstest"
)

// TestWaitsHear ends operations that wait for something that does not come.
func TestWaitsHear(t *testing.T) {
	nstest.New(t)
	nstest.Script(t, `ip link add br0 type bridge
ip link set br0 up
ip link add eth0 type veth peer name lan0
ip link set eth0 up master br0`) // without a carrier
	conn, err := rtnl.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	index, err := ifname.IndexOf("eth0")
	if err != nil {
		t.Fatal(err)
	}
	why := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	for _, op := range []plan.Op{
		&awaitCarrier{Index: index, Conn: conn},
		&awaitForwarding{Port: index, Conn: conn},
		&awaitAddrs{Index: index, Addrs: [][]byte{make([]byte, 16)}, Conn: conn},
	} {
		if err := op.Do(ctx, false); !errors.Is(err, why) {
			t.Errorf("%s: %v", op.Kind(), err)
		}
	}
}
