package operate

import (
	"slices"

	"golang.org/x/sys/unix"

	"xbr-script/bridge"
	"xbr-script/internal/config"
	"xbr-script/internal/host"
	"xbr-script/internal/manager"
	"xbr-script/internal/manager/lease"
	"xbr-script/internal/manager/networkd"
	"xbr-script/internal/manager/networkmanager"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/sysctl"
)

// clients are the DHCP clients that are managers of nothing else. Unlike managers they
// run in any network namespace; machine says that this one is that of the managers.
func (v *view) clients(machine bool) lease.Manager {
	m := lease.Manager{Listing: v.clientsFound, Call: v.quoted(), Root: v.root}
	for _, l := range v.host.Links {
		m.Links = append(m.Links, l.Name)
	}
	m.Kept = func(m manager.Move) (bool, error) {
		if is, err := v.dhcpcd().Keeps(m); is || err != nil || !machine {
			return is, err
		}
		return v.managed(m)
	}
	return m
}

// anyLease says whether addresses that expire are moved whoever renews them: this call says
// so or, at stop, the start has said so.
func (v *view) anyLease(w bridge.Spec) bool {
	if v.Request.Lease != config.LeaseUnsaid || v.Request.Command != config.Stop {
		return v.Request.Lease == config.LeaseAny
	}
	rec, err := v.store.Load(w.Bridge)
	return err == nil && rec != nil && rec.AnyLease // else whoever plans has said so
}

// managed says whether a manager goes on with the addresses of a move, or has refused
// it.
func (c *Call) managed(m manager.Move) (bool, error) {
	for _, l := range []*host.Link{m.From, m.NIC} {
		if l == nil {
			continue
		}
		link, err := (networkd.Manager{Root: c.root}).LinkOf(l.Index)
		if err != nil || link.Configures() {
			return err == nil, err
		}
		profile, err := (networkmanager.Manager{Root: c.root}).Profile(l.Index)
		if err != nil || profile != "" {
			return err == nil, err
		}
	}
	return false, nil
}

// expiring are the addresses of an interface that are valid only for a time, but for
// those that the kernel renews.
func (v *view) expiring(l *host.Link) (all []rtnl.Msg) {
	if l == nil {
		return nil
	}
	tells := slices.ContainsFunc(v.host.Addrs, lease.Tells)
	ra := !tells && advertised(v.host.Settings(l.Name))
	for _, a := range v.host.Addrs {
		if a.Uses(l.Index) && a.Leased() && !lease.ByKernel(a, tells, ra) {
			all = append(all, a)
		}
	}
	return all
}

// bare says whether an interface has no address, apart from link-local ones.
func bare(h *host.Host, l *host.Link) bool {
	return !slices.ContainsFunc(h.Addrs, func(a rtnl.Msg) bool {
		return a.Uses(l.Index) && a.Body[3] != unix.RT_SCOPE_LINK // ifa_scope
	})
}

// advertised says whether an interface with these settings makes addresses by what
// routers say (ipv6_accept_ra).
func advertised(settings sysctl.Device) bool {
	of := func(name string) string { return settings[sysctl.Key{Dir: "net/ipv6/conf", Name: name}] }
	return of("autoconf") != "0" && (of("accept_ra") == "2" || of("accept_ra") == "1" && of("forwarding") == "0")
}
