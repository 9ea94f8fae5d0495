package host

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
	"xbr-script/internal/sysctl"
)

// Asked is what planning may ask for besides what a snapshot always has. A map
// without the key, or a list or pointer that is nil, is not known yet: it is read
// when it is asked for, since most calls ask for nothing, and kept. What cannot be
// read, or known, is an error of the whole snapshot (Host.Err), because it is not
// the same as nothing being there.
type Asked struct {
	Devices  map[string]sysctl.Device // by the interface's name, and "default"
	Settings map[string]string        // by the setting's name; "" for one that does not exist
	Static   []rtnl.Msg               // static entries of the forwarding tables
	Rules    []rtnl.Msg               // the rules for routing (ip rule), in their order
	Sockets  *Sockets
	Bridging *Bridging
	Far      []Far // interfaces in other network namespaces that stand on one of this

	from source // nil: nothing more can be known
	err  error  // the first
}

// source reads what is not known yet.
type source interface {
	device(name string) (sysctl.Device, error)
	setting(name string) (string, error)
	static() ([]rtnl.Msg, error)
	rules() ([]rtnl.Msg, error)
	sockets() (*Sockets, error)
	bridging() (*Bridging, error)
	far() []Far
}

// kernel is the source of a live host.
type kernel struct{ conn *rtnl.Conn }

func (kernel) device(name string) (sysctl.Device, error) { return sysctl.ReadDevice(name) }
func (kernel) setting(name string) (string, error)       { return sysctl.Get(name) }

// nobody is the source of a snapshot that is only data.
type nobody struct{}

// errUnknown says that such a snapshot has no answer.
var errUnknown = errors.New("this snapshot of a host does not tell")

func (nobody) device(string) (sysctl.Device, error) { return nil, errUnknown }
func (nobody) setting(string) (string, error)       { return "", errUnknown }
func (nobody) static() ([]rtnl.Msg, error)          { return nil, errUnknown }
func (nobody) rules() ([]rtnl.Msg, error)           { return nil, errUnknown }
func (nobody) sockets() (*Sockets, error)           { return nil, errUnknown }
func (nobody) bridging() (*Bridging, error)         { return nil, errUnknown }
func (nobody) far() []Far                           { return nil } // as of what cannot be seen

// answers is what is known, and where to get more.
func (h *Host) answers() *Asked {
	if h.Asked == nil {
		h.Asked = &Asked{}
	}
	a := h.Asked
	if a.from == nil {
		a.from = nobody{}
	}
	if a.Devices == nil {
		a.Devices = map[string]sysctl.Device{}
	}
	if a.Settings == nil {
		a.Settings = map[string]string{}
	}
	return a
}

// note keeps the first error.
func (a *Asked) note(what string, err error) {
	if err != nil && a.err == nil {
		a.err = fmt.Errorf("cannot read %s: %w", what, err)
	}
}

// Err says what of this snapshot could not be read when it was asked for. Then a
// plan that was made from it must not be carried out.
func (h *Host) Err() error { return h.answers().err }

// errGone says that an interface is gone that was there when the snapshot was
// taken.
var errGone = errors.New("it has gone, or has another name by now")

// Settings are those of the interface of that name; none if it is not there.
func (h *Host) Settings(name string) sysctl.Device {
	a := h.answers()
	d, known := a.Devices[name]
	if !known {
		if h.absent(name) {
			return sysctl.Device{}
		}
		var err error
		d, err = a.from.device(name)
		if l := h.Name(name); err == nil && len(d) == 0 && l != nil && l.Name == name {
			err = errGone // every Ethernet interface has some
		}
		a.note("the settings of "+name, err)
		a.Devices[name] = d
	}
	return d
}

// absent says whether it is certain that no interface has such a name. On a live
// host it is not: there may be one by now.
func (h *Host) absent(device string) bool {
	_, data := h.answers().from.(nobody)
	return data && device != "" && device != newDevice && device != "all" && h.Name(device) == nil
}

// newDevice takes the place of an interface's name for the settings of new ones.
const newDevice = "default"

// NewDevice is what the settings of a new interface begin with.
func (h *Host) NewDevice() sysctl.Device { return h.Settings(newDevice) }

// Setting is one setting of the host, or of an interface; "" if it does not exist.
func (h *Host) Setting(name string) string {
	a := h.answers()
	v, known := a.Settings[name]
	if known {
		return v
	}
	switch d, key := sysctl.OfDevice(name); {
	case a.Devices[d] != nil && key.Carried():
		return a.Devices[d][key]
	case h.absent(d):
		return ""
	}
	v, err := a.from.setting(name)
	a.note("the setting "+name, err)
	a.Settings[name] = v
	return v
}

// Pinned says whether frames to a MAC address are sent to that bridge port by
// a static entry of the forwarding table.
func (h *Host) Pinned(port int, mac net.HardwareAddr) bool {
	return slices.ContainsFunc(h.static(), func(m rtnl.Msg) bool { return isEntry(m, port, mac) })
}

// Sticky says whether that entry does not move to another port, whoever sends with
// that address (NTF_STICKY, Linux 4.20).
func (h *Host) Sticky(port int, mac net.HardwareAddr) bool {
	const ntfSticky = 0x40 // linux/neighbour.h
	return slices.ContainsFunc(h.static(), func(m rtnl.Msg) bool {
		return isEntry(m, port, mac) && m.Fixed()[10]&ntfSticky != 0 // ndm_flags
	})
}

func isEntry(m rtnl.Msg, port int, mac net.HardwareAddr) bool {
	return m.Uses(port) && bytes.Equal(m.Get(unix.NDA_LLADDR), mac)
}

// static are the static entries of the forwarding tables.
func (h *Host) static() []rtnl.Msg {
	a := h.answers()
	if a.Static == nil {
		entries, err := a.from.static()
		a.note("the forwarding tables", err)
		a.Static = append([]rtnl.Msg{}, entries...)
	}
	return a.Static
}

func (k kernel) static() (static []rtnl.Msg, err error) {
	entries, err := k.conn.Dump(unix.RTM_GETNEIGH, family(unix.AF_BRIDGE))
	if refusedWith(err, unix.EOPNOTSUPP) {
		return nil, nil // a kernel without bridges
	}
	for _, m := range entries {
		f := m.Fixed()
		if len(f) == unix.SizeofNdMsg && f[8]&(unix.NUD_NOARP|unix.NUD_PERMANENT) == unix.NUD_NOARP { // ndm_state
			static = append(static, m)
		}
	}
	return static, err
}

// HasRule says whether a rule for routing (ip rule) names an interface.
func (h *Host) HasRule(name string) bool {
	return slices.ContainsFunc(h.Rules(), func(m rtnl.Msg) bool {
		return rtnl.String(m.Get(unix.FRA_IIFNAME)) == name || rtnl.String(m.Get(unix.FRA_OIFNAME)) == name
	})
}

// Rules are the rules for routing: for each family, in the order in which the kernel
// goes through them.
func (h *Host) Rules() []rtnl.Msg {
	a := h.answers()
	if a.Rules == nil {
		rules, err := a.from.rules()
		a.note("the rules for routing", err)
		a.Rules = append([]rtnl.Msg{}, rules...)
	}
	return a.Rules
}

// WithRules is a copy of the host of which only these rules are known besides what a
// snapshot always has.
func (h *Host) WithRules(rules []rtnl.Msg) *Host {
	c := *h
	c.Asked = &Asked{Rules: append([]rtnl.Msg{}, rules...)}
	return &c
}

func (k kernel) rules() ([]rtnl.Msg, error) { return ReadRules(k.conn) }

// ReadRules reads the rules for routing. There are none in a kernel that was built
// without them.
func ReadRules(c *rtnl.Conn) (all []rtnl.Msg, err error) {
	for _, af := range []uint8{unix.AF_INET, unix.AF_INET6} {
		rules, err := c.Dump(unix.RTM_GETRULE, family(af))
		if refusedWith(err, unix.EOPNOTSUPP, unix.EAFNOSUPPORT) {
			continue // a kernel without them (fib_nl_dumprule), or without the family
		}
		if err != nil {
			return nil, err
		}
		all = append(all, rules...)
	}
	return all, nil
}

// Spent says whether an address was temporary before it was moved, and no socket
// uses it any more. If the kernel cannot tell, one may.
func (h *Host) Spent(m rtnl.Msg) bool {
	if !WasTemporary(m) {
		return false
	}
	a := h.answers()
	if a.Sockets == nil {
		s, err := a.from.sockets()
		a.note("the sockets", err)
		if err != nil {
			s = &Sockets{Hidden: true}
		}
		a.Sockets = s
	}
	addr, ok := netip.AddrFromSlice(m.Get(unix.IFA_ADDRESS))
	return ok && !a.Sockets.Hidden && !slices.Contains(a.Sockets.Local, addr)
}

// Bridging are the tables of the host's bridges.
func (h *Host) Bridging() *Bridging {
	a := h.answers()
	if a.Bridging == nil {
		b, err := a.from.bridging()
		a.note("what bridges have", err)
		if b == nil {
			b = &Bridging{}
		}
		a.Bridging = b
	}
	return a.Bridging
}

// Ask asks for everything that planning may need, and for those settings of the
// host: then nothing in this snapshot is unknown.
func (h *Host) Ask(settings ...string) error {
	h.NewDevice()
	for _, l := range h.Links {
		h.Settings(l.Name)
	}
	for _, name := range settings {
		h.Setting(name)
	}
	h.Rules()
	h.static()
	h.Bridging()
	h.AboveFar(0)
	a := h.answers()
	if a.Sockets == nil {
		var err error
		a.Sockets, err = a.from.sockets()
		a.note("the sockets", err)
	}
	return h.Err()
}

// refusedWith says whether the kernel has answered with one of these errors. An
// error of the socket is not an answer.
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
