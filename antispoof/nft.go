package antispoof

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/nfnetlink"
	"xbr-script/internal/plan"
)

const tablesKind = "nft tables"

// dropTables is an operation that removes tables of the nf_tables back end
// which iptables made when it first used them, if they are as new: iptables
// itself can only empty them. Tables of the legacy back end go only with its
// modules.
type dropTables struct {
	Program string   `json:"Program"`
	Tables  []string `json:"Tables"`
}

// Kind implements plan.Op.
func (*dropTables) Kind() string { return tablesKind }

// Commands implements plan.Op.
func (d *dropTables) Commands() []string {
	nft := "ip"
	if familyOf(d.Program) == ipv6 {
		nft = "ip6"
	}
	var cmds []string
	for _, t := range d.Tables {
		// Where there is no nft the table stays, empty, which is no reason to
		// stop half-way.
		cmds = append(cmds, fmt.Sprintf("%s -t %s -S | grep -qv '^-P .* ACCEPT$' || nft delete table %s %s || true", d.Program, t, nft, t))
	}
	return cmds
}

// Do implements plan.Op. A table that somebody else has used meanwhile stays.
func (d *dropTables) Do(ctx context.Context, _ bool) error {
	p, err := open(ctx, d.Program)
	if err != nil || !p.nft {
		return err
	}
	for _, table := range d.Tables {
		if err := dropUnused(p, table); err != nil {
			return err
		}
	}
	return nil
}

// dropUnused removes a table unless it is in use. The kernel refuses if
// anything has changed since it was looked at.
func dropUnused(p *program, table string) error {
	begin := time.Now()
	for rounds := 0; again(rounds, begin); rounds++ {
		gen, err := nfnetlink.Generation()
		if err != nil {
			return err
		}
		s, err := read(p)
		if err != nil || !s.unused(table) {
			return err
		}
		err = dropTable(p.family, table, gen)
		if !errors.Is(err, unix.ERESTART) {
			return err
		}
	}
	return nil // whoever changes rules all the time may keep the table
}

// unused says whether a table is there and has only the chains that every
// table begins with, without rules. One that iptables cannot read is another's.
func (s *ruleset) unused(table string) bool {
	for key, c := range s.chains {
		if key.table == table && (c.policy != "ACCEPT" || len(c.rules) > 0) {
			return false
		}
	}
	return slices.Contains(s.tables, table)
}

// dropTables is the operation for all tables that were not there before.
func (s *draft) dropTables() []plan.Op {
	var ops []plan.Op
	for _, st := range s.rulesets {
		if tables := s.made.NewTables[st.program.family.program]; len(tables) > 0 {
			ops = append(ops, &dropTables{st.program.name, tables})
		}
	}
	return ops
}
