package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// group is the keys that belong together: a part of the command line, or a
// line of a file.
type group struct {
	where  string            // what messages call it; "" is the whole command line
	values map[string]string // the last value of each key, none of them empty
	hollow map[string]bool   // the keys that were last given without a value

	nic     string // a word that was taken for the name of a NIC in a hint
	misread bool   // it has a word that is wrong, so what it lacks may have been meant
}

func newGroup(where string) *group {
	return &group{where: where, values: map[string]string{}, hollow: map[string]bool{}}
}

// add reads a key=value word. Its key should have one of the scopes. An empty
// value is what a wrapper's netdev=$x becomes if x is unset: as if the key had
// not been given, here or before.
func (g *group) add(word string, scopes ...scope) *fault {
	name, value, _ := strings.Cut(word, "=")
	k, ok := findKey(name)
	if !ok {
		return &fault{"there is no key " + quote(name), noKey(name, value, keyNames(scopes...))}
	}
	if f := k.check(value); f != nil {
		f.hint = cmp.Or(apart(word), f.hint)
		if nic := within(value); name == "netdev" && checkName(nic) == nil {
			g.nic = nic
		}
		return f
	}
	if g.hollow[name] = value == ""; value == "" {
		delete(g.values, name)
	} else {
		g.values[name] = value
	}
	return nil
}

// noKey is the hint for a key that there is not, and its value.
func noKey(name, value string, right []string) string {
	near := nearest(strings.Trim(name, `"'`), right)
	k, _ := findKey(near)
	value = strings.Trim(value, `"'`)
	switch {
	case near != "" && value != "" && len(value) <= maxQuoted && k.check(value) == nil:
		return didMean(near + "=" + plain(value))
	case near != "":
		return didMean(near + "=")
	case elsewhere[bare(name)] != "":
		return elsewhere[bare(name)]
	case slices.Contains(commands, Command(name)) && value != "" && looksLikeName(value):
		return didMean(name + " netdev=" + plain(value))
	}
	return "keys are " + list(right)
}

// noteHollow reports the keys without a value. For those of a bridge the program
// says later what it takes instead.
func (g *group) noteHollow(req *Request, bridge int) {
	for _, k := range keys {
		switch {
		case !g.hollow[k.name]:
		case k.scope == perBridge:
			req.Empty = append(req.Empty, EmptyKey{bridge, k.name})
		default:
			req.note("%s= is empty, and counts as not given", k.name)
		}
	}
}

// empty says whether the group has nothing about the network.
func (g *group) empty() bool {
	return !slices.ContainsFunc(keyNames(perBridge, hostWide), func(name string) bool { return g.values[name] != "" })
}

// namesBridge says whether the group has anything about a bridge.
func (g *group) namesBridge() bool {
	return !g.isGuest() && slices.ContainsFunc(keyNames(perBridge), func(name string) bool { return g.values[name] != "" })
}

// null says whether the group is to be left out; then it is in nobody's way.
func (g *group) null() bool { return g.values["bridge"] == nullBridge }

// store puts the values of one scope where they belong.
func (g *group) store(s setting, of scope) {
	for _, k := range keys {
		if value := g.values[k.name]; value != "" && k.scope == of {
			_ = k.set(s, value) // add has checked it
		}
	}
}

// combine makes the groups, with which nothing is wrong, into what the request asks for.
func combine(req *Request, groups []*group) {
	var bridges []*group
	for _, g := range groups {
		req.Given = req.Given || !g.empty()
		if g.namesBridge() {
			bridges = append(bridges, g)
		}
	}
	req.Bridges = make([]Bridge, max(1, len(bridges)))
	for i, g := range bridges {
		g.store(setting{req, &req.Bridges[i], nil}, perBridge)
	}
	req.Guests = guestsIn(groups)
	for _, g := range groups {
		bridge := slices.Index(bridges, g)
		if req.File == "" {
			bridge = max(bridge, 0) // nothing but keys without a value
		}
		g.noteHollow(req, bridge)
		for _, of := range []scope{hostWide, manner, argsOnly} {
			g.store(setting{req, nil, nil}, of)
		}
	}
}

// agree refuses groups that ask for different things of the one host.
func (r *argReader) agree() {
	for _, name := range keyNames(hostWide, manner, argsOnly) {
		var first *group
		for _, g := range r.groups {
			value := g.values[name]
			if value == "" {
				continue
			}
			if first == nil {
				first = g
			}
			if before := first.values[name]; before != value {
				r.wrong.add(refused(
					fmt.Sprintf("cannot set %s to both %s (%s) and %s (%s)", name, plain(before), first.origin(), plain(value), g.origin()),
					name+" is for the whole host: give it once"))
			}
		}
	}
}

// checkBridges refuses bridges that cannot exist side by side.
func (r *argReader) checkBridges() {
	bridges := slices.DeleteFunc(slices.Clone(r.groups), func(g *group) bool { return g.null() || !g.namesBridge() })
	for _, k := range keys {
		if k.unique {
			r.checkUnique(bridges, k.name)
		}
	}
	r.checkGuests()
	called := map[string]*group{}
	for _, b := range bridges {
		called[b.values["bridge"]] = b
	}
	delete(called, "")
	for _, b := range bridges {
		// The bridge may take its own NIC's name, if it takes its place.
		if a := called[b.values["netdev"]]; a != nil && (a != b || b.values["dom0"] == string(Dom0Veth)) {
			hint := "give the bridge a name that no interface has, such as bridge=xenbr0"
			if a == b {
				hint += "; or leave dom0=veth out, and the bridge itself has dom0's addresses"
			}
			r.wrong.add(refused(fmt.Sprintf("cannot use %s both as bridge and as netdev%s", a.values["bridge"], places(a, b)), hint))
		}
	}
}

// checkUnique refuses bridges that have the value of that key from another one.
func (r *argReader) checkUnique(bridges []*group, name string) {
	first := map[string]*group{}
	for _, b := range bridges {
		value := b.values[name]
		switch a := first[value]; {
		case value == "":
		case a == nil:
			first[value] = b
		default:
			r.wrong.add(refused(
				fmt.Sprintf("cannot use %s=%s for two bridges%s", name, value, places(a, b)),
				"each bridge needs a "+name+"= of its own"))
		}
	}
}

// places says, for the end of a sentence, where the two groups are.
func places(a, b *group) string {
	switch {
	case a != b:
		return " (" + a.origin() + " and " + b.origin() + ")"
	case a.where != "":
		return " (" + a.where + ")"
	}
	return ""
}

// origin is where the group is.
func (g *group) origin() string {
	if g.where == "" {
		return "the command line"
	}
	return g.where
}
