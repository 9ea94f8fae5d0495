package antispoof

import (
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// What the kernel's nf_tables is asked here is what iptables cannot do or
// tell: to remove a table, and which rules there are besides its own.

// Attributes that golang.org/x/sys/unix does not name.
const (
	nftaGenID    = 1 // linux/netfilter/nf_tables.h
	nfnlBatchGen = 1 // linux/netfilter/nfnetlink.h
)

// nftables is the type of a message to nf_tables.
func nftables(msg int) int { return unix.NFNL_SUBSYS_NFTABLES<<8 | msg }

// nfRequest is one message to nf_tables.
func nfRequest(typ, flags int, family uint8, attrs ...*nl.RtAttr) *nl.NetlinkRequest {
	req := nl.NewNetlinkRequest(typ, unix.NLM_F_REQUEST|flags)
	msg := &nl.Nfgenmsg{NfgenFamily: family, Version: nl.NFNETLINK_V0}
	if typ == unix.NFNL_MSG_BATCH_BEGIN || typ == unix.NFNL_MSG_BATCH_END {
		msg.ResId = nl.Swap16(unix.NFNL_SUBSYS_NFTABLES)
	}
	req.AddData(msg)
	for _, a := range attrs {
		req.AddData(a)
	}
	return req
}

// generation numbers the state of all tables: every change adds one.
func generation() (uint32, error) {
	answers, err := nfRequest(nftables(unix.NFT_MSG_GETGEN), 0, 0).Execute(unix.NETLINK_NETFILTER, 0)
	if err != nil {
		return 0, err
	}
	for _, a := range answers {
		if id := attribute(a, nl.SizeofNfgenmsg, nftaGenID); len(id) == 4 {
			return binary.BigEndian.Uint32(id), nil
		}
	}
	return 0, errors.New("nf_tables does not tell its generation")
}

// attribute is the value of an attribute of a message; nil if it has none.
func attribute(msg []byte, header int, typ uint16) []byte {
	if len(msg) < header {
		return nil
	}
	attrs, err := nl.ParseRouteAttr(msg[header:])
	if err != nil {
		return nil
	}
	for _, a := range attrs {
		if a.Attr.Type&^unix.NLA_F_NESTED == typ {
			return a.Value
		}
	}
	return nil
}

// dropTable removes a table if nothing has changed since that generation.
func dropTable(f *family, table string, generation uint32) error {
	gen := nl.NewRtAttr(nfnlBatchGen, binary.BigEndian.AppendUint32(nil, generation))
	name := nl.NewRtAttr(unix.NFTA_TABLE_NAME, nl.ZeroTerminated(table))
	return batch(
		nfRequest(unix.NFNL_MSG_BATCH_BEGIN, 0, 0, gen),
		nfRequest(nftables(unix.NFT_MSG_DELTABLE), unix.NLM_F_ACK, f.nfproto, name),
		nfRequest(unix.NFNL_MSG_BATCH_END, 0, 0))
}

// batch sends messages that are carried out as a whole, for which they have to
// be sent as one, and reads the first answer to those that want one.
func batch(msgs ...*nl.NetlinkRequest) error {
	var data []byte
	for _, m := range msgs {
		data = append(data, m.Serialize()...)
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.Sendto(fd, data, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, unix.Getpagesize())
	n, _, err := unix.Recvfrom(fd, answer, 0)
	if err != nil {
		return err
	}
	if n < unix.NLMSG_HDRLEN+4 || nl.NativeEndian().Uint16(answer[4:]) != unix.NLMSG_ERROR {
		return errors.New("nf_tables gives an unknown answer")
	}
	if errno := -int32(nl.NativeEndian().Uint32(answer[unix.NLMSG_HDRLEN:])); errno != 0 {
		return unix.Errno(errno)
	}
	return nil
}

// iptablesTables are the tables that iptables makes itself.
var iptablesTables = []string{"filter", "nat", "mangle", "raw", "security"}

// forwarding lists the tables of nf_tables, besides those of iptables, that
// have a say in what is forwarded, such as "inet firewalld".
func forwarding() ([]string, error) {
	answers, err := chains()
	if err != nil {
		return nil, err
	}
	families := map[byte]string{unix.NFPROTO_INET: "inet ", unix.NFPROTO_IPV4: "ip ", unix.NFPROTO_IPV6: "ip6 "}
	var tables []string
	for _, chain := range answers {
		hook := attribute(chain, nl.SizeofNfgenmsg, unix.NFTA_CHAIN_HOOK)
		num := attribute(hook, 0, unix.NFTA_HOOK_HOOKNUM)
		if len(num) != 4 || binary.BigEndian.Uint32(num) != unix.NF_INET_FORWARD {
			continue
		}
		table := unix.ByteSliceToString(attribute(chain, nl.SizeofNfgenmsg, unix.NFTA_CHAIN_TABLE))
		family := families[chain[0]]
		if family == "" || family != "inet " && slices.Contains(iptablesTables, table) {
			continue
		}
		tables = append(tables, family+table)
	}
	slices.Sort(tables)
	return slices.Compact(tables), nil
}

// chains are all chains of nf_tables, as messages.
func chains() ([][]byte, error) {
	answers, err := whole(func() ([][]byte, error) {
		return nfRequest(nftables(unix.NFT_MSG_GETCHAIN), unix.NLM_F_DUMP, unix.NFPROTO_UNSPEC).Execute(unix.NETLINK_NETFILTER, 0)
	})
	switch {
	case errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP):
		return nil, nil // a kernel without nfnetlink, or without nf_tables (nfnetlink_rcv_msg)
	case errors.Is(err, unix.EPERM) && os.Geteuid() != 0:
		return nil, nil
	}
	return answers, err
}

// ownTables are the tables of one family in which there are chains of ours, as
// the kernel tells it.
func ownTables(f *family) ([]string, error) {
	answers, err := chains()
	var tables []string
	for _, chain := range answers {
		name := unix.ByteSliceToString(attribute(chain, nl.SizeofNfgenmsg, unix.NFTA_CHAIN_NAME))
		if len(chain) > 0 && chain[0] == f.nfproto && strings.HasPrefix(name, chainName("")) {
			tables = append(tables, unix.ByteSliceToString(attribute(chain, nl.SizeofNfgenmsg, unix.NFTA_CHAIN_TABLE)))
		}
	}
	slices.Sort(tables)
	return slices.Compact(tables), err
}
