package vif

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/ipcmd"
	"xbr-script/internal/netop"
	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
	"xbr-script/internal/rtnl"
)

// Says is what xenstore says of the port, below the call's path.
type Says struct {
	VIFName string // what the port is to be called
	Bridge  string
	IP      string
	MTU     string
}

// Planner plans for one port.
type Planner struct {
	*Call
	Says
	Host *host.Host
	Conn *rtnl.Conn // carries the messages
}

// mac is what ports of guests have. No bridge takes it for its own address, and no guest
// has it (_setup_bridge_port in xen-network-common.sh).
var mac = net.HardwareAddr{0xfe, 0xff, 0xff, 0xff, 0xff, 0xff}

// Name is what the port is called once it is online.
func (p *Planner) Name() string { return p.Port(p.VIFName) }

// link is the port as it is called by now, or nil.
func (p *Planner) link() *host.Link {
	if l := p.Host.Name(p.Dev); l != nil {
		return l
	}
	return p.Host.Name(p.Name())
}

// BridgeName is the bridge that is meant, "" if there is none: xenstore goes before the
// call, else it is the first one that there is. Where there is no xenbr0, eth0 is meant if
// that is a bridge, as network-bridge of Xen 3.2 and later called it.
func (p *Planner) BridgeName() string {
	asked := p.Says.Bridge
	if asked == "" {
		asked = p.Call.Bridge
	}
	if asked == "" {
		return p.firstBridge()
	}
	if number, isXen := strings.CutPrefix(asked, "xenbr"); isXen && p.Host.Name(asked) == nil {
		if l := p.Host.Name("eth" + number); l != nil && l.Kind == "bridge" {
			return l.Name
		}
	}
	return asked
}

func (p *Planner) firstBridge() string {
	var names []string
	for _, l := range p.Host.Links {
		if l.Kind == "bridge" {
			names = append(names, l.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return slices.Min(names)
}

// Addresses are the words of ip=: xenstore goes before the call.
func (p *Planner) Addresses() []string {
	if p.Says.IP != "" {
		return strings.Fields(p.Says.IP)
	}
	return strings.Fields(p.Call.IP)
}

// Ready refuses a port that cannot come up.
func (p *Planner) Ready() error {
	name := p.BridgeName()
	br := p.Host.Name(name)
	switch {
	case name == "":
		return refusal.New("name it in the vif line: bridge=xenbr0", "cannot find a bridge, and none was named")
	case br == nil || br.Kind != "bridge":
		return refusal.New("xbr-script start makes it", "cannot find the bridge %s", name)
	case p.link() == nil:
		return fmt.Errorf("cannot find the port %s", p.Dev)
	case p.Host.Name(p.Dev) != nil && p.Name() != p.Dev && p.Host.Name(p.Name()) != nil:
		return refusal.New("give the guest another vifname=", "cannot rename %s to %s: there is an interface of that name", p.Dev, p.Name())
	}
	return nil
}

// Renamed is the host with the port called as it will be.
func (p *Planner) Renamed() *host.Host {
	h := *p.Host
	h.Links = slices.Clone(h.Links)
	for i, l := range h.Links {
		if l == p.link() {
			renamed := *l
			renamed.Name = p.Name()
			h.Links[i] = &renamed
		}
	}
	return &h
}

// Up are the steps before anything is made of what the guest may send, and those after
// it: then the port joins its bridge.
func (p *Planner) Up() (before, after []plan.Step) {
	l, br := p.link(), p.Host.Name(p.BridgeName())
	before = []plan.Step{p.prepare(l), p.mtu(l, br)}
	if l.Master != br.Index || !l.Up() {
		after = []plan.Step{{
			Title: "put " + p.Name() + " into " + br.Name,
			Do:    []plan.Op{p.batch(p.Name(), setLink(l.Index, attrMaster(br.Index)), setUp(l.Index, true))},
			Undo:  []plan.Op{p.batch(p.Name(), setUp(l.Index, false), setLink(l.Index, attrMaster(l.Master)))},
		}}
	}
	return before, after
}

// prepare gives a port its name, and takes from it what only an interface of the host's
// own has: an address of its own.
func (p *Planner) prepare(l *host.Link) plan.Step {
	var do, undo []rtnl.Msg
	if p.Name() != l.Name {
		do = append(do, setLink(l.Index, attrName(p.Name())))
		undo = append(undo, setLink(l.Index, attrName(l.Name)))
	}
	if l.MAC.String() != mac.String() {
		do = append(do, setLink(l.Index, nl.NewRtAttr(unix.IFLA_ADDRESS, mac)))
		undo = append(undo, setLink(l.Index, nl.NewRtAttr(unix.IFLA_ADDRESS, l.MAC)))
	}
	var addrs []rtnl.Msg
	for _, m := range p.Host.Addrs {
		if int(rtnl.U32(m.Fixed()[4:8])) == l.Index && (l.Master == 0 || m.Family() == unix.AF_INET) { // ifa_index
			addrs = append(addrs, m)
		}
	}
	if len(do)+len(addrs) == 0 {
		return plan.Step{}
	}
	do = append([]rtnl.Msg{setUp(l.Index, false)}, append(do, rtnl.AllAs(addrs, unix.RTM_DELADDR, 0)...)...)
	undo = append(undo, setUp(l.Index, l.Up()))
	undo = append(undo, rtnl.AllAs(addrs, unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL)...)
	title := "prepare " + l.Name + " for its bridge"
	if p.Name() != l.Name {
		title = "rename " + l.Name + " to " + p.Name()
	}
	return plan.Step{Title: title, Do: []plan.Op{p.batch(l.Name, do...)}, Undo: []plan.Op{p.batch(p.Name(), undo...)}}
}

// mtu gives the port the MTU that its vif line says (since Xen 4.15), else the bridge's.
func (p *Planner) mtu(l, br *host.Link) plan.Step {
	want := int(br.MTU)
	if n, err := strconv.ParseUint(p.MTU, 10, 31); err == nil && n > 0 {
		want = int(n)
	}
	if uint32(want) == l.MTU {
		return plan.Step{}
	}
	return plan.Step{
		Title: fmt.Sprintf("give %s an MTU of %d", p.Name(), want),
		Do:    []plan.Op{&mtu{p.Name(), l.Index, want}},
		Undo:  []plan.Op{&mtu{p.Name(), l.Index, int(l.MTU)}},
	}
}

// FrontMTU is where the guest reads its MTU, and what vif-bridge writes there.
func (p *Planner) FrontMTU() (path, value string) {
	value = p.MTU
	if br := p.Host.Name(p.BridgeName()); value == "" && br != nil {
		value = strconv.Itoa(int(br.MTU))
	}
	return fmt.Sprintf("/local/domain/%d/device/vif/%d/mtu", p.Domain, p.Device), value
}

// Down is the step by which the port leaves its bridge; it does nothing if the port is
// gone.
func (p *Planner) Down() plan.Step {
	l := p.Host.Name(p.Name())
	if l == nil {
		l = p.Host.Name(p.Dev)
	}
	if l == nil || l.Master == 0 && !l.Up() {
		return plan.Step{}
	}
	return plan.Step{
		Title: "take " + l.Name + " out of its bridge",
		Do:    []plan.Op{p.batch(l.Name, setUp(l.Index, false), setLink(l.Index, attrMaster(0)))},
		Undo:  []plan.Op{p.batch(l.Name, setLink(l.Index, attrMaster(l.Master)), setUp(l.Index, l.Up()))},
	}
}

// batch sends messages at a point of the plan where the port is called that.
func (p *Planner) batch(name string, msgs ...rtnl.Msg) plan.Op {
	names := ipcmd.Names{}
	for index, n := range p.Host.Names() {
		names[index] = n
	}
	if l := p.link(); l != nil {
		names[l.Index] = name
	}
	w := rtnl.Pack(msgs...)
	return &netop.Batch{Wire: w, Names: names.In(w), At: p.Host.At, Conn: p.Conn}
}

func setLink(index int, attrs ...*nl.RtAttr) rtnl.Msg {
	return rtnl.LinkMsg(unix.RTM_NEWLINK, 0, rtnl.Ifinfo(index, 0, 0), attrs...)
}

func setUp(index int, up bool) rtnl.Msg {
	flags := uint32(0)
	if up {
		flags = unix.IFF_UP
	}
	return rtnl.LinkMsg(unix.RTM_NEWLINK, 0, rtnl.Ifinfo(index, flags, unix.IFF_UP))
}

func attrName(name string) *nl.RtAttr {
	return nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(name))
}

func attrMaster(index int) *nl.RtAttr {
	return nl.NewRtAttr(unix.IFLA_MASTER, rtnl.U32Bytes(uint32(index)))
}
