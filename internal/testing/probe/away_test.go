package main

import (
	"encoding/binary"
	"testing"
	"time"
)

// The time without an address is that in which no interface has it, whichever had it
// before and has it afterwards.
func TestHolders(t *testing.T) {
	begin := time.Now()
	at := func(seconds int) time.Time { return begin.Add(time.Duration(seconds) * time.Second) }
	var h holders
	h.note(1, true, at(0))
	h.note(2, true, at(1))
	h.note(1, false, at(2))
	if got := h.total(at(3)); got != 0 {
		t.Errorf("moved without a gap: %v", got)
	}
	h.note(2, false, at(4))
	h.note(2, false, at(5))
	if got := h.total(at(6)); got != 2*time.Second {
		t.Errorf("gone since 4, at 6: %v", got)
	}
	h.note(3, true, at(7))
	h.note(3, false, at(9))
	h.note(1, true, at(10))
	if got := h.total(at(20)); got != 4*time.Second {
		t.Errorf("gone from 4 to 7 and from 9 to 10: %v", got)
	}
}

// A packet with its checksum in it sums up to zero.
func TestChecksum(t *testing.T) {
	packet := []byte{8, 0, 0, 0, 0x12, 0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe}
	binary.BigEndian.PutUint16(packet[2:], checksum(packet))
	if got := checksum(packet); got != 0 {
		t.Errorf("%#x", got)
	}
}
