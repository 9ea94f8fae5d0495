package config

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
)

// scope is where a key may stand.
type scope int

const (
	perBridge scope = iota // about one bridge
	hostWide               // about the whole host; in a file, on a line of its own
	manner                 // how to go about it; host-wide, but says nothing about the network itself
	argsOnly               // like manner, but not in a file
	perGuest               // about one guest; in a file, on a line of its own
)

// setting is what a key's value goes into.
type setting struct {
	req    *Request
	bridge *Bridge
	guest  *Guest
}

// key is one word that may stand before a "=".
type key struct {
	name  string
	scope scope
	// unique: no two bridges of a request may have the same value.
	unique bool
	// values is what may stand after the "=", by bars: words, and in capitals what
	// stands for others.
	values string
	// right says, in a hint, what a valid value is.
	right string
	// set stores a value that is not empty, or says what is wrong with it.
	set func(s setting, value string) *fault
}

// keys is every key, in the order in which messages list them.
var keys = []key{
	{"vifnum", perBridge, true, "N", "vifnum is a number from 0 to 4095, such as vifnum=1", setVifNum},
	{"bridge", perBridge, true, "BRIDGE", "bridge is the name of a bridge, such as bridge=xenbr0, or null", setBridge},
	{"netdev", perBridge, true, "NIC", "netdev is the name of an interface, such as netdev=eth0", setNetDev},
	{"dom0", perBridge, false, "veth|bridge", "dom0 is veth (an interface of its own) or bridge (the bridge itself)", setDom0},
	{"antispoof", perBridge, false, "yes|no|strict", "antispoof is yes, no or strict", setAntiSpoof},
	{"guests", perBridge, false, "rules|allow", "guests is rules (the default) or allow", setGuests},
	{"ip_forward", hostWide, false, "0|1", "ip_forward is 0 or 1", setIPForward},
	{"wait", manner, false, "N", "wait is a number of seconds from 0 to 600, such as wait=10", setWait},
	{"check", manner, false, "ADDRESS|no", "check is no, or the IP address of a host that answers, such as check=192.0.2.1", setCheck},
	{"lease", manner, false, "known|any", "lease is known (the default) or any", setLease},
	{"confirm", argsOnly, false, "N", "confirm is a number of seconds from 0 (do not wait) to 86400, such as confirm=60", setConfirm},
	{"config", argsOnly, false, "FILE", "config is the name of a file", setFile},
	{"port", perGuest, false, "PORT", "port is the name of a guest's port, such as port=vif1.0", setPort},
	{"mac", perGuest, false, "MAC", "mac is the MAC address of a guest, such as mac=00:16:3e:00:00:01", setMAC},
	{"ip", perGuest, false, "ADDRESS,...", "ip has the addresses of a guest, such as ip=192.0.2.5,2001:db8::5,198.51.100.0/24", setIP},
	{"router", perGuest, false, "yes|no", "router is yes or no", setRouter},
	{"ra", perGuest, false, "yes|no", "ra is yes or no", setRA},
	{"dhcp", perGuest, false, "yes|no", "dhcp is yes or no", setDHCP},
}

// findKey is the key of that name.
func findKey(name string) (key, bool) {
	i := slices.IndexFunc(keys, func(k key) bool { return k.name == name })
	if i < 0 {
		return key{}, false
	}
	return keys[i], true
}

// keyNames is the names of the keys that have one of the scopes.
func keyNames(scopes ...scope) []string {
	var names []string
	for _, k := range keys {
		if slices.Contains(scopes, k.scope) {
			names = append(names, k.name)
		}
	}
	return names
}

// check says what is wrong with a value. An empty one means "not given".
func (k key) check(value string) *fault {
	if value == "" {
		return nil
	}
	f := k.set(setting{&Request{}, &Bridge{}, &Guest{}}, value)
	if f != nil {
		f.hint += k.right
	}
	return f
}

func setVifNum(s setting, value string) *fault {
	n, err := number(value, maxVifNum)
	if err != nil {
		return err
	}
	s.bridge.VifNum = &n
	return nil
}

func setBridge(s setting, value string) *fault {
	s.bridge.Bridge = value
	return oneName("bridge", value)
}

func setNetDev(s setting, value string) *fault {
	s.bridge.NetDev = value
	return oneName("netdev", value)
}

func setDom0(s setting, value string) *fault {
	s.bridge.Dom0 = Dom0(value)
	return either(value, string(Dom0Veth), string(Dom0Bridge))
}

func setAntiSpoof(s setting, value string) *fault {
	s.bridge.AntiSpoof = AntiSpoof(value)
	if s.bridge.AntiSpoof == AntiSpoofStrict {
		return nil
	}
	f := truth(value, string(AntiSpoofNo), string(AntiSpoofYes))
	if f != nil {
		hint := cmp.Or(f.hint, didYouMean(value, []string{string(AntiSpoofNo), string(AntiSpoofYes), string(AntiSpoofStrict)}, ""))
		f = wrong(value, "is none of yes, no and strict")
		f.hint = hint
	}
	return f
}

func setGuests(s setting, value string) *fault {
	const allow = "allow"
	s.bridge.GuestsAllow = value == allow
	return either(value, "rules", allow)
}

func setIPForward(s setting, value string) *fault {
	s.req.IPForward = IPForward(value)
	return truth(value, string(IPForwardOff), string(IPForwardOn))
}

// The highest values, in seconds.
const (
	maxWait    = 600
	maxConfirm = 24 * 60 * 60
)

func setWait(s setting, value string) *fault {
	wait, err := seconds(value, maxWait)
	s.req.Wait = &wait
	return err
}

func setConfirm(s setting, value string) *fault {
	wait, err := seconds(value, maxConfirm)
	s.req.Confirm = wait
	return err
}

func setLease(s setting, value string) *fault {
	const known, anyone = "known", "any"
	s.req.Lease = map[string]Lease{known: LeaseKnown, anyone: LeaseAny}[value]
	return either(value, known, anyone)
}

func setCheck(s setting, value string) *fault {
	s.req.NoCheck = value == "no"
	if s.req.NoCheck {
		return nil
	}
	addr, err := netip.ParseAddr(value)
	s.req.Check = addr
	switch {
	case err != nil:
		return wrong(value, "is neither no nor an IP address")
	case addr.Zone() != "" || addr.IsUnspecified() || addr.IsMulticast() || addr.IsLoopback() || addr.Is6() && addr.IsLinkLocalUnicast():
		return wrong(value, "is not the address of one other host")
	}
	return nil
}

// setFile takes any name: the system knows best what is wrong with it.
func setFile(s setting, value string) *fault {
	s.req.File = value
	return nil
}

// maxVifNum bounds vifnum= so that every name made from it (vif0.4095,
// xenbr4095) is valid.
const maxVifNum = 4095

// number reads a decimal number without a sign. Leading zeros are refused,
// because the number becomes part of names: xenbr01 is not xenbr1.
func number(value string, highest int) (int, *fault) {
	for _, c := range []byte(value) {
		if c < '0' || c > '9' {
			return 0, wrong(value, "is not made of digits only")
		}
	}
	if len(value) > 1 && value[0] == '0' {
		return 0, wrong(value, "has leading zeros")
	}
	n, err := strconv.Atoi(value)
	if err != nil || n > highest { // all digits: Atoi only fails on too many
		return 0, wrong(value, "is above "+strconv.Itoa(highest))
	}
	return n, nil
}

// either refuses what is neither of two words.
func either(value, no, yes string) *fault {
	if value == no || value == yes {
		return nil
	}
	f := wrong(value, "is neither "+yes+" nor "+no)
	f.hint = didYouMean(value, []string{no, yes}, "")
	return f
}

// fault is what is wrong with a word, as the end of a message: reason is a
// sentence, hint what would be right. The hint about a value is only the
// beginning of one, or empty; the key's hint follows it.
type fault struct{ reason, hint string }

// wrong is the fault of a value.
func wrong(value, what string) *fault {
	return &fault{reason: quote(value) + " " + what}
}
