package tcmirred

import (
	"testing"

	"github.com/vishvananda/netlink/nl"

	"xbr-script/internal/rtnl"
)

// TestSend has an action send elsewhere, and be in everything else as the kernel told it.
func TestSend(t *testing.T) {
	p := make([]byte, sizeofParms)
	p[0], p[howAt], p[toAt] = 9, ingressRedirect, 7
	told := func(parameters []byte) (b []byte) {
		for _, a := range []*nl.RtAttr{
			nl.NewRtAttr(actKind, nl.ZeroTerminated("mirred")), nl.NewRtAttr(4, make([]byte, 40)), // TCA_ACT_STATS
			nl.NewRtAttr(actCookie, []byte{1, 2, 3}), nl.NewRtAttr(actHWStats, make([]byte, 8)),
			nl.NewRtAttr(actOptions, nl.NewRtAttr(parms, parameters).Serialize()),
		} {
			b = append(b, a.Serialize()...)
		}
		return b
	}
	a, ok := parse(told(p))
	if !ok || a.Index != 9 || a.To != 7 || !a.Ingress() {
		t.Fatalf("%+v, %v", a, ok)
	}
	m := a.Send(2)
	sent := rtnl.FindAttr(rtnl.FindAttr(m.Body[sizeofMsg:], actTab), 1)
	again, ok := parse(sent)
	if !ok || again.Index != 9 || again.To != 2 || again.how != a.how || m.Flags != rtnl.Replace ||
		string(rtnl.FindAttr(sent, actCookie)) != "\x01\x02\x03" || rtnl.FindAttr(sent, actHWStats) == nil || rtnl.FindAttr(sent, 4) != nil {
		t.Errorf("%+v", again)
	}
	if a.To != 7 || p[toAt] != 7 {
		t.Error("the action itself has changed")
	}
	p[toAt] = 0 // it sends to a block of interfaces
	for _, other := range [][]byte{told(p), told(p[:20]), nil} {
		if a, ok := parse(other); ok {
			t.Errorf("%+v", a)
		}
	}
}
