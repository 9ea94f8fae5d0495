package bridge_test

import (
	"net"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/bridge"
	"xbr-script/internal/config"
	"xbr-script/internal/host"
	"xbr-script/internal/rtnl"
)

// aHost is a host with one interface a word: NAME, NAME/ALTNAME, or for a
// network that is up NAME>BRIDGE:NUMBER with a veth pair, or NAME>BRIDGE
// without one. The default route goes through the interface called way, if
// there is one.
func aHost(way string, words ...string) *host.Host {
	h := &host.Host{}
	add := func(l host.Link) *host.Link {
		l.Index, l.Ethernet = len(h.Links)+1, true
		if l.MAC == nil {
			l.MAC = net.HardwareAddr{0, 0x16, 0x3e, 0, 0, byte(l.Index)}
		}
		h.Links = append(h.Links, &l)
		return h.Links[len(h.Links)-1]
	}
	for _, w := range words {
		name, alt, _ := strings.Cut(w, "/")
		l := host.Link{}
		if alt != "" {
			l.AltNames = strings.Split(alt, "/")
		}
		nic, br, up := strings.Cut(name, ">")
		br, number, paired := strings.Cut(br, ":")
		switch {
		case !up:
			l.Name = name
			add(l)
		case paired:
			high := net.HardwareAddr{0xfe, 0xff, 0xff, 0xff, 0xff, 0xff}
			b := add(host.Link{Name: br, Kind: "bridge", MAC: high})
			l.Name, l.Kind = nic, "veth"
			dev := add(l)
			port := add(host.Link{Name: "vif0." + number, Kind: "veth", Lower: dev.Index, Master: b.Index, MAC: high})
			dev.Lower = port.Index
			add(host.Link{Name: bridge.SecondName(nic), Master: b.Index, MAC: high})
		default:
			l.Name, l.Kind = br, "bridge"
			b := add(l)
			add(host.Link{Name: bridge.SecondName(nic), Master: b.Index})
		}
	}
	if l := h.Name(way); l != nil {
		fixed := make([]byte, unix.SizeofRtMsg)
		fixed[0], fixed[4], fixed[7] = unix.AF_INET, unix.RT_TABLE_MAIN, unix.RTN_UNICAST
		m := rtnl.Msg{Type: unix.RTM_NEWROUTE, Body: fixed}
		h.Routes = append(h.Routes, m.With(unix.RTA_OIF, rtnl.U32Bytes(uint32(l.Index))))
	}
	return h
}

// asked parses bridges as a command line has them.
func asked(t *testing.T, line string) []config.Bridge {
	t.Helper()
	req, err := config.Parse(strings.Fields("start "+line), config.Source{})
	if err != nil {
		t.Fatal(err)
	}
	return req.Bridges
}

// short is a bridge as BRIDGE=NIC/NUMBER, or BRIDGE=NIC if dom0 has the bridge.
func short(w bridge.Spec) string {
	if w.Shape == bridge.OnBridge {
		return w.Bridge + "=" + w.NetDev
	}
	return w.Bridge + "=" + w.NetDev + "/" + strconv.Itoa(w.VifNum)
}

// TestResolve holds which network the words of a start mean.
func TestResolve(t *testing.T) {
	three := []string{"eth0/enp3s0", "eth1", "enp9s0/eth7"}
	up := []string{"eth0>xenbr0:0/enp3s0", "eth1>eth1", "enp9s0>lan:1"}
	for _, c := range []struct {
		host  []string
		way   string
		line  string
		want  string // "" if it is refused
		whose []string
	}{
		// No network is up.
		{three, "eth0", "", "xenbr0=eth0/0", nil},
		{three, "eth1", "", "xenbr1=eth1/1", nil},
		{three, "enp9s0", "", "xenbr0=enp9s0/0", nil},
		{three, "", "", "xenbr0=eth0/0", nil},
		{three, "enp9s0", "vifnum=1", "xenbr1=eth1/1", nil},
		{three, "enp9s0", "vifnum=7", "xenbr7=enp9s0/7", nil},
		{three, "enp9s0", "vifnum=5", "xenbr5=enp9s0/5", nil},
		{three, "eth0", "netdev=eth1", "xenbr1=eth1/1", nil},
		{three, "eth1", "netdev=enp3s0", "xenbr0=eth0/0", nil},
		{three, "eth0", "netdev=eth7", "xenbr0=enp9s0/0", nil},
		{three, "eth0", "bridge=br5", "br5=eth0/0", nil},
		{three, "eth0", "bridge=eth0", "eth0=eth0", nil},
		{three, "eth0", "dom0=bridge", "eth0=eth0", nil},
		{three, "eth0", "bridge=enp3s0 netdev=enp3s0", "eth0=eth0", nil},
		{three, "eth0", "dom0=bridge bridge=br5 netdev=eth1", "br5=eth1", nil},
		{three, "eth0", "netdev=enp9s0 --next netdev=eth0 --next netdev=eth1", "xenbr0=enp9s0/0 xenbr1=eth0/1 xenbr2=eth1/2", nil},
		{three, "eth0", "netdev=enp9s0 --next netdev=eth1 vifnum=0 --next netdev=eth0 vifnum=1", "xenbr2=enp9s0/2 xenbr0=eth1/0 xenbr1=eth0/1", nil},
		{three, "eth0", "netdev=eth0 --next dom0=bridge netdev=enp9s0", "xenbr0=eth0/0 enp9s0=enp9s0", nil},
		{[]string{"eth0", "eth4095", "vif0.4095"}, "", "netdev=eth4095", "xenbr0=eth4095/0", nil},
		{[]string{"eth0", "veth0", "vif0.1"}, "eth0", "", "xenbr2=eth0/2", nil},
		{[]string{"eth0/xenbr0"}, "eth0", "", "xenbr1=eth0/1", nil},
		{[]string{"eth0", "eth5>xenbr0:7"}, "eth0", "netdev=eth0", "xenbr1=eth0/1", nil},
		{[]string{"eth0", "p2p1", "2p1"}, "p2p1", "", "xenbr1=p2p1/1", nil},
		{[]string{"enx001122334455"}, "enx001122334455", "vifnum=3", "xenbr3=enx001122334455/3", nil},
		{[]string{"enx001122334455", "enx001122334466"}, "", "vifnum=3 netdev=enx001122334455 --next vifnum=4 netdev=enx001122334466",
			"xenbr3=enx001122334455/3 xenbr4=enx001122334466/4", nil},
		{[]string{"long-name-of-15", "wong-name-of-15"}, "", "vifnum=3 netdev=long-name-of-15 --next vifnum=4 netdev=wong-name-of-15", "",
			[]string{"cannot rename wong-name-of-15 to pong-name-of-15: that is the name of long-name-of-15 as a port of xenbr3"}},

		// Networks are up.
		{[]string{"enx001122334455>xenbr0:0"}, "enx001122334455", "", "xenbr0=enx001122334455/0", nil},
		{[]string{"enx001122334455>xenbr0:0"}, "", "netdev=pnx001122334455", "xenbr0=enx001122334455/0", nil},
		{[]string{"enx001122334455>enx001122334455"}, "enx001122334455", "", "enx001122334455=enx001122334455", nil},
		{[]string{"enx001122334455>br0"}, "br0", "", "br0=enx001122334455", nil},
		{[]string{"enx001122334455>br0"}, "", "bridge=br0", "br0=enx001122334455", nil},
		{[]string{"enp193s0f0np01>br0"}, "", "bridge=br0", "br0=enp193s0f0np01", nil},
		{[]string{"lan-of-customer>br0"}, "", "bridge=br0 netdev=lan-of-customer", "br0=lan-of-customer", nil},
		{[]string{"plan-management>br0:0"}, "", "bridge=br0", "br0=plan-management/0", nil},
		{[]string{"plan-management>br0"}, "", "bridge=br0 netdev=plan-management", "br0=plan-management", nil},
		{[]string{"long-name-of-15>br0:0", "wong-name-of-15"}, "", "netdev=wong-name-of-15", "",
			[]string{"cannot rename wong-name-of-15 to pong-name-of-15: that is the name of long-name-of-15 as a port of br0"}},
		{up, "eth0", "", "xenbr0=eth0/0", nil},
		{up, "", "netdev=eth1", "eth1=eth1", nil},
		{up, "", "netdev=enp9s0", "lan=enp9s0/1", nil},
		{up, "", "netdev=penp9s0", "lan=enp9s0/1", nil},
		{up, "", "bridge=lan", "lan=enp9s0/1", nil},
		{up, "", "vifnum=1", "lan=enp9s0/1", nil},
		{up, "", "vifnum=1 bridge=lan netdev=enp9s0 dom0=veth", "lan=enp9s0/1", nil},
		{up, "", "netdev=enp3s0 bridge=xenbr0", "xenbr0=eth0/0", nil},
		{up, "", "netdev=eth1 vifnum=9", "eth1=eth1", nil}, // not known without a record
		{append(up, "eth2"), "", "netdev=eth2", "xenbr2=eth2/2", nil},
		{append(up, "ens0"), "", "netdev=ens0", "xenbr2=ens0/2", nil},
		{append(up, "ens0"), "", "netdev=ens0 bridge=mine", "mine=ens0/2", nil},
		{up, "eth0", "bridge=other", "", []string{"xenbr0 is up"}},
		{up, "eth0", "dom0=bridge", "", []string{"xenbr0 is up"}},
		{up, "eth0", "vifnum=1 netdev=eth0", "", []string{"xenbr0 is up", "lan is up"}},
		{up, "eth0", "netdev=eth0 bridge=lan vifnum=0", "", []string{"xenbr0 is up", "lan is up"}},
		{up, "eth0", "netdev=eth1 dom0=veth", "", []string{"eth1 is up"}},
		{append(up, "eth2"), "", "netdev=eth2 vifnum=1", "", []string{"lan is up"}},
		{append(up, "eth2"), "", "netdev=eth2 bridge=lan", "", []string{"lan is up"}},
		{append(up, "eth2"), "", "netdev=eth2 --next bridge=eth1 netdev=eth0", "", []string{"eth1 is up", "xenbr0 is up"}},
		{[]string{"eth0>xenbr1:0", "eth1"}, "", "vifnum=1 netdev=eth1", "", []string{"xenbr1 is up"}},
	} {
		specs, err := bridge.Resolve(config.Start, asked(t, c.line), aHost(c.way, c.host...), nil)
		var got []string
		for _, w := range specs {
			got = append(got, short(w))
		}
		if strings.Join(got, " ") != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%v, start %s: got %v, %v, want %s", c.host, c.line, got, err, c.want)
		}
		for _, text := range c.whose {
			if err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("%v, start %s: %v, want %s", c.host, c.line, err, text)
			}
		}
	}
}

// TestResolveRecords: a record tells what the live network does not, and a
// record without its network does not change a start.
func TestResolveRecords(t *testing.T) {
	rec := func(line string) *bridge.Record {
		specs, err := bridge.Resolve(config.Start, asked(t, line), aHost("eth0", "eth0", "eth1", "eth5"), nil)
		if err != nil {
			t.Fatal(err)
		}
		return &bridge.Record{Spec: specs[0]}
	}
	own := rec("netdev=eth1 dom0=bridge vifnum=4")
	old := rec("netdev=eth5 vifnum=0")
	h := aHost("eth0", "eth0", "eth1>eth1", "eth5")
	for _, c := range []struct {
		command config.Command
		line    string
		want    string
	}{
		{config.Start, "netdev=eth1 vifnum=4", "eth1=eth1"},
		{config.Start, "vifnum=4", "eth1=eth1"},
		{config.Start, "netdev=eth1 vifnum=1", ""},
		{config.Stop, "vifnum=4", "eth1=eth1"},
		{config.Stop, "netdev=eth5", "xenbr0=eth5/0"},
		{config.Stop, "netdev=eth0 bridge=xenbr0", ""},
		{config.Stop, "netdev=eth0 bridge=b", "b=eth0/1"},
		{config.Start, "netdev=eth0 bridge=xenbr0 vifnum=0", "xenbr0=eth0/0"},
		{config.Start, "netdev=eth0", "xenbr1=eth0/1"},
		{config.Start, "netdev=eth5", "xenbr0=eth5/0"},
	} {
		specs, err := bridge.Resolve(c.command, asked(t, c.line), h, []*bridge.Record{own, old})
		got := ""
		if err == nil {
			got = short(specs[0])
		}
		if got != c.want {
			t.Errorf("%s %s: got %s, %v, want %s", c.command, c.line, got, err, c.want)
		}
	}
	names := bridge.Others(bridge.Standing(h, []*bridge.Record{own, old}), nil)
	if !slices.Equal(names, []string{"eth1 (eth1)"}) {
		t.Errorf("up is %v", names)
	}
}

// TestResolveForStatus: what does not fit is reported, and everything else is
// the same.
func TestResolveForStatus(t *testing.T) {
	h := aHost("eth0", "eth0>xenbr0:0", "eth1")
	specs, err := bridge.Resolve(config.Status, asked(t, "netdev=eth1 bridge=xenbr0 vifnum=0 dom0=bridge"), h, nil)
	if err != nil || len(specs) != 1 || short(specs[0]) != "xenbr0=eth0/0" {
		t.Fatal(specs, err)
	}
	want := []string{
		"netdev=eth1 was asked for, and what is up has netdev=eth0",
		"dom0=bridge was asked for, and what is up has dom0=veth",
	}
	if !reflect.DeepEqual(specs[0].Unfit, want) {
		t.Errorf("unfit: %q", specs[0].Unfit)
	}
	again, err := bridge.Resolve(config.Status, asked(t, "bridge=xenbr0"), h, nil)
	if err != nil || len(again[0].Unfit) > 0 {
		t.Error(again, err)
	}
}
