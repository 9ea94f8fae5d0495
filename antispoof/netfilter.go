package antispoof

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/nfnetlink"
)

// Here the kernel's nf_tables is asked for what iptables cannot do or tell: to
// remove a table, and which other rules there are.

// dropTable removes a table if nothing has changed since that generation.
func dropTable(f *family, table string, generation uint32) error {
	c, err := nfnetlink.Dial()
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	return c.CommitAt(generation, nfnetlink.Request(unix.NFT_MSG_DELTABLE, 0, f.nfproto, nfnetlink.Text(unix.NFTA_TABLE_NAME, table)))
}

// iptablesTables are the tables that iptables makes itself.
var iptablesTables = []string{"filter", "nat", "mangle", "raw", "security"}

// forwarding lists the tables of nf_tables, besides those of iptables, that
// judge forwarded packets, such as "inet firewalld".
func forwarding() ([]string, error) {
	chains, err := nfnetlink.Chains()
	if err != nil {
		return nil, err
	}
	families := map[byte]string{unix.NFPROTO_INET: "inet ", unix.NFPROTO_IPV4: "ip ", unix.NFPROTO_IPV6: "ip6 "}
	var tables []string
	for _, c := range chains {
		family := families[c.Family]
		if c.Hook != unix.NF_INET_FORWARD || family == "" || family != "inet " && slices.Contains(iptablesTables, c.Table) {
			continue
		}
		tables = append(tables, family+c.Table)
	}
	slices.Sort(tables)
	return slices.Compact(tables), nil
}

// ownTables are the tables of one family in which there are chains of ours, as
// the kernel tells it.
func ownTables(f *family) ([]string, error) {
	chains, err := nfnetlink.Chains()
	var tables []string
	for _, c := range chains {
		if c.Family == f.nfproto && strings.HasPrefix(c.Name, chainName("")) {
			tables = append(tables, c.Table)
		}
	}
	slices.Sort(tables)
	return slices.Compact(tables), err
}
