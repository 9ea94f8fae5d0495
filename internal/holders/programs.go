package holders

// What is known of programs, by their names in /proc/PID/comm. Each was tried: see
// docs/holders.md.

// followers go on by themselves or with this program's help, and how.
var followers = map[string]string{
	"dhclient":        "it goes on renewing the lease",
	"udhcpc":          "it goes on renewing the lease",
	"systemd-network": "it is restarted",
	"NetworkManager":  "it is told",
	"dhcpcd":          "it is run again",
	"avahi-daemon":    turns,
	"bird":            turns,
	"keepalived":      turns,
	"lldpd":           turns,
	"ntpd":            turns,
	"radvd":           turns,
	"systemd-resolve": turns,
}

// joiners see a new interface and join their groups there.
var joiners = map[string]bool{
	"avahi-daemon": true, "systemd-resolve": true, "systemd-network": true, "NetworkManager": true,
	"bird": true, "keepalived": true, "radvd": true,
}

// misled see a new interface, too, but not under the name that they are configured for:
// to FRR dom0's interface keeps the one that it was made with.
var misled = map[string]bool{"ospfd": true}

const turns = "it turns to dom0's new interface by itself"

// watchers see all frames on the wire, and that is what they are for.
var watchers = map[string]bool{"tcpdump": true, "dumpcap": true, "arpwatch": true}

// steady have sockets for all protocols, and get over it that a NIC is off for a moment.
var steady = map[string]bool{"dhcpd": true, "dhcrelay": true, "kea-dhcp4": true, "ptp4l": true}

// followedBy says how programs follow, "" if not all of them do.
func followedBy(owners []Owner) string {
	how := ""
	for _, o := range owners {
		if how = followers[o.Program]; how == "" {
			return ""
		}
	}
	return how
}

// allIn says whether there are programs, all of which are in a set.
func allIn(set map[string]bool, owners []Owner) bool {
	for _, o := range owners {
		if !set[o.Program] {
			return false
		}
	}
	return len(owners) > 0
}
