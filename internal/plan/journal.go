package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/boottime"
	"xbr-script/internal/rundir"
)

// journalName is the file that exists while a change is under way, or was
// left by a process that died in one.
const journalName = "journal"

// header is the first line of a journal.
type header struct {
	Version int
	Command string    // the command line, for whoever finds the journal
	PID     int       // of the process that wrote it
	Time    time.Time // when
	Boot    string    // the kernel's boot id: a journal of another boot describes nothing that still exists
	Steps   []wireStep
}

const journalVersion = 2

// JournalPath is where the journal of a directory lies.
func JournalPath(dir string) string { return filepath.Join(dir, journalName) }

// journal is the record of a change under way: the header with the whole
// plan, in one line, the bulk of its operations one after another (Bulky), then
// a line for each step that begins ("do 3") or has been taken back
// ("undone 3"). A change that is done but has to be confirmed keeps its
// journal, with a line that says until when ("until 86400000000000", by the
// clock of package boottime). It lies under /run, so it dies with the kernel
// state that it describes.
type journal struct {
	path string
	f    *os.File
}

// create writes the header and only then gives the journal its name: a
// journal that exists is whole.
func create(dir string, h header) (*journal, error) {
	line, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	path := JournalPath(dir)
	f, err := rundir.Create(path)
	if err != nil {
		return nil, err
	}
	j := &journal{path, f}
	size, err := writeHeader(f, line, h.Steps)
	if err == nil {
		err = reserve(f, size, int64(markBytes*(2*len(h.Steps)+1)))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), rundir.Discard(path))
	}
	if err := rundir.Replace(path); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return j, nil
}

// writeHeader writes the first line and the bulk, and says how much that is.
func writeHeader(f *os.File, line []byte, steps []wireStep) (size int64, err error) {
	size = int64(len(line) + 1)
	_, err = f.Write(append(line, '\n'))
	for _, s := range steps {
		for _, op := range slices.Concat(s.Do, s.Undo) {
			if err == nil && len(op.bulk) > 0 {
				_, err = f.Write(op.bulk)
				size += int64(len(op.bulk))
			}
		}
	}
	return size, err
}

// markBytes is more than the longest mark takes.
const markBytes = 32

// reserve makes sure of the room for all marks: a file system that is full is
// found out before the first change.
func reserve(f *os.File, from, size int64) error {
	err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, from, size)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil
	}
	return err
}

// The marks.
const (
	markDo     = "do"
	markUndone = "undone"
	markUntil  = "until"
)

// mark notes that a step begins or has been undone, or when the change has to
// be confirmed.
func (j *journal) mark(what string, n int64) error {
	_, err := fmt.Fprintf(j.f, "%s %d\n", what, n)
	return err
}

func (j *journal) close() error { return j.f.Close() }

// remove ends the change: without the file it is done, or wholly undone.
func (j *journal) remove() error {
	_ = j.f.Close() // it is written already, and may be closed from an earlier try
	return os.Remove(j.path)
}

// Unfinished is a change that a process began and did not end.
type Unfinished struct {
	Command string
	PID     int
	Time    time.Time
	Steps   []Step
	Begun   int          // steps before this one may have been done
	Undone  map[int]bool // steps that have been taken back already
	// Until is when a change that is done has to be confirmed, by the clock
	// of package boottime; 0 if it was cut short.
	Until time.Duration
	boot  string
}

// Waits says that the change is done and may still be confirmed, and how long.
func (u *Unfinished) Waits() (left time.Duration, waits bool) {
	left = u.Until - boottime.Now()
	return left, u.Until != 0 && left > 0
}

// read finds the journal of an unfinished change; nil if there is none.
func read(dir string, kinds Kinds) (*Unfinished, error) {
	data, err := rundir.Read(JournalPath(dir), rundir.MaxJournal)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	first, rest, whole := bytes.Cut(data, []byte("\n"))
	var h header
	if !whole {
		return nil, &BadJournal{JournalPath(dir), errors.New("its first line is cut short")}
	}
	if err := json.Unmarshal(first, &h); err != nil {
		return nil, &BadJournal{JournalPath(dir), err}
	}
	if h.Version != journalVersion {
		return nil, &BadJournal{JournalPath(dir), fmt.Errorf("its version is %d, this program reads %d", h.Version, journalVersion)}
	}
	d := &decoder{kinds, rest}
	steps, err := d.steps(h.Steps)
	if err == nil {
		err = confined(dir, steps)
	}
	if err != nil {
		return nil, &BadJournal{JournalPath(dir), err}
	}
	u := &Unfinished{Command: h.Command, PID: h.PID, Time: h.Time, Steps: steps, Undone: map[int]bool{}, boot: h.Boot}
	u.marks(string(d.bulk))
	return u, nil
}

// marks reads the lines after the header. A line cut short is one that was
// never acted upon.
func (u *Unfinished) marks(lines string) {
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
			u.Undone[int(number)] = true
		case what == markUntil:
			u.Until = time.Duration(number)
		}
	}
}

// BadJournal is a journal that cannot be read.
type BadJournal struct {
	Path  string
	Cause error
}

func (b *BadJournal) Error() string {
	return fmt.Sprintf("cannot read the journal %s: %v", b.Path, b.Cause)
}

// Unwrap gives the cause.
func (b *BadJournal) Unwrap() error { return b.Cause }

// bootID is the kernel's name for this boot.
func bootID() string {
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}
