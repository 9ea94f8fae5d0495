package holders

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/nfrule"
	"xbr-script/internal/xtables"
)

// legacyTables is the kind of their rules.
const legacyTables = "iptables-legacy"

// readLegacy reads the tables that iptables-legacy has: none comes to be by that.
func readLegacy(r *reader) error {
	for _, f := range []struct {
		file, program string
		family        uint8
	}{{"ip_tables_names", "iptables", unix.NFPROTO_IPV4}, {"ip6_tables_names", "ip6tables", unix.NFPROTO_IPV6}} {
		text, err := os.ReadFile("/proc/thread-self/net/" + f.file)
		if errors.Is(err, os.ErrNotExist) {
			continue // a kernel without them
		}
		if err != nil {
			return err
		}
		for _, table := range strings.Fields(string(text)) {
			chains, err := xtables.Read(f.family, table)
			if err != nil {
				r.Legacy = append(r.Legacy, table+" of "+f.program)
				continue
			}
			for _, c := range chains {
				r.addLegacy(f.family, table, c)
			}
		}
	}
	return nil
}

// addLegacy adds a chain to what is known of those of nftables.
func (r *reader) addLegacy(family uint8, table string, c xtables.Chain) {
	h := Hook{Family: family, Table: table, Name: c.Name, Drops: c.Drops, Legacy: true}
	switch c.Hook {
	case unix.NF_INET_FORWARD:
		r.Forward = append(r.Forward, h)
	case unix.NF_INET_LOCAL_IN, unix.NF_INET_LOCAL_OUT:
		r.Local = append(r.Local, h)
	}
	id := nfrule.ID{Family: family, Table: table, Name: c.Name}
	for _, rule := range c.Rules {
		r.legacy[id] = append(r.legacy[id], rule.Step)
		r.Rules = append(r.Rules, Rule{
			Family: family, Table: table, Chain: c.Name, Legacy: true, JumpsTo: rule.Chain,
			Names: rule.Names, Masquerades: rule.Masquerades, Publishes: rule.Publishes,
			PhysDev: rule.PhysDev, States: rule.States, Reverse: rule.Reverse,
		})
	}
}

// findLegacy: rules that could not be read go by names, too. If the name changes all that can
// be said is where to look.
func findLegacy(d *Data, m Move) []Holder {
	if len(d.Legacy) == 0 || m.From.Name == m.To.Name {
		return nil
	}
	return []Holder{{
		Kind: legacyTables, What: "tables " + strings.Join(d.Legacy, ", "), Outcome: Breaks,
		Then: "rules by the name " + m.From.Name + ", which could not be looked for, lose it: change the name in them" + m.keepName(),
	}}
}
