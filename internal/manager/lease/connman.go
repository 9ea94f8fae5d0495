package lease

import (
	"path"
	"slices"
	"strings"

	"xbr-script/internal/manager"
	"xbr-script/internal/refusal"
)

// connmanFile is connman's configuration.
const connmanFile = "/etc/connman/main.conf"

// connmanLeaves are the beginnings of the names that connman leaves alone unless it is
// told of others (connman.conf(5)).
var connmanLeaves = []string{"vmnet", "vboxnet", "virbr", "ifb", "ve-", "vb-", "ham", "veth"}

// leaves says whether a connman leaves an interface alone. It takes each that it is not
// told of (connman_device_isfiltered).
func (c *client) leaves(dev, config string) bool {
	is := func(pattern string) bool { ok, err := path.Match(pattern, dev); return err == nil && ok }
	if only := c.values("-i", "--device"); len(only) > 0 && !slices.ContainsFunc(only, is) {
		return true
	}
	prefixes := connmanLeaves
	for line := range strings.Lines(config) {
		key, value, _ := strings.Cut(line, "=")
		if strings.TrimSpace(key) == "NetworkInterfaceBlacklist" {
			prefixes = words(value)
		}
	}
	return slices.ContainsFunc(c.values("-I", "--nodevice"), is) ||
		slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(dev, p) })
}

// values are those of an option.
func (c *client) values(short, long string) (all []string) {
	for i, arg := range c.args[1:] {
		value := ""
		switch {
		case arg == short || arg == long:
			if i+2 < len(c.args) {
				value = c.args[i+2]
			}
		case strings.HasPrefix(arg, long+"="):
			value = arg[len(long)+1:]
		case strings.HasPrefix(arg, short):
			value = arg[len(short):]
		}
		all = append(all, words(value)...)
	}
	return all
}

func words(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ';' || r == ' ' || r == '\n' })
}

// connman says whether one runs that does not leave an interface alone.
func (m Manager) connman(dev string) (bool, error) {
	running, err := m.clients("connmand")
	if err != nil || len(running) == 0 {
		return false, err
	}
	config, err := manager.Content(m.Root + connmanFile)
	return slices.ContainsFunc(running, func(c client) bool { return !c.leaves(dev, config) }), err
}

// refuseConnman refuses a start after which a connman that looks after other interfaces
// would ask for a lease on the port of a bridge, and give dom0 a second way to the LAN.
func (m Manager) refuseConnman(move manager.Move) error {
	for _, dev := range []string{move.Port, "vif1.0"} {
		is, err := m.connman(dev)
		if err != nil {
			return err
		}
		if is {
			leave := append(slices.Clone(connmanLeaves), move.From.Name, move.Port, "vif")
			return refusal.New(`below "[General]" in `+connmanFile+" write: NetworkInterfaceBlacklist="+strings.Join(leave, ",")+"; then give: systemctl restart connman",
				"cannot %s: connman looks after each interface that it is not told to leave alone, and would after %s, too", move.Undertaking, dev)
		}
	}
	return nil
}
