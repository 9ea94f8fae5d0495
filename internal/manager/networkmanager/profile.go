package networkmanager

import (
	"context"

	"github.com/godbus/dbus/v5"
)

// profile is one of its profiles.
type profile struct{ dbus.BusObject }

// profile is the one with that UUID.
func (c *conn) profile(ctx context.Context, uuid string) (profile, error) {
	var path dbus.ObjectPath
	err := c.settings().CallWithContext(ctx, name+".Settings.GetConnectionByUuid", 0, uuid).Store(&path)
	return profile{c.bus.Object(name, path)}, err
}

func (c *conn) settings() dbus.BusObject {
	return c.bus.Object(name, "/org/freedesktop/NetworkManager/Settings")
}

// paths are those of all profiles.
func (c *conn) paths(ctx context.Context) (paths []dbus.ObjectPath, err error) {
	err = c.settings().CallWithContext(ctx, name+".Settings.ListConnections", 0).Store(&paths)
	return paths, err
}

// version is NetworkManager's, such as "1.52.1".
func (c *conn) version(ctx context.Context) (version string, err error) {
	err = get(ctx, c.bus.Object(name, "/org/freedesktop/NetworkManager"), name, "Version", &version)
	return version, err
}

// forget deletes the copies for a bridge.
func (c *conn) forget(ctx context.Context, dev string) error {
	paths, err := c.paths(ctx)
	if err != nil {
		return err
	}
	for _, path := range paths {
		p := profile{c.bus.Object(name, path)}
		s, err := p.settings(ctx)
		if err == nil && s.isCopyFor(dev) {
			err = p.CallWithContext(ctx, name+".Settings.Connection.Delete", 0).Err
		}
		if err != nil && !hasGone(err) {
			return err
		}
	}
	return nil
}

// settings are the profile's, without secrets.
func (p profile) settings(ctx context.Context) (s settings, err error) {
	err = p.CallWithContext(ctx, name+".Settings.Connection.GetSettings", 0).Store(&s)
	return s, err
}

// external says whether a profile only describes what was found on an interface
// (NM_SETTINGS_CONNECTION_FLAG_EXTERNAL).
func (p profile) external(ctx context.Context) (bool, error) {
	var flags uint32
	err := get(ctx, p, name+".Settings.Connection", "Flags", &flags)
	return flags&0x8 != 0, err
}

// update gives it other settings, in memory only
// (NM_SETTINGS_UPDATE2_FLAG_IN_MEMORY_ONLY).
func (p profile) update(ctx context.Context, s settings) error {
	var result map[string]dbus.Variant
	return p.CallWithContext(ctx, name+".Settings.Connection.Update2", 0, s, uint32(0x8), map[string]dbus.Variant{}).Store(&result)
}

// reapply makes a device take on what its profile says now.
func (d *device) reapply(ctx context.Context) error {
	return d.CallWithContext(ctx, name+".Device.Reapply", 0, settings{}, uint64(0), uint32(0)).Err
}

// hasLease says whether a device has a lease: of Dhcp4Config or of Dhcp6Config.
func (d *device) hasLease(ctx context.Context, property string) (bool, error) {
	var path dbus.ObjectPath
	if err := d.get(ctx, property, &path); err != nil || path == "/" {
		return false, err
	}
	var options map[string]dbus.Variant
	err := get(ctx, d.bus.Object(name, path), name+".DHCP"+property[len("Dhcp"):], "Options", &options)
	return len(options) > 0, err
}
