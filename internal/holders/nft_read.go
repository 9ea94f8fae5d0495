package holders

import (
	"bytes"
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/nfnetlink"
	"xbr-script/internal/rtnl"
)

// Attributes that golang.org/x/sys/unix does not name (linux/netfilter/nf_tables.h).
const (
	nftaImmediateDReg    = 1
	nftaImmediateData    = 2
	nftaByteorderSReg    = 1
	nftaByteorderDReg    = 2
	nftaFwdSRegDev       = 1
	nftaDupSRegDev       = 2
	nftaFlowtableTable   = 1
	nftaFlowtableName    = 2
	nftaFlowtableHook    = 3
	nftaFlowtableHookDev = 3
	nftaDeviceName       = 1
	nftaDevicePrefix     = 2
	nftaHookDevs         = 4
	nftaSetElemKeyEnd    = 10
	nftFibResultOIF      = 1
	nftFibResultOIFName  = 2
	nftMetaSDIF          = 33
	nftMetaSDIFName      = 34
	nftSlots             = 20 // registers of four bytes, and more than there are
)

// be32 is an attribute that is a number, in network order; 0 if it is missing.
func be32(attrs []byte, typ uint16) uint32 {
	if b := rtnl.FindAttr(attrs, typ); len(b) == 4 {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// readRules reads the rules, and the sets in which they look interfaces up.
func readRules(r *reader) error {
	c, err := r.to(netfilter)
	if err != nil || c == nil {
		return err
	}
	var lookups []lookup
	err = nfnetlink.Each(c, unix.NFT_MSG_GETRULE, func() { r.Rules, lookups = nil, nil }, func(family uint8, attrs []byte) {
		f := &flow{}
		f.run(rtnl.FindAttr(attrs, unix.NFTA_RULE_EXPRESSIONS))
		if !f.concerned() {
			return
		}
		f.rule.Family = family
		f.rule.Table = rtnl.String(rtnl.FindAttr(attrs, unix.NFTA_RULE_TABLE))
		f.rule.Chain = rtnl.String(rtnl.FindAttr(attrs, unix.NFTA_RULE_CHAIN))
		if h := rtnl.FindAttr(attrs, unix.NFTA_RULE_HANDLE); len(h) == 8 {
			f.rule.Handle = binary.BigEndian.Uint64(h)
		}
		for _, l := range f.lookups {
			l.rule = len(r.Rules)
			lookups = append(lookups, l)
		}
		r.Rules = append(r.Rules, f.rule)
	})
	if err != nil {
		return unlessLacking(err)
	}
	return r.resolve(c, lookups)
}

// unlessLacking is nil for an error that says that the kernel has no nftables
// (nfnetlink_rcv_msg), or that a flowtable or the like does not exist there.
func unlessLacking(err error) error {
	if lacks(err, unix.EINVAL, unix.EOPNOTSUPP, unix.ENOENT) {
		return nil
	}
	return err
}

// lookup is where a rule looks an interface up in a set.
type lookup struct {
	rule  int    // in Data.Rules
	set   string // in the rule's table
	at    int    // of the key's bytes, where the interface is
	holds held
}

// resolve adds to the rules what is in the sets.
func (r *reader) resolve(c *rtnl.Conn, lookups []lookup) error {
	type id struct {
		family     uint8
		table, set string
	}
	read := map[id][][]byte{}
	for _, l := range lookups {
		rule := &r.Rules[l.rule]
		set := id{rule.Family, rule.Table, l.set}
		keys, known := read[set]
		if !known {
			var err error
			if keys, err = elements(c, set.family, set.table, set.set); err != nil {
				return err
			}
			read[set] = keys
		}
		for _, k := range keys {
			switch {
			case l.holds == aName && len(k) > l.at:
				rule.name(k[l.at:min(len(k), l.at+unix.IFNAMSIZ)])
			case l.holds == anIndex && len(k) >= l.at+4:
				rule.index(k[l.at : l.at+4])
			case l.holds == aTurnedIndex && len(k) >= l.at+4:
				rule.index(turned(k[l.at : l.at+4]))
			}
		}
	}
	return nil
}

// elements are the keys of a set's elements; none if it is gone.
func elements(c *rtnl.Conn, family uint8, table, set string) (keys [][]byte, err error) {
	err = nfnetlink.EachElement(c, family, table, set, func() { keys = nil }, func(elem []byte) {
		for _, typ := range []uint16{unix.NFTA_SET_ELEM_KEY, nftaSetElemKeyEnd} {
			if k := rtnl.FindAttr(rtnl.FindAttr(elem, typ), unix.NFTA_DATA_VALUE); k != nil {
				keys = append(keys, bytes.Clone(k))
			}
		}
	})
	return keys, unlessLacking(err)
}

// index adds an interface by its index, which is in host order.
func (r *Rule) index(b []byte) {
	if i := int(rtnl.U32(b)); i != 0 && !slices.Contains(r.Indexes, i) {
		r.Indexes = append(r.Indexes, i)
	}
}

// name adds an interface by its name: without a NUL at the end it is the beginning of
// names.
func (r *Rule) name(b []byte) {
	name := rtnl.String(b)
	if len(name) == len(b) && len(b) < unix.IFNAMSIZ {
		name += "*"
	}
	if name != "" && !slices.Contains(r.Names, name) {
		r.Names = append(r.Names, name)
	}
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
	err = nfnetlink.Each(c, unix.NFT_MSG_GETCHAIN, func() { chains, r.Forward = nil, nil }, func(family uint8, attrs []byte) {
		h := Hook{Family: family, Table: rtnl.String(rtnl.FindAttr(attrs, unix.NFTA_CHAIN_TABLE)), Name: rtnl.String(rtnl.FindAttr(attrs, unix.NFTA_CHAIN_NAME))}
		hook := rtnl.FindAttr(attrs, unix.NFTA_CHAIN_HOOK)
		if family != unix.NFPROTO_NETDEV && forwards(hook, attrs) {
			r.Forward = append(r.Forward, h)
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
