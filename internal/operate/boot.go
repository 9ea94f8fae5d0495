package operate

import (
	"context"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/config"
	"xbr-script/internal/host"
	"xbr-script/internal/idle"
	"xbr-script/internal/manager"
	"xbr-script/internal/manager/networkmanager"
	"xbr-script/internal/systemd"
)

// While a machine boots, a start may come before the NIC, or amid the work of whoever
// configures it: Debian's ifupdown brings NICs with allow-hotplug up when udev has found
// them, which neither its own unit nor network-online.target waits for.
const (
	// nicLimit is how long a service waits for udev and for its NICs.
	nicLimit = 30 * time.Second
	// ifupLimit is how long ifup may take: as long as its unit.
	ifupLimit = 5 * time.Minute
	// tellLimit is how long systemd may take to tell what it is about.
	tellLimit = 10 * time.Second
	// glance is the time between two looks.
	glance = 100 * time.Millisecond
)

// udevQueue is there as long as udev has something to do.
const udevQueue = "/run/udev/queue"

// awaitNICs waits, in a service, until udev has nothing to do and the NICs that the call
// names are there. Of one that does not come, the plan will say so. Which one is meant by
// default is known once there is a default route.
func (c *Call) awaitNICs(ctx context.Context) {
	if c.Request.Command != config.Start || !inService() {
		return
	}
	if machine, err := host.OfMachine(); err != nil || !machine {
		return
	}
	c.await(ctx, "udev", nicLimit, func() bool {
		_, err := os.Stat(udevQueue)
		return err != nil
	})
	for _, b := range c.Request.Bridges {
		if dev := b.NetDev; dev != "" {
			c.await(ctx, dev, nicLimit, func() bool { return c.exists(dev) })
		} else {
			c.await(ctx, "a NIC to be brought up", ifupLimit, func() bool { return beginning(ctx, "") == "" })
			c.await(ctx, "NetworkManager to configure a NIC", nicLimit, func() bool { return c.networkManager().Settled(ctx, 0) })
		}
	}
}

// inService says whether something that starts services has run this process.
func inService() bool { return systemd.InService() || os.Getenv("RC_SVCNAME") != "" }

// exists says whether an interface is there.
func (c *Call) exists(dev string) bool {
	links, err := host.Look(c.conn)
	return err != nil || links.Name(dev) != nil
}

// awaitManagers waits until nobody is about to bring up or to configure a NIC that a start
// would move, in a service also for its address if dhcpcd is to give it one, and says
// whether it had to.
func (v *view) awaitManagers(ctx context.Context) (waited bool) {
	if v.Request.Command != config.Start || inIfup() {
		return false
	}
	if machine, err := host.OfMachine(); err != nil || !machine {
		return false
	}
	for _, w := range v.moving() {
		if what := beginning(ctx, w.NetDev); what != "" {
			waited = true
			v.await(ctx, what+" to bring "+w.NetDev+" up", ifupLimit, func() bool { return beginning(ctx, w.NetDev) == "" })
		}
		m := v.move(w)
		if settled := func() bool { return m.NIC == nil || v.networkManager().Settled(ctx, m.NIC.Index) }; !settled() {
			waited = true
			v.await(ctx, "NetworkManager to configure "+w.NetDev, nicLimit, settled)
		}
		if m.Bare && inService() && v.dhcpcdKeeps(m) {
			waited = true
			v.await(ctx, "dhcpcd to give "+w.NetDev+" an address", nicLimit, func() bool { return !v.isBare(m.From) })
		}
	}
	return waited
}

// dhcpcdKeeps says whether a dhcpcd looks after the NIC of a move. Debian's service goes
// into the background before it has a lease, and so nobody waits for that.
func (v *view) dhcpcdKeeps(m manager.Move) bool {
	keeps, err := v.dhcpcd().Keeps(m)
	return keeps && err == nil
}

// isBare says whether an interface still has no address.
func (v *view) isBare(l *host.Link) bool {
	now, err := host.Look(v.conn)
	return err == nil && bare(now, l)
}

// inIfup says whether this process is a hook of ifup's, which waits for it (interfaces(5)).
func inIfup() bool { return os.Getenv("IFACE") != "" && os.Getenv("PHASE") != "" }

// beginning is who is about to bring a NIC up, or any NIC if it has no name; "" if nobody
// is.
func beginning(ctx context.Context, dev string) (who string) {
	ifups, others := []string{"ifup@*.service"}, []string{"dhcpcd@*.service", networkmanager.Unit}
	if dev != "" {
		if ifupAtWork(dev) {
			return "ifup"
		}
		ifups, others = systemd.Instances(dev, "ifup"), append(systemd.Instances(dev, "dhcpcd"), networkmanager.Unit)
	}
	_ = systemd.Ask(ctx, tellLimit, func(ctx context.Context, conn systemd.Conn) (err error) {
		who, err = conn.Beginning(ctx, others, ifups)
		return err
	}) // without systemd nobody is
	return who
}

// ifupAtWork says whether Debian's ifup or ifdown has to do with an interface: it holds
// its file locked meanwhile.
func ifupAtWork(dev string) bool {
	if strings.ContainsRune(dev, '/') {
		return false
	}
	f, err := os.Open("/run/network/ifstate." + dev)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	lock := unix.Flock_t{Type: unix.F_RDLCK}
	return unix.FcntlFlock(f.Fd(), unix.F_GETLK, &lock) == nil && lock.Type != unix.F_UNLCK
}

// await waits until it is so, and no longer than the limit.
func (c *Call) await(ctx context.Context, what string, limit time.Duration, so func() bool) {
	if so() {
		return
	}
	over := c.while(what, limit)
	defer over()
	for end := time.Now().Add(limit); time.Now().Before(end) && ctx.Err() == nil && !so(); {
		_ = idle.For(ctx, glance)
	}
}
