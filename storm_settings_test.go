package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
)

// settingStorm writes the settings of eth0, of another NIC, of all interfaces
// and of future ones. The program has read those of eth0 when it planned: of the
// values written during a call, and the one before it, any may be there
// afterwards, but no other. Values written to other interfaces stay.
type settingStorm struct {
	*world
	lock  sync.Mutex
	begun map[string]string   // the values at first, by file
	had   map[string][]string // all values since the last mark
	lost  []string
}

// stormSettings are settings that cut nobody off, with possible values.
var stormSettings = map[string][]string{
	"ipv4/conf/%s/rp_filter":             {"0", "1", "2"},
	"ipv4/conf/%s/log_martians":          {"0", "1"},
	"ipv4/conf/%s/arp_notify":            {"0", "1"},
	"ipv4/conf/%s/send_redirects":        {"0", "1"},
	"ipv4/conf/%s/secure_redirects":      {"0", "1"},
	"ipv4/neigh/%s/gc_stale_time":        {"60", "61", "62"},
	"ipv4/neigh/%s/proxy_qlen":           {"64", "65", "66"},
	"ipv6/conf/%s/accept_redirects":      {"0", "1"},
	"ipv6/conf/%s/router_probe_interval": {"60", "61", "62"},
	"ipv6/conf/%s/hop_limit":             {"64", "65", "66"},
	"ipv6/neigh/%s/gc_stale_time":        {"60", "61", "62"},
}

// settingDevices are the interfaces whose settings are written.
var settingDevices = []string{"eth0", "eth1", "all", "default"}

func settingFile(name, device string) string { return "/proc/sys/net/" + fmt.Sprintf(name, device) }

func newSettingStorm(w *world) storm {
	s := &settingStorm{world: w, begun: map[string]string{}, had: map[string][]string{}}
	for name := range stormSettings {
		for _, device := range settingDevices {
			file := settingFile(name, device)
			if value, err := os.ReadFile(file); err == nil { // there is no neigh/all
				s.begun[file] = strings.TrimSpace(string(value))
				s.had[file] = []string{s.begun[file]}
			}
		}
	}
	return s
}

func (s *settingStorm) act() {
	s.lock.Lock()
	defer s.lock.Unlock()
	device := settingDevices[rand.N(len(settingDevices))]
	for name, values := range stormSettings {
		file, value := settingFile(name, device), values[rand.N(len(values))]
		if os.WriteFile(file, []byte(value), 0) != nil {
			return // no such file, or no eth0 at the moment
		}
		s.had[file] = append(s.had[file], value)
		if device == "default" { // interfaces that have no value of their own follow (devinet_copy_dflt_conf, neigh_copy_dflt_parms)
			for _, follower := range []string{"eth0", "eth1"} {
				file := settingFile(name, follower)
				s.had[file] = append(s.had[file], value)
			}
		}
		return // one of them, at random
	}
}

// mark is called before and after a call.
func (s *settingStorm) mark() {
	s.lock.Lock()
	defer s.lock.Unlock()
	for file, had := range s.had {
		value, err := os.ReadFile(file)
		is := strings.TrimSpace(string(value))
		if err != nil || !slices.Contains(had, is) {
			s.lost = append(s.lost, fmt.Sprintf("%s is %q, %v, and had %q", file, is, err, had))
		}
		s.had[file] = []string{is}
	}
}

func (s *settingStorm) calm() []string {
	s.mark()
	// The defaults come first, as others may follow them.
	for _, device := range []string{"default", "all", "eth0", "eth1"} {
		for name := range stormSettings {
			file := settingFile(name, device)
			if value, ok := s.begun[file]; ok {
				maybe(os.WriteFile(file, []byte(value), 0)) // if it fails, the comparison shows it
				s.had[file] = []string{value}
			}
		}
	}
	lost := s.lost
	s.lost = nil
	return lost
}

// followsDefault says whether a line of a State is a setting that a part of the
// bridge has inherited from the defaults.
func followsDefault(device, line string) bool {
	if slices.Contains([]string{"lo", "eth0", "eth1"}, device) {
		return false
	}
	for name := range stormSettings {
		dir, setting, _ := strings.Cut(name, "/%s/")
		if strings.HasPrefix(line, dir+" "+setting+" ") {
			return true
		}
	}
	return false
}
