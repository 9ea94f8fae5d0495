package config

import (
	"io/fs"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

// TestGuest reads what admit and dismiss are about.
func TestGuest(t *testing.T) {
	mac := net.HardwareAddr{0, 0x16, 0x3e, 0, 0, 1}
	prefix := netip.MustParsePrefix
	for line, want := range map[string]Guest{
		"admit port=vif1.0 mac=00:16:3e:00:00:01":                                                   {Port: "vif1.0", MAC: mac},
		"port=vif1.0 admit mac=00:16:3E:00:00:01 ip=":                                               {Port: "vif1.0", MAC: mac},
		"admit port=vif1.0 mac=00-16-3e-00-00-01 ip=2001:db8::5,10.9.1.0/24,10.9.0.11,10.9.0.11/32": {Port: "vif1.0", MAC: mac, Addresses: []netip.Prefix{prefix("10.9.0.11/32"), prefix("10.9.1.0/24"), prefix("2001:db8::5/128")}},
		"admit port=net0 mac=00:16:3e:00:00:01 router=yes ra=yes dhcp=yes bridge=xenbr1":            {Port: "net0", MAC: mac, Router: true, RA: true, DHCP: true, Bridge: "xenbr1"},
		"admit port=net0 mac=00:16:3e:00:00:01 router=no ra=no dhcp=no":                             {Port: "net0", MAC: mac},
		"dismiss port=vif1.0": {Port: "vif1.0"},
	} {
		req, err := Parse(strings.Fields(line), Source{})
		if err != nil || len(req.Guests) != 1 || !reflect.DeepEqual(req.Guests[0], want) {
			t.Errorf("%s: %+v, %v", line, req, err)
		}
	}
}

// TestBadGuest refuses what makes no sense.
func TestBadGuest(t *testing.T) {
	const good = "admit port=vif1.0 mac=00:16:3e:00:00:01 "
	for line, want := range map[string]string{
		"admit":                       "cannot admit: port= is missing",
		"admit port=vif1.0":           "cannot admit: mac= is missing",
		"admit mac=00:16:3e:00:00:01": "cannot admit: port= is missing",
		"admit port=vif1.0 mac=here":  `"here" is not a MAC address`,
		"admit port=vif1.0 mac=00:00:00:00:fe:80:00:00":            `"00:00:00:00:fe:80:00:00" is not a MAC address`,
		"admit port=vif1.0 mac=01:00:5e:00:00:01":                  `"01:00:5e:00:00:01" is the address of a group`,
		"admit port=vif1.0 mac=ff:ff:ff:ff:ff:ff":                  `"ff:ff:ff:ff:ff:ff" is the address of a group`,
		"admit port=vif1.0 mac=00:00:00:00:00:00":                  `is no host's address`,
		"admit port=vif1.0 mac=fe:ff:ff:ff:ff:ff":                  "is the address of the port, not of the guest",
		"admit port=a/b mac=00:16:3e:00:00:01":                     `has "/" in it`,
		"admit port=a-name-that-is-too-long mac=00:16:3e:00:00:01": "the name of a port has at most 15",
		good + "ip=here":                           `"here" is neither an IP address nor a network`,
		good + "ip=10.0.0.1,":                      `"" is neither an IP address nor a network`,
		good + "ip=10.0.0.1/24":                    `the network is 10.0.0.0/24`,
		good + "ip=fe80::1%eth0":                   "is neither an IP address nor a network",
		good + "ip=0.0.0.0/0":                      "is every address",
		good + "ip=::/0":                           "is every address",
		good + "ip=0.0.0.0":                        "is not the address of one host",
		good + "ip=127.0.0.1":                      "is not the address of one host",
		good + "ip=224.0.0.1":                      "is not the address of one host",
		good + "ip=ff02::1":                        "is not the address of one host",
		good + "ip=255.255.255.255":                "is not the address of one host",
		good + "ip=::ffff:10.0.0.1":                "is an IPv4 address in IPv6",
		good + "router=maybe":                      `"maybe" is neither yes nor no`,
		good + "netdev=eth0":                       "netdev= does not belong in admit",
		good + "wait=5":                            "wait= does not belong in admit",
		good + "--next port=vif2.0":                "cannot use --next with admit",
		good + "start":                             "cannot do both admit and start",
		"dismiss":                                  "cannot dismiss: port= is missing",
		"dismiss port=vif1.0 ip=10.0.0.1":          "cannot dismiss: ip= does not belong there",
		"start port=vif1.0":                        "cannot use port= with start",
		"status netdev=eth0 mac=00:16:3e:00:00:01": "cannot use mac= with status",
	} {
		if req, err := Parse(strings.Fields(line), Source{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v, want %s", line, req, err, want)
		}
	}
}

// TestGuestLines has guests in the file, beside bridges.
func TestGuestLines(t *testing.T) {
	parse := func(file string) (*Request, error) {
		return Parse([]string{"start"}, Source{DefaultFile: "f", ReadFile: func(string) ([]byte, error) { return []byte(file), nil }})
	}
	req, err := parse("netdev=eth0 antispoof=strict\nport=vif1.0 mac=00:16:3e:00:00:01 ip=10.0.0.1 # a guest\nport=vif2.0 bridge=eth0 mac=00:16:3e:00:00:02 dhcp=yes\nwait=5\n")
	if err != nil || len(req.Bridges) != 1 || req.Bridges[0].AntiSpoof != AntiSpoofStrict || len(req.Guests) != 2 || req.Guests[1].Bridge != "eth0" || !req.Guests[1].DHCP {
		t.Errorf("%+v, %v", req, err)
	}
	for file, want := range map[string]string{
		"port=vif1.0":           "f:1: mac= is missing",
		"mac=00:16:3e:00:00:01": "f:1: port= is missing",
		"port=vif1.0 mac=00:16:3e:00:00:01 netdev=eth0":                        "f:1: netdev= does not belong in a line about a guest",
		"port=vif1.0 mac=00:16:3e:00:00:01 wait=5":                             "f:1: wait= does not belong in a line about a guest",
		"\nport=vif1.0 mac=x":                                                  `f:2: "x" is not a MAC address`,
		"port=vif1.0 mac=00:16:3e:00:00:01\nport=vif1.0 mac=00:16:3e:00:00:02": "cannot use port=vif1.0 for two guests (f:1 and f:2)",
	} {
		if req, err := parse(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v, want %s", file, req, err, want)
		}
	}
}

// TestOriginalKnowsNoGuest takes words about guests as Xen's script takes them.
func TestOriginalKnowsNoGuest(t *testing.T) {
	req, err := Parse([]string{"start", "ip=10.0.0.1", "mac=x"}, Source{Name: Original, Getenv: func(string) string { return "" }, ReadFile: func(string) ([]byte, error) { return nil, fs.ErrNotExist }})
	if err != nil || len(req.Guests) != 0 || len(req.Notes) != 2 {
		t.Errorf("%+v, %v", req, err)
	}
}
