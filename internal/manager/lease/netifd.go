package lease

import (
	"slices"
	"strings"
	"unicode"

	"xbr-script/internal/manager"
)

// netifd is OpenWrt's. A NIC that gets another name is one to it that has gone, and it takes
// the addresses off whatever has the name then (handle_hotplug_msg, device_hotplug_event).
const (
	netifd     = "netifd"
	netifdFile = "/etc/config/network"
)

// netifdNames are the keys of its configuration by which it is told of interfaces.
var netifdNames = []string{"device", "ifname", "name", "ports"}

// named says whether netifd's configuration names an interface, also for a VLAN on it
// (eth0.5, eth0:t).
func named(config, dev string) bool {
	for line := range strings.Lines(config) {
		if !namesInterfaces(line) {
			continue
		}
		for word := range strings.FieldsFuncSeq(line, func(r rune) bool { return unicode.IsSpace(r) || r == '\'' || r == '"' }) {
			base, _, _ := strings.Cut(word, ":")
			if base == dev || strings.HasPrefix(base, dev+".") {
				return true
			}
		}
	}
	return false
}

// namesInterfaces says whether a line tells of interfaces; others may have secrets in them.
func namesInterfaces(line string) bool {
	words := strings.Fields(line)
	return len(words) > 2 && (words[0] == "option" || words[0] == "list") && slices.Contains(netifdNames, strings.Trim(words[1], `'"`))
}

// toldOfNetifd is what a file that stands for a host may tell of that configuration.
func toldOfNetifd(path, text string) string {
	if path != netifdFile {
		return text
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		if namesInterfaces(line) {
			b.WriteString(line)
		}
	}
	return b.String()
}

// netifd says whether one runs that has been told of an interface.
func (m Manager) netifd(dev string) (bool, error) {
	running, err := m.clients(netifd)
	if err != nil || len(running) == 0 {
		return false, err
	}
	config, err := manager.Content(m.Root + netifdFile)
	return named(config, dev), err
}
