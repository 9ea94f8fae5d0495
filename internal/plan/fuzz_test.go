package plan

import (
	"bytes"
	"encoding/json"
	"hash/crc32"
	"os"
	"strconv"
	"strings"
	"testing"
)

// FuzzJournal reads arbitrary journals with a correct checksum. One that can be
// read says nothing impossible.
func FuzzJournal(f *testing.F) {
	former := must(os.ReadFile("testdata/forms/journal-2"))
	parts := bytes.SplitN(must(os.ReadFile("testdata/forms/journal-3")), []byte("\n"), 3)
	var p preface
	must(0, json.Unmarshal(parts[0], &p))
	f.Add(append(parts[1], '\n'), parts[2][:p.Bulk], "do 0;do 1;do 2;until 5;back 0;undone 2")
	f.Add(former, []byte{}, "")
	kinds := Merge(newWorld().kinds())
	f.Fuzz(func(t *testing.T, head, bulk []byte, marks string) {
		data := head
		if !bytes.Contains(head, []byte(`"Version"`)) {
			data = sealedJournal(head, bulk, strings.Split(marks, ";"))
		}
		u, err := parse(data, kinds)
		if err != nil {
			if u != nil {
				t.Error("it is read, and it is not: ", err)
			}
			return
		}
		if u.Left < 0 || u.Left > u.Begun || u.Begun > len(u.Steps) {
			t.Errorf("%d steps, of which %d have begun and %d are left", len(u.Steps), u.Begun, u.Left)
		}
		for _, s := range u.Steps {
			for _, op := range s.Undo {
				if p, ok := op.(*pile); ok && !bytes.Contains(data, p.Sand) {
					t.Errorf("%q is not in it", p.Sand)
				}
			}
		}
		_ = u.Commands()
	})
}

// sealedJournal is a journal made of these parts.
func sealedJournal(head, bulk []byte, marks []string) []byte {
	sum := crc32.Checksum(append(bytes.Clone(bulk), head...), crc32.MakeTable(crc32.Castagnoli))
	p := preface{Version: journalVersion, Head: len(head), Bulk: len(bulk), Marks: len(marks) + 2, Sum: sumText(sum)}
	data := append(append(append(must(json.Marshal(p)), '\n'), head...), bulk...)
	for _, m := range marks {
		what, number, _ := strings.Cut(m, " ")
		n, err := strconv.ParseInt(number, 10, 64)
		line := noMark
		if err == nil {
			line, sum = markLine(sum, what, n)
		}
		data = append(data, line[:min(len(line), markBytes)]...)
	}
	return append(data, strings.Repeat(noMark, 2)...)
}
