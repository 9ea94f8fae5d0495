package plan

// Part is what one package adds to the plan of a call. Its steps are in named places,
// and Up and Down put each of them among those of the other packages.
type Part struct {
	First   []Step // before all others
	Network []Step // interfaces, and what they have
	Rules   []Step // what packets may pass
	Guests  []Step // guests' ports: no guest sends a frame past rules that are not there
	Verify  []Step // finds out whether the network is as planned
	Host    []Step // what belongs to the whole host
	Last    []Step // finds out whether the rest is as planned

	Warnings []string // see Plan
	Lines    []string // tell the user what becomes of each bridge when it is done
	Notes    []string // what else the user should know then
}

// Up is the plan of a start: guests' ports come when there are rules for them.
func Up(parts ...Part) *Plan {
	return join(parts, func(p Part) [][]Step {
		return [][]Step{p.First, p.Network, p.Rules, p.Guests, p.Verify, p.Host, p.Last}
	})
}

// Down is the plan of a stop: guests' ports go first.
func Down(parts ...Part) *Plan {
	return join(parts, func(p Part) [][]Step {
		return [][]Step{p.First, p.Guests, p.Rules, p.Network, p.Verify, p.Host, p.Last}
	})
}

// join puts the steps of each place after those of the previous one. A step that only
// finds something out is left out if nothing before it changes anything.
func join(parts []Part, places func(Part) [][]Step) *Plan {
	all := &Plan{}
	for place := range places(Part{}) {
		for _, part := range parts {
			for _, s := range places(part)[place] {
				if len(all.Steps) > 0 || len(s.Do)+len(s.Undo) > 0 {
					all.Add(s)
				}
			}
		}
	}
	for _, part := range parts {
		all.Warnings = append(all.Warnings, part.Warnings...)
	}
	return all
}
