package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"xbr-script/antispoof"
	"xbr-script/bridge"
	"xbr-script/internal/guestname"
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
	printLast(w, r, verbose)
	for _, st := range r.Bridges {
		printBridge(w, st, verbose)
	}
	item(w, "others up", r.Others, ",")
	say(w, "ip_forward  "+r.IPForward)
}

// printLast tells of a change that has not ended, and what became of the last one, unless
// it was done.
func printLast(w io.Writer, r *operate.Report, verbose bool) {
	if r.Unfinished != "" {
		styled(w, bad, "unfinished", strings.Fields(r.Unfinished+" did not end; xbr-script recover takes it back, and so does the next start or stop"))
	}
	if r.Waiting != nil {
		styled(w, heed, "waiting", strings.Fields(fmt.Sprintf("%s is put back in %d s, unless you give: xbr-script confirm", r.Waiting.Command, r.Waiting.SecondsLeft)))
	}
	if r.Last != nil && (verbose || r.Last.Outcome != operate.Done && r.Last.Outcome != operate.Waits) {
		item(w, "last", strings.Fields(lastText(r.Last)), " ")
	}
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
func printBridge(w io.Writer, st operate.Entry, verbose bool) {
	paint(w, strong, st.Bridge)
	paint(w, stateStyle(st.State), string(st.State))
	say(w, strings.TrimRight(fmt.Sprintf("%-11s %-22s %s", st.Bridge, st.State, st.MAC), " "))
	printWrong(w, st.Wrong)
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
	printManagers(w, st.Managers, st.AnyLease)
	if verbose {
		printEachGuest(w, st)
	} else {
		printGuests(w, st.Status)
	}
	for _, n := range st.Notes {
		styled(w, heed, "  note", strings.Fields(n))
	}
	if st.Strict != nil {
		printStrict(w, st.Bridge, st.Strict)
	} else {
		printAntiSpoof(w, st.Bridge, st.AntiSpoof, verbose)
	}
	item(w, "  because", st.Why, ";")
}

func stateStyle(s bridge.State) style {
	if s == bridge.Up {
		return good
	}
	return bad
}

// printWrong has what is wrong, and after those things that one command mends, that
// command.
func printWrong(w io.Writer, all []operate.Wrong) {
	for i, d := range all {
		styled(w, bad, "  wrong", strings.Fields(d.What))
		if i+1 < len(all) && all[i+1].Mend == d.Mend && all[i+1].Hint == d.Hint {
			continue
		}
		styled(w, strong, "  mend", strings.Fields(d.Mend))
		styled(w, strong, "  hint", strings.Fields(d.Hint))
	}
}

// printAntiSpoof tells whether guests are kept from forging addresses.
func printAntiSpoof(w io.Writer, name string, st antispoof.Status, verbose bool) {
	text := "no"
	switch {
	case st.On && !st.InForce:
		text = "yes, but not in force"
	case st.On && st.Guests == "all":
		text = "yes, for dom0's addresses only (guests=allow)"
	case st.On:
		text = "yes"
	}
	paintForce(w, st.On && !st.InForce)
	item(w, "  antispoof", strings.Fields(text), " ")
	for _, n := range st.Notes {
		if n = strings.TrimPrefix(n, name+": "); !verbose && strings.HasPrefix(n, antispoof.IPv6Note) {
			n = "IPv6 of guests: only addresses made of their MAC; others: status -v"
		}
		item(w, "", strings.Fields(n), " ")
	}
}

// paintForce makes it seen that rules are not in force.
func paintForce(w io.Writer, broken bool) {
	if broken {
		paint(w, bad, "not in force")
	}
}

// printManagers tells who configures dom0's interface, if that can be known.
func printManagers(w io.Writer, all []manager.Keeper, anyLease bool) {
	label := "  manager"
	for _, k := range all {
		item(w, label, strings.Fields(k.String()), " ")
		label = ""
	}
	if all != nil && len(all) == 0 {
		none := "none known"
		if anyLease {
			none += ", and none has to be: start was told lease=any"
		}
		item(w, label, strings.Fields(none), " ")
	}
}

func printDown(w io.Writer, st operate.Entry) {
	if st.NIC == nil {
		item(w, "  NIC", []string{st.NetDev + " is missing"}, "")
	} else {
		printPort(w, "  NIC", st.NIC, "")
		item(w, "", st.Addresses, ", ")
		printManagers(w, st.Managers, false)
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

// printEachGuest has a line for each guest's port: its link, and whose it is, as far as
// that is known.
func printEachGuest(w io.Writer, st operate.Entry) {
	label := "  guests"
	for _, p := range st.Guests {
		var words []string
		if g := guestname.Of(st.GuestNames, p.Name); g != nil {
			words = ownerWords(g)
		}
		paint(w, linkStyle(p), linkText(p))
		line := fmt.Sprintf("%-11s %-15s %-10s ", label, p.Name, linkText(p))
		if len(words) == 0 {
			say(w, strings.TrimRight(line, " "))
		}
		wrap(w, line, strings.Repeat(" ", len(line)), words, "")
		label = ""
	}
	if len(st.Guests) == 0 {
		item(w, label, []string{"none"}, "")
	}
}

// ownerWords say who a guest is.
func ownerWords(g *guestname.Guest) (words []string) {
	for _, word := range append([]string{nameText(g.Name), g.Device, g.MAC}, g.Addresses...) {
		if word != "" {
			words = append(words, word)
		}
	}
	return words
}

func linkStyle(p bridge.Port) style {
	if p.Up && p.Carrier {
		return good
	}
	return heed
}

func printPort(w io.Writer, label string, p *bridge.Port, more string) {
	if p == nil {
		item(w, label, []string{"missing"}, "")
		return
	}
	paint(w, linkStyle(*p), linkText(*p))
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

// styled is item with a style for the label.
func styled(w io.Writer, s style, label string, words []string) {
	if len(words) > 0 {
		paint(w, s, strings.TrimSpace(label))
		item(w, label, words, " ")
	}
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
