package dhcpcd

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"

	"xbr-script/internal/systemd"
)

// inService says whether this process is a service of systemd. What is run from there
// may do no more than the service, for as long as it lives, and cannot begin in another
// control group where the service may make no namespaces (systemd has clone3 fail then,
// whose flags it cannot see). dhcpcd has to outlive the service and may do anything: so
// systemd runs it, unless it cannot be asked.
func inService(ctx context.Context) bool {
	return systemd.InService() &&
		systemd.Ask(ctx, unitLimit, func(context.Context, systemd.Conn) error { return nil }) == nil
}

// enter is what a shell does first: it goes into the control group in which dhcpcd was, if
// that is still there. Otherwise dhcpcd stays in that of the unit, which ends without it.
const enter = `echo $$ >"$0"; exec "$@"`

// outside has systemd run it as a unit of its own, which is over when dhcpcd has gone into
// the background. While the machine is being switched off systemd begins nothing new: then
// the addresses stay as they are, and nobody renews them.
func (r *Run) outside(ctx context.Context) error {
	return systemd.Ask(ctx, unitLimit, func(ctx context.Context, conn systemd.Conn) error {
		if stopping, err := conn.Stopping(ctx); err != nil || stopping {
			return err
		}
		done := make(chan string, 1)
		name := fmt.Sprintf("xbr-script-dhcpcd-%d.service", time.Now().UnixNano())
		if _, err := conn.StartTransientUnitContext(ctx, name, "replace", r.asUnit(), done); err != nil {
			return err
		}
		if err := systemd.Result(ctx, done); err != nil {
			return err
		}
		return r.await(ctx, nil)
	})
}

// asUnit are the properties of that unit.
func (r *Run) asUnit() []dbus.Property {
	command := append([]string{r.Path}, r.Args[1:]...)
	if group, err := groupOf(r.Cgroup); err == nil && group != nil {
		_ = group.Close()
		command = append([]string{"/bin/sh", "-c", enter, filepath.Join(cgroups, r.Cgroup, "cgroup.procs")}, command...)
	}
	for i := range command[1:] { // systemd puts variables in
		command[i+1] = strings.ReplaceAll(command[i+1], "$", "$$")
	}
	return []dbus.Property{
		dbus.PropDescription("dhcpcd, run again by xbr-script"),
		dbus.PropType("exec"),
		dbus.PropExecStart(command, true),
		property("KillMode", "process"), // the one in the background is none of its processes
		property("CollectMode", "inactive-or-failed"),
	}
}

func property(name, value string) dbus.Property {
	return dbus.Property{Name: name, Value: godbus.MakeVariant(value)}
}
