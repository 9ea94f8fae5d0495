package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"xbr-script/antispoof"
	"xbr-script/bridge"
	"xbr-script/internal/config"
	"xbr-script/internal/manager"
	"xbr-script/internal/operate"
)

// TestShowReport shows answers of status: their first line, and the exit
// status.
func TestShowReport(t *testing.T) {
	entry := func(s bridge.State) operate.Entry {
		return operate.Entry{Status: bridge.Status{Bridge: "xenbr0", State: s, NetDev: "eth0"}, AntiSpoof: antispoof.Status{}}
	}
	up, down, differs := entry(bridge.Up), entry(bridge.Down), entry(bridge.Differ)
	alone, kept := down, up
	alone.NIC, alone.Managers = &bridge.Port{Name: "eth0", MAC: "m"}, []manager.Keeper{}
	kept.Managers = []manager.Keeper{{Manager: "ifupdown"}, {Manager: "dhcpcd", By: "for eth0 alone"}}
	for name, c := range map[string]struct {
		report operate.Report
		exit   int
		begins string
	}{
		"nothing":       {operate.Report{}, done, "ip_forward"},
		"up":            {operate.Report{Bridges: []operate.Entry{up, up}}, done, "xenbr0      up\n"},
		"not as asked":  {operate.Report{Bridges: []operate.Entry{differs, up}}, notAsked, "xenbr0      not as asked\n"},
		"not up":        {operate.Report{Bridges: []operate.Entry{down, differs}}, notUp, "xenbr0      not up\n  NIC       eth0 is missing\n"},
		"not up, last":  {operate.Report{Bridges: []operate.Entry{differs, down}}, notUp, "xenbr0      not as asked\n"},
		"unfinished":    {operate.Report{Bridges: []operate.Entry{down}, Unfinished: "xbr-script start"}, notAsked, "unfinished  xbr-script start did not end; xbr-script recover takes it back, and\n            so does the next start or stop\nxenbr0"},
		"nobody's":      {operate.Report{Bridges: []operate.Entry{alone}}, notUp, "xenbr0      not up\n  NIC       eth0            off        m\n  manager   none known\n"},
		"two managers'": {operate.Report{Bridges: []operate.Entry{kept}}, done, "xenbr0      up\n  NIC       missing\n  dom0      missing\n  manager   ifupdown\n            dhcpcd, for eth0 alone\n  guests"},
		"to be decided": {operate.Report{Waiting: &operate.Waiting{Command: "xbr-script start", SecondsLeft: 7}}, done, "waiting     xbr-script start is put back in 7 s, unless you give: xbr-script\n            confirm\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var text, asJSON bytes.Buffer
			exit, err := show(&text, &config.Request{}, &operate.Result{Report: &c.report})
			if err != nil || exit != c.exit || !strings.HasPrefix(text.String(), c.begins) {
				t.Errorf("exit status %d, %v, want %d:\n%s", exit, err, c.exit, &text)
			}
			exit, err = show(&asJSON, &config.Request{JSON: true}, &operate.Result{Report: &c.report})
			var back operate.Report
			if err != nil || exit != c.exit || json.Unmarshal(asJSON.Bytes(), &back) != nil || len(back.Bridges) != len(c.report.Bridges) {
				t.Errorf("JSON: exit status %d, %v, want %d:\n%s", exit, err, c.exit, &asJSON)
			}
		})
	}
}

// TestShowLines: lines are shown as they are, and notes fit a terminal.
func TestShowLines(t *testing.T) {
	long := strings.TrimSpace(strings.Repeat("word ", 20))
	var b bytes.Buffer
	exit, err := show(&b, &config.Request{}, &operate.Result{Lines: []string{long}, Notes: []string{long}})
	want := long + "\n" + long[:16*5-1] + "\n  word word word word\n"
	if exit != done || err != nil || b.String() != want {
		t.Errorf("exit status %d, %v:\n%s", exit, err, &b)
	}
}
