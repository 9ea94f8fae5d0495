package strict

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/internal/nfnetlink"
	"xbr-script/internal/rtnl"
)

// Seen is what nftables has of ours.
type Seen struct {
	// Err is why it could not be read.
	Err error `json:"-"`
	// ByBridge says that rules can ask for the bridge.
	ByBridge bool `json:"by_bridge,omitempty"`
	// Hooked says that Xen's own script has guests admitted by a hook.
	Hooked bool              `json:"hooked,omitempty"`
	Tables map[string]*Table `json:"tables,omitempty"` // by the bridge's name
}

// Table is a table as the kernel tells it, in the kernel's attributes.
type Table struct {
	Dormant  bool                `json:"dormant,omitempty"` // it is there, but not in force
	Sets     map[string][]byte   `json:"sets,omitempty"`
	Chains   map[string][]byte   `json:"chains,omitempty"`
	Rules    map[string][][]byte `json:"rules,omitempty"`    // the expressions of each, by chain
	Elements map[string][]string `json:"elements,omitempty"` // by set, see identity
	Counters map[string]Count    `json:"counters,omitempty"`
}

// Count is what a counter has counted.
type Count struct {
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

// Look reads the tables of these bridges. asks says that it matters what rules can ask
// for.
func Look(asks bool, bridges ...string) *Seen {
	s := &Seen{Tables: map[string]*Table{}, Hooked: hooked(stockHooks)}
	if asks {
		s.ByBridge, s.Err = canAskForBridge()
	}
	for _, b := range bridges {
		t, err := readTable(tableName(b))
		if err != nil {
			s.Err = errors.Join(s.Err, err)
		} else if t != nil {
			s.Tables[b] = t
		}
	}
	return s
}

// canAskForBridge lets the kernel check a rule.
func canAskForBridge() (bool, error) {
	c, err := nfnetlink.Dial()
	if err != nil {
		return false, err
	}
	defer func() { _ = c.Close() }()
	const name = "?" // no interface has that name, so no bridge's table either
	err = c.Try(newTable(name),
		request(unix.NFT_MSG_NEWCHAIN, unix.NLM_F_CREATE, nfnetlink.Text(unix.NFTA_CHAIN_TABLE, tableName(name)), nfnetlink.Text(unix.NFTA_CHAIN_NAME, "try")),
		request(unix.NFT_MSG_NEWRULE, unix.NLM_F_CREATE, nfnetlink.Text(unix.NFTA_RULE_TABLE, tableName(name)), nfnetlink.Text(unix.NFTA_RULE_CHAIN, "try"),
			nfnetlink.Nest(unix.NFTA_RULE_EXPRESSIONS, isText(bridge, "", ifnameBytes(name)).exprs...)))
	switch {
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EPERM) && os.Geteuid() != 0:
		return false, nil
	case errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EINVAL), errors.Is(err, unix.EAFNOSUPPORT):
		return false, fmt.Errorf("this kernel has no nftables for bridges (NF_TABLES_BRIDGE): %w", err)
	}
	return err == nil, err
}

// readTable reads a table; nil if there is none.
func readTable(name string) (*Table, error) {
	c, err := rtnl.DialNetfilter()
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	var t *Table
	err = nfnetlink.EachOf(c, unix.NFT_MSG_GETTABLE, unix.NFPROTO_BRIDGE, unix.NFTA_TABLE_NAME, name, func() { t = nil }, func(attrs []byte) {
		t = &Table{Dormant: flags(attrs)&dormant != 0}
	})
	switch {
	case errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP):
		return nil, nil // a kernel without nf_tables
	case errors.Is(err, unix.EPERM) && os.Geteuid() != 0:
		return nil, errors.New("that needs root")
	case err != nil || t == nil:
		return nil, err
	}
	err = t.read(c, name)
	return t, err
}

// read fills the table.
func (t *Table) read(c *rtnl.Conn, name string) error {
	const typ = unix.NFTA_TABLE_NAME // and of each of these, the attribute with the table's name
	each := func(msg int, begin func(), f func(attrs []byte)) error {
		return nfnetlink.EachOf(c, msg, unix.NFPROTO_BRIDGE, typ, name, begin, f)
	}
	err := errors.Join(
		each(unix.NFT_MSG_GETSET, func() { t.Sets = map[string][]byte{} }, func(attrs []byte) {
			t.Sets[text(attrs, unix.NFTA_SET_NAME)] = bytes.Clone(attrs)
		}),
		each(unix.NFT_MSG_GETCHAIN, func() { t.Chains = map[string][]byte{} }, func(attrs []byte) {
			t.Chains[text(attrs, unix.NFTA_CHAIN_NAME)] = bytes.Clone(attrs)
		}),
		each(unix.NFT_MSG_GETRULE, func() { t.Rules = map[string][][]byte{} }, func(attrs []byte) {
			chain := text(attrs, unix.NFTA_RULE_CHAIN)
			t.Rules[chain] = append(t.Rules[chain], bytes.Clone(rtnl.FindAttr(attrs, unix.NFTA_RULE_EXPRESSIONS)))
		}),
		each(unix.NFT_MSG_GETOBJ, func() { t.Counters = map[string]Count{} }, func(attrs []byte) {
			data := rtnl.FindAttr(attrs, unix.NFTA_OBJ_DATA)
			t.Counters[text(attrs, unix.NFTA_OBJ_NAME)] = Count{long(data, unix.NFTA_COUNTER_PACKETS), long(data, unix.NFTA_COUNTER_BYTES)}
		}),
	)
	t.Elements = map[string][]string{}
	for set := range t.Sets {
		var list []string
		err = errors.Join(err, nfnetlink.EachElement(c, unix.NFPROTO_BRIDGE, name, set, func() { list = nil }, func(elem []byte) {
			list = append(list, identity(elem))
		}))
		slices.Sort(list)
		t.Elements[set] = list
	}
	return err
}

// dormant is NFT_TABLE_F_DORMANT.
const dormant = 1

// flags are those of a table.
func flags(attrs []byte) uint32 {
	if b := rtnl.FindAttr(attrs, unix.NFTA_TABLE_FLAGS); len(b) == 4 {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func text(attrs []byte, typ uint16) string { return rtnl.String(rtnl.FindAttr(attrs, typ)) }

func long(attrs []byte, typ uint16) uint64 {
	if b := rtnl.FindAttr(attrs, typ); len(b) == 8 {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// identity is all that matters of an element.
func identity(elem []byte) string {
	data := func(typ uint16) string {
		return hex.EncodeToString(rtnl.FindAttr(rtnl.FindAttr(elem, typ), unix.NFTA_DATA_VALUE))
	}
	id := data(unix.NFTA_SET_ELEM_KEY)
	if last := data(elemKeyEnd); last != "" {
		id += "-" + last
	}
	v := rtnl.FindAttr(rtnl.FindAttr(elem, unix.NFTA_SET_ELEM_DATA), unix.NFTA_DATA_VERDICT)
	if code := rtnl.FindAttr(v, unix.NFTA_VERDICT_CODE); code != nil {
		id += " " + hex.EncodeToString(code) + " " + text(v, unix.NFTA_VERDICT_CHAIN)
	}
	return id + " " + text(elem, unix.NFTA_SET_ELEM_OBJREF)
}

// identity of an element that is wanted.
func (e element) identity() string { return identity(bytesOf(e.attrs())) }

func bytesOf(attrs []*nl.RtAttr) (b []byte) {
	for _, a := range attrs {
		b = append(b, a.Serialize()...)
	}
	return b
}

// holds says whether attributes that the kernel tells have all that was given to it.
// It adds some, such as handles, and does not mark nests.
func holds(given, told []byte) bool {
	seen := map[uint16]int{} // how many of a type came before
	for _, g := range attrList(given) {
		typ := g.typ &^ unix.NLA_F_NESTED
		v, ok := nth(told, typ, seen[typ])
		seen[typ]++
		switch {
		case !ok:
			return false
		case g.typ&unix.NLA_F_NESTED == 0 && !bytes.Equal(g.value, v):
			return false
		case g.typ&unix.NLA_F_NESTED != 0 && !holds(g.value, v):
			return false
		}
	}
	_, more := nth(told, unix.NFTA_LIST_ELEM, seen[unix.NFTA_LIST_ELEM])
	return seen[unix.NFTA_LIST_ELEM] == 0 || !more
}

// attr is an attribute with the mark of a nest in its type.
type attr struct {
	typ   uint16
	value []byte
}

func attrList(b []byte) (list []attr) {
	for len(b) >= unix.SizeofNlAttr {
		n := int(binary.NativeEndian.Uint16(b))
		if n < unix.SizeofNlAttr || n > len(b) {
			break
		}
		list = append(list, attr{binary.NativeEndian.Uint16(b[2:]), b[unix.SizeofNlAttr:n]})
		b = b[min((n+3)&^3, len(b)):]
	}
	return list
}

// nth is one of several attributes of a type.
func nth(attrs []byte, typ uint16, n int) ([]byte, bool) {
	for _, a := range attrList(attrs) {
		if a.typ&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER) != typ {
			continue
		}
		if n == 0 {
			return a.value, true
		}
		n--
	}
	return nil, false
}
