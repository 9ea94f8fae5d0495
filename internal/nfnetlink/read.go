package nfnetlink

import (
	"encoding/binary"
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
)

const (
	nftaGenID = 1 // linux/netfilter/nf_tables.h
	sizeofMsg = 4 // of struct nfgenmsg
)

// Generation numbers the state of all tables: every change adds one.
func Generation() (uint32, error) {
	c, err := rtnl.DialNetfilter()
	if err != nil {
		return 0, err
	}
	defer func() { _ = c.Close() }()
	m, err := c.Get(uint16(typeOf(unix.NFT_MSG_GETGEN)), make([]byte, sizeofMsg))
	if err != nil {
		return 0, err
	}
	if id := attribute(m, nftaGenID); len(id) == 4 {
		return binary.BigEndian.Uint32(id), nil
	}
	return 0, errors.New("nf_tables does not tell its generation")
}

// Chain is a chain of nf_tables.
type Chain struct {
	Family      uint8 // NFPROTO_…
	Table, Name string
	Hook        int // NF_INET_… or the like; -1 of a chain that only others jump to
}

// Chains are all chains there are; none with a kernel that has no nf_tables, or
// where they may not be asked for.
func Chains() ([]Chain, error) {
	c, err := rtnl.DialNetfilter()
	var msgs []rtnl.Msg
	if err == nil {
		defer func() { _ = c.Close() }()
		msgs, err = c.Dump(uint16(typeOf(unix.NFT_MSG_GETCHAIN)), make([]byte, sizeofMsg))
	}
	switch {
	case errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP):
		return nil, nil // a kernel without nfnetlink, or without nf_tables (nfnetlink_rcv_msg)
	case errors.Is(err, unix.EPERM) && os.Geteuid() != 0:
		return nil, nil
	}
	chains := make([]Chain, 0, len(msgs))
	for _, m := range msgs {
		chains = append(chains, chainOf(m))
	}
	return chains, err
}

func chainOf(m rtnl.Msg) Chain {
	chain := Chain{
		Family: m.Family(),
		Table:  rtnl.String(attribute(m, unix.NFTA_CHAIN_TABLE)),
		Name:   rtnl.String(attribute(m, unix.NFTA_CHAIN_NAME)),
		Hook:   -1,
	}
	if hook := rtnl.FindAttr(attribute(m, unix.NFTA_CHAIN_HOOK), unix.NFTA_HOOK_HOOKNUM); len(hook) == 4 {
		chain.Hook = int(binary.BigEndian.Uint32(hook))
	}
	return chain
}

// Number is an attribute that is a number, in network order; 0 if it is missing.
func Number(attrs []byte, typ uint16) uint32 {
	if b := rtnl.FindAttr(attrs, typ); len(b) == 4 {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// attribute is the value of an attribute of a message, nil if it has none.
func attribute(m rtnl.Msg, typ uint16) []byte {
	if len(m.Body) < sizeofMsg {
		return nil
	}
	return rtnl.FindAttr(m.Body[sizeofMsg:], typ)
}

// Each calls f with the family and the attributes of each object that a dump for
// NFT_MSG_… gives; begin comes before a dump, which may be repeated. What f gets is
// valid only during the call.
func Each(c *rtnl.Conn, msg int, begin func(), f func(family uint8, attrs []byte)) error {
	return each(c, msg, make([]byte, sizeofMsg), begin, f)
}

// EachOf is Each for what one table of that family has; the attribute of that type is
// the table's name. A kernel that does not leave out the rest leaves that to f.
func EachOf(c *rtnl.Conn, msg int, family uint8, typ uint16, table string, begin func(), f func(attrs []byte)) error {
	of := rtnl.Msg{Body: make([]byte, unix.SizeofRtMsg)}.With(typ, append([]byte(table), 0))
	req := append([]byte{family, unix.NFNETLINK_V0, 0, 0}, of.Body[unix.SizeofRtMsg:]...)
	return each(c, msg, req, begin, func(is uint8, attrs []byte) {
		if is == family && rtnl.String(rtnl.FindAttr(attrs, typ)) == table {
			f(attrs)
		}
	})
}

// EachElement is Each for the elements of a set.
func EachElement(c *rtnl.Conn, family uint8, table, set string, begin func(), f func(elem []byte)) error {
	of := rtnl.Msg{Body: make([]byte, unix.SizeofRtMsg)}.With(unix.NFTA_SET_ELEM_LIST_TABLE, append([]byte(table), 0)).
		With(unix.NFTA_SET_ELEM_LIST_SET, append([]byte(set), 0))
	req := append([]byte{family, unix.NFNETLINK_V0, 0, 0}, of.Body[unix.SizeofRtMsg:]...)
	return each(c, unix.NFT_MSG_GETSETELEM, req, begin, func(_ uint8, attrs []byte) {
		for a := range rtnl.ParseAttrs(rtnl.FindAttr(attrs, unix.NFTA_SET_ELEM_LIST_ELEMENTS)) {
			f(a.Value)
		}
	})
}

func each(c *rtnl.Conn, msg int, req []byte, begin func(), f func(family uint8, attrs []byte)) error {
	return c.DumpEach(uint16(typeOf(msg)), req, begin, func(m rtnl.Msg) {
		if len(m.Body) >= sizeofMsg {
			f(m.Family(), m.Body[sizeofMsg:])
		}
	})
}

// EachConnection is Each for the attributes of the connections that conntrack knows.
// From Linux 5.19 on the kernel leaves out those that lack a bit of the status (IPS_…);
// before that the caller has to.
func EachConnection(c *rtnl.Conn, status uint32, begin func(), f func(attrs []byte)) error {
	const getConnection, ctaStatus, ctaStatusMask = unix.NFNL_SUBSYS_CTNETLINK<<8 | 1, 3, 26 // IPCTNL_MSG_CT_GET
	bits := binary.BigEndian.AppendUint32(nil, status)
	of := rtnl.Msg{Body: make([]byte, unix.SizeofRtMsg)}.With(ctaStatus, bits).With(ctaStatusMask, bits)
	req := append([]byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, 0}, of.Body[unix.SizeofRtMsg:]...)
	return c.DumpEach(getConnection, req, begin, func(m rtnl.Msg) {
		if len(m.Body) >= sizeofMsg {
			f(m.Body[sizeofMsg:])
		}
	})
}
