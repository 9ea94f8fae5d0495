package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"xbr-script/internal/host"
)

// networkdLinks is where systemd-networkd says what it does with each
// interface, in a file named by its index.
const networkdLinks = "/run/systemd/netif/links"

// networkdLine says which of the cards systemd-networkd configures. It goes by
// their indexes, and dom0's addresses are on another interface now: with DHCP it
// would let the lease run out, and the host would be gone an hour later. It is
// empty where there is nothing to say.
func (c *call) networkdLine(dir string) string {
	var cards []string
	for _, w := range c.wants {
		if configuredBy(dir, c.host.Name(w.NetDev)) || configuredBy(dir, c.host.Name(w.PDev)) {
			cards = append(cards, w.NetDev)
		}
	}
	if len(cards) == 0 {
		return ""
	}
	return fmt.Sprintf("systemd-networkd takes the card for %s, and lets a lease run out unless it is restarted:"+
		"\n  systemctl restart systemd-networkd (the boot unit does that)", strings.Join(cards, ", "))
}

// configuredBy tells whether that interface is one that has a .network file.
func configuredBy(dir string, l *host.Link) bool {
	if l == nil {
		return false
	}
	text, _ := os.ReadFile(filepath.Join(dir, strconv.Itoa(l.Index))) // not there: it does not run, or not know it
	for line := range strings.Lines(string(text)) {
		if file, ok := strings.CutPrefix(line, "NETWORK_FILE="); ok && strings.TrimSpace(file) != "" {
			return true
		}
	}
	return false
}
