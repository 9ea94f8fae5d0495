package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
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

const journalVersion = 1

// JournalPath is where the journal of a directory lies.
func JournalPath(dir string) string { return filepath.Join(dir, journalName) }

// journal is the record of a change under way: the header with the whole
// plan, then a line for each step that begins ("do 3") or has been taken back
// ("undone 3"). It lies under /run, so it dies with the kernel state that it
// describes.
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
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	j := &journal{path, f}
	if _, err := f.Write(append(line, '\n')); err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(path+".new"))
	}
	if err := os.Rename(path+".new", path); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return j, nil
}

// mark notes that a step begins or has been undone.
func (j *journal) mark(what string, step int) error {
	_, err := fmt.Fprintf(j.f, "%s %d\n", what, step)
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
	boot    string
}

// read finds the journal of an unfinished change; nil if there is none.
func read(dir string, kinds Kinds) (*Unfinished, error) {
	data, err := os.ReadFile(JournalPath(dir))
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
	steps, err := kinds.decode(h.Steps)
	if err != nil {
		return nil, &BadJournal{JournalPath(dir), err}
	}
	u := &Unfinished{Command: h.Command, PID: h.PID, Time: h.Time, Steps: steps, Undone: map[int]bool{}, boot: h.Boot}
	u.marks(string(rest))
	return u, nil
}

// marks reads the lines after the header. A line cut short is one that was
// never acted upon.
func (u *Unfinished) marks(lines string) {
	for line := range strings.Lines(lines) {
		var what string
		var step int
		if n, err := fmt.Sscanf(line, "%s %d\n", &what, &step); !strings.HasSuffix(line, "\n") || n != 2 || err != nil || step < 0 || step >= len(u.Steps) {
			continue
		}
		switch what {
		case "do":
			u.Begun = max(u.Begun, step+1)
		case "undone":
			u.Undone[step] = true
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
