package operate

import (
	"slices"

	"xbr-script/internal/config"
	"xbr-script/internal/host"
	"xbr-script/internal/networkd"
	"xbr-script/internal/networkmanager"
	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
	"xbr-script/internal/shell"
)

// follow puts the steps by which those who configure cards follow dom0's
// addresses around a plan that moves them.
func (v *view) follow(p *plan.Plan) error {
	if len(p.Steps) == 0 {
		return nil
	}
	if is, err := host.OfMachine(); err != nil || !is {
		return err
	}
	first, last, err := v.followNetworkd()
	if err != nil {
		return err
	}
	runs, err := networkmanager.Runs()
	if err != nil {
		return err
	}
	if runs {
		f, l, err := v.followNetworkManager()
		if err != nil {
			return err
		}
		first, last = append(first, f...), append(l, last...)
	}
	p.Steps = slices.Concat(first, p.Steps, last)
	return nil
}

// followNetworkd gives the steps for the cards that systemd-networkd configures.
func (v *view) followNetworkd() (first, last []plan.Step, err error) {
	heirs, err := v.heirs()
	if err != nil || len(heirs) == 0 {
		return nil, nil, err
	}
	limit := v.patience()
	if v.Request.NoCheck {
		limit = 0
	}
	f, l := networkd.Follow(heirs, limit)
	return []plan.Step{f}, []plan.Step{l}, nil
}

// heirs are the interfaces that will have what systemd-networkd configures on
// others.
func (v *view) heirs() ([]networkd.Heir, error) {
	var heirs []networkd.Heir
	for _, w := range v.moving() {
		if w.dev == nil {
			continue
		}
		was, err := networkd.LinkOf(w.dev.Index)
		if err == nil && !was.Configures() && w.nic != nil {
			was, err = networkd.LinkOf(w.nic.Index) // it has not been told
		}
		if err != nil {
			return nil, err
		}
		h := networkd.Heir{Was: was, From: w.dev.Name, Dev: w.then}
		if !h.Was.Configures() {
			continue
		}
		if v.Request.Command == config.Start {
			for _, name := range []string{w.PDev, w.VIF, w.Bridge} {
				if name != "" && name != h.Dev && v.host.Name(name) == nil {
					h.Others = append(h.Others, name)
				}
			}
		}
		heirs = append(heirs, h)
	}
	return heirs, nil
}

// followNetworkManager gives the steps for the cards that NetworkManager
// configures, and for those that it might.
func (v *view) followNetworkManager() (first, last []plan.Step, err error) {
	for _, w := range v.moving() {
		if w.dev == nil || w.nic == nil {
			continue
		}
		if err := v.refuseNetworkManager(w); err != nil {
			return nil, nil, err
		}
		profile, err := networkmanager.Profile(w.dev.Index)
		if err != nil {
			return nil, nil, err
		}
		released, err := networkmanager.Released(w.nic.Index)
		if err != nil {
			return nil, nil, err
		}
		switch {
		case profile != "":
			f, l := networkmanager.Follow(w.dev.Name, w.then, w.PDev, profile)
			first, last = append(first, f), append(last, l)
		case w.dev == w.nic && !released:
			first = append(first, networkmanager.Leave(w.nic.Name))
		}
	}
	return first, last, nil
}

// refuseNetworkManager refuses what it could not follow: the profile of a card
// does not fit a bridge, nor that of a bridge a card.
func (v *view) refuseNetworkManager(w moving) error {
	links := []*host.Link{v.host.Name(w.Bridge)}
	if w.then == w.Bridge {
		links = append(links, w.dev)
	}
	for _, l := range links {
		if l == nil {
			continue
		}
		profile, err := networkmanager.Profile(l.Index)
		if err != nil {
			return err
		}
		if profile != "" {
			return refusal.New("nmcli device set "+shell.Quote(l.Name)+" managed no lets it go and keeps its addresses, but a lease is not renewed then",
				"cannot %s %s: NetworkManager configures %s, and cannot go on with it", v.Request.Command, w.Bridge, l.Name)
		}
	}
	return nil
}
