package holders

import (
	"errors"
	"os"
	"strings"
)

// readLegacy reads which tables iptables-legacy has.
func readLegacy(r *reader) error {
	for _, f := range []struct{ file, program string }{{"ip_tables_names", "iptables"}, {"ip6_tables_names", "ip6tables"}} {
		text, err := os.ReadFile("/proc/thread-self/net/" + f.file)
		if errors.Is(err, os.ErrNotExist) {
			continue // a kernel without them
		}
		if err != nil {
			return err
		}
		for _, table := range strings.Fields(string(text)) {
			r.Legacy = append(r.Legacy, table+" of "+f.program)
		}
	}
	return nil
}

// findLegacy: its rules go by names. They are not read, so if the name changes all that
// can be said is where to look.
func findLegacy(d *Data, m Move) []Holder {
	if len(d.Legacy) == 0 || m.From.Name == m.To.Name {
		return nil
	}
	return []Holder{{
		Kind: "iptables-legacy", What: "tables " + strings.Join(d.Legacy, ", "), Outcome: Breaks,
		Then: "rules by the name " + m.From.Name + ", which were not looked for, lose it: change the name in them" + m.keepName(),
	}}
}
