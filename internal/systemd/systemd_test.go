package systemd

import (
	"testing"

	"github.com/godbus/dbus/v5"

	"xbr-script/internal/testing/dbustest"
	"xbr-script/internal/testing/nstest"
)

// TestLoad has systemd load a module by the unit that it has for that, and waits until it
// has.
func TestLoad(t *testing.T) {
	nstest.New(t)
	if err := Load(t.Context(), "ip_tables"); err == nil {
		t.Error("without systemd it has loaded one")
	}
	units, results := make(chan string, 2), make(chan string, 2)
	var peer *dbustest.Peer
	peer = dbustest.Listen(t, "/run/systemd/private", func(msg *dbus.Message) []any {
		if msg.Headers[dbus.FieldMember].Value() != "StartUnit" {
			return nil
		}
		units <- msg.Body[0].(string)
		const path = dbus.ObjectPath("/org/freedesktop/systemd1/job/1")
		peer.Signal("/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "JobRemoved", uint32(1), path, msg.Body[0], <-results)
		return []any{path}
	})
	results <- "done"
	if err := Load(t.Context(), "ip_tables"); err != nil {
		t.Error(err)
	}
	results <- "failed"
	if err := Load(t.Context(), "br_netfilter"); err == nil {
		t.Error("it does not say that systemd has failed")
	}
	if a, b := <-units, <-units; a != "modprobe@ip_tables.service" || b != "modprobe@br_netfilter.service" {
		t.Error(a, b)
	}
}
