package forward

import (
	"errors"

	"xbr-script/internal/plan"
	"xbr-script/internal/sysctl"
)

// forms are the forms of the record on disk. A form that has been written somewhere
// never changes: what is added or renamed needs another version.
var forms = plan.Form[record]{
	Version: version,
	Write:   func(r *record) any { return formOf(r) },
	Read: map[int]func([]byte) (*record, error){
		1:       plan.FormOf((*form1).record),
		version: plan.FormOf((*form).record),
	},
	Without: "without it stop leaves ip_forward as it is",
}

const version = 2

// form is version 2.
type form struct {
	Version int           `json:"version"`
	Before  string        `json:"before"`
	Set     string        `json:"set"`
	Changed []settingForm `json:"changed,omitempty"`
}

// settingForm is a setting below /proc/sys.
type settingForm struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func formOf(r *record) *form {
	f := &form{Version: version, Before: r.Before, Set: r.Set}
	for _, s := range r.Changed {
		f.Changed = append(f.Changed, settingForm{s.Name, s.Value})
	}
	return f
}

// record is the reverse of formOf.
func (f *form) record() (*record, error) {
	r := &record{Before: f.Before, Set: f.Set}
	for _, s := range f.Changed {
		r.Changed = append(r.Changed, sysctl.Set{Name: s.Name, Value: s.Value})
	}
	if r.Before == "" || r.Set == "" {
		return nil, errors.New("it does not say what was set")
	}
	return r, nil
}

// form1 is the form without a version.
type form1 struct {
	Before  string `json:"Before"`
	Set     string `json:"Set"`
	Changed []struct {
		Name  string `json:"Name"`
		Value string `json:"Value"`
		Index int    `json:"Index"` // was never written
	} `json:"Changed"`
}

func (f *form1) record() (*record, error) {
	now := form{Before: f.Before, Set: f.Set}
	for _, s := range f.Changed {
		now.Changed = append(now.Changed, settingForm{s.Name, s.Value})
	}
	return now.record()
}
