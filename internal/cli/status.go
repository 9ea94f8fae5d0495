package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"xbr-script/antispoof"
	"xbr-script/bridge"
	"xbr-script/internal/manager"
	"xbr-script/internal/operate"
)

// width is what a line must fit.
const width = 80

// statusOf is the exit status of a report. A change that has not ended counts
// before all.
func statusOf(r *operate.Report) int {
	if r.Unfinished != "" {
		return notAsked
	}
	exit := done
	for _, b := range r.Bridges {
		exit = worse(exit, b.State)
	}
	return exit
}

// worse joins the exit status of several bridges: one that is not up counts
// before one that is not as asked.
func worse(exit int, s bridge.State) int {
	switch {
	case s == bridge.Down || exit == notUp:
		return notUp
	case s == bridge.Differ:
		return notAsked
	}
	return exit
}

func printJSON(w io.Writer, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	say(w, string(data))
	return err
}

func printReport(w io.Writer, r *operate.Report, verbose bool) {
	if r.Unfinished != "" {
		item(w, "unfinished", strings.Fields(r.Unfinished+" did not end; xbr-script recover takes it back, and so does the next start or stop"), " ")
	}
	if r.Waiting != nil {
		item(w, "waiting", strings.Fields(fmt.Sprintf("%s is put back in %d s, unless you give: xbr-script confirm", r.Waiting.Command, r.Waiting.SecondsLeft)), " ")
	}
	if r.Last != nil && (verbose || r.Last.Outcome != operate.Done && r.Last.Outcome != operate.Waits) {
		item(w, "last", strings.Fields(lastText(r.Last)), " ")
	}
	for _, st := range r.Bridges {
		printBridge(w, st)
	}
	item(w, "others up", r.Others, ",")
	say(w, "ip_forward  "+r.IPForward)
}

// lastText tells what became of the last change.
func lastText(l *operate.Last) string {
	text := fmt.Sprintf("%s: %s at %s", l.Line, l.Outcome, l.Time.Local().Format(time.DateTime))
	if l.Why != "" {
		text += " (" + l.Why + ")"
	}
	return text
}

// printBridge is one bridge's part: what it is, who is in it, how dom0 is
// reached, and what is wrong.
func printBridge(w io.Writer, st operate.Entry) {
	say(w, strings.TrimRight(fmt.Sprintf("%-11s %-22s %s", st.Bridge, st.State, st.MAC), " "))
	for _, d := range slices.Concat(st.Differences, st.AntiSpoof.Wrong, wrongOf(st.Strict)) {
		item(w, "  wrong", strings.Fields(d), " ")
	}
	if st.State == bridge.Down {
		printDown(w, st)
		return
	}
	printPort(w, "  NIC", st.NIC, "")
	by := ""
	switch {
	case st.Dom0Port != nil:
		by = "by " + st.Dom0Port.Name
	case st.Dom0Is == bridge.OnBridge:
		by = "the bridge itself"
	}
	printPort(w, "  dom0", st.Dom0, by)
	item(w, "", st.Addresses, ", ")
	for _, d := range st.Defaults {
		item(w, "", []string{d}, "")
	}
	printManagers(w, st.Managers)
	printGuests(w, st.Status)
	for _, n := range st.Notes {
		item(w, "  note", strings.Fields(n), " ")
	}
	if st.Strict != nil {
		printStrict(w, st.Strict)
	} else {
		printAntiSpoof(w, st.AntiSpoof)
	}
	item(w, "  because", st.Why, ";")
}

// printAntiSpoof tells whether guests are kept from forging addresses.
func printAntiSpoof(w io.Writer, st antispoof.Status) {
	text := "no"
	switch {
	case st.On && !st.InForce:
		text = "yes, but not in force"
	case st.On && st.Guests == "all":
		text = "yes, for dom0's addresses only (guests=allow)"
	case st.On:
		text = "yes"
	}
	item(w, "  antispoof", strings.Fields(text), " ")
	for _, n := range st.Notes {
		item(w, "", strings.Fields(n), " ")
	}
}

// printManagers tells who configures dom0's interface, if that can be known.
func printManagers(w io.Writer, all []manager.Keeper) {
	label := "  manager"
	for _, k := range all {
		item(w, label, strings.Fields(k.String()), " ")
		label = ""
	}
	if all != nil && len(all) == 0 {
		item(w, label, []string{"none known"}, "")
	}
}

func printDown(w io.Writer, st operate.Entry) {
	if st.NIC == nil {
		item(w, "  NIC", []string{st.NetDev + " is missing"}, "")
	} else {
		printPort(w, "  NIC", st.NIC, "")
		item(w, "", st.Addresses, ", ")
		printManagers(w, st.Managers)
	}
	if len(st.Detached) > 0 {
		item(w, "  detached", st.Detached, " ")
	}
	item(w, "  because", st.Why, ";")
}

// printGuests names the guests' ports, and the state of those that have no
// link.
func printGuests(w io.Writer, st bridge.Status) {
	words := []string{}
	for _, g := range st.Guests {
		if !g.Up || !g.Carrier {
			g.Name += " (" + linkText(g) + ")"
		}
		words = append(words, g.Name)
	}
	if len(words) == 0 {
		words = []string{"none"}
	}
	item(w, "  guests", words, ", ")
}

func printPort(w io.Writer, label string, p *bridge.Port, more string) {
	if p == nil {
		item(w, label, []string{"missing"}, "")
		return
	}
	line := fmt.Sprintf("%-11s %-15s %-10s %s %s", label, p.Name, linkText(*p), p.MAC, more)
	say(w, strings.TrimRight(line, " "))
}

func linkText(p bridge.Port) string {
	switch {
	case !p.Up:
		return "off"
	case !p.Carrier:
		return "no carrier"
	}
	return "up"
}

// item prints words behind a label.
func item(w io.Writer, label string, words []string, sep string) {
	wrap(w, fmt.Sprintf("%-11s ", label), strings.Repeat(" ", 12), words, sep)
}

// wrap prints words, broken into lines that fit, of which the first begins with
// one text and the others with another.
func wrap(w io.Writer, line, indent string, words []string, sep string) {
	empty := true
	for i, word := range words {
		if i < len(words)-1 {
			word += strings.TrimRight(sep, " ")
		}
		if !empty && len(line)+1+len(word) > width {
			say(w, line)
			line, empty = indent, true
		}
		if !empty {
			line += " "
		}
		line += word
		empty = false
	}
	if !empty {
		say(w, line)
	}
}
