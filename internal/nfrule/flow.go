// Package nfrule follows what rules of nftables do with interfaces, and changes the
// indexes that they know interfaces by.
package nfrule

import (
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"

	"xbr-script/internal/nfnetlink"
	"xbr-script/internal/rtnl"
)

// Attributes that golang.org/x/sys/unix does not name (linux/netfilter/nf_tables.h).
const (
	nftaImmediateDReg   = 1
	nftaImmediateData   = 2
	nftaByteorderSReg   = 1
	nftaByteorderDReg   = 2
	nftaFwdSRegDev      = 1
	nftaDupSRegDev      = 2
	nftaSetElemKeyEnd   = 10
	nftFibResultOIF     = 1
	nftFibResultOIFName = 2
	nftMetaSDIF         = 33
	nftMetaSDIFName     = 34
	nftSlots            = 20 // registers of four bytes, and more than there are
)

// be32 is an attribute that is a number; 0 if it is missing.
func be32(attrs []byte, typ uint16) uint32 { return nfnetlink.Number(attrs, typ) }

// held is what a register of a rule holds, as far as it is about an interface.
type held int

const (
	nothing      held = iota
	anIndex           // of the packet's interface, in host order
	aTurnedIndex      // the same in network order, as in a set of intervals
	aName             // of the packet's interface, in this and the next registers
	aNumber           // that the rule itself gives: value
	aProto            // the packet's protocol family
)

// Flow is what the expressions of a rule do with interfaces.
type Flow struct {
	Indexes     []int    // interfaces that it matches or names by index, itself or in a set
	Names       []string // interfaces that it matches by name; with "*" at the end, what begins so
	Masquerades bool
	Publishes   bool   // it changes where a connection goes (DNAT, redirect)
	PhysDev     bool   // it is about ports of bridges
	States      bool   // it asks for the state of a connection
	Reverse     bool   // it asks by which interface a source is reached
	Proto       uint8  // NFPROTO_IPV4 or NFPROTO_IPV6 if it is about one of them only
	JumpsTo     string // a chain

	lookups []lookup
	regs    [nftSlots]register
}

// register is what is in four bytes of them.
type register struct {
	held  held
	value []byte
	from  int // which expression has given the value
}

// lookup is where a rule looks an interface up in a set of its table.
type lookup struct {
	set   string
	at    int // of the key's bytes, where the interface is
	holds held
}

// concerned says whether the rule has to do with interfaces or addresses of them.
func (f *Flow) concerned() bool {
	return len(f.Indexes)+len(f.Names)+len(f.lookups) > 0 || f.Masquerades || f.Publishes || f.PhysDev || f.States || f.Reverse
}

// index adds an interface by its index, which is in host order.
func (f *Flow) index(b []byte) {
	if i := int(rtnl.U32(b)); i != 0 && !slices.Contains(f.Indexes, i) {
		f.Indexes = append(f.Indexes, i)
	}
}

// name adds an interface by its name: without a NUL at the end it is the beginning of
// names.
func (f *Flow) name(b []byte) {
	name := rtnl.String(b)
	if len(name) == len(b) && len(b) < unix.IFNAMSIZ {
		f.beginning(b)
		return
	}
	if name != "" && !slices.Contains(f.Names, name) {
		f.Names = append(f.Names, name)
	}
}

// Interface adds an interface as iptables names it, of which the mask says how many bytes count.
func (f *Flow) Interface(name, mask []byte) {
	n := 0
	for n < len(mask) && n < len(name) && mask[n] != 0 {
		n++
	}
	if n > 0 {
		f.name(name[:n])
	}
}

// beginning adds what begins so.
func (f *Flow) beginning(b []byte) {
	if name := rtnl.String(b) + "*"; !slices.Contains(f.Names, name) {
		f.Names = append(f.Names, name)
	}
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

// set notes what is loaded into a register. As up to sixteen bytes may be loaded at
// once, what was in the following ones is forgotten: the parts of a concatenation are
// loaded in their order.
func (f *Flow) set(reg uint32, h held, value []byte) {
	s := slot(reg)
	if s >= len(f.regs)-1 {
		return
	}
	clear(f.regs[s:min(s+4, len(f.regs)-1)])
	f.regs[s] = register{held: h, value: value}
}

// run goes through the expressions.
func (f *Flow) run(exprs []byte) {
	n := 0
	for e := range rtnl.ParseAttrs(exprs) {
		f.step(exprOf(n, e.Value))
		n++
	}
}

// expr is an expression of a rule.
type expr struct {
	number int
	name   string
	value  []byte // the name and the data
	data   []byte
}

func exprOf(number int, value []byte) expr {
	return expr{number, rtnl.String(rtnl.FindAttr(value, unix.NFTA_EXPR_NAME)), value, rtnl.FindAttr(value, unix.NFTA_EXPR_DATA)}
}

// step follows one expression.
func (f *Flow) step(e expr) {
	switch data := e.data; e.name {
	case "meta":
		f.meta(data)
	case "fib":
		if result := be32(data, unix.NFTA_FIB_RESULT); result == nftFibResultOIF || result == nftFibResultOIFName {
			f.Reverse = f.Reverse || be32(data, unix.NFTA_FIB_FLAGS)&unix.NFTA_FIB_F_SADDR != 0
		}
		f.load(be32(data, unix.NFTA_FIB_DREG), be32(data, unix.NFTA_FIB_RESULT), nftFibResultOIF, nftFibResultOIFName)
	case "cmp":
		f.compare(data)
	case "lookup":
		f.lookup(data)
	case "objref":
		if set := rtnl.FindAttr(data, unix.NFTA_OBJREF_SET_NAME); set != nil {
			f.lookups = append(f.lookups, f.places(rtnl.String(set), be32(data, unix.NFTA_OBJREF_SET_SREG))...)
		}
	case "byteorder":
		f.order(data)
	case "immediate":
		f.immediate(e.number, data)
	case "fwd":
		f.device(be32(data, nftaFwdSRegDev))
	case "dup":
		f.device(be32(data, nftaDupSRegDev))
	case "masq":
		f.Masquerades = true
	case "nat":
		f.Publishes = f.Publishes || be32(data, unix.NFTA_NAT_TYPE) == unix.NFT_NAT_DNAT
	case "redir":
		f.Publishes = true
	case "match":
		f.Match(rtnl.String(rtnl.FindAttr(data, unix.NFTA_MATCH_NAME)), rtnl.FindAttr(data, unix.NFTA_MATCH_INFO))
	case "target":
		f.Target(rtnl.String(rtnl.FindAttr(data, unix.NFTA_TARGET_NAME)))
	case "ct":
		f.States = f.States || be32(data, unix.NFTA_CT_KEY) == unix.NFT_CT_STATE
		f.other(e.name, data)
	default:
		f.other(e.name, data)
	}
}

// meta is a property of the packet.
func (f *Flow) meta(data []byte) {
	reg, key := be32(data, unix.NFTA_META_DREG), be32(data, unix.NFTA_META_KEY)
	if reg == 0 {
		return // it sets one
	}
	switch key {
	case unix.NFT_META_IIF, unix.NFT_META_OIF, nftMetaSDIF:
		f.set(reg, anIndex, nil)
	case unix.NFT_META_IIFNAME, unix.NFT_META_OIFNAME, nftMetaSDIFName:
		f.set(reg, aName, nil)
	case unix.NFT_META_NFPROTO:
		f.set(reg, aProto, nil)
	default:
		f.set(reg, nothing, nil)
	}
}

// load is a result that may be an interface.
func (f *Flow) load(reg, result, index, name uint32) {
	switch result {
	case index:
		f.set(reg, anIndex, nil)
	case name:
		f.set(reg, aName, nil)
	default:
		f.set(reg, nothing, nil)
	}
}

func (f *Flow) compare(data []byte) {
	value := rtnl.FindAttr(rtnl.FindAttr(data, unix.NFTA_CMP_DATA), unix.NFTA_DATA_VALUE)
	switch f.regs[slot(be32(data, unix.NFTA_CMP_SREG))].held {
	case anIndex:
		f.index(value)
	case aTurnedIndex:
		f.index(turned(value))
	case aName:
		f.name(value)
	case aProto:
		if be32(data, unix.NFTA_CMP_OP) == unix.NFT_CMP_EQ && len(value) == 1 {
			f.Proto = value[0]
		}
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
func (f *Flow) order(data []byte) {
	to := nothing
	if h := f.regs[slot(be32(data, nftaByteorderSReg))].held; h == anIndex || h == aTurnedIndex {
		to = anIndex + aTurnedIndex - h
	}
	f.set(be32(data, nftaByteorderDReg), to, nil)
}

// lookup finds the interfaces in a key. What a map gives is unknown.
func (f *Flow) lookup(data []byte) {
	f.lookups = append(f.lookups, f.places(rtnl.String(rtnl.FindAttr(data, unix.NFTA_LOOKUP_SET)), be32(data, unix.NFTA_LOOKUP_SREG))...)
	if reg := be32(data, unix.NFTA_LOOKUP_DREG); reg != 0 {
		f.set(reg, nothing, nil)
	}
}

// places are where interfaces may be in a set's key, which is taken from the registers
// from one on: how many of them it takes shows when the set is read.
func (f *Flow) places(set string, reg uint32) (all []lookup) {
	from := slot(reg)
	for s := from; s < len(f.regs)-1; s++ {
		if h := f.regs[s].held; h == anIndex || h == aTurnedIndex || h == aName {
			all = append(all, lookup{set: set, at: 4 * (s - from), holds: h})
		}
	}
	return all
}

// immediate is a number that the rule gives, or its verdict.
func (f *Flow) immediate(number int, data []byte) {
	value := rtnl.FindAttr(data, nftaImmediateData)
	if chain := rtnl.FindAttr(rtnl.FindAttr(value, unix.NFTA_DATA_VERDICT), unix.NFTA_VERDICT_CHAIN); chain != nil {
		f.JumpsTo = rtnl.String(chain)
	}
	reg := be32(data, nftaImmediateDReg)
	f.set(reg, aNumber, rtnl.FindAttr(value, unix.NFTA_DATA_VALUE))
	f.regs[slot(reg)].from = number
}

// device is the interface out of which a packet is sent.
func (f *Flow) device(reg uint32) {
	if r := f.regs[slot(reg)]; r.held == aNumber {
		f.index(r.value)
	}
}

// Match is one of iptables, with what it was given.
func (f *Flow) Match(name string, info []byte) {
	switch name {
	case "rpfilter":
		const anySource = 1 | 4 // XT_RPFILTER_LOOSE, XT_RPFILTER_ACCEPT_LOCAL (linux/netfilter/xt_rpfilter.h)
		f.Reverse = f.Reverse || len(info) > 0 && info[0]&anySource != anySource
	case "physdev":
		f.PhysDev = true
	case "conntrack", "state":
		f.States = true
	}
}

// Target is one of iptables.
func (f *Flow) Target(name string) {
	switch name {
	case "MASQUERADE":
		f.Masquerades = true
	case "DNAT", "REDIRECT":
		f.Publishes = true
	}
}

// other is an expression that loads something else: the attribute with the register is
// the first one, except for these.
func (f *Flow) other(name string, data []byte) {
	typ := uint16(1)
	switch name {
	case "bitwise", "hash", "socket", "tunnel":
		typ = 2
	case "counter", "limit", "log", "reject", "queue", "quota", "notrack", "ct_helper", "dynset", "connlimit", "range", "tproxy", "synproxy", "flow_offload", "last":
		return
	}
	f.set(be32(data, typ), nothing, nil)
}
