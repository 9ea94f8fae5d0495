package plan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// A journal of version 2 may be found right after an upgrade. It has no checksums: it
// has a header in one line, the bulk of the operations, and a line for each mark, in
// which any step may be "undone".

type header2 struct {
	Version int `json:"version"`
	header
	Steps []wireStep2 `json:"steps"`
}

type wireStep2 struct {
	Title string   `json:"title"`
	Do    []wireOp `json:"do"`
	Undo  []wireOp `json:"undo"`
}

// line is the first line of b, without its end, and what follows.
func line(b []byte) (first, rest []byte, err error) {
	first, rest, whole := bytes.Cut(b, []byte("\n"))
	if !whole {
		return nil, nil, errShort
	}
	return first, rest, nil
}

// parse2 reads a journal of version 2.
func parse2(first, rest []byte, kinds Kinds) (*Unfinished, error) {
	var h header2
	if err := Strict(first, &h); err != nil {
		return nil, err
	}
	// Some of its operations have fields that are no longer needed.
	d := &decoder{kinds: kinds, read: json.Unmarshal, bulk: rest}
	steps := make([]Step, len(h.Steps))
	for i, s := range h.Steps {
		if _, err := d.ops(s.Do); err != nil {
			return nil, err
		}
		undo, err := d.ops(s.Undo)
		if err != nil {
			return nil, err
		}
		steps[i] = Step{Title: s.Title, Undo: undo}
	}
	u := h.unfinished(steps)
	u.marks2(string(d.bulk))
	return u, nil
}

// marks2 reads the marks. A line that is cut short was never acted upon. What was taken
// back below a step that was not taken back is taken back once more.
func (u *Unfinished) marks2(lines string) {
	undone := map[int]bool{}
	for line := range strings.Lines(lines) {
		var what string
		var number int64
		if n, err := fmt.Sscanf(line, "%s %d\n", &what, &number); !strings.HasSuffix(line, "\n") || n != 2 || err != nil {
			continue
		}
		isStep := number >= 0 && number < int64(len(u.Steps))
		switch {
		case what == markDo && isStep:
			u.Begun = max(u.Begun, int(number)+1)
		case what == markUndone && isStep:
			undone[int(number)] = true
		case what == markUntil:
			u.Until = time.Duration(number)
		}
	}
	for u.Left = u.Begun; u.Left > 0 && undone[u.Left-1]; {
		u.Left--
	}
	u.Back = len(undone) > 0
}
