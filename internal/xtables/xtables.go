// Package xtables reads the tables of iptables-legacy and ip6tables-legacy, as far as their rules
// are about interfaces, addresses that are translated, or every packet.
package xtables

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"

	"xbr-script/internal/nfrule"
)

// Chain is a chain of a table.
type Chain struct {
	Name  string
	Hook  int  // NF_INET_…; -1 of a chain that only others go to
	Drops bool // its policy
	Rules []Rule
}

// Rule is a rule of a chain.
type Rule struct {
	nfrule.Flow
	nfrule.Step // of verdict unix.NFT_CONTINUE if it has none
}

// What the kernel has (linux/netfilter_ipv4/ip_tables.h, linux/netfilter_ipv6/ip6_tables.h).
const (
	getInfo, getEntries = 64, 65 // IPT_SO_GET_INFO, IPT_SO_GET_ENTRIES
	tableName           = 32     // XT_TABLE_MAXNAMELEN
	sizeofInfo          = 84     // struct ipt_getinfo
	sizeofHead          = 40     // struct ipt_get_entries, before the entries
	sizeofPart          = 32     // struct xt_entry_match, xt_entry_target
	xtReturn            = -5     // XT_RETURN
)

// layout is where things are in an entry: struct ipt_entry, ip6t_entry.
type layout struct {
	level, domain                  int
	in, out, inMask, outMask       int
	addresses, proto, flags, turns int // turns are the negations (invflags)
	jumps                          byte
	target, next, parts            int
}

var layouts = map[uint8]layout{
	unix.NFPROTO_IPV4: {unix.SOL_IP, unix.AF_INET, 16, 32, 48, 64, 16, 80, 82, 83, 2, 88, 90, 112},
	unix.NFPROTO_IPV6: {unix.SOL_IPV6, unix.AF_INET6, 64, 80, 96, 112, 64, 128, 131, 132, 4, 140, 142, 168},
}

// hooks are what the chains are called that a table begins with.
var hooks = []string{"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"}

var errForm = errors.New("a table of iptables-legacy is not as expected")

// Read reads a table, which must be there: the kernel would make it.
func Read(family uint8, table string) ([]Chain, error) {
	l, ok := layouts[family]
	if !ok || len(table) >= tableName {
		return nil, errForm
	}
	fd, err := unix.Socket(l.domain, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(fd) }()
	for range 10 { // the table may be changed between the two
		info := make([]byte, sizeofInfo)
		copy(info, table)
		if err := get(fd, l.level, getInfo, info); err != nil {
			return nil, fmt.Errorf("cannot read the table %s of iptables-legacy: %w", table, err)
		}
		size := number(info, 80)
		entries := make([]byte, sizeofHead+int(size))
		copy(entries, table)
		binary.NativeEndian.PutUint32(entries[tableName:], size)
		err := get(fd, l.level, getEntries, entries)
		if errors.Is(err, unix.EAGAIN) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read the table %s of iptables-legacy: %w", table, err)
		}
		return l.chains(info, entries[sizeofHead:])
	}
	return nil, fmt.Errorf("cannot read the table %s of iptables-legacy: %w", table, unix.EAGAIN)
}

func get(fd, level, option int, b []byte) error {
	var pin runtime.Pinner
	defer pin.Unpin()
	size := uint32(len(b))
	pin.Pin(&b[0])
	pin.Pin(&size)
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(option), uintptr(unsafe.Pointer(&b[0])), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

func number(b []byte, at int) uint32 { return binary.NativeEndian.Uint32(b[at:]) }

// entry is one of a table, which are behind one another.
type entry struct {
	at    int
	bytes []byte
	part  int // where its target is
}

// chains are a table's.
func (l layout) chains(info, table []byte) ([]Chain, error) {
	begins, ends := map[int]int{}, map[int]bool{} // hooks by where their chains begin; where their policies are
	for hook := range hooks {
		if number(info, tableName)&(1<<hook) != 0 {
			begins[int(number(info, tableName+4+4*hook))] = hook
			ends[int(number(info, tableName+24+4*hook))] = true
		}
	}
	all, err := l.entries(table)
	if err != nil {
		return nil, err
	}
	names := map[int]string{} // by where chains begin
	for at, hook := range begins {
		names[at] = hooks[hook]
	}
	for i, e := range all {
		if name, data := e.target(); name == "ERROR" && i+1 < len(all) {
			names[all[i+1].at] = text(data)
		}
	}
	var chains []Chain
	for _, e := range all {
		if name, is := names[e.at]; is {
			chains = append(chains, Chain{Name: name, Hook: -1})
			if hook, is := begins[e.at]; is {
				chains[len(chains)-1].Hook = hook
			}
		}
		if len(chains) == 0 {
			continue // it only names the first one
		}
		c := &chains[len(chains)-1]
		rule := l.rule(e, names)
		switch name, _ := e.target(); {
		case name == "ERROR": // it names the next chain
		case ends[e.at]:
			c.Drops = rule.Verdict == nfrule.Drop
		default:
			c.Rules = append(c.Rules, rule)
		}
	}
	return chains, nil
}

// entries are those of a table.
func (l layout) entries(table []byte) (all []entry, err error) {
	for at := 0; at < len(table); {
		b := table[at:]
		if len(b) < l.parts {
			return nil, errForm
		}
		target, next := int(binary.NativeEndian.Uint16(b[l.target:])), int(binary.NativeEndian.Uint16(b[l.next:]))
		if target < l.parts || next < target+sizeofPart+4 || next > len(b) {
			return nil, errForm
		}
		all = append(all, entry{at, b[:next], target})
		at += next
	}
	return all, nil
}

// target is the name and the data of an entry's target.
func (e entry) target() (name string, data []byte) { return part(e.bytes[e.part:]) }

func part(b []byte) (name string, data []byte) { return text(b[2 : sizeofPart-1]), b[sizeofPart:] }

func text(b []byte) string {
	name, _, _ := bytes.Cut(b, []byte{0})
	return string(name)
}

// rule is what an entry says; names are the chains, by where they begin.
func (l layout) rule(e entry, names map[int]string) (r Rule) {
	r.Always = l.everything(e.bytes)
	for _, i := range [][2]int{{l.in, l.inMask}, {l.out, l.outMask}} {
		r.Interface(e.bytes[i[0]:i[0]+unix.IFNAMSIZ], e.bytes[i[1]:i[1]+unix.IFNAMSIZ])
	}
	for at := l.parts; at+sizeofPart <= e.part; {
		size := int(binary.NativeEndian.Uint16(e.bytes[at:]))
		if size < sizeofPart || at+size > e.part {
			break
		}
		name, data := part(e.bytes[at : at+size])
		r.Match(name, data)
		r.Always = r.Always && name == "comment"
		at += size
	}
	name, data := e.target()
	r.Target(name)
	r.Verdict = unix.NFT_CONTINUE
	switch name {
	case "":
		r.Verdict, r.Chain = l.verdict(e, int(int32(number(data, 0))), names)
	case "REJECT":
		r.Verdict = nfrule.Drop
	case "NFQUEUE":
		r.Verdict = nfrule.Accept // a program decides
	}
	return r
}

// verdict is what the target says that only has a number.
func (l layout) verdict(e entry, number int, names map[int]string) (verdict int32, chain string) {
	switch {
	case number >= 0 && e.bytes[l.flags]&l.jumps != 0:
		return unix.NFT_GOTO, names[number]
	case number == e.at+len(e.bytes):
		return unix.NFT_CONTINUE, "" // to the next one
	case number >= 0:
		return unix.NFT_JUMP, names[number]
	case number == -1:
		return nfrule.Drop, ""
	case number == xtReturn:
		return unix.NFT_RETURN, ""
	}
	return nfrule.Accept, ""
}

// everything says whether an entry is for every packet, but for its matches.
func (l layout) everything(e []byte) bool {
	set := func(b byte) bool { return b != 0 }
	if slices.ContainsFunc(e[:l.addresses], set) || binary.NativeEndian.Uint16(e[l.proto:]) != 0 || e[l.turns] != 0 {
		return false
	}
	return !slices.ContainsFunc(e[l.inMask:l.outMask+unix.IFNAMSIZ], set) && e[l.flags]&^(l.jumps|l.jumps>>2) == 0
}
