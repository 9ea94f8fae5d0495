package holders

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
)

// held is what a register of a rule holds, as far as it is about an interface.
type held int

const (
	nothing      held = iota
	anIndex           // of the packet's interface, in host order
	aTurnedIndex      // the same in network order, as in a set of intervals
	aName             // of the packet's interface, in this and the next registers
	aNumber           // that the rule itself gives: value
)

// flow follows what the expressions of a rule do with interfaces.
type flow struct {
	rule    Rule
	lookups []lookup
	regs    [nftSlots]struct {
		held  held
		value []byte
	}
}

// concerned says whether the rule has to do with interfaces or addresses of them.
func (f *flow) concerned() bool {
	r := f.rule
	return len(r.Indexes)+len(r.Names)+len(f.lookups) > 0 || r.Masquerades || r.Publishes || r.PhysDev
}

// slot is the number of a register's first four bytes: there are four of sixteen
// bytes, and the same bytes as sixteen of four (NFT_REG32_00 on).
func slot(reg uint32) int {
	switch {
	case reg >= unix.NFT_REG32_00 && reg <= unix.NFT_REG32_15:
		return int(reg - unix.NFT_REG32_00)
	case reg >= unix.NFT_REG_1 && reg <= unix.NFT_REG_4:
		return int(reg-unix.NFT_REG_1) * 4
	}
	return nftSlots - 1 // the verdict, or none
}

func (f *flow) set(reg uint32, h held, value []byte) {
	if s := slot(reg); s < len(f.regs)-1 {
		f.regs[s].held, f.regs[s].value = h, value
	}
}

// run goes through the expressions.
func (f *flow) run(exprs []byte) {
	for e := range rtnl.ParseAttrs(exprs) {
		data := rtnl.FindAttr(e.Value, unix.NFTA_EXPR_DATA)
		switch name := rtnl.String(rtnl.FindAttr(e.Value, unix.NFTA_EXPR_NAME)); name {
		case "meta":
			f.meta(data)
		case "fib":
			f.load(be32(data, unix.NFTA_FIB_DREG), be32(data, unix.NFTA_FIB_RESULT), nftFibResultOIF, nftFibResultOIFName)
		case "cmp":
			f.compare(data)
		case "lookup":
			f.lookup(data)
		case "byteorder":
			f.order(data)
		case "immediate":
			f.immediate(data)
		case "fwd":
			f.device(be32(data, nftaFwdSRegDev))
		case "dup":
			f.device(be32(data, nftaDupSRegDev))
		case "masq":
			f.rule.Masquerades = true
		case "nat":
			f.rule.Publishes = f.rule.Publishes || be32(data, unix.NFTA_NAT_TYPE) == unix.NFT_NAT_DNAT
		case "redir":
			f.rule.Publishes = true
		case "match":
			f.rule.PhysDev = f.rule.PhysDev || rtnl.String(rtnl.FindAttr(data, unix.NFTA_MATCH_NAME)) == "physdev"
		case "target":
			f.target(rtnl.String(rtnl.FindAttr(data, unix.NFTA_TARGET_NAME)))
		default:
			f.other(name, data)
		}
	}
}

// meta is a property of the packet.
func (f *flow) meta(data []byte) {
	reg, key := be32(data, unix.NFTA_META_DREG), be32(data, unix.NFTA_META_KEY)
	if reg == 0 {
		return // it sets one
	}
	switch key {
	case unix.NFT_META_IIF, unix.NFT_META_OIF, nftMetaSDIF:
		f.set(reg, anIndex, nil)
	case unix.NFT_META_IIFNAME, unix.NFT_META_OIFNAME, nftMetaSDIFName:
		f.set(reg, aName, nil)
	default:
		f.set(reg, nothing, nil)
	}
}

// load is a result that may be an interface.
func (f *flow) load(reg, result, index, name uint32) {
	switch result {
	case index:
		f.set(reg, anIndex, nil)
	case name:
		f.set(reg, aName, nil)
	default:
		f.set(reg, nothing, nil)
	}
}

func (f *flow) compare(data []byte) {
	value := rtnl.FindAttr(rtnl.FindAttr(data, unix.NFTA_CMP_DATA), unix.NFTA_DATA_VALUE)
	switch f.regs[slot(be32(data, unix.NFTA_CMP_SREG))].held {
	case anIndex:
		f.rule.index(value)
	case aTurnedIndex:
		f.rule.index(turned(value))
	case aName:
		f.rule.name(value)
	}
}

// turned is a number in the other order, if the two differ.
func turned(b []byte) []byte {
	if len(b) != 4 {
		return nil
	}
	return binary.NativeEndian.AppendUint32(nil, binary.BigEndian.Uint32(b))
}

// order changes the order of bytes.
func (f *flow) order(data []byte) {
	to := nothing
	if h := f.regs[slot(be32(data, nftaByteorderSReg))].held; h == anIndex || h == aTurnedIndex {
		to = anIndex + aTurnedIndex - h
	}
	f.set(be32(data, nftaByteorderDReg), to, nil)
}

// lookup finds the interfaces in a key, which is taken from the registers from one on:
// which of them it takes shows when the set is read. What a map gives is unknown.
func (f *flow) lookup(data []byte) {
	set := rtnl.String(rtnl.FindAttr(data, unix.NFTA_LOOKUP_SET))
	from := slot(be32(data, unix.NFTA_LOOKUP_SREG))
	for s := from; s < len(f.regs)-1; s++ {
		if h := f.regs[s].held; h == anIndex || h == aTurnedIndex || h == aName {
			f.lookups = append(f.lookups, lookup{set: set, at: 4 * (s - from), holds: h})
		}
	}
	if reg := be32(data, unix.NFTA_LOOKUP_DREG); reg != 0 {
		f.set(reg, nothing, nil)
	}
}

// immediate is a number that the rule gives, or its verdict.
func (f *flow) immediate(data []byte) {
	value := rtnl.FindAttr(data, nftaImmediateData)
	if chain := rtnl.FindAttr(rtnl.FindAttr(value, unix.NFTA_DATA_VERDICT), unix.NFTA_VERDICT_CHAIN); chain != nil {
		f.rule.JumpsTo = rtnl.String(chain)
	}
	f.set(be32(data, nftaImmediateDReg), aNumber, rtnl.FindAttr(value, unix.NFTA_DATA_VALUE))
}

// device is the interface out of which a packet is sent.
func (f *flow) device(reg uint32) {
	if r := f.regs[slot(reg)]; r.held == aNumber {
		f.rule.index(r.value)
	}
}

// target is one of iptables.
func (f *flow) target(name string) {
	switch name {
	case "MASQUERADE":
		f.rule.Masquerades = true
	case "DNAT", "REDIRECT":
		f.rule.Publishes = true
	}
}

// other is an expression that loads something else: the attribute with the register is
// the first one, except for these.
func (f *flow) other(name string, data []byte) {
	typ := uint16(1)
	switch name {
	case "bitwise", "hash", "socket", "tunnel":
		typ = 2
	case "counter", "limit", "log", "reject", "queue", "quota", "notrack", "ct_helper", "objref", "dynset", "connlimit", "range", "tproxy", "synproxy", "flow_offload", "last":
		return
	}
	f.set(be32(data, typ), nothing, nil)
}
