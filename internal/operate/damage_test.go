package operate

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"xbr-script/internal/plan"
	"xbr-script/internal/testing/nstest"
)

// TestDamagedJournal damages a journal in many ways, and takes back what it
// says: either it is refused, and nothing is changed, or everything is as
// before.
func TestDamagedJournal(t *testing.T) {
	t.Parallel()
	times := 12000
	if testing.Short() {
		times = 800
	}
	nstest.New(t)
	nstest.Script(t, matrixHost+"iptables -t raw -S\nip6tables -t raw -S")
	w := &whole{T: t}
	start := []string{"start", "bridge=xenbr0", "netdev=eth0", "antispoof=yes", "ip_forward=1"}
	w.prepare(start...)
	random := rand.New(rand.NewPCG(1, 2))
	path := plan.JournalPath(runDir)
	var good []byte
	var half nstest.State
	r := w.call(start...).runner()
	die := func() { // at some step
		p := w.planOf(start...)
		at := random.IntN(len(p.Steps))
		dying := *r
		dying.Hook = func(step int, after bool) error {
			if step == at && after {
				panic(errDeath)
			}
			return nil
		}
		func() {
			defer func() { _ = recover() }()
			_ = dying.Run(t.Context(), p)
		}()
		good, half = read(t, path), nstest.ReadState(t)
	}
	die()
	accepted := 0
	for i := range times {
		bad := damage(random, good)
		if bytes.Equal(bad, good) {
			continue
		}
		write(t, path, bad)
		u, err := r.Unfinished()
		switch {
		case err != nil:
			if i%500 == 0 {
				if d := nstest.Settled(t, half, nstest.Whole); d != "" {
					t.Fatalf("a damaged journal was refused, and something done:\n%s", d)
				}
			}
		case u == nil:
			t.Fatalf("a damaged journal is taken for none:\n%q", bad)
		default:
			accepted++
			if err := r.Recover(t.Context(), u); err != nil {
				t.Errorf("%v of\n%q", err, tail(bad))
				write(t, path, good)
				_ = r.Recover(t.Context(), must1(r.Unfinished()))
			}
			if !w.matrix.Same(fmt.Sprintf("a damaged journal was taken back, which ended in %q", tail(bad))) {
				t.FailNow()
			}
			die()
		}
	}
	write(t, path, good)
	if err := r.Recover(t.Context(), must1(r.Unfinished())); err != nil {
		t.Error(err)
	}
	w.matrix.Same("the whole journal at the end")
	t.Logf("%d damaged journals, of which %d were as good as whole", times, accepted)
}

func must1[V any](v V, _ error) V { return v }

// tail is the part of a journal with its marks.
func tail(b []byte) []byte { return b[max(0, len(b)-2000):] }

// TestDamagedRecords damages the records of a network that is up, and plans a
// stop from them: that is refused, or the plan is the same.
func TestDamagedRecords(t *testing.T) {
	t.Parallel()
	times := 2000
	if testing.Short() {
		times = 24
	}
	nstest.New(t)
	nstest.Script(t, matrixHost)
	w := &whole{T: t}
	start := []string{"start", "bridge=xenbr0", "netdev=eth0", "antispoof=yes", "ip_forward=1"}
	w.prepare(start...)
	if err := w.call(start...).runner().Run(t.Context(), w.planOf(start...)); err != nil {
		t.Fatal(err)
	}
	want := nstest.Ungrouped(strings.Join(w.planOf("stop").Commands(), "\n"))
	files, _ := filepath.Glob(runDir + "/*.json") // only a bad pattern fails
	if len(files) < 3 {
		t.Fatalf("records: %q", files)
	}
	random := rand.New(rand.NewPCG(3, 4))
	accepted := 0
	for i := range times {
		path := files[i%len(files)]
		good := read(t, path)
		bad := damage(random, good)
		write(t, path, bad)
		_, p, _, err := w.newCall("stop").readAndPlan(t.Context())
		if err == nil && !bytes.Equal(bad, good) {
			accepted++
			if got := nstest.Ungrouped(strings.Join(p.Commands(), "\n")); got != want {
				t.Errorf("%s damaged: %q\nplans\n%s", path, bad, got)
			}
		}
		write(t, path, good)
	}
	t.Logf("%d damaged records, of which %d were as good as whole", times, accepted)
}

// damage changes a file in one to three places.
func damage(r *rand.Rand, good []byte) []byte {
	b := bytes.Clone(good)
	for range 1 + r.IntN(3) {
		if len(b) < 2 {
			return b
		}
		at := r.IntN(len(b))
		switch r.IntN(3) { // the beginning and the end are more likely
		case 0:
			at = r.IntN(min(len(b), 200))
		case 1:
			at = len(b) - 1 - r.IntN(min(len(b)-1, 1200))
		}
		n := 1 + r.IntN(min(40, len(b)-at))
		switch r.IntN(8) {
		case 0:
			b[at] ^= 1 << r.IntN(8)
		case 1:
			b[at] = byte(r.Uint32())
		case 2:
			b[at] = "0123456789abcdef \n"[r.IntN(18)]
		case 3:
			b = b[:at] // cut short
		case 4:
			b = slices.Delete(b, at, at+n)
		case 5:
			b = slices.Insert(b, at, b[at:at+n]...)
		case 6:
			clear(b[at : at+n])
		case 7:
			for i := range n {
				b[at+i] = " \n"[min(1, (at+i+1)%40/39)] // blanks, as where nothing was written
			}
		}
	}
	return b
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
