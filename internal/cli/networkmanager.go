package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"xbr-script/bridge"
	"xbr-script/internal/config"
	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
	"xbr-script/internal/shell"
)

// networkManager is what NetworkManager keeps under /run. It looks after
// interfaces by their index: to a card that is called peth0 now and is a port it
// gives its addresses and routes back, and lets the lease of dom0's eth0 run out.
type networkManager struct {
	devices     string // a file for each interface, named by its index
	connections string // profiles, also those that only describe what others did
	unit        string // exists while it runs
}

var theNetworkManager = networkManager{
	devices:     "/run/NetworkManager/devices",
	connections: "/run/NetworkManager/system-connections",
	unit:        filepath.Join(systemdUnits, "invocation:NetworkManager.service"),
}

// runs tells whether it looks after the interfaces of this network namespace.
func (nm networkManager) runs() bool {
	if _, err := os.Lstat(nm.unit); err != nil {
		return false
	}
	its, err := os.Readlink("/proc/1/ns/net")
	ours, _ := os.Readlink("/proc/thread-self/ns/net")
	return err != nil || its == ours // who is not root may not read it, nor may root in some containers
}

// managed is what it says of an interface: true, false or, where nobody told
// it to leave it alone and it does so by itself, nothing.
func (nm networkManager) managed(l *host.Link) string { return nm.device(l)["managed"] }

// configures tells whether it has put a profile of its own on an interface.
func (nm networkManager) configures(l *host.Link) bool {
	profile := nm.device(l)["connection-uuid"]
	return nm.managed(l) == "true" && profile != "" && !nm.external(profile)
}

// external tells whether a profile only describes what it found.
func (nm networkManager) external(uuid string) bool {
	files, _ := filepath.Glob(filepath.Join(nm.connections, "*.nmconnection"))
	for _, file := range files {
		if values := keyfile(file); values["uuid"] == uuid {
			return values["external"] == "true"
		}
	}
	return false
}

func (nm networkManager) device(l *host.Link) map[string]string {
	if l == nil {
		return nil
	}
	return keyfile(filepath.Join(nm.devices, strconv.Itoa(l.Index)))
}

// keyfile reads the values of all groups. What is not there has none.
func keyfile(name string) map[string]string {
	values := map[string]string{}
	text, _ := os.ReadFile(name)
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			values[key] = value
		}
	}
	return values
}

// refuseNetworkManager refuses to rename a card, and to remove dom0's
// interface, while NetworkManager configures it: it would interfere with the
// steps, and with taking them back.
func (c *call) refuseNetworkManager(nm networkManager) error {
	if !nm.runs() {
		return nil
	}
	for _, w := range c.wants {
		moved := c.host.Name(w.PDev) != nil
		if moved == (c.req.Command == config.Start) {
			continue // it has the name that it shall have
		}
		for _, name := range []string{w.PDev, w.NetDev, w.Bridge} {
			if nm.configures(c.host.Name(name)) {
				return refusal.New("let it go, which keeps its addresses:"+
					"\n  nmcli device set "+shell.Quote(name)+" managed no"+
					"\n"+c.afterwards(w),
					"cannot %s %s: NetworkManager configures %s, and would put back there what is moved", c.req.Command, w.Bridge, name)
			}
		}
	}
	return nil
}

// afterwards tells how NetworkManager goes on after a change.
func (c *call) afterwards(w bridge.Want) string {
	if c.req.Command == config.Start && w.VIF == "" {
		return "Its profile for a card does not fit a bridge (dom0=bridge): another client has to renew a lease."
	}
	when, dev := "afterwards", shell.Quote(w.NetDev)
	if c.req.Confirm > 0 { // taking the change back is no refusal
		when = "after xbr-script confirm"
	}
	return "Where NetworkManager is to renew a lease, it has to be told " + when + ":" +
		"\n  nmcli device set " + dev + " managed yes" +
		"\n  nmcli connection up PROFILE ifname " + dev
}

// networkManagerLines say what is left to do for cards that NetworkManager was
// told to leave alone.
func (c *call) networkManagerLines(nm networkManager) []string {
	var lines []string
	if !nm.runs() {
		return nil
	}
	for _, w := range c.wants {
		card := c.host.Name(w.PDev)
		if card == nil {
			card = c.host.Name(w.NetDev)
		}
		if nm.managed(card) == "false" {
			lines = append(lines, c.afterwards(w))
		}
	}
	return lines
}

// leaveCards are the steps that keep NetworkManager from cards which it does
// not configure. Often that is for their names, and those change.
func (c *call) leaveCards(nm networkManager) []plan.Step {
	var steps []plan.Step
	if !nm.runs() {
		return nil
	}
	for _, w := range c.wants {
		card := c.host.Name(w.NetDev)
		if c.host.Name(w.PDev) == nil && card != nil && nm.managed(card) != "false" {
			steps = append(steps, plan.Step{
				Title: "have NetworkManager leave " + w.NetDev + " alone", Do: []plan.Op{&leaveCard{w.NetDev}},
			})
		}
	}
	return steps
}

// nmcliWait is how long NetworkManager may take to answer.
const nmcliWait = 30 * time.Second

// leaveCard has NetworkManager leave a card alone, whatever it is called later.
// It stays so when it restarts, and needs no undoing: it left it alone before.
type leaveCard struct {
	Card string `json:"card"`
}

func (*leaveCard) Kind() string { return "leave-card" }

func (o *leaveCard) args() []string {
	return []string{"nmcli", "device", "set", o.Card, "managed", "no"}
}

// Do implements plan.Op.
func (o *leaveCard) Do(bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), nmcliWait)
	defer cancel()
	args := o.args()
	if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// Commands implements plan.Op.
func (o *leaveCard) Commands() []string {
	args := o.args()
	for i := range args {
		args[i] = shell.Quote(args[i])
	}
	return []string{strings.Join(args, " ")}
}

// networkManagerKinds are the operations of its plans.
func networkManagerKinds() plan.Kinds {
	return plan.Kinds{(*leaveCard)(nil).Kind(): func() plan.Op { return &leaveCard{} }}
}
