package vif

import (
	"fmt"
	"strconv"
	"strings"

	"xbr-script/internal/xenstore"
)

// Script is the name under which the program is such a script.
const Script = "vif-xbr"

// Command is what becomes of a port.
type Command string

// The commands. Xen calls the former two for a guest's own interface, and the others for
// the emulated device of a fully virtualised guest, which QEMU has.
const (
	Online  Command = "online"
	Offline Command = "offline"
	Add     Command = "add"
	Remove  Command = "remove"
)

// Up says whether the port comes, or goes.
func (c Command) Up() bool { return c == Online || c == Add }

// emulated says for which kind of port it is.
func (c Command) emulated() bool { return c == Add || c == Remove }

// Call is one call of a hotplug script.
type Call struct {
	Command        Command
	Dev            string // the port, as the kernel or QEMU calls it
	Path           string // XENBUS_PATH: where xenstore has what the toolstack says of it
	Domain, Device int
	Bridge, IP     string // what counts where xenstore says nothing
	// Udev says that udev calls it, which does not count where libxl does.
	Udev bool
}

// Parse reads a call: the first word without "=" is the command, and the others are
// variables like those of the environment, before which they go (evalVariables in
// xen-script-common.sh). They come from a script= such as "vif-xbr bridge=xenbr1", which
// xend splits. The call is nil if there is nothing to do: vif-bridge, too, goes by add and
// remove for an emulated device only, and by the others for the guest's own.
func Parse(args []string, getenv func(string) string) (*Call, error) {
	command, set := "", map[string]string{}
	for _, arg := range args {
		for word := range strings.FieldsSeq(arg) {
			name, value, isVariable := strings.Cut(word, "=")
			switch {
			case isVariable:
				set[name] = strings.Trim(value, `"'`)
			case command == "":
				command = word
			}
		}
	}
	value := func(name string) string {
		if v, there := set[name]; there {
			return v
		}
		return getenv(name)
	}
	c := &Call{Command: Command(command), Path: value("XENBUS_PATH"), Bridge: value("bridge"), IP: value("ip"), Udev: value("UDEV_CALL") != ""}
	switch c.Command {
	case Online, Offline, Add, Remove:
	default:
		return nil, fmt.Errorf("%q is not a command; they are online, offline, add and remove", command)
	}
	switch kind := value("type_if"); {
	case kind != "" && kind != "vif" && kind != "tap":
		return nil, fmt.Errorf("type_if=%s is neither vif nor tap", kind)
	case (kind == "tap") != c.Command.emulated():
		return nil, nil
	case kind == "tap":
		c.Dev = value("INTERFACE")
		err := c.fromName()
		return c, err
	}
	c.Dev = value("vif")
	err := c.fromPath()
	return c, err
}

// fromPath reads the numbers from the path, such as backend/vif/1/0.
func (c *Call) fromPath() (err error) {
	switch {
	case c.Path == "":
		return fmt.Errorf("XENBUS_PATH is missing")
	case c.Dev == "":
		return fmt.Errorf("vif is missing")
	}
	parts := strings.Split(strings.TrimRight(c.Path, "/"), "/")
	if n := len(parts); n >= 4 && parts[n-3] == "vif" {
		if c.Domain, c.Device, err = numbers(parts[n-2], parts[n-1]); err == nil {
			return nil
		}
	}
	return fmt.Errorf("XENBUS_PATH=%s is not the path of an interface", c.Path)
}

// fromName reads them from the name of an emulated device's port: vif1.0-emu or, before
// Xen 4.2, tap1.0. There the path is not given.
func (c *Call) fromName() (err error) {
	if c.Dev == "" {
		return fmt.Errorf("INTERFACE is missing")
	}
	name := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(c.Dev, "vif"), "tap"), "-emu")
	domain, device, _ := strings.Cut(name, ".")
	if c.Domain, c.Device, err = numbers(domain, device); err != nil {
		return fmt.Errorf("INTERFACE=%s is not the port of an emulated device", c.Dev)
	}
	c.Path = xenstore.Path(c.Domain, c.Device)
	return nil
}

func numbers(domain, device string) (int, int, error) {
	a, err := strconv.ParseUint(domain, 10, 16)
	if err != nil {
		return 0, 0, err
	}
	b, err := strconv.ParseUint(device, 10, 31)
	return int(a), int(b), err
}

// Port is what the port is called once it is online, if its vif line says vifname=name.
func (c *Call) Port(name string) string {
	switch {
	case name == "":
		return c.Dev
	case c.Command.emulated():
		return xenstore.VIF{Port: name}.Emulated()
	}
	return name
}
