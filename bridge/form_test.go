package bridge

import (
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/ipcmd"
	"xbr-script/internal/netop"
	"xbr-script/internal/rawjson"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/sysctl"
	"xbr-script/internal/testing/formtest"
)

// fullLink is an interface with everything that is kept of one. Its name is not
// UTF-8.
func fullLink() *host.Link {
	return &host.Link{
		Index: 7, Name: "eth\xff", AltNames: []string{"enp3s0"}, Kind: "bridge", Ethernet: true,
		MAC: []byte{2, 0, 0, 0, 0, 1}, MTU: 1500, TxQLen: 1000, Flags: unix.IFF_UP, Master: 8, Lower: 9, Elsewhere: true,
		Alias: "it's", Group: 3, AddrGen: 1, Inet6: true, Token: netip.MustParseAddr("::5"), Perm: []byte{2, 0, 0, 0, 0, 2},
		PortState: host.Forwarding, OperUp: true, Bridge: host.BridgeInfo{STP: true, ForwardDelay: 1500, Snooping: true, VLANFiltering: true},
		Bus: "pci", OperUnknown: true,
	}
}

// aMessage is a message of the kernel's.
func aMessage() rtnl.Msg {
	return rtnl.Msg{Type: unix.RTM_NEWADDR, Flags: unix.NLM_F_CREATE, Body: []byte{10, 64, 0, 253, 7, 0, 0, 0}}
}

// fullRecord is a record with everything.
func fullRecord() *Record {
	f := &found{
		Dev: fullLink(), DevSettings: sysctl.Device{disableIPv6: "1"}, Port: fullLink(), PortSettings: sysctl.Device{ipv6MTU: "1400"},
		Addrs6: []rtnl.Msg{aMessage()},
	}
	return &Record{
		Spec: Spec{
			VifNum: 3, Bridge: "xenbr3", NetDev: "eth0", PDev: "peth0", VDev: "veth3", VIF: "vif0.3",
			Why: []string{"vifnum=3, the next that is free after 0"},
		},
		NICMAC: "00:16:3e:00:00:01", NICOff: true, StandIn: netip.MustParseAddr("::6"), AnyLease: true, FoundBridge: fullLink(), FoundDom0: f,
	}
}

// TestNothingForgotten holds that the examples set every field that a plan is
// made from, except those that no record keeps. So whoever adds a field either
// keeps it, or names it here.
func TestNothingForgotten(t *testing.T) {
	const kept = "Link.BridgeAttrs Link.PortAttrs Link.VXLANAttrs Link.Second Link.Functions" // see keptForm; a VXLAN, an HSR or hardware is no part of a network
	const asked = "Spec.Unfit Spec.AntiSpoof Spec.GuestsAllow"
	const found = "Spec.Strayed"         // anew by each call
	const veth = "Spec.Shape kept.Shape" // for the other shape see TestShapesKept
	rec := fullRecord()
	for _, v := range []any{*rec, rec.Spec, *rec.FoundDom0, *rec.FoundBridge, fullKept(), fullKept().NIC, fullKept().NIC.Settings, (*fullKept().NIC.Settings.VLANs)[0]} {
		s := reflect.ValueOf(v)
		for i := range s.NumField() {
			name := s.Type().Name() + "." + s.Type().Field(i).Name
			if s.Field(i).IsZero() != slices.Contains(strings.Fields(kept+" "+asked+" "+found+" "+veth), name) {
				t.Errorf("%s in the example: %v", name, s.Field(i))
			}
		}
	}
}

// TestRecordForms holds the forms of a bridge's record.
func TestRecordForms(t *testing.T) {
	unsaid := fullRecord()
	unsaid.AnyLease = false
	formtest.Records(t, "bridge", recordForms, fullRecord(), map[int]*Record{1: unsaid, 2: unsaid}, "found_dom0.settings", "found_dom0.port_settings")
}

// TestShapesKept reads what is kept of a network of the other shape as such,
// and refuses a record that names one shape and has the interfaces of the
// other.
func TestShapesKept(t *testing.T) {
	rec, k := fullRecord(), fullKept()
	rec.Spec.Shape, rec.Spec.VIF, k.Shape = OnBridge, "", OnBridge
	back, err := formOfRecord(rec).record()
	if err != nil || !reflect.DeepEqual(back, rec) {
		t.Errorf("the record is read as %+v, %v", back, err)
	}
	kept, err := formOfKept(&k).kept()
	if err != nil || !reflect.DeepEqual(*kept, k) {
		t.Errorf("what is kept is read as %+v, %v", kept, err)
	}
	for _, f := range []recordForm2{{Dom0Is: "veth"}, {Dom0Is: "bridge", VIF: "vif0.3"}, {Dom0Is: "both"}, {VIF: "vif0.3"}} {
		f.Bridge, f.NetDev, f.PDev, f.VDev = "xenbr3", "eth0", "peth0", "veth3"
		if rec, err := f.record(); rec != nil || err == nil {
			t.Errorf("%+v is read as %+v", f, rec)
		}
	}
	for _, f := range []recordForm2{{}, {Bridge: "xenbr3", NetDev: "eth0", PDev: "peth0"}} {
		f.Dom0Is, f.VIF = "veth", "vif0.3"
		if _, err := f.record(); err == nil {
			t.Errorf("%+v is read", f)
		}
	}
}

// fullKept is everything that stop can keep.
func fullKept() kept {
	vlans := []vlan{{VID: 10, Last: 20, Flags: rtnl.VLANPVID | rtnl.VLANUntagged, Tunnel: 77}, {VID: 200}}
	set := settings{
		Attrs: attr(rtnl.Attr{Type: unix.IFLA_BRPORT_ISOLATED, Value: []byte{1}}).Serialize(), Backup: 5, VLANs: &vlans,
		VLANOptions: rtnl.Pack(bridgeMsg(unix.RTM_NEWVLAN, 0, 8)), FDB: rtnl.Pack(rtnl.FDB(unix.RTM_NEWNEIGH, rtnl.Replace, 8, portMAC)),
		MDB: rtnl.Pack(bridgeMsg(unix.RTM_NEWMDB, 0, 4)), Group: 3, Alias: "it's",
	}
	port := keptPort{Index: 8, Name: "vif\xff", Kind: "veth", Settings: set}
	return kept{Index: 4, Shape: Veth, Bridge: set, NIC: port, Dom0: port, Guests: []keptPort{port, {Index: 9, Name: "vif2.0"}}}
}

// TestKeptForms holds the forms of what stop keeps for start. The first had the
// names of the guests' ports.
func TestKeptForms(t *testing.T) {
	full, names := fullKept(), &kept{Guests: []keptPort{{Name: "vif1.0"}, {Name: "tap2.0"}}}
	formtest.Records(t, "guests", keptForms, &full, map[int]*kept{1: names})
}

// TestOpForms holds the forms of the operations.
func TestOpForms(t *testing.T) {
	names := ipcmd.Names{7: "eth0", 8: "veth\xff"}
	batch := netop.Batch{Wire: rtnl.Pack(aMessage()), Names: names, At: time.Second}
	msgs := []msgForm{msgForm(aMessage())}
	mac := net.HardwareAddr{0, 0x16, 0x3e, 0, 0, 1}
	setting := sysctl.Set{Name: "net/ipv6/conf/eth0/mtu", Value: "1400", Index: 7}
	formtest.Ops(t, Kinds(nil),
		&relabel{Addrs: batch, Index: 7, Spare: 8},
		&remove{Batch: batch, Name: "veth0", Later: "eth0", What: "veth", MAC: mac, Peer: 9},
		&vacant{Each: []seat{{7, "veth0", "eth0", "veth", mac, 9}, {Index: 9, Name: "vif0.0", Kind: "veth", Peer: 7}}, Again: "bridge=xenbr0 netdev=eth0 vifnum=0"},
		&advance{Past: 9},
		&setMAC{Msgs: batch, Index: 7, MAC: mac},
		&filter{Msgs: batch},
		&awaitAddrs{Index: 7, Addrs: [][]byte{{0xfe, 0x80, 15: 1}}},
		&awaitForwarding{Port: 9, Names: names},
		&awaitCarrier{Index: 7, Port: 9, Names: names},
		&gather{
			To: 8, Known: stateForm{Index: 7, Addrs4: msgs, Addrs6: msgs, Neighs: msgs, Nexthops: msgs, Routes: msgs},
			Down: true, Names: names,
		},
		&altNames{Batch: batch, To: 8, Names: []rawjson.String{"enp3s0"}},
		&whenReady{Index: 7, Set: setting},
		&enter{Port: 9, Bridge: 10, Join: batch, Give: batch},
		&unchanged{Index: 7, Names: names},
		aMend(names, setting, mac),
	)
}

// aMend is a mend that has a message outside of its JSON.
func aMend(names ipcmd.Names, setting sysctl.Set, mac net.HardwareAddr) *mend {
	l := fullLink()
	return &mend{
		Links: []asItWas{{Link: l, Settings: []sysctl.Set{setting}, Pins: [][]byte{mac}}}, Names: names, At: time.Second,
		was: &host.Host{Links: []*host.Link{l}, Addrs: []rtnl.Msg{aMessage()}},
	}
}
