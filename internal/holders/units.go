package holders

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
