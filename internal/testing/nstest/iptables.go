package nstest

import (
	"regexp"
	"strings"
)

// IPTablesBackends are the two kinds of iptables. Both are installed side by
// side, as iptables-nft and iptables-legacy.
var IPTablesBackends = []string{"nft", "legacy"}

// IPTables makes iptables the one of that back end, for the namespace alone:
// the links of Debian's alternatives are replaced by others, below
// /run/alternatives.
func IPTables(t T, backend string) {
	helper(t)()
	Script(t, strings.ReplaceAll(`
		test -L /etc/alternatives/iptables
		test -d /run/alternatives || { cp -a /etc/alternatives /run/alternatives; mount --bind /run/alternatives /etc/alternatives; }
		for p in iptables ip6tables; do for s in "" -save -restore; do ln -sfn /usr/sbin/$p-BACKEND$s /run/alternatives/$p$s; done; done`, "BACKEND", backend))
}

// notRules is what else iptables-save prints: the time, and how many packets
// reached a chain.
var notRules = regexp.MustCompile(`(?m)^#.*\n|\[[0-9]+:[0-9]+\]`)

// Rules are all rules of iptables and ip6tables, as their back end has them.
func Rules(t T) string {
	helper(t)()
	rules := "== iptables\n" + Run(t, "iptables-save") + "== ip6tables\n" + Run(t, "ip6tables-save")
	return notRules.ReplaceAllString(rules, "")
}
