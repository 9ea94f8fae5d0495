package bridge_test

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"xbr-script/internal/plan"
	"xbr-script/internal/testing/nstest"
)

// inRow is a host with n NICs, each with addresses and a bridge of its own.
func inRow(n int) network {
	row := network{name: fmt.Sprintf("%d bridges", n), script: quick}
	for i := range n {
		nic := fmt.Sprint("eth", i)
		row.script += cable(nic, fmt.Sprint("lan", i), fmt.Sprintf("00:16:3e:00:00:%02x", i+1)) +
			fmt.Sprintf("ip addr add 10.0.%d.2/24 dev %s\nip addr add 2001:db8:0:%x::2/64 dev %s\n", i, nic, i, nic)
		row.specs = append(row.specs, specOf(i, nic))
	}
	return row
}

// TestLinear starts four times as many bridges in one call: the journal, and
// with it what the call keeps in memory, must be four times as large, not
// sixteen times.
func TestLinear(t *testing.T) {
	t.Parallel()
	const few, times = 3, 4
	for _, live := range []bool{true, false} {
		for i, n := range shapes(inRow(few)) {
			t.Run(n.name+" "+renaming(live), func(t *testing.T) {
				t.Parallel()
				start, stop := journalSizes(t, n, live)
				moreStart, moreStop := journalSizes(t, shapes(inRow(few * times))[i], live)
				t.Logf("%d bridges: %d and %d bytes; %d bridges: %d and %d", few, start, stop, few*times, moreStart, moreStop)
				for _, c := range []struct {
					what       string
					size, more int64
				}{{"start", start, moreStart}, {"stop", stop, moreStop}} {
					if c.more > c.size*times*12/10 {
						t.Errorf("the journal of %s has %d bytes with %d bridges, %d with %d", c.what, c.size, few, c.more, few*times)
					}
				}
			})
		}
	}
}

// journalSizes are how large the journals of start and of stop are, in bytes.
func journalSizes(t *testing.T, n network, live bool) (start, stop int64) {
	t.Helper()
	l := newLab(t, n, live)
	start = l.journalSize(true)
	l.mustRun(true)
	nstest.Rest(t)
	return start, l.journalSize(false)
}

// journalSize is the size of the journal when the first step begins; it hardly
// grows after that.
func (l *lab) journalSize(start bool) (size int64) {
	l.t.Helper()
	r := l.runner()
	enough := errors.New("enough seen")
	r.Hook = func(int, bool) error {
		if f, err := os.Stat(plan.JournalPath(l.dir)); err == nil {
			size = f.Size()
		}
		return enough
	}
	if err := r.Run(l.t.Context(), l.plan(start)); !errors.Is(err, enough) || size == 0 {
		l.t.Fatalf("a journal of %d bytes, %v", size, err)
	}
	return size
}
