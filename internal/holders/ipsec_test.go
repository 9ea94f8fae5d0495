package holders

import (
	"encoding/binary"
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
)

// TestOffloaded reads IPsec's states as the kernel tells them.
func TestOffloaded(t *testing.T) {
	b := make([]byte, nl.SizeofXfrmUsersaInfo)
	s := nl.DeserializeXfrmUsersaInfo(b)
	s.Id.Daddr = nl.XfrmAddress{192, 0, 2, 7}
	s.Family = unix.AF_INET
	binary.BigEndian.PutUint32(b[72:], 0x1234)
	if _, _, ok := offloaded(b); ok {
		t.Error("one that is not offloaded counts as such")
	}
	b = append(b, nl.NewRtAttr(28, append(rtnl.U32Bytes(5), 1, 0, 0, 0)).Serialize()...)
	if index, what, ok := offloaded(b); !ok || index != 5 || what != "state to 192.0.2.7, SPI 0x1234, which it encrypts" {
		t.Errorf("%d, %q, %v", index, what, ok)
	}
	for _, torn := range [][]byte{nil, b[:100], b[:224+6]} {
		if _, _, ok := offloaded(torn); ok {
			t.Errorf("%d bytes are taken", len(torn))
		}
	}
}
