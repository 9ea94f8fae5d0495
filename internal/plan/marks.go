package plan

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// The marks of a journal say how far a change has come. There is a line for each step
// that begins ("do 3"), or that has been taken back together with everything that
// began after it ("undone 3"); one that says until when a change that is done has to
// be confirmed ("until 86400000000000", by the clock of package boottime); and one that
// says that the change is being taken back ("back 0"): from then on it cannot be
// confirmed. All lines have the same length and their place from the beginning, so that
// none can be lost unnoticed, and each ends with a checksum of the whole journal up to
// it.
const (
	markDo     = "do"
	markUndone = "undone"
	markUntil  = "until"
	markBack   = "back"
)

const (
	markText  = 30            // bytes of a mark, padded
	markBytes = markText + 10 // with a space, the checksum and the line's end
	sumAt     = markText + 1  // where the checksum begins
)

// noMark is the place of a mark that has not been made yet.
var noMark = strings.Repeat(" ", markBytes-1) + "\n"

// marker knows where the next mark goes.
type marker struct {
	at, end int64  // of the place of the next mark, and of all
	sum     uint32 // of what comes before, and of owed
	owed    string // marks that could not be written
}

// mark writes a mark. One that cannot be written is written before the next: none can
// be understood without those before it.
func (m *marker) mark(f *os.File, what string, n int64) error {
	line, sum := markLine(m.sum, what, n)
	m.owed, m.sum = m.owed+line, sum
	return m.pay(f)
}

// pay writes the marks that are owed.
func (m *marker) pay(f *os.File) error {
	if m.at+int64(len(m.owed)) > m.end {
		return errors.New("there is no room for another mark")
	}
	if _, err := f.WriteAt([]byte(m.owed), m.at); err != nil {
		return err
	}
	m.at, m.owed = m.at+int64(len(m.owed)), ""
	return nil
}

// markLine is a mark that comes after what has that checksum, and the checksum after
// it.
func markLine(sum uint32, what string, n int64) (string, uint32) {
	text := fmt.Sprintf("%-*s", markText, fmt.Sprint(what, " ", n))
	sum = checksum(sum, []byte(text), 0)
	return text + " " + sumText(sum) + "\n", sum
}

// marks reads the marks. One that is cut short was never acted upon. If a step was about
// to begin, it counts as begun, because taking back what was not done does no harm.
// Anything else that is not as it was written is an error.
func (u *Unfinished) marks(b []byte) error {
	for ; len(b) > 0; b = b[markBytes:] {
		mark := string(b[:markBytes])
		if strings.Contains(mark[sumAt:], " ") {
			return u.noMore(b)
		}
		var what string
		var n int64
		if _, err := fmt.Sscanf(mark[:markText], "%s %d", &what, &n); err != nil {
			return errMarks
		}
		want, sum := markLine(u.sum, what, n)
		if mark != want {
			return errMarks
		}
		u.at, u.sum = u.at+markBytes, sum
		if err := u.apply(what, n); err != nil {
			return err
		}
	}
	return nil
}

var errMarks = errors.New("it is damaged: one of its last lines is not as it was written")

// noMore looks at what follows the last whole mark: one that may be cut short,
// and then none.
func (u *Unfinished) noMore(b []byte) error {
	for after := b[markBytes:]; len(after) > 0; after = after[markBytes:] {
		if string(after[:markBytes]) != noMark {
			return errMarks
		}
	}
	torn, ended := strings.CutSuffix(string(b[:markBytes]), "\n")
	torn = strings.TrimRight(torn, " ")
	might := func(what string, n int) bool {
		mark, _ := markLine(u.sum, what, int64(n))
		return strings.HasPrefix(mark, torn)
	}
	switch {
	case !ended:
		return errMarks
	case torn == "":
	case might(markDo, u.Begun) && !u.Back && u.Until == 0 && u.Begun < len(u.Steps):
		u.Begun, u.Left = u.Begun+1, u.Left+1
	case might(markBack, 0):
		u.Back = true
	case !might(markUndone, u.Left-1) && !strings.HasPrefix(torn, markUntil) && !strings.HasPrefix(markUntil, torn):
		return errMarks
	}
	return nil
}

// apply takes a mark into account. Steps begin one after another, and are taken back in
// reverse order.
func (u *Unfinished) apply(what string, n int64) error {
	switch {
	case what == markDo && n == int64(u.Begun) && !u.Back && u.Until == 0 && u.Begun < len(u.Steps):
		u.Begun, u.Left = u.Begun+1, u.Left+1
	case what == markBack && n == 0 && !u.Back:
		u.Back = true
	case what == markUndone && u.Back && u.Left > 0 && n == int64(u.Left-1):
		u.Left--
	case what == markUntil && n > 0 && u.Begun == len(u.Steps) && u.Until == 0 && !u.Back:
		u.Until = time.Duration(n)
	default:
		return errMarks
	}
	return nil
}
