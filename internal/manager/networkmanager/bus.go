package networkmanager

import (
	"context"
	"errors"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"

	"xbr-script/internal/ifname"
	"xbr-script/internal/refusal"
	"xbr-script/internal/systemd"
)

// name is NetworkManager's name on the bus, and the beginning of its interfaces'.
const name = "org.freedesktop.NetworkManager"

// conn is a connection to it.
type conn struct{ bus *dbus.Conn }

// dial connects; nil if it does not run.
func dial(ctx context.Context) (*conn, error) {
	bus, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	runs := false
	err = bus.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.NameHasOwner", 0, name).Store(&runs)
	if err != nil || !runs {
		_ = bus.Close()
		return nil, err
	}
	return &conn{bus}, nil
}

// ask does something with it, if it runs, within takeLimit.
func ask(ctx context.Context, do func(context.Context, *conn) error) error {
	limited, cancel := context.WithTimeout(ctx, takeLimit)
	defer cancel()
	c, err := dial(limited)
	if err == nil && c != nil {
		defer func() { _ = c.bus.Close() }()
		err = do(limited, c)
	}
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx) // whatever error it has caused
	}
	return err
}

func ready(ctx context.Context) error {
	err := ask(ctx, func(context.Context, *conn) error { return nil })
	if err != nil {
		return refusal.Wrap(err, "nothing was changed; to see whether it runs, and the bus: systemctl status NetworkManager dbus",
			"cannot ask NetworkManager, which has to follow dom0's addresses")
	}
	return nil
}

// device is one of its devices.
type device struct {
	dbus.BusObject
	bus *dbus.Conn
}

// devices are all that it knows, by their names: for a moment two may have the same
// name.
func (c *conn) devices(ctx context.Context) (map[string][]device, error) {
	var paths []dbus.ObjectPath
	if err := c.bus.Object(name, "/org/freedesktop/NetworkManager").CallWithContext(ctx, name+".GetAllDevices", 0).Store(&paths); err != nil {
		return nil, err
	}
	found := map[string][]device{}
	for _, p := range paths {
		d := device{c.bus.Object(name, p), c.bus}
		var is string
		switch err := d.get(ctx, "Interface", &is); {
		case err == nil:
			found[is] = append(found[is], d)
		case !hasGone(err):
			return nil, err
		}
	}
	return found, nil
}

// hasGone says whether an error means that the object is no longer there.
func hasGone(err error) bool {
	var answer dbus.Error
	return errors.As(err, &answer) &&
		(answer.Name == "org.freedesktop.DBus.Error.UnknownObject" || answer.Name == "org.freedesktop.DBus.Error.UnknownMethod")
}

// nameOf is the name that an interface has now: NetworkManager goes by names, and
// somebody may have given the interface another one. Without an index the old name has
// to do. The name is empty if the interface is gone.
func nameOf(dev string, index int) (string, error) {
	if index == 0 {
		return dev, nil
	}
	now, err := ifname.Of(index)
	if errors.Is(err, unix.ENODEV) {
		return "", nil
	}
	return now, err
}

// called are the devices with the name that an interface has now. If somebody else has
// renamed it, NetworkManager may have yet to hear of that.
func (c *conn) called(ctx context.Context, dev string, index int) ([]device, error) {
	for end := time.Now().Add(askAgain); ; {
		now, err := nameOf(dev, index)
		if err != nil || now == "" {
			return nil, err
		}
		devices, err := c.devices(ctx)
		if err != nil || len(devices[now]) > 0 || now == dev || time.Now().After(end) {
			return devices[now], err
		}
		if err := wait(ctx, "it does not know "+now); err != nil {
			return nil, err
		}
	}
}

// learnLimit is how long NetworkManager may take to learn names.
var learnLimit = 10 * time.Second

// known waits until NetworkManager has seen everything that happened to the names of
// an interface and of the NIC; nil if the interface is gone. It forgets a device for good
// if another one of the same type gets its name before NetworkManager has seen that it
// has a new one (device_ip_iface_changed), which happens to a NIC that is a veth, as in
// containers: it is enough then that the interface itself is known. One that it has
// forgotten itself it finds when it is restarted, which leaves all interfaces as they are.
func (c *conn) known(ctx context.Context, name string, at int, nic string) (*device, error) {
	again := false
	for end := time.Now().Add(learnLimit); ; {
		devices, err := c.devices(ctx)
		if err != nil {
			return nil, err
		}
		dev, err := nameOf(name, at)
		if err != nil || dev == "" {
			return nil, err
		}
		index, err := ifname.IndexOf(nic)
		if err != nil {
			return nil, err
		}
		late := time.Now().After(end)
		switch {
		case len(devices[dev]) == 1 && (late || (len(devices[nic]) == 1) == (index != 0)):
			return &devices[dev][0], nil
		case late && again:
			return nil, unknown(dev)
		case late:
			if err := restart(ctx); err != nil {
				return nil, errors.Join(unknown(dev), err)
			}
			again, end = true, time.Now().Add(learnLimit)
		}
		if err := wait(ctx, "it does not know "+dev); err != nil {
			return nil, err
		}
	}
}

func unknown(dev string) error {
	return refusal.New("to see what it knows: nmcli device status; then the same again", "it does not know %s", dev)
}

// restart has systemd restart it.
func restart(ctx context.Context) error {
	return systemd.Ask(ctx, restartLimit, func(ctx context.Context, s systemd.Conn) error {
		done := make(chan string, 1)
		if _, err := s.TryRestartUnitContext(ctx, Unit, "replace", done); err != nil {
			return err
		}
		return systemd.Result(ctx, done)
	})
}

const restartLimit = 30 * time.Second

// activate makes it configure a device by the profile with that UUID.
func (c *conn) activate(ctx context.Context, uuid string, d *device) error {
	profile, err := c.profile(ctx, uuid)
	if err != nil {
		return err
	}
	var active dbus.ObjectPath
	return c.bus.Object(name, "/org/freedesktop/NetworkManager").
		CallWithContext(ctx, name+".ActivateConnection", 0, profile.Path(), d.Path(), dbus.ObjectPath("/")).Store(&active)
}

func (d *device) set(ctx context.Context, property string, value any) error {
	return d.CallWithContext(ctx, "org.freedesktop.DBus.Properties.Set", 0, name+".Device", property, dbus.MakeVariant(value)).Err
}

func (d *device) get(ctx context.Context, property string, value any) error {
	return get(ctx, d, name+".Device", property, value)
}

// profile is the UUID of the profile that configures a device.
func (d *device) profile(ctx context.Context) (uuid string, err error) {
	var path dbus.ObjectPath
	if err := d.get(ctx, "ActiveConnection", &path); err != nil || path == "/" {
		return "", err
	}
	err = get(ctx, d.bus.Object(name, path), name+".Connection.Active", "Uuid", &uuid)
	return uuid, err
}

func get(ctx context.Context, o dbus.BusObject, iface, property string, value any) error {
	var v dbus.Variant
	if err := o.CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0, iface, property).Store(&v); err != nil {
		return err
	}
	return v.Store(value)
}
