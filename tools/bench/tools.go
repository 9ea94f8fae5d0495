package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A tool is one way to put dom0's NIC into a bridge and to take it out again:
// two commands, carried out in dom0.
type tool struct {
	Name  string
	Note  string // what a reader must know of it
	start []string
	stop  []string
	slow  bool   // takes seconds, so that a few trials must do
	why   string // why it cannot do the job here, if so
}

const (
	ours      = "xbr-script"
	oursTop   = "xbr-script, dom0=bridge"
	oursAsks  = "xbr-script, asking"
	oneBatch  = "one ip -batch"
	careful   = "careful ip -batch"
	script    = "ip, line by line"
	oldDebian = "ifupdown"
	newDebian = "ifupdown2"
)

// files is where a world's dom0 finds what a tool needs, in its own /run.
const files = "/run/bench"

// prepareTools writes down how each tool does the job in this world: the peers
// by hand get the very commands that the binary's dry run prints.
func prepareTools(o *options, w *world) ([]tool, error) {
	x := o.binary
	if err := w.dom0.try(func() error { return os.MkdirAll(files, 0o755) }); err != nil {
		return nil, err
	}
	tools := []tool{
		{Name: ours, Note: "check=no", start: []string{x, "start", "check=no"}, stop: []string{x, "stop", "check=no"}},
		{
			Name: oursTop, Note: "check=no; the bridge itself has dom0's addresses",
			start: []string{x, "start", "check=no", "dom0=bridge"}, stop: []string{x, "stop", "check=no"},
		},
		{
			Name: oursAsks, Note: "as by default: hosts on the link are asked before and after",
			start: []string{x, "start"}, stop: []string{x, "stop"},
		},
	}
	hand, err := byHand(o, w)
	if err != nil {
		return nil, err
	}
	tools = append(tools, hand...)
	return append(tools, debian(o, w)...), nil
}

// byHand asks the binary what it would do in that world, and turns the answer
// into what an admin would write.
func byHand(o *options, w *world) ([]tool, error) {
	start, err := w.dom0.output(o.binary, "start", "check=no", "--dry-run")
	if err != nil {
		return nil, err
	}
	if err := w.dom0.run(o.binary, "start", "check=no"); err != nil {
		return nil, err
	}
	stop, err := w.dom0.output(o.binary, "stop", "check=no", "--dry-run")
	if err != nil {
		return nil, err
	}
	if err := w.dom0.run(o.binary, "stop", "check=no"); err != nil {
		return nil, err
	}
	for name, text := range map[string]string{
		"line.start": "set -e\n" + plain(start), "line.stop": "set -e\n" + plain(stop),
		"careful.start": batches(start), "careful.stop": batches(stop),
		"one.start": strings.Join(single(start), "\n") + "\n",
	} {
		if err := w.dom0.write(filepath.Join(files, name), text); err != nil {
			return nil, err
		}
	}
	sh := func(name string) []string { return []string{"sh", filepath.Join(files, name)} }
	return []tool{
		{
			Name: oneBatch, Note: "one process; no setting, no entry of the forwarding table; stop as the careful one",
			start: []string{"ip", "-batch", filepath.Join(files, "one.start")}, stop: sh("careful.stop"),
		},
		{
			Name: careful, Note: "the same work in the same order: ip -batch, the shell for settings, bridge for the forwarding table; interfaces are deleted one by one",
			start: sh("careful.start"), stop: sh("careful.stop"),
		},
		{
			Name: script, Note: "--dry-run's script as it is", slow: w.routes > 100,
			start: sh("line.start"), stop: sh("line.stop"),
		},
	}, nil
}

// commands are the lines of a dry run that do something. The kernel chooses the
// indexes of new interfaces.
func commands(dry string) []string {
	var lines []string
	for line := range strings.Lines(dry) {
		line = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(line), "|| true"))
		if strings.HasPrefix(line, "ip neigh del ") {
			continue // a learnt entry may have gone by itself since
		}
		if line == "" || strings.HasPrefix(line, "#") || !strings.Contains(line, " ") || isNotice(line) {
			continue
		}
		lines = append(lines, withoutIndex(line))
	}
	return lines
}

// oneByOne deletes interfaces as everybody does, one after the other. The binary
// deletes them by a group into which it puts them before.
func oneByOne(lines []string) []string {
	var out, members []string
	for _, line := range lines {
		f := strings.Fields(line)
		switch {
		case len(f) == 7 && strings.HasPrefix(line, "ip link set dev ") && f[5] == "group":
			members = append(members, "ip link del dev "+f[4])
		case strings.HasPrefix(line, "ip link del group "):
			out, members = append(out, members...), nil
		default:
			out = append(out, line)
		}
	}
	return out
}

// isNotice tells what the binary says to the user beside its commands.
func isNotice(line string) bool {
	first, _, _ := strings.Cut(line, " ")
	return !slices.Contains([]string{"ip", "bridge", "tc", "sysctl", "until"}, first)
}

func withoutIndex(line string) string {
	if !strings.HasPrefix(line, "ip link add") {
		return line
	}
	words := strings.Fields(line)
	for i := 0; i < len(words); i++ {
		if words[i] == "index" {
			words = slices.Delete(words, i, i+2)
		}
	}
	return strings.Join(words, " ")
}

// plain is the dry run as a script.
func plain(dry string) string { return strings.Join(commands(dry), "\n") + "\n" }

// batches is the dry run as a careful admin would write it: what ip can do in
// one go is one batch, and settings start no process. The order is the same.
func batches(dry string) string {
	var b strings.Builder
	b.WriteString("set -e\n")
	inBatch := false
	end := func() {
		if inBatch {
			b.WriteString("END\n")
		}
		inBatch = false
	}
	for _, line := range oneByOne(commands(dry)) {
		switch rest, isIP := strings.CutPrefix(line, "ip "); {
		case isIP:
			if !inBatch {
				b.WriteString("ip -batch - <<'END'\n")
				inBatch = true
			}
			b.WriteString(strings.TrimPrefix(rest, "-6 ") + "\n")
		case strings.HasPrefix(line, "sysctl -qw "):
			end()
			name, value, _ := strings.Cut(strings.Trim(strings.TrimPrefix(line, "sysctl -qw "), "'"), "=")
			fmt.Fprintf(&b, "echo '%s' >/proc/sys%s\n", value, name)
		default:
			end()
			b.WriteString(line + "\n")
		}
	}
	end()
	return b.String()
}

// single is the start as a single batch of ip. Without an entry in the
// forwarding table the NIC has to give up its MAC address as soon as it is a
// port, or the bridge would take dom0's frames for its own.
func single(dry string) []string {
	var lines []string
	mac, enslave := "", -1
	for _, line := range commands(dry) {
		rest, isIP := strings.CutPrefix(line, "ip ")
		nic, silent := strings.CutPrefix(line, "sysctl -qw /net/ipv6/conf/")
		nic, hushed := strings.CutSuffix(nic, "/disable_ipv6=1")
		switch {
		case silent && hushed && strings.HasPrefix(nic, "peth"):
			lines = append(lines, "addr flush dev "+nic) // the setting would do that
		case !isIP:
		case strings.HasPrefix(rest, "link set dev peth0 address "):
			mac = rest
		default:
			lines = append(lines, strings.TrimPrefix(rest, "-6 "))
			if strings.HasPrefix(rest, "link set dev peth0 master ") {
				enslave = len(lines)
			}
		}
	}
	if mac != "" && enslave >= 0 {
		lines = slices.Insert(lines, enslave, mac)
	}
	return lines
}

// debian is what Debian offers for the job. Its tools give the bridge dom0's
// addresses: to the LAN that is the same, though there is no vif0.0.
func debian(o *options, w *world) []tool {
	tools := []tool{{
		Name: oldDebian, Note: "bridge_ports of bridge-utils, bridge_fd 0; addresses on the bridge", slow: true,
		start: []string{"sh", "-ec", "ifdown --force -i " + files + "/nic eth0; ifup --force -i " + files + "/bridge xenbr0"},
		stop:  []string{"sh", "-ec", "ifdown --force -i " + files + "/bridge xenbr0; ifup --force -i " + files + "/nic eth0"},
	}, {
		Name: newDebian, Note: "ifreload -a; addresses on the bridge; no labels", slow: true,
		start: []string{"sh", "-ec", "cp " + files + "/bridge2 /etc/network/interfaces; " + reload},
		stop:  []string{"sh", "-ec", "cp " + files + "/nic2 /etc/network/interfaces; " + reload},
	}}
	for i, needs := range []string{"/usr/sbin/ifup", "/usr/share/ifupdown2/__main__.py"} {
		if _, err := os.Stat(needs); o.peers == "" || err != nil {
			tools[i].why = "its package could not be had"
		}
	}
	for name, text := range interfaces(w) {
		if err := w.dom0.write(filepath.Join(files, name), text); err != nil {
			tools[0].why, tools[1].why = err.Error(), err.Error()
		}
	}
	return tools
}

// ifupdown2 looks at the name that it is called by.
const reload = "ln -sf /usr/share/ifupdown2/__main__.py " + files + "/ifreload; exec /usr/bin/python3 " + files + "/ifreload -a"

// interfaces are the files /etc/network/interfaces of both tools, before and
// after. One batch of ip adds the routes, as is usual where there are many.
func interfaces(w *world) map[string]string {
	routes := strings.ReplaceAll(strings.Join(routeLines(w.routes), "\n"), "route add", "route replace") + "\n"
	stanza := func(device, more string, labels bool) string {
		ups := "\tup ip -force -batch " + files + "/routes || true\n"
		if labels {
			return fmt.Sprintf(`auto %[1]s
iface %[1]s inet static
	address 192.168.0.2/24
	gateway 192.168.0.1
%[2]s	up ip addr add 192.168.0.22/24 brd + dev %[1]s label %[1]s:www
	up ip addr add 172.20.0.2/24 brd + dev %[1]s
iface %[1]s inet6 static
	address 2001:db8::2/64
	gateway 2001:db8::1
	dad-attempts 0
	up ip addr add 2001:db8:0:1::2/64 dev %[1]s nodad
%[3]s`, device, more, ups)
		}
		return fmt.Sprintf(`auto %[1]s
iface %[1]s
	address 192.168.0.2/24
	address 192.168.0.22/24
	address 172.20.0.2/24
	address 2001:db8::2/64
	address 2001:db8:0:1::2/64
	gateway 192.168.0.1
	gateway 2001:db8::1
%[2]s%[3]s`, device, more, ups)
	}
	bridge := "\tbridge_ports eth0\n\tbridge_stp off\n\tbridge_fd 0\n\tbridge_maxwait 0\n"
	bridge2 := "\tbridge-ports eth0\n\tbridge-stp off\n\tbridge-fd 0\n"
	loopback := "auto lo\niface lo inet loopback\n\n"
	return map[string]string{
		"routes":  routes,
		"nic":     stanza("eth0", "", true),
		"bridge":  "iface eth0 inet manual\n\n" + stanza("xenbr0", bridge, true),
		"nic2":    loopback + stanza("eth0", "", false),
		"bridge2": loopback + "auto eth0\niface eth0\n\n" + stanza("xenbr0", bridge2, false),
	}
}
