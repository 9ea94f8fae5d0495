package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/antispoof"
	"xbr-script/bridge"
	"xbr-script/forward"
	"xbr-script/internal/plan"
)

// width is what a line of status must fit.
const width = 80

// report is the answer of status --json.
type report struct {
	Bridges   []entry `json:"bridges"`
	IPForward string  `json:"ip_forward"`
	// Others are up where something that was asked for is not.
	Others []string `json:"others,omitempty"`
	// Unfinished is the command line of a call that died in a change, or
	// whose change was not confirmed in time and not put back.
	Unfinished string `json:"unfinished,omitempty"`
	// Waiting is the change that waits to be confirmed.
	Waiting *waiting `json:"waiting,omitempty"`
}

// waiting is a change that waits to be confirmed.
type waiting struct {
	Command     string `json:"command"`
	SecondsLeft int    `json:"seconds_left"`
}

// statusWait is how long status waits for a call that changes things; then it
// tells how they stand meanwhile.
const statusWait = 20 * time.Second

// status waits for changes to end, and prints how the wanted bridges stand.
func (c *call) status(ctx context.Context) (int, error) {
	if os.Geteuid() == 0 { // nobody else may touch the lock
		lock, err := c.lock(ctx, statusWait)
		if err == nil {
			defer func() { _ = lock.Release() }()
		}
		if busy := (*plan.Busy)(nil); errors.As(err, &busy) {
			say(c.stderr, "xbr-script: "+busy.Holder+" is still at work: this is how things stand meanwhile")
		} else if err != nil && !errors.Is(err, unix.EROFS) && !errors.Is(err, unix.ENOSPC) { // nobody can be at work there
			return failed, err
		}
	}
	if err := c.look(); err != nil {
		return failed, err
	}
	return c.report()
}

// entry is one bridge's part of the answer.
type entry struct {
	bridge.Status
	AntiSpoof antispoof.Status `json:"antispoof"`
}

// report prints how the wanted bridges stand.
func (c *call) report() (int, error) {
	r := report{Bridges: []entry{}, IPForward: c.host.Setting(forward.Setting)}
	if err := c.host.Err(); err != nil {
		return failed, err
	}
	planner := &bridge.Planner{Conn: c.conn, Host: c.host, Store: c.store}
	exit := done
	guarded := c.guarded(planner)
	for i, w := range c.wants {
		st, err := planner.Status(w)
		if err != nil {
			return failed, err
		}
		rules, err := c.antispoof.Status(guarded[i])
		if err != nil {
			return failed, err
		}
		if st.State == bridge.Up && rules.On && !rules.InForce {
			st.State = bridge.Differ
		}
		r.Bridges = append(r.Bridges, entry{st, rules})
		exit = worse(exit, st.State)
	}
	if exit == notUp {
		r.Others = bridge.Others(c.up, c.wants)
	}
	u, err := c.runner().Unfinished()
	if err != nil {
		return failed, err
	}
	if u != nil {
		exit = r.tell(u, exit)
	}
	if c.req.JSON {
		return exit, printJSON(c.stdout, r)
	}
	printReport(c.stdout, r)
	return exit, nil
}

// tell adds a change that has not ended, and gives the exit status.
func (r *report) tell(u *plan.Unfinished, exit int) int {
	if left, waits := u.Waits(); waits {
		r.Waiting = &waiting{u.Command, int((left + time.Second - 1) / time.Second)}
		return exit
	}
	r.Unfinished = u.Command
	return notAsked
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

func printReport(w io.Writer, r report) {
	if r.Unfinished != "" {
		wrap(w, "unfinished", strings.Fields(r.Unfinished+" did not end; xbr-script recover takes it back, and so does the next start or stop"), " ")
	}
	if r.Waiting != nil {
		wrap(w, "waiting", strings.Fields(fmt.Sprintf("%s is put back in %d s, unless you give: xbr-script confirm", r.Waiting.Command, r.Waiting.SecondsLeft)), " ")
	}
	for _, st := range r.Bridges {
		printBridge(w, st)
	}
	wrap(w, "others up", r.Others, ",")
	say(w, "ip_forward  "+r.IPForward)
}

// printBridge is one bridge's part: what it is, who is in it, how dom0 is
// reached, and what is wrong.
func printBridge(w io.Writer, st entry) {
	say(w, strings.TrimRight(fmt.Sprintf("%-11s %-22s %s", st.Bridge, st.State, st.MAC), " "))
	for _, d := range append(st.Differences, st.AntiSpoof.Wrong...) {
		wrap(w, "  wrong", strings.Fields(d), " ")
	}
	if st.State == bridge.Down {
		printDown(w, st.Status)
		return
	}
	printPort(w, "  NIC", st.NIC, "")
	by := ""
	switch {
	case st.Dom0Port != nil:
		by = "by " + st.Dom0Port.Name
	case st.Dom0Is == "bridge":
		by = "the bridge itself"
	}
	printPort(w, "  dom0", st.Dom0, by)
	wrap(w, "", st.Addresses, ", ")
	for _, d := range st.Defaults {
		wrap(w, "", []string{d}, "")
	}
	printGuests(w, st.Status)
	for _, n := range st.Notes {
		wrap(w, "  note", strings.Fields(n), " ")
	}
	printAntiSpoof(w, st.AntiSpoof)
	wrap(w, "  because", st.Why, ";")
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
	wrap(w, "  antispoof", strings.Fields(text), " ")
	for _, n := range st.Notes {
		wrap(w, "", strings.Fields(n), " ")
	}
}

func printDown(w io.Writer, st bridge.Status) {
	if st.NIC == nil {
		wrap(w, "  NIC", []string{st.NetDev + " is missing"}, "")
	} else {
		printPort(w, "  NIC", st.NIC, "")
		wrap(w, "", st.Addresses, ", ")
	}
	if len(st.Detached) > 0 {
		wrap(w, "  detached", st.Detached, " ")
	}
	wrap(w, "  because", st.Why, ";")
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
	wrap(w, "  guests", words, ", ")
}

func printPort(w io.Writer, label string, p *bridge.Port, more string) {
	if p == nil {
		wrap(w, label, []string{"missing"}, "")
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

// wrap prints words behind a label, broken into lines that fit.
func wrap(w io.Writer, label string, words []string, sep string) {
	line := fmt.Sprintf("%-11s ", label)
	empty := true
	for i, word := range words {
		if i < len(words)-1 {
			word += strings.TrimRight(sep, " ")
		}
		if !empty && len(line)+1+len(word) > width {
			say(w, line)
			line, empty = strings.Repeat(" ", 12), true
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
