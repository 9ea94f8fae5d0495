package networkmanager

import (
	"context"
	"errors"
	"fmt"

	"github.com/godbus/dbus/v5"

	"xbr-script/internal/host"
	"xbr-script/internal/refusal"
)

// name is what NetworkManager is called on the bus, and how its interfaces begin.
const name = "org.freedesktop.NetworkManager"

// manager is a connection to it.
type manager struct{ conn *dbus.Conn }

// dial connects; nil if it does not run.
func dial(ctx context.Context) (*manager, error) {
	conn, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	runs := false
	err = conn.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.NameHasOwner", 0, name).Store(&runs)
	if err != nil || !runs {
		_ = conn.Close()
		return nil, err
	}
	return &manager{conn}, nil
}

// ask does something with it, if it runs, within takeLimit.
func ask(ctx context.Context, do func(context.Context, *manager) error) error {
	ctx, cancel := context.WithTimeout(ctx, takeLimit)
	defer cancel()
	m, err := dial(ctx)
	if err != nil || m == nil {
		return err
	}
	defer func() { _ = m.conn.Close() }()
	return do(ctx, m)
}

func ready(ctx context.Context) error {
	err := ask(ctx, func(context.Context, *manager) error { return nil })
	if err != nil {
		return refusal.Wrap(err, "systemctl stop NetworkManager, if the host can do without",
			"cannot ask NetworkManager, which has to follow dom0's addresses")
	}
	return nil
}

// device is one of its devices.
type device struct {
	dbus.BusObject
	conn *dbus.Conn
}

// devices are all that it knows, by their names: for a moment two may be called
// the same.
func (m *manager) devices(ctx context.Context) (map[string][]device, error) {
	var paths []dbus.ObjectPath
	if err := m.conn.Object(name, "/org/freedesktop/NetworkManager").CallWithContext(ctx, name+".GetAllDevices", 0).Store(&paths); err != nil {
		return nil, err
	}
	found := map[string][]device{}
	for _, p := range paths {
		d := device{m.conn.Object(name, p), m.conn}
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

// hasGone tells whether an error means that the object is not there any more.
func hasGone(err error) bool {
	var answer dbus.Error
	return errors.As(err, &answer) &&
		(answer.Name == "org.freedesktop.DBus.Error.UnknownObject" || answer.Name == "org.freedesktop.DBus.Error.UnknownMethod")
}

// known waits until it has seen all that happened to these names.
func (m *manager) known(ctx context.Context, dev, nic string) (*device, error) {
	for {
		devices, err := m.devices(ctx)
		if err != nil {
			return nil, err
		}
		index, err := host.IndexOf(nic)
		if err != nil {
			return nil, err
		}
		if len(devices[dev]) == 1 && (len(devices[nic]) == 1) == (index != 0) {
			return &devices[dev][0], nil
		}
		if err := wait(ctx); err != nil {
			return nil, fmt.Errorf("it does not know %s", dev)
		}
	}
}

// activate has it configure a device by the profile of that UUID.
func (m *manager) activate(ctx context.Context, uuid string, d *device) error {
	var profile, active dbus.ObjectPath
	settings := m.conn.Object(name, "/org/freedesktop/NetworkManager/Settings")
	if err := settings.CallWithContext(ctx, name+".Settings.GetConnectionByUuid", 0, uuid).Store(&profile); err != nil {
		return err
	}
	return m.conn.Object(name, "/org/freedesktop/NetworkManager").
		CallWithContext(ctx, name+".ActivateConnection", 0, profile, d.Path(), dbus.ObjectPath("/")).Store(&active)
}

func (d *device) set(ctx context.Context, property string, value any) error {
	return d.CallWithContext(ctx, "org.freedesktop.DBus.Properties.Set", 0, name+".Device", property, dbus.MakeVariant(value)).Err
}

func (d *device) get(ctx context.Context, property string, value any) error {
	return get(ctx, d, name+".Device", property, value)
}

// profile is the UUID of what it is configured by.
func (d *device) profile(ctx context.Context) (uuid string, err error) {
	var path dbus.ObjectPath
	if err := d.get(ctx, "ActiveConnection", &path); err != nil || path == "/" {
		return "", err
	}
	err = get(ctx, d.conn.Object(name, path), name+".Connection.Active", "Uuid", &uuid)
	return uuid, err
}

func get(ctx context.Context, o dbus.BusObject, iface, property string, value any) error {
	var v dbus.Variant
	if err := o.CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0, iface, property).Store(&v); err != nil {
		return err
	}
	return v.Store(value)
}
