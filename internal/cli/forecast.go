package cli

import (
	"fmt"
	"io"
	"strings"

	"xbr-script/internal/config"
	"xbr-script/internal/operate"
)

// mostAsked is how many of the hosts that are asked are named.
const mostAsked = 4

// printForecast says, before a script, what it comes to.
func printForecast(w io.Writer, c config.Command, f *operate.Forecast) {
	line := func(label, text string) {
		wrap(w, fmt.Sprintf("#   %-10s ", label), "#"+strings.Repeat(" ", 14), strings.Fields(text), "")
	}
	if len(f.Moves) == 0 {
		say(w, "# In short: no NIC moves; what is there already is mended or changed.")
	} else {
		say(w, "# In short: all of this, or nothing.")
	}
	for _, p := range f.Moves {
		nic, dom0 := movesText(c, p)
		line("NIC", nic)
		line("dom0", dom0)
		if len(p.Guests) > 0 {
			line("guests", strings.Join(p.Guests, ", ")+guestsGo(c))
		}
		for _, k := range p.Managers {
			line("configured", "by "+k.String())
		}
	}
	line("asked", askedText(f.Asked))
	line("link", linkOffText(f))
	if f.ConfirmSeconds > 0 {
		line("confirm", fmt.Sprintf("all is put back after %d s, unless you give: xbr-script confirm", f.ConfirmSeconds))
	}
	say(w, "#")
}

// movesText says what becomes of the NIC, and of what dom0 has.
func movesText(c config.Command, p operate.Passage) (nic, dom0 string) {
	all := fmt.Sprintf("%s and %s", counted(p.Addresses, "address", "addresses"), counted(p.Routes, "route", "routes"))
	if c == config.Stop {
		whose := "dom0's interface, which goes"
		if p.Dom0Port == "" {
			whose = "the bridge"
		}
		return fmt.Sprintf("%s becomes %s again, and leaves the bridge %s", p.NIC, p.Becomes, p.Bridge),
			fmt.Sprintf("the NIC gets back %s from %s", all, whose)
	}
	nic = fmt.Sprintf("%s becomes %s, a port of the bridge %s", p.NIC, p.Becomes, p.Bridge)
	if p.Dom0Port == "" {
		return nic, fmt.Sprintf("%s, the bridge itself, gets %s", p.To, all)
	}
	return nic, fmt.Sprintf("its own %s, with the port %s, gets %s", p.To, p.Dom0Port, all)
}

func guestsGo(c config.Command) string {
	if c == config.Stop {
		return " are taken out, and come back with the next start"
	}
	return " come back into it"
}

// askedText says who decides whether the change stays.
func askedText(hosts []string) string {
	if len(hosts) == 0 {
		return "nobody, so it is not found out whether the network still works"
	}
	who := strings.Join(hosts[:min(len(hosts), mostAsked)], ", ")
	if more := len(hosts) - mostAsked; more > 0 {
		who += fmt.Sprintf(" and %d more", more)
	}
	return who + ": if some answer before, and none of these afterwards, all is put back"
}

func linkOffText(f *operate.Forecast) string {
	if !f.LinkOff {
		return "stays on all the while"
	}
	return fmt.Sprintf("goes off while the NIC is renamed; it is waited for, %d s at most, and dom0 has no network until it is back", f.WaitSeconds)
}

// counted is a number with its noun.
func counted(n int, one, many string) string {
	switch n {
	case 0:
		return "no " + many
	case 1:
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
