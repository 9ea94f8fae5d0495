package operate

import (
	"slices"

	"xbr-script/antispoof"
	"xbr-script/bridge"
	"xbr-script/internal/config"
	"xbr-script/internal/refusal"
)

// Wrong is one thing that is not as asked, and what mends it.
type Wrong struct {
	What string `json:"what"`
	// Mend is the command that mends it; if there is none, Hint is the way out.
	Mend string `json:"mend,omitempty"`
	Hint string `json:"hint,omitempty"`
}

// mend adds to each bridge what is wrong with it, and what mends that: a call of start,
// if planning it meets no refusal.
func (v *view) mend(report *Report) {
	for i := range report.Bridges {
		e, w := &report.Bridges[i], v.specs[i]
		if len(e.Differences) > 0 {
			command, hint := v.network.Mend(w)
			e.add(e.Differences, command, hint)
		}
		if len(e.AntiSpoof.Wrong) > 0 {
			command, hint := v.mendRules(i)
			e.add(e.AntiSpoof.Wrong, command, hint)
		}
		if e.Strict != nil && len(e.Strict.Wrong) > 0 {
			command, hint := v.mendStrict(w)
			e.add(e.Strict.Wrong, command, hint)
		}
	}
}

func (e *Entry) add(texts []string, command, hint string) {
	for _, text := range texts {
		e.Wrong = append(e.Wrong, Wrong{text, command, hint})
	}
}

// mendRules is what mends the rules of antispoof=yes.
func (v *view) mendRules(i int) (command, hint string) {
	b := (rules{v}).guarded()[i]
	b.Want = config.AntiSpoofAsIs
	if _, _, err := v.antispoof.Start([]antispoof.Bridge{b}); err != nil {
		return "", refusal.Advice(err)
	}
	return v.specs[i].Command(config.Start), ""
}

// mendStrict is what mends the table of antispoof=strict.
func (v *view) mendStrict(w bridge.Spec) (command, hint string) {
	bridges, err := (rules{v}).strictly()
	if err == nil {
		i := slices.IndexFunc(v.specs, w.Same)
		bridges[i].Want = config.AntiSpoofAsIs
		_, err = v.strict.Start(bridges[i:i+1], nil)
	}
	if err != nil {
		return "", refusal.Advice(err)
	}
	return w.Command(config.Start), ""
}
