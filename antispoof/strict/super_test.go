package strict

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// superFrame is TCP of 20,000 bytes that nobody has cut into segments yet, as a guest's
// front end hands it over, behind a struct virtio_net_hdr.
func superFrame(dst, src net.HardwareAddr, from, to netip.Addr, text string, tags ...int) []byte {
	const (
		needsCsum         = 1 // VIRTIO_NET_HDR_F_NEEDS_CSUM
		gsoTCP4, gsoTCP6  = 1, 4
		mss, tcpSum, size = 1400, 16, 20
	)
	tcp := cat(be16(4242), be16(4243), zeros(8), []byte{0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0}, bytes.Repeat([]byte(text), 20000/len(text)))
	s := pseudo(from, to, 6, len(tcp))
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	copy(tcp[tcpSum:], be16(int(s)))
	typ, gso, packet := 0x86dd, byte(gsoTCP6), packet6(from, to, 6, 64, tcp)
	if from.Is4() {
		typ, gso, packet = 0x0800, gsoTCP4, packet4(from, to, 6, 0x4000, nil, tcp)
	}
	f := frame(dst, src, typ, packet)
	for _, id := range tags {
		f = tag(f, 0x8100, id)
	}
	start := len(f) - len(tcp)
	h := []byte{needsCsum, gso}
	for _, n := range []int{start + size, mss, start, tcpSum} {
		h = binary.NativeEndian.AppendUint16(h, uint16(n))
	}
	return cat(h, f)
}

// TestSuperFrames sends what is cut into segments only behind the rules.
func TestSuperFrames(t *testing.T) {
	t.Parallel()
	l := newLab(t, false)
	m, v, gw := l.mallory, l.victim, l.gw
	send := func(f []byte) {
		t.Helper()
		if err := unix.SetsockoptInt(m.fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1); err != nil {
			t.Fatal(err)
		}
		l.send(m, f)
		if err := unix.SetsockoptInt(m.fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 0); err != nil {
			t.Fatal(err)
		}
	}
	forged := [][]byte{
		superFrame(v.mac, m.mac, gw.v4, v.v4, "FORGED.."),
		superFrame(v.mac, gw.mac, m.v4, v.v4, "FORGED.."),
		superFrame(v.mac, m.mac, gw.v6, v.v6, "FORGED.."),
		superFrame(v.mac, l.dom0.mac, m.v6, v.v6, "FORGED.."),
		superFrame(v.mac, m.mac, m.v4, v.v4, "FORGED..", 7),
		superFrame(v.mac, m.mac, m.v6, v.v6, "FORGED..", 0),
	}
	for _, strict := range []bool{false, true} {
		if strict {
			l.start()
		}
		l.announce()
		for _, f := range forged {
			send(f)
		}
		send(superFrame(v.mac, m.mac, m.v4, v.v4, "RIGHT4.."))
		send(superFrame(v.mac, m.mac, m.v6, v.v6, "RIGHT6.."))
		var all []byte
		for begin := time.Now(); !bytes.Contains(all, []byte("RIGHT4")) || !bytes.Contains(all, []byte("RIGHT6")); {
			if all = append(all, came(v)...); time.Since(begin) > prompt {
				t.Fatalf("strict %t: it does not arrive: %d bytes did", strict, len(all))
			}
			time.Sleep(time.Millisecond)
		}
		all = append(all, l.heard("ENOUGH")[v]...)
		if got := bytes.Contains(all, []byte("FORGED")); got == strict {
			t.Errorf("strict %t: a forged one arrives: %t", strict, got)
		}
	}
}
