package plan

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"xbr-script/internal/boottime"
	"xbr-script/internal/refusal"
	"xbr-script/internal/rundir"
)

// journalName is the file that exists while a change is under way, or that was left by
// a process that died during one.
const journalName = "journal"

// journalVersion is the version of the journal and of the operations in it, each of
// which has a form that does not change within a version. A new kind of operation needs
// no new version: a program that does not know it says so.
const journalVersion = 3

// preface is the first line of a journal: the lengths of its parts, so that none can be
// cut off unnoticed, and their checksum.
type preface struct {
	Version int    `json:"version"`
	Head    int    `json:"head"`  // bytes of the second line, with its end
	Bulk    int    `json:"bulk"`  // bytes after that
	Marks   int    `json:"marks"` // how many marks there is room for after that
	Sum     string `json:"sum"`   // checksum of the bulk and then the head
}

// header is the second line.
type header struct {
	Command string     `json:"command"` // the command line, for whoever finds the journal
	PID     int        `json:"pid"`     // of the process that wrote it
	Time    time.Time  `json:"time"`    // when
	Boot    string     `json:"boot"`    // the kernel's boot id: a journal of another boot describes nothing that still exists
	Steps   []wireStep `json:"steps"`
}

// JournalPath is where the journal of a directory lies.
func JournalPath(dir string) string { return filepath.Join(dir, journalName) }

// HasJournal says whether there may be a journal in a directory.
func HasJournal(dir string) bool {
	_, err := os.Lstat(JournalPath(dir))
	return !errors.Is(err, fs.ErrNotExist)
}

// journal is the record of a change under way: the preface, the header with
// what takes each step back, in one line each, the bulk of the operations one
// after another (Bulky), then the marks, see marks.go. It lies under /run, so
// it dies with the kernel state that it describes.
type journal struct {
	path string
	f    *os.File
	back bool // it says that the change is being taken back
	marker
}

// create writes everything but the marks and only then gives the journal its name: a
// journal that exists is whole. It replaces one of another boot.
func create(dir string, h header, steps []Step) (*journal, error) {
	var e encoder
	var err error
	if h.Steps, err = e.steps(steps); err != nil {
		return nil, err
	}
	head, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	head = append(head, '\n')
	sum := checksum(e.sum, head, 0)
	p := preface{Version: journalVersion, Head: len(head), Bulk: e.size, Marks: 2*len(h.Steps) + 2, Sum: sumText(sum)}
	first, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	first = append(first, '\n')
	path := JournalPath(dir)
	f, err := rundir.Create(path)
	if err != nil {
		return nil, err
	}
	if err := write(f, first, head, h.Steps, p.Marks); err != nil {
		return nil, errors.Join(err, f.Close(), rundir.Discard(path))
	}
	if err := rundir.Replace(path); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	at := int64(len(first) + p.Head + p.Bulk)
	return &journal{path: path, f: f, marker: marker{at: at, end: at + int64(p.Marks*markBytes), sum: sum}}, nil
}

// write writes a journal that has no marks yet, but room for them, so that a full file
// system is noticed before the first change.
func write(f *os.File, first, head []byte, steps []wireStep, marks int) error {
	w := bufio.NewWriterSize(f, 64<<10)
	_, err := w.Write(append(first, head...))
	for piece := range bulk(steps) {
		if err == nil {
			_, err = w.Write(piece)
		}
	}
	if err == nil {
		_, err = w.WriteString(strings.Repeat(noMark, marks))
	}
	return errors.Join(err, w.Flush())
}

func sumText(sum uint32) string { return fmt.Sprintf("%08x", sum) }

// mark notes that a step begins or has been undone, or when the change has to
// be confirmed.
func (j *journal) mark(what string, n int64) error { return j.marker.mark(j.f, what, n) }

// markBack notes that the change is being taken back, trying a few times.
func (j *journal) markBack() (err error) {
	if !j.back {
		j.back, err = true, j.mark(markBack, 0)
	}
	for n := 1; err != nil && n < tries; n++ {
		time.Sleep(time.Duration(n) * time.Millisecond)
		err = j.pay(j.f)
	}
	return err
}

func (j *journal) close() error { return j.f.Close() }

// remove ends the change: without the file it is done, or wholly undone.
func (j *journal) remove() error {
	_ = j.f.Close() // everything is written, and an earlier try may have closed it
	return os.Remove(j.path)
}

// Unfinished is a change that a process began but did not end.
type Unfinished struct {
	Command string
	PID     int
	Time    time.Time
	Steps   []Step
	Begun   int // steps before this one may have been done
	Left    int // of those, the ones before this one are still to be taken back
	// Until is when a change that is done has to be confirmed, by the clock
	// of package boottime; 0 if it was cut short.
	Until time.Duration
	Back  bool // it is being taken back already
	boot  string
	marker
}

// Waits says that the change is done and may still be confirmed, and how long.
func (u *Unfinished) Waits() (left time.Duration, waits bool) {
	left = u.Until - boottime.Now()
	return left, u.Until != 0 && !u.Back && left > 0
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
	u, err := parse(data, kinds)
	if err == nil {
		err = confined(dir, u.Steps)
	}
	if err != nil {
		return nil, &BadJournal{JournalPath(dir), err}
	}
	return u, nil
}

// parse reads a journal.
func parse(data []byte, kinds Kinds) (*Unfinished, error) {
	first, rest, err := line(data)
	if err != nil {
		return nil, err
	}
	var p preface
	switch version, err := versionOf(first, 0); {
	case err != nil:
		return nil, err
	case version == 2:
		return parse2(first, rest, kinds)
	case version != journalVersion:
		return nil, otherVersion(version, journalVersion)
	}
	if err := Strict(first, &p); err != nil {
		return nil, err
	}
	if p.Head < 0 || p.Head > len(rest) || p.Bulk < 0 || p.Bulk > len(rest)-p.Head ||
		p.Marks < 0 || len(rest)-p.Head-p.Bulk != p.Marks*markBytes {
		return nil, errShort
	}
	sum := checksum(checksum(0, rest[p.Head:p.Head+p.Bulk], 0), rest[:p.Head], 0)
	if sumText(sum) != p.Sum {
		return nil, errors.New("it is damaged: its checksum is wrong")
	}
	var h header
	if err := Strict(rest[:p.Head], &h); err != nil {
		return nil, err
	}
	d := &decoder{kinds: kinds, read: Strict, bulk: rest[p.Head : p.Head+p.Bulk]}
	steps, err := d.steps(h.Steps)
	if err != nil {
		return nil, err
	}
	at := int64(len(first) + 1 + p.Head + p.Bulk)
	u := h.unfinished(steps)
	u.marker = marker{at: at, end: int64(len(data)), sum: sum}
	if err := u.marks(rest[p.Head+p.Bulk:]); err != nil {
		return nil, err
	}
	return u, nil
}

func (h *header) unfinished(steps []Step) *Unfinished {
	return &Unfinished{Command: h.Command, PID: h.PID, Time: h.Time, Steps: steps, boot: h.Boot}
}

// BadJournal says that a journal cannot be read.
type BadJournal struct {
	Path  string
	Cause error
}

func (b *BadJournal) Error() string {
	return fmt.Sprintf("cannot read the journal %s: %v", b.Path, b.Cause)
}

// Unwrap gives the cause.
func (b *BadJournal) Unwrap() error { return b.Cause }

// Advice implements refusal.Explained.
func (b *BadJournal) Advice() string {
	byHand := "look at the network with ip and brctl, put right what is wrong, then: rm " + b.Path
	if errors.As(b.Cause, new(*newer)) {
		return useNewer + " to take back what it has begun; or " + byHand
	}
	return byHand
}

// ExitStatus implements refusal.Explained.
func (*BadJournal) ExitStatus() int { return refusal.Failed }

// bootIDPath is where the kernel has its name for this boot.
var bootIDPath = "/proc/sys/kernel/random/boot_id"

// bootID reads it. Not knowing it is an error: without it nobody can tell whether what
// a journal describes still exists.
func bootID() (string, error) {
	data, err := os.ReadFile(bootIDPath)
	id := strings.TrimSpace(string(data))
	if err == nil && id == "" {
		err = errors.New("it is empty")
	}
	if err != nil {
		return "", fmt.Errorf("cannot tell which boot this is: %w", err)
	}
	return id, nil
}
