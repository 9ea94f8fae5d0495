package holders

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/nfnetlink"
	"xbr-script/internal/nfrule"
	"xbr-script/internal/rtnl"
)

// Attributes that golang.org/x/sys/unix does not name (linux/netfilter/nf_tables.h).
const (
	nftaFlowtableTable   = 1
	nftaFlowtableName    = 2
	nftaFlowtableHook    = 3
	nftaFlowtableHookDev = 3
	nftaDeviceName       = 1
	nftaDevicePrefix     = 2
	nftaHookDevs         = 4
)

func be32(attrs []byte, typ uint16) uint32 { return nfnetlink.Number(attrs, typ) }

// readRules reads the rules, and the sets in which they look interfaces up.
func readRules(r *reader) error {
	c, err := r.to(netfilter)
	if err != nil || c == nil {
		return err
	}
	rules, err := nfrule.Read(c)
	for index := range r.indexes {
		if err == nil {
			err = rules.Try(index)
		}
	}
	if err == nil {
		r.Ruleset = rules
	}
	for _, rule := range rules.Rules {
		r.Rules = append(r.Rules, Rule{
			Family: rule.Family, Table: rule.Table, Chain: rule.Chain, Handle: rule.Handle,
			Indexes: rule.Indexes, Names: rule.Names, JumpsTo: rule.JumpsTo,
			Masquerades: rule.Masquerades, Publishes: rule.Publishes, PhysDev: rule.PhysDev, States: rule.States, Reverse: rule.Reverse, Proto: rule.Proto,
		})
	}
	return unlessLacking(err)
}

// unlessLacking is nil for an error that says that the kernel has no nftables
// (nfnetlink_rcv_msg), or that a flowtable or the like does not exist there.
func unlessLacking(err error) error {
	if lacks(err, unix.EINVAL, unix.EOPNOTSUPP, unix.ENOENT) {
		return nil
	}
	return err
}

// readHooks reads what hangs on interfaces.
func readHooks(r *reader) error {
	byName, err := host.KernelAtLeast(6, 16)
	if err != nil {
		return err
	}
	r.ByName = byName
	c, err := r.to(netfilter)
	if err != nil || c == nil {
		return err
	}
	var chains, flowtables []Hook
	err = nfnetlink.Each(c, unix.NFT_MSG_GETCHAIN, func() { chains, r.Forward, r.Local, r.Untracked = nil, nil, nil, map[string]bool{} }, func(family uint8, attrs []byte) {
		h := Hook{Family: family, Table: rtnl.String(rtnl.FindAttr(attrs, unix.NFTA_CHAIN_TABLE)), Name: rtnl.String(rtnl.FindAttr(attrs, unix.NFTA_CHAIN_NAME))}
		hook := rtnl.FindAttr(attrs, unix.NFTA_CHAIN_HOOK)
		if bridge, ours := strings.CutPrefix(h.Table, untrackedTables); ours && family == unix.NFPROTO_INET {
			r.Untracked[bridge] = true
		}
		switch {
		case family == unix.NFPROTO_NETDEV || hook == nil:
		case forwards(hook):
			h.Drops = drops(attrs)
			r.Forward = append(r.Forward, h)
		case local(hook):
			r.Local = append(r.Local, h)
		}
		if dev := rtnl.FindAttr(hook, unix.NFTA_HOOK_DEV); dev != nil {
			h.Devices = []string{rtnl.String(dev)}
		} else {
			h.Devices = devices(rtnl.FindAttr(hook, nftaHookDevs))
		}
		if h.Devices != nil {
			chains = append(chains, h)
		}
	})
	if err != nil {
		return unlessLacking(err)
	}
	err = nfnetlink.Each(c, unix.NFT_MSG_GETFLOWTABLE, func() { flowtables = nil }, func(family uint8, attrs []byte) {
		flowtables = append(flowtables, Hook{
			Family: family, Flowtable: true,
			Table: rtnl.String(rtnl.FindAttr(attrs, nftaFlowtableTable)), Name: rtnl.String(rtnl.FindAttr(attrs, nftaFlowtableName)),
			Devices: devices(rtnl.FindAttr(rtnl.FindAttr(attrs, nftaFlowtableHook), nftaFlowtableHookDev)),
		})
	})
	r.Hooks = slices.Concat(chains, flowtables)
	return unlessLacking(err)
}

func devices(list []byte) []string {
	var names []string
	for a := range rtnl.ParseAttrs(list) {
		switch a.Type {
		case nftaDeviceName:
			names = append(names, rtnl.String(a.Value))
		case nftaDevicePrefix:
			names = append(names, rtnl.String(a.Value)+"*")
		}
	}
	return names
}
