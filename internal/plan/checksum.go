package plan

import (
	"hash/crc32"
	"sync"
)

// manyBytes is from where on a checksum is worth what the faster way costs beforehand.
const manyBytes = 64 << 10

// checksum continues a CRC-32C, of which before is how many bytes it is of already.
// Processors calculate it themselves, but to prepare that takes Go a quarter of a
// millisecond, a tenth of what status takes.
func checksum(sum uint32, data []byte, before int) uint32 {
	if before+len(data) < manyBytes {
		return crc32.Update(sum, plainTable(), data)
	}
	return crc32.Update(sum, fastTable(), data)
}

var fastTable = sync.OnceValue(func() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) })

// plainTable is the same table in another place, for which package crc32 does not know
// the faster way.
var plainTable = sync.OnceValue(func() *crc32.Table {
	var t crc32.Table
	for i := range t {
		crc := uint32(i)
		for range 8 {
			low := crc & 1
			crc = crc>>1 ^ low*crc32.Castagnoli
		}
		t[i] = crc
	}
	return &t
})
