package operate

import (
	"time"

	"xbr-script/internal/plan"
)

// Last is the last change of the network, and what became of it.
type Last struct {
	Line         string    `json:"command_line"`
	Outcome      End       `json:"outcome"`
	Why          string    `json:"why,omitempty"` // it was put back
	Time         time.Time `json:"time"`          // when it ended
	Milliseconds float64   `json:"milliseconds"`  // how long the call took
}

// lastRecord is the name of its record. It is not part of any change, so no journal has
// it.
const lastRecord = "last.json"

// lastForm is Last on disk.
type lastForm struct {
	Version      int       `json:"version"`
	Line         string    `json:"command_line"`
	Outcome      string    `json:"outcome"`
	Why          string    `json:"why"`
	Time         time.Time `json:"time"`
	Milliseconds float64   `json:"milliseconds"`
}

var lastForms = plan.Form[Last]{
	Version: 1,
	Write: func(l *Last) any {
		return lastForm{1, l.Line, string(l.Outcome), l.Why, l.Time, l.Milliseconds}
	},
	Read: map[int]func([]byte) (*Last, error){
		1: plan.FormOf(func(f *lastForm) (*Last, error) {
			return &Last{f.Line, End(f.Outcome), f.Why, f.Time, f.Milliseconds}, nil
		}),
	},
	Without: "without it only the last change is forgotten",
}

// LastChange is the last change of which there is a record, nil if there is none.
func LastChange() *Last {
	l, _ := lastForms.Load(plan.Records{Dir: runDir}, lastRecord)
	return l
}

// Pending says whether a change has not ended, or waits to be confirmed.
func Pending() bool { return plan.HasJournal(runDir) }

// keep writes down what became of a change. It is only to be read by people, so a record
// that cannot be written is no error.
func (*Call) keep(l *Last) {
	_ = lastForms.Store(plan.Records{Dir: runDir}, lastRecord, l)
}
