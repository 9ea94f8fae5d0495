package config

import (
	"strings"
	"testing"
)

// TestFirstTries: what people type who have not read the manual is done, or they are
// told what to type.
func TestFirstTries(t *testing.T) {
	const commands = "commands are start, stop, check, status, recover, confirm"
	const anew = "start mends what is broken, and leaves the rest as it is; to make all of it anew: xbr-script stop, then xbr-script start; " + commands
	for line, want := range map[string]string{
		"start eth0":              `did you mean "netdev=eth0"? ` + commands,
		"stop enp3s0":             `did you mean "netdev=enp3s0"? ` + commands,
		"start enx001122334455":   `did you mean "netdev=enx001122334455"? ` + commands,
		"start xenbr1":            `did you mean "bridge=xenbr1"? ` + commands,
		"status br0":              `did you mean "bridge=br0"? ` + commands,
		"start br-lan0":           `did you mean "bridge=br-lan0"? ` + commands,
		"start nic=eth0":          `did you mean "netdev=eth0"? keys are `,
		"start dev=eth0":          `did you mean "netdev=eth0"? keys are `,
		"start iface=eth0":        `did you mean "netdev=eth0"? keys are `,
		"start interface=eth0":    `did you mean "netdev=eth0"? keys are `,
		"start br=xenbr0":         `did you mean "bridge=xenbr0"? keys are `,
		"start dev=x;y":           `did you mean "netdev"? keys are `, // with what is wrong it is not named
		"start netdev eth0":       `did you mean "netdev="? ` + commands,
		"start confirm 120":       "a change that is put back unless it is confirmed is asked for by confirm=120, and kept by xbr-script confirm",
		"start confirm":           "a change that is put back unless it is confirmed is asked for by confirm=120, and kept by xbr-script confirm",
		"restart":                 anew,
		"force-reload":            anew,
		"up eth0":                 "what does that here is: start; " + commands,
		"down":                    "what does that here is: stop; " + commands,
		"show":                    "what does that here is: status; " + commands,
		"undo":                    "what does that here is: recover; " + commands,
		"commit":                  "what does that here is: confirm; " + commands,
		"try":                     "what does that here is: start confirm=120; " + commands,
		"start antispoof=on":      `did you mean "yes"? antispoof is yes, no or strict`,
		"start antispoof=1":       `did you mean "yes"? antispoof is yes, no or strict`,
		"start antispoof=False":   `did you mean "no"? antispoof is yes, no or strict`,
		"start antispoof=maybe":   `antispoof is yes, no or strict`,
		"start ip_forward=yes":    `did you mean "1"? ip_forward is 0 or 1`,
		"start ip_forward=off":    `did you mean "0"? ip_forward is 0 or 1`,
		"start dom0=yes":          `dom0 is veth (an interface of its own) or bridge (the bridge itself)`,
		"start confirm=2m":        `did you mean "120"? confirm is a number of seconds `,
		"start confirm=2min":      `did you mean "120"? confirm is a number of seconds `,
		"start confirm=1h":        `did you mean "3600"? confirm is a number of seconds `,
		"start confirm=90s":       `did you mean "90"? confirm is a number of seconds `,
		"start confirm=2weeks":    `confirm is a number of seconds `,
		"start confirm=99h":       `confirm is a number of seconds `, // too long
		"start confirm=m":         `confirm is a number of seconds `,
		"start wait=1m":           `did you mean "60"? wait is a number of seconds `,
		"start netdev=eth0,eth1":  "several are given as netdev=eth0 --next netdev=eth1; netdev is the name of an interface",
		"start netdev=eth0,,eth1": "netdev is the name of an interface",
		"start -V":                "what does that here is: --version",
		"start --test":            "what does that here is: check",
		"start --dry":             "what does that here is: --dry-run",
	} {
		_, err := Parse(strings.Fields(line), files{}.source())
		if got := errorText(err); !strings.HasPrefix(got, "cannot ") || !strings.Contains(got, ": "+want) {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
	for _, line := range []string{"help", "version", "--help", "start --help", "-h", "start netdev=", "start netdev= bridge="} {
		if req, err := Parse(strings.Fields(line), files{}.source()); err != nil || !req.Help && !req.Version && len(req.Empty) == 0 {
			t.Errorf("%s: %+v, %v", line, req, err)
		}
	}
}
