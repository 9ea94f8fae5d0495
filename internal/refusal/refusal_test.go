package refusal

import (
	"errors"
	"fmt"
	"testing"
)

// TestText has what users are told about errors.
func TestText(t *testing.T) {
	usage := &Error{Msg: "cannot understand it", Usage: true}
	cause := errors.New("no room")
	for _, c := range []struct {
		err    error
		text   string
		status int
	}{
		{cause, "xbr-script: no room\n", Failed},
		{usage, "xbr-script: cannot understand it\n", BadUsage},
		{New("do it", "cannot %s", "x"), "xbr-script: cannot x\nhint: do it\n", Failed},
		{fmt.Errorf("cannot go on: %w", Wrap(cause, "make room", "cannot write")), "xbr-script: cannot go on: cannot write: no room\nhint: make room\n", Failed},
		{errors.Join(New("do it", "cannot x"), cause, New("", "cannot y")), "xbr-script: cannot x\nhint: do it\nxbr-script: no room\nxbr-script: cannot y\n", Failed},
		{Wrap(usage, "use another", "cannot start"), "xbr-script: cannot start: cannot understand it\nhint: use another\n", Failed},
	} {
		if text, status := Text(c.err), ExitStatus(c.err); text != c.text || status != c.status {
			t.Errorf("%v: exit status %d, %q, want %d, %q", c.err, status, text, c.status, c.text)
		}
	}
}
