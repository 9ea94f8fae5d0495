package config

import (
	"errors"
	"strings"
	"testing"

	"xbr-script/internal/refusal"
)

// TestFirstTries: what people type who have not read the manual is done, or they are
// told what to type.
func TestFirstTries(t *testing.T) {
	const commands = "commands are start, stop, check, status, recover, confirm, admit, dismiss, report; a key touches its value, as in netdev=eth0"
	const options = "options are -n, --dry-run, -v, --verbose, --json, --hide, --version, -h, --help, --next, --draw, --host, --save-host"
	const anew = "start mends what is broken, and leaves the rest as it is; to make all of it anew: xbr-script stop, then xbr-script start"
	const netdev, seconds = "netdev is the name of an interface, such as netdev=eth0", "is a number of seconds from 0 (do not wait) to 86400, such as confirm=60"
	for line, want := range map[string]string{
		// A name without its key.
		"start eth0":              `did you mean "netdev=eth0"?`,
		"eth0 start":              `did you mean "netdev=eth0"?`,
		"stop enp3s0":             `did you mean "netdev=enp3s0"?`,
		"start enx001122334455":   `did you mean "netdev=enx001122334455"?`,
		"start xenbr1":            `did you mean "bridge=xenbr1"?`,
		"status br0":              `did you mean "bridge=br0"?`,
		"start br-lan0":           `did you mean "bridge=br-lan0"?`,
		"start 0":                 `did you mean "vifnum=0"?`,
		"start 4096":              commands,
		"admit vif1.0":            `did you mean "port=vif1.0"?`,
		"dismiss tap3":            `did you mean "port=tap3"?`,
		"start netdev=eth0 eth1":  "several are given as netdev=eth0 --next netdev=eth1",
		"start eth1 eth2":         `did you mean "netdev=eth1"?; several are given as netdev=eth1 --next netdev=eth2`,
		"start eth1 --next eth2":  `did you mean "netdev=eth1"?; did you mean "netdev=eth2"?`,
		"start xenbr0 eth0":       `did you mean "bridge=xenbr0"?; did you mean "netdev=eth0"?`,
		"start all":               "leave it out: without a key, stop and status are about every bridge that is up",
		"stop --all":              "leave it out: without a key, stop and status are about every bridge that is up",
		"start now":               commands,
		"start netdev=eth0, eth1": `did you mean "eth0"? ` + netdev + "; several are given as netdev=eth0 --next netdev=eth1",

		// Another key, or none.
		"start nic=eth0":           `did you mean "netdev=eth0"?`,
		"start dev=eth0":           `did you mean "netdev=eth0"?`,
		"start iface=eth0":         `did you mean "netdev=eth0"?`,
		"start interface=eth0":     `did you mean "netdev=eth0"?`,
		"start br=xenbr0":          `did you mean "bridge=xenbr0"?`,
		"start mode=bridge":        `did you mean "dom0=bridge"?`,
		"start dev=x;y":            `did you mean "netdev="?`, // with what is wrong it is not named
		"start mtu=9000":           "the bridge takes the NIC's MTU at each start, and needs no key",
		"start stp=on":             "what you set on the bridge when it is up stays, and needs no key: ip-link(8), bridge(8)",
		"start gateway=192.0.2.1":  "the host's addresses and routes move with it, and need no key",
		"start=eth0":               `did you mean "start netdev=eth0"?`,
		"start netdev:eth0":        `did you mean "netdev="?`,
		"start netdev eth0":        `did you mean "netdev=eth0"?`,
		"start netdev = eth0":      `did you mean "netdev=eth0"?`,
		"start netdev =eth0":       `did you mean "netdev=eth0"?`,
		"start dev eth0":           `did you mean "netdev=eth0"?`,
		"start bridge xenbr0":      `did you mean "bridge=xenbr0"?`,
		"start vifnum 0":           `did you mean "vifnum=0"?`,
		"start netdev bridge=br0":  `did you mean "netdev="?`,
		"start netdev":             `did you mean "netdev="?`,
		"start netdev= eth0":       "a key touches its value, as in netdev=eth0",
		"start antispoof strict":   `did you mean "antispoof=strict"?`,
		"start confirm 120":        `did you mean "confirm=120"?`,
		"start confirm":            confirming,
		"confirm 120":              confirming,
		"confirm yes":              "leave it out: xbr-script confirm",
		"start check 192.0.2.1":    "a key touches its value, as in check=192.0.2.1",
		"start --netdev=eth0":      `did you mean "netdev=eth0"?`,
		"start --netdev eth0":      `did you mean "netdev=eth0"?`,
		"start -i eth0":            `did you mean "netdev=eth0"?`,
		"start --confirm=120":      `did you mean "confirm=120"?`,
		"start --wait 10":          `did you mean "wait=10"?`,
		"start --config /etc/x":    `did you mean "config=/etc/x"?`,
		"start -c /etc/x":          `did you mean "config=/etc/x"?`,
		"start bridge=b,netdev=e0": "blanks separate keys, not commas: bridge=b netdev=e0",

		// Another command or option.
		"restart":             anew,
		"reload":              anew,
		"force-reload":        anew,
		"START":               `did you mean "start"?`,
		"up eth0":             `did you mean "start"?; did you mean "netdev=eth0"?`,
		"down":                `did you mean "stop"?`,
		"show":                `did you mean "status"?`,
		"delete":              `did you mean "stop"?`,
		"addif xenbr0 eth0":   `did you mean "start"?; did you mean "bridge=xenbr0"?; did you mean "netdev=eth0"?`,
		"undo":                `did you mean "recover"?`,
		"commit":              `did you mean "confirm"?`,
		"try":                 `did you mean "start confirm=120"?`,
		"start try":           `did you mean "confirm=120"?`,
		"status up":           commands,
		"start -V":            `did you mean "--version"?`,
		"start -?":            `did you mean "--help"?`,
		"start help":          `did you mean "--help"?`,
		"start --test":        `did you mean "check"?`,
		"start --dry":         `did you mean "--dry-run"?`,
		"start dry-run":       `did you mean "--dry-run"?`,
		"start --dry-run=yes": `did you mean "--dry-run"?`,
		"start json":          `did you mean "--json"?`,
		"start --start":       `did you mean "start"?`,
		"start -nx":           options,
		"start --yes":         options,

		// Values.
		"start antispoof=on":         `did you mean "yes"? antispoof is yes, no or strict`,
		"start antispoof=1":          `did you mean "yes"? antispoof is yes, no or strict`,
		"start antispoof=False":      `did you mean "no"? antispoof is yes, no or strict`,
		"start antispoof=maybe":      `antispoof is yes, no or strict`,
		"start ip_forward=yes":       `did you mean "1"? ip_forward is 0 or 1`,
		"start ip_forward=off":       `did you mean "0"? ip_forward is 0 or 1`,
		"start dom0=yes":             `dom0 is veth (an interface of its own) or bridge (the bridge itself)`,
		"start confirm=2m":           `did you mean "120"? confirm ` + seconds,
		"start confirm=2min":         `did you mean "120"? confirm ` + seconds,
		"start confirm=1h":           `did you mean "3600"? confirm ` + seconds,
		"start confirm=90s":          `did you mean "90"? confirm ` + seconds,
		"start confirm=2weeks":       `confirm ` + seconds,
		"start confirm=99h":          `confirm ` + seconds, // too long
		"start confirm=m":            `confirm ` + seconds,
		"start wait=1m":              `did you mean "60"? wait is a number of seconds from 0 to 600, such as wait=10`,
		"start netdev=eth0,eth1":     "several are given as netdev=eth0 --next netdev=eth1; " + netdev,
		"start netdev=eth0,,eth1":    netdev,
		"start netdev=eth0:1":        `did you mean "eth0"? ` + netdev,
		"start netdev=/dev/eth0":     `did you mean "eth0"? ` + netdev,
		"start netdev=\"eth0\"":      `did you mean "eth0"? ` + netdev,
		"start netdev='eth0'":        `did you mean "eth0"? ` + netdev,
		"start \"netdev=eth0\"":      `did you mean "netdev=eth0"?`,
		"start netdev=\"eth0 eth1\"": `did you mean "eth0"? ` + netdev + "; several are given as netdev=eth0 --next netdev=eth1",
		"start netdev=$NIC":          `values are never evaluated; ` + netdev,

		// What a word processor or a web page has made of it.
		"start \u2013\u2013dry-run":     `did you mean "--dry-run"?`,
		"start \u2014dry-run":           `did you mean "--dry-run"?`,
		"start \u2013dry-run":           `did you mean "--dry-run"?`,
		"start \u2013n":                 `did you mean "-n"?`,
		"start netdev\uff1deth0":        `did you mean "netdev=eth0"?`,
		"start \u201ceth0\u201d":        `did you mean "netdev=eth0"?`,
		"start netdev=\u201ceth0\u201d": `did you mean "eth0"? ` + netdev,
		"start \ufeffnetdev=eth0":       `did you mean "netdev=eth0"?`,
		"start \u2013\u2013netdev eth0": `did you mean "netdev=eth0"?`,
	} {
		if got := hints(line, "xbr-script"); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
		last := line[strings.LastIndex(line, " ")+1:]
		if understood := unquoted(last) != last; (hints(line, Original) == "") != understood {
			t.Errorf("as %s, nothing is said of %s", Original, line)
		}
	}
	for _, line := range []string{"help", "version", "--help", "start --help", "status -h", "help start", "-h", "start netdev=", "start netdev= bridge="} {
		if req, err := Parse(strings.Fields(line), files{}.source()); err != nil || !req.Help && !req.Version && len(req.Empty) == 0 {
			t.Errorf("%s: %+v, %v", line, req, err)
		}
	}
	for _, line := range []string{"start -nv", "start -vn", "start -n -v", "-vn start"} {
		if req, err := Parse(strings.Fields(line), files{}.source()); err != nil || !req.DryRun || !req.Verbose {
			t.Errorf("%s: %+v, %v", line, req, err)
		}
	}
	req, err := Parse([]string{"start", "config=f"}, files{"f": "\ufeffnetdev=eth1\r\n"}.source())
	if err != nil || req.Bridges[0].NetDev != "eth1" {
		t.Errorf("a file of Windows: %+v, %v", req, err)
	}
}

// hints are those of the errors of a line, or what is said of it if there are none.
func hints(line, name string) string {
	src := files{}.source()
	src.Name = name
	req, err := Parse(strings.Fields(line), src)
	if err == nil {
		return strings.Join(req.Notes, "; ")
	}
	var all []string
	for _, one := range err.(interface{ Unwrap() []error }).Unwrap() {
		e, _ := errors.AsType[*refusal.Error](one)
		all = append(all, e.Hint)
	}
	return strings.Join(all, "; ")
}
