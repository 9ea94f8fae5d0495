package host

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"xbr-script/internal/rtnl"
	"xbr-script/internal/sysctl"
	"xbr-script/internal/testing/nstest"
)

// form1 is a snapshot as a file has it.
const form1 = `{
  "version": 1,
  "byte_order": "little",
  "live_rename": true,
  "read_at": 77000000000,
  "links": [
    {
      "index": 2,
      "name": "eth0",
      "alternative_names": ["enp3s0", [255, 97]],
      "bus": "pci",
      "ethernet": true,
      "mac": "00:16:3e:00:00:01",
      "permanent_mac": "00:16:3e:00:00:01",
      "mtu": 1500,
      "queue_length": 1000,
      "flags": "0x11043 # up lower_up multicast",
      "operational": true,
      "inet6": true,
      "addr_gen_mode": 0,
      "token": "::7",
      "settings": {
        "net/ipv4/conf/arp_ignore": "1",
        "net/ipv6/conf/use_tempaddr": null
      }
    },
    {
      "index": 5,
      "name": "xenbr0",
      "kind": "bridge",
      "ethernet": true,
      "mac": "fe:ff:ff:ff:ff:ff",
      "mtu": 1500,
      "queue_length": 1000,
      "flags": "0x1003 # up multicast",
      "operational": false,
      "inet6": false,
      "addr_gen_mode": 1,
      "bridge_attributes": "CAAFAAEAAAA="
    }
  ],
  "addresses": [
    "AhiAAAIAAAAIAAEACgAAAggAAgAKAAAC # ip addr add 10.0.0.2/24 dev eth0"
  ],
  "routes": [],
  "neighbours": [],
  "nexthops": null,
  "new_interface_settings": {
    "net/ipv4/conf/arp_ignore": "0",
    "net/ipv6/conf/use_tempaddr": "0"
  },
  "settings": {
    "net/ipv4/ip_forward": "0"
  },
  "static_forwarding_entries": [],
  "names_in_rules": ["eth0"],
  "ipv6_sockets": {
    "hidden": false,
    "local": ["::1"]
  },
  "in_other_namespaces": [
    {
      "name": "eth0",
      "kind": "macvlan",
      "mac": "02:00:00:00:00:01",
      "lower": 2,
      "place": "the network namespace of nginx (pid 7)"
    }
  ]
}`

// form2 is the same in the form that is written now. Of the rules form1 has only the names
// in them.
var form2 = strings.NewReplacer(`"version": 1`, `"version": 2`,
	`"names_in_rules": ["eth0"]`, `"rules": ["AgAAAP4AAAEAAAAACQADAGV0aDAAAAAA # ip rule add pref 0 iif eth0 lookup main", "AgAAAP4AAAEAAAAACAAGAP5/AAA= # ip rule add pref 32766 lookup main"]`).Replace(form1)

// TestFile reads a file, and writes the same again, in the form of this version.
func TestFile(t *testing.T) {
	for name, form := range map[string]string{"form 1": form1, "form 2": form2} {
		t.Run(name, func(t *testing.T) { testFile(t, form) })
	}
}

func testFile(t *testing.T, form string) {
	h := &Host{}
	if err := json.Unmarshal([]byte(form), h); err != nil {
		t.Fatal(err)
	}
	nic, br := h.Index(2), h.Name("xenbr0")
	if nic == nil || br == nil || nic.MAC.String() != "00:16:3e:00:00:01" || !nic.Running() || nic.AltNames[1] != "\xffa" || !br.Bridge.STP {
		t.Errorf("links: %+v %+v", nic, br)
	}
	arp, temp := sysctl.Key{Dir: "net/ipv4/conf", Name: "arp_ignore"}, sysctl.Key{Dir: "net/ipv6/conf", Name: "use_tempaddr"}
	if d := h.Settings("eth0"); len(d) != 1 || d[arp] != "1" {
		t.Errorf("settings of eth0: %v", d)
	}
	if d := h.NewDevice(); d[arp] != "0" || d[temp] != "0" {
		t.Errorf("settings of new interfaces: %v", d)
	}
	if h.Setting("net/ipv4/ip_forward") != "0" || h.Setting(arp.Of("eth0")) != "1" || !h.HasRule("eth0") || h.HasRule("eth1") || h.Pinned(2, nic.MAC) {
		t.Error("what was asked for is another")
	}
	if len(h.State(2).Addrs4) != 1 || h.Err() != nil {
		t.Errorf("%v, %v", h.State(2), h.Err())
	}
	text, err := json.MarshalIndent(h, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	var want, got any
	if err := json.Unmarshal([]byte(form2), &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(want, got) {
		t.Errorf("it is written as\n%s", text)
	}
	for name, ask := range map[string]func(){
		"setting":  func() { h.Setting("net/ipv4/other") },
		"settings": func() { h.Settings("xenbr0") },
		"bridging": func() { h.Bridging() },
	} {
		h.Asked.err = nil
		if ask(); h.Err() == nil {
			t.Errorf("%s: no error of what is not in the file", name)
		}
	}
}

// TestBadFile has files that are not snapshots, or of another version: they are
// refused.
func TestBadFile(t *testing.T) {
	for name, change := range map[string][2]string{
		"another version":      {`"version": 2`, `"version": 3`},
		"no version":           {`"version": 2,`, ``},
		"a field of version 1": {`"rules": [`, `"names_in_rules": [`},
		"a field of version 2": {`"version": 2`, `"version": 1`},
		"another byte order":   {`little`, `big`},
		"an unknown field":     {`"live_rename"`, `"love_rename"`},
		"of a link":            {`"mtu"`, `"mtU2"`},
		"no base64":            {`AhiAAAIAAAA`, `*hiAAAIAAAA`},
		"half a message":       {`AhiAAAIAAAAIAAEACgAAAggAAgAKAAAC`, `AhiA`},
		"torn attributes":      {`AhiAAAIAAAAIAAEACgAAAggAAgAKAAAC`, `AhiAAAIAAAAIAAEACgAAAggAAgAK`},
		"no MAC address":       {`"fe:ff`, `"xx:ff`},
		"no flags":             {`0x11043 #`, `up`},
		"no name":              {`"xenbr0"`, `""`},
		"no attributes":        {`CAAFAAEAAAA=`, `/wAFAAEAAAA=`},
		"a setting without /":  {`"net/ipv4/conf/arp_ignore": "1"`, `"net/ipv4/conf/arp_ignore": 1`},
	} {
		text := strings.Replace(form2, change[0], change[1], 1)
		if text == form2 {
			t.Errorf("%s: nothing is changed", name)
		}
		if err := json.Unmarshal([]byte(text), &Host{}); err == nil {
			t.Errorf("%s: it is taken", name)
		} else {
			t.Log(name+": ", err)
		}
	}
}

// TestFileOfHost checks that a file says about a host what the host itself
// does.
func TestFileOfHost(t *testing.T) {
	c := dial(t, `sysctl -qw net.ipv6.conf.default.accept_dad=0
ip link add eth0 type veth peer name lan0
ip link add br0 type bridge
ip link set lan0 master br0
ip link property add dev eth0 altname uplink
ip link set lan0 up
ip link set br0 up
ip link set eth0 up
ip addr add 10.0.0.2/24 brd + dev eth0
ip addr add 2001:db8::2/64 dev eth0
ip route add default via 10.0.0.1
ip nexthop add id 5 via 10.0.0.5 dev eth0
ip -6 route add 2001:db8:1::/48 via 2001:db8::1
ip route add 10.7.0.0/16 nhid 5
ip neigh add 10.0.0.1 lladdr 02:00:00:00:00:01 dev eth0
ip rule add iif eth0 lookup 100
bridge fdb add 02:00:00:00:00:07 dev lan0 master static sticky
bridge mdb add dev br0 port lan0 grp 239.1.1.1 permanent`)
	nstest.Rest(t)
	h := readHost(t, c)
	if err := h.Ask("net/ipv4/ip_forward", "net/ipv4/conf/all/rp_filter"); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	back := &Host{}
	if err := json.Unmarshal(data, back); err != nil {
		t.Fatal(err)
	}
	if err := back.Ask("net/ipv4/ip_forward", "net/ipv4/conf/all/rp_filter"); err != nil {
		t.Error("something is not in the file: ", err)
	}
	for _, l := range h.Links {
		if !reflect.DeepEqual(l, back.Index(l.Index)) {
			t.Errorf("%+v\nis in the file\n%+v", l, back.Index(l.Index))
		}
		if !reflect.DeepEqual(h.State(l.Index), back.State(l.Index)) {
			t.Errorf("%s has\n%v\nin the file\n%v", l.Name, h.State(l.Index), back.State(l.Index))
		}
	}
	bodies := func(msgs []rtnl.Msg) (all []string) {
		for _, m := range msgs {
			all = append(all, string(m.Body))
		}
		return all
	}
	for name, lists := range map[string][2][]rtnl.Msg{
		"static": {h.Asked.Static, back.Asked.Static}, "vlans": {h.Bridging().VLANs, back.Bridging().VLANs},
		"fdb": {h.Bridging().FDB, back.Bridging().FDB}, "mdb": {h.Bridging().MDB, back.Bridging().MDB},
		"routes": {h.Routes, back.Routes},
	} {
		if len(lists[0]) == 0 && name != "vlans" || !reflect.DeepEqual(bodies(lists[0]), bodies(lists[1])) {
			t.Errorf("%s: %d became %d", name, len(lists[0]), len(lists[1]))
		}
	}
	if !reflect.DeepEqual(h.Asked.Devices, back.Asked.Devices) || !reflect.DeepEqual(h.Asked.Settings, back.Asked.Settings) ||
		!reflect.DeepEqual(h.Asked.Rules, back.Asked.Rules) {
		t.Error("settings or rules are others")
	}
	if mac := []byte{2, 0, 0, 0, 0, 7}; !back.Sticky(back.Name("lan0").Index, mac) || back.Sticky(back.Name("lan0").Index, back.Name("lan0").MAC) {
		t.Error("the sticky entry is lost")
	}
	if !strings.Contains(string(data), "# ip route add 10.7.0.0/16 nhid 5") {
		t.Error("nobody could recognise a route")
	}
}
