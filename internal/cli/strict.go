package cli

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"xbr-script/antispoof/strict"
)

// printStrict tells what each guest may send, and what was dropped of what it sent.
func printStrict(w io.Writer, name string, st *strict.Status) {
	text := "strict"
	if !st.InForce {
		text = "strict, but not in force"
	}
	paintForce(w, !st.InForce)
	item(w, "  antispoof", strings.Fields(text), " ")
	for _, n := range st.Notes {
		item(w, "", strings.Fields(strings.TrimPrefix(n, name+": ")), " ")
	}
	for _, g := range st.Guests {
		item(w, "    "+g.Port, strings.Fields(guestText(g)), " ")
	}
	label := "  cut off"
	for _, port := range st.Strangers {
		// The command is one word, so that it can be copied as it stands.
		item(w, label, append(strings.Fields(port+": nobody admitted it; this does:"), st.AdmitBy[port]), " ")
		label = ""
	}
	if st.Unadmitted+st.FromLAN > 0 {
		item(w, "  dropped", strings.Fields(fmt.Sprintf("%d frames from ports that nobody admitted, %d from outside with a MAC address from here", st.Unadmitted, st.FromLAN)), " ")
	}
}

// guestText is what a guest may send.
func guestText(g strict.GuestStatus) string {
	words := []string{g.MAC}
	if len(g.Addresses) == 0 {
		words = append(words, "(any IP address)")
	}
	words = append(words, g.Addresses...)
	for word, is := range map[string]bool{"router": g.Router, "ra": g.RA, "dhcp": g.DHCP} {
		if is {
			words = append(words, word+"=yes")
		}
	}
	slices.Sort(words[1:])
	if g.Name != "" {
		words = append([]string{nameText(g.Name)}, words...)
	}
	if g.By != "" {
		words = append(words, "(by "+g.By+")")
	}
	if !g.There {
		words = append(words, "(not there)")
	}
	var dropped []string
	for _, reason := range strict.Reasons {
		if n := g.Dropped[reason]; n > 0 {
			dropped = append(dropped, fmt.Sprintf("%s %d", reason, n))
		}
	}
	if len(dropped) > 0 {
		words = append(words, "dropped:", strings.Join(dropped, ", "))
	}
	return strings.Join(words, " ")
}

// nameText is a guest's name, quoted if it has anything in it that nobody would take for
// one word.
func nameText(name string) string {
	if quoted := strconv.Quote(name); strings.ContainsAny(name, " ()") || quoted != `"`+name+`"` {
		return quoted
	}
	return name
}
