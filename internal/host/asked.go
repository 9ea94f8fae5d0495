package host

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
	"xbr-script/internal/sysctl"
)

// asked is what planning may ask besides of what a snapshot always has. Each
// answer is read when it is first asked for, since most calls ask for nothing,
// and kept. What cannot be read is an error of the whole snapshot (Host.Err):
// it is not the same as that there is nothing. A host without one has none of it.
type asked struct {
	conn     *rtnl.Conn
	devices  map[string]sysctl.Device // by the interface's name
	settings map[string]string        // by the setting's name
	static   []rtnl.Msg               // entries of the forwarding tables; nil: not asked for yet
	rules    map[string]bool          // the names in rules for routing; nil: not asked for yet
	sockets  map[netip.Addr]bool      // local addresses of IPv6 sockets; nil: not asked for yet
	hidden   bool                     // the kernel does not tell the sockets
	bridging *Bridging                // nil: not asked for yet
	err      error                    // the first
}

func newAsked(c *rtnl.Conn) *asked {
	return &asked{conn: c, devices: map[string]sysctl.Device{}, settings: map[string]string{}}
}

// note keeps the first error.
func (a *asked) note(what string, err error) {
	if err != nil && a.err == nil {
		a.err = fmt.Errorf("cannot read %s: %w", what, err)
	}
}

// Err is what of this snapshot could not be read when it was asked for. A plan
// that was made from it must not be carried out then.
func (h *Host) Err() error {
	if h.asked == nil {
		return nil
	}
	return h.asked.err
}

// errGone is an interface that was there when the snapshot was taken.
var errGone = errors.New("it has gone, or has another name by now")

// Settings are those of the interface of that name; none if it is not there.
func (h *Host) Settings(name string) sysctl.Device {
	a := h.asked
	if a == nil {
		return nil
	}
	d, known := a.devices[name]
	if !known {
		var err error
		d, err = sysctl.ReadDevice(name)
		if l := h.Name(name); err == nil && len(d) == 0 && l != nil && l.Name == name {
			err = errGone // every Ethernet interface has some
		}
		a.note("the settings of "+name, err)
		a.devices[name] = d
	}
	return d
}

// NewDevice is what the settings of a new interface begin with.
func (h *Host) NewDevice() sysctl.Device { return h.Settings("default") }

// Setting is one setting of the host; "" if it does not exist.
func (h *Host) Setting(name string) string {
	a := h.asked
	if a == nil {
		return ""
	}
	v, known := a.settings[name]
	if !known {
		var err error
		v, err = sysctl.Get(name)
		a.note("a setting", err)
		a.settings[name] = v
	}
	return v
}

// Pinned says whether frames to a MAC address are sent to that bridge port by
// a static entry of the forwarding table.
func (h *Host) Pinned(port int, mac net.HardwareAddr) bool {
	a := h.asked
	if a == nil {
		return false
	}
	if a.static == nil {
		a.readStatic()
	}
	for _, m := range a.static {
		if m.Uses(port) && bytes.Equal(m.Get(unix.NDA_LLADDR), mac) {
			return true
		}
	}
	return false
}

func (a *asked) readStatic() {
	a.static = []rtnl.Msg{}
	entries, err := a.conn.Dump(unix.RTM_GETNEIGH, family(unix.AF_BRIDGE))
	if !refusedWith(err, unix.EOPNOTSUPP) { // a kernel without bridges
		a.note("the forwarding tables", err)
	}
	for _, m := range entries {
		f := m.Fixed()
		if len(f) == unix.SizeofNdMsg && f[8]&(unix.NUD_NOARP|unix.NUD_PERMANENT) == unix.NUD_NOARP { // ndm_state
			a.static = append(a.static, m)
		}
	}
}

// HasRule says whether a rule for routing (ip rule) names an interface.
func (h *Host) HasRule(name string) bool {
	if h.asked == nil {
		return false
	}
	if h.asked.rules == nil {
		h.asked.readRules()
	}
	return h.asked.rules[name]
}

func (a *asked) readRules() {
	const iifName, oifName = 3, 17 // FRA_IIFNAME, FRA_OIFNAME of linux/fib_rules.h
	a.rules = map[string]bool{}
	for _, af := range []uint8{unix.AF_INET, unix.AF_INET6} {
		rules, err := a.conn.Dump(unix.RTM_GETRULE, family(af))
		if refusedWith(err, unix.EOPNOTSUPP, unix.EAFNOSUPPORT) {
			continue // a kernel without them (fib_nl_dumprule), or without the family
		}
		a.note("the rules for routing", err)
		for _, m := range rules {
			a.rules[rtnl.String(m.Get(iifName))] = true
			a.rules[rtnl.String(m.Get(oifName))] = true
		}
	}
}

// refusedWith says whether the kernel has answered with one of these errors. One
// of the socket is none of its answers.
func refusedWith(err error, errnos ...unix.Errno) bool {
	var refused *rtnl.Error
	if !errors.As(err, &refused) {
		return false
	}
	for _, e := range errnos {
		if refused.Errno == e {
			return true
		}
	}
	return false
}
