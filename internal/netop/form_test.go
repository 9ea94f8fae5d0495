package netop

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/ipcmd"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/testing/formtest"
)

// TestOpForms holds the form of the operation.
func TestOpForms(t *testing.T) {
	m := rtnl.Msg{Type: unix.RTM_NEWADDR, Flags: unix.NLM_F_CREATE, Body: []byte{10, 64, 0, 253, 7, 0, 0, 0}}
	formtest.Ops(t, Kinds(nil), &Batch{Wire: rtnl.Pack(m), Names: ipcmd.Names{7: "eth0", 8: "veth\xff"}, At: time.Second})
}
