package plan

import (
	"hash/crc32"
	"testing"
)

// TestChecksum compares both ways with the package's.
func TestChecksum(t *testing.T) {
	data := make([]byte, 3*manyBytes)
	for i := range data {
		data[i] = byte(i * i >> 3)
	}
	for _, n := range []int{0, 1, 255, manyBytes - 1, manyBytes, len(data)} {
		want := crc32.Checksum(data[:n], crc32.MakeTable(crc32.Castagnoli))
		if got := checksum(0, data[:n], 0); got != want {
			t.Errorf("%d bytes: %08x, want %08x", n, got, want)
		}
		sum := uint32(0)
		for at := 0; at < n; at += 1000 {
			sum = checksum(sum, data[at:min(at+1000, n)], at)
		}
		if sum != want {
			t.Errorf("%d bytes in pieces: %08x, want %08x", n, sum, want)
		}
	}
}
