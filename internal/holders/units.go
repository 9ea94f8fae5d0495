package holders

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Unit is a unit of systemd that ends as soon as no interface has a name.
type Unit struct {
	Name   string
	Device string // the interface's name
	Kept   bool   // by a step of the plan
	Lost   bool   // systemd forgets it when it ends
}

// findUnits: a unit that is kept goes by the name, and so means dom0's interface.
func findUnits(d *Data, m Move) (all []Holder) {
	for _, u := range d.Units {
		if u.Device != m.From.Name {
			continue
		}
		h := Holder{Kind: "unit", What: u.Name + " is bound to the device " + u.Device, Outcome: Followed, Then: "systemd is told to keep it"}
		if !u.Kept {
			h.Outcome, h.Then = Breaks, "systemd ends it as soon as no interface is called "+u.Device+"; "+again(u)
		}
		all = append(all, h)
	}
	return all
}

// again is what helps a unit that has ended.
func again(u Unit) string {
	if u.Lost {
		return "run it anew afterwards"
	}
	return restart([]Owner{{Unit: u.Name}})
}

// Restricted is a unit of systemd that may use these interfaces only, or may not use them
// (RestrictNetworkInterfaces=).
type Restricted struct {
	Name       string
	Interfaces []string
	Not        bool
}

// findRestricted: the filter of such a unit has the interfaces by the indexes that they had
// when it began. systemd makes it anew only then: if it reads its units anew the filter stays
// as it was, and is gone the next time (seen with 257).
func findRestricted(d *Data, m Move) (all []Holder) {
	for _, u := range d.Restricted {
		has := func(name string) bool { return slices.Contains(u.Interfaces, name) }
		named := has(m.To.Name)
		if l := d.Host.Index(m.From.Index); l != nil {
			named = named || slices.ContainsFunc(l.AltNames, has)
		}
		if !named && !has(m.From.Name) {
			continue
		}
		h := Holder{Kind: "unit", What: fmt.Sprintf("%s may use only %s", u.Name, strings.Join(u.Interfaces, ", ")), Outcome: Breaks, Then: anew(u.Name)}
		if u.Not {
			h.What = fmt.Sprintf("%s may not use %s", u.Name, strings.Join(u.Interfaces, ", "))
		}
		if !named {
			h.Then = fmt.Sprintf("dom0's interface is called %s then: put that into its files as well (RestrictNetworkInterfaces=), and %s", m.To.Name, h.Then)
		}
		all = append(all, h)
	}
	return all
}

// anew is what gives a unit another filter.
func anew(unit string) string {
	if ext := path.Ext(unit); ext == ".scope" || ext == ".slice" {
		return "end it and begin it anew afterwards"
	}
	return restart([]Owner{{Unit: unit}})
}
