package nstest

import (
	"bytes"
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// batch is a process that shows several things. A state is read thousands of times,
// and starting processes is what takes longest.
type batch struct {
	program  string // with its options
	commands string
	may      bool // fail: not every kernel has what it asks for
}

// mark is a command that shows one line, which begins with marked.
const (
	mark   = "link show dev lo\n"
	marked = "1: lo: "
)

var batches = []batch{
	{program: "ip -d", commands: "nexthop\naddr\n"}, // lo is the first to have addresses
	{program: "ip -o -d -4", commands: "rule\n" + mark + "route show table all\n" + mark + "neigh\n" + mark + "neigh show proxy\n"},
	{program: "ip -o -d -6", commands: "rule\n" + mark + "route show table all\n" + mark + "neigh\n" + mark + "neigh show proxy\n"},
	{program: "bridge", commands: "link\nfdb show\n"},
	{program: "bridge -d -force", commands: "mdb show\nvlan show\n", may: true},
}

// readTries bounds how often a state is read again that changed meanwhile.
const readTries = 50

// output is what a batch shows, run again as long as it says that what it lists
// changed while it was read.
func (b batch) output(t T) []string {
	helper(t)()
	for range readTries {
		out, errs, err := b.run(t)
		if strings.Contains(errs, "Dump was interrupted") {
			continue
		}
		if err != nil && !b.may {
			t.Fatal(fmt.Sprintf("%s -batch: %v\n%s", b.program, err, errs))
		}
		return lines(out)
	}
	t.Fatal("the host changes whenever it is read: ", b.program)
	return nil
}

func (b batch) run(t T) (out, errs string, err error) {
	helper(t)()
	Guard(t)
	args := append(strings.Fields(b.program), "-batch", "-")
	cmd := exec.Command(args[0], args[1:]...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(b.commands), &stdout, &stderr
	err = cmd.Run()
	return stdout.String(), stderr.String(), err
}

// show reads what ip and bridge show of the calling thread's namespace: a section for
// each interface, and for what does not belong to one, whose lines are made comparable.
func show(t T) (links, tables []Section) {
	helper(t)()
	var parts [][]string
	for _, b := range batches {
		parts = append(parts, b.output(t))
	}
	at := func(prefix string, ls []string) int {
		if i := slices.IndexFunc(ls, func(l string) bool { return strings.HasPrefix(l, prefix) }); i >= 0 {
			return i
		}
		return len(ls)
	}
	first := at(marked, parts[0])
	links = linkSections(parts[0][first:])
	inet, inet6 := marks(t, parts[1]), marks(t, parts[2])
	ports, entries := separate(parts[3], isMAC)
	vlans := at("port ", parts[4])
	return links, []Section{
		{"rule", inet[0]},
		{"rule6", inet6[0]},
		{"route", inet[1]},
		{"route6", routes6(inet6[1])},
		{"neigh", neighbours(slices.Concat(inet[2], inet6[2]))},
		{"proxy", sorted(slices.DeleteFunc(slices.Concat(inet[3], inet6[3]), ofNobody))},
		{"nexthop", parts[0][:first]},
		{"bridge", sorted(ports)},
		// What is learnt, and what follows from addresses, is not state.
		{"bridge fdb", sorted(containing(entries, "static", "sticky", "extern_learn"))},
		{"bridge mdb", sorted(containing(parts[4][:vlans], "permanent"))},
		{"bridge vlan", parts[4][vlans:]},
	}
}

// marks parts the output of four commands.
func marks(t T, ls []string) [4][]string {
	helper(t)()
	var parts [4][]string
	i := 0
	for _, l := range ls {
		switch {
		case !strings.HasPrefix(l, marked):
			parts[i] = append(parts[i], l)
		case i+1 < len(parts):
			i++
		}
	}
	if i+1 < len(parts) {
		t.Fatal("a batch of ip shows less than it should:\n", strings.Join(ls, "\n"))
	}
	return parts
}

// isMAC says whether a line begins with a MAC address, as those of bridge fdb do.
func isMAC(l string) bool { return len(l) > 17 && l[2] == ':' && l[5] == ':' && l[14] == ':' }

func separate(ls []string, chosen func(string) bool) (others, those []string) {
	for _, l := range ls {
		if chosen(l) {
			those = append(those, l)
		} else {
			others = append(others, l)
		}
	}
	return others, those
}

// containing is the lines with at least one of the words in them.
func containing(ls []string, words ...string) []string {
	return slices.DeleteFunc(ls, func(l string) bool {
		return !slices.ContainsFunc(words, func(w string) bool { return strings.Contains(l, w) })
	})
}

// ofNobody says whether a proxy entry is for no interface. The kernel keeps one when its
// namespace goes, and shows it in a later one whose struct net has the same address
// (pneigh_ifdown removes those of an interface only).
func ofNobody(entry string) bool { return !strings.Contains(entry, " dev ") }
