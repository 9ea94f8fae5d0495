package antispoof

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"xbr-script/internal/sysctl"
)

// sysfs is where interfaces are.
const sysfs = "/sys/class/net"

// module is the part of the kernel that shows bridged packets to iptables. It
// is there if its settings are.
const module = "br_netfilter"

const moduleSettings = "net/bridge/"

// moduleThere says whether it is loaded, or built in.
func moduleThere() bool { return sysctl.Get(ipv4.global) != "" }

// modulesDir is where the kernel's modules are.
var modulesDir = "/lib/modules"

// kernelHas says what the kernel lacks for the rules, as far as that can be
// known without trying: without a list of modules, nothing can.
func kernelHas(states []*state) error {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return err
	}
	release := unix.ByteSliceToString(uts.Release[:])
	dir := filepath.Join(modulesDir, release)
	list, err := os.ReadFile(filepath.Join(dir, "modules.dep"))
	if err != nil {
		if moduleThere() {
			return nil
		}
		return fmt.Errorf("this kernel (%s) was built without %s, and has no modules", release, module)
	}
	builtin, _ := os.ReadFile(filepath.Join(dir, "modules.builtin")) // older kernels have no such list
	list = append(list, builtin...)
	var lacks []string
	for _, m := range modules(states) {
		if !bytes.Contains(list, []byte("/"+m+".ko")) && !loaded(m) {
			lacks = append(lacks, m)
		}
	}
	switch {
	case len(lacks) > 0:
		return fmt.Errorf("this kernel (%s) has no %s", release, strings.Join(lacks, ", "))
	case !moduleThere() && sysctl.Get("kernel/modules_disabled") == "1":
		return fmt.Errorf("%s is not loaded, and kernel.modules_disabled forbids it", module)
	}
	return nil
}

// modules are what the rules need of the kernel besides iptables itself.
func modules(states []*state) []string {
	list := []string{"xt_physdev", "xt_CT", "xt_addrtype"}
	if !moduleThere() {
		list = append(list, module)
	}
	for _, s := range states {
		if s.program.family == ipv6 {
			list = append(list, "ip6t_eui64")
		}
		switch {
		case s.program.nft:
		case s.program.family == ipv6:
			list = append(list, "ip6table_raw")
		default:
			list = append(list, "iptable_raw")
		}
	}
	return list
}

// loaded says whether a module is in the kernel.
func loaded(name string) bool {
	_, err := os.Stat("/sys/module/" + name)
	return err == nil
}

const loadKind = "br_netfilter"

// load is an operation that loads the module and at once puts back what that
// changes for the host's other bridges: the module comes with filtering
// switched on for all of them (br_netfilter_sysctl_default).
type load struct {
	Program string
	Sets    []sysctl.Set // how it was without the module: off
}

// newLoad is the operation that loads it with that iptables.
func newLoad(p *program) *load {
	return &load{p.name, []sysctl.Set{
		{Name: ipv4.global, Value: "0"},
		{Name: ipv6.global, Value: "0"},
		{Name: moduleSettings + "bridge-nf-call-arptables", Value: "0"},
	}}
}

// Kind implements plan.Op.
func (*load) Kind() string { return loadKind }

// Commands implements plan.Op.
func (l *load) Commands() []string {
	return append([]string{"modprobe " + module}, (&sysctl.Write{Sets: l.Sets}).Commands()...)
}

// Do implements plan.Op. The module stays when undoing: without a bridge that
// asks for it, it does nothing.
func (l *load) Do(undoing bool) error {
	switch there := moduleThere(); {
	case undoing:
		return errors.Join(l.unprobe(), (&sysctl.Write{Sets: l.Sets}).Do(true))
	case there:
		return nil
	}
	err := l.byRule()
	if err == nil && !moduleThere() {
		err = modprobe()
	}
	switch {
	case err != nil:
		return err
	case !moduleThere():
		return errors.New("it is loaded and has no settings in this network namespace")
	}
	return (&sysctl.Write{Sets: l.Sets}).Do(false)
}

// probeChain is a chain that nothing jumps to.
const probeChain = "XBR_PROBE"

// byRule lets the kernel load the module itself: it does so for the first rule
// with a physdev match (physdev_mt_check; before Linux 5.1, as a dependency of
// xt_physdev).
func (l *load) byRule() error {
	p, err := open(l.Program)
	if err != nil {
		return err
	}
	if err := p.ClearChain("filter", probeChain); err != nil { // makes it, too
		return p.word(err)
	}
	rule := append(strings.Fields(bridged), "-j", "RETURN")
	return p.word(errors.Join(p.Append("filter", probeChain, rule...), p.ClearAndDeleteChain("filter", probeChain)))
}

// unprobe removes what byRule may have left when its process died.
func (l *load) unprobe() error {
	return (&edit{Program: l.Program, Chains: []chainEdit{{Table: "filter", Name: probeChain, Gone: true}}}).Do(true)
}

// modprobe is for a kernel whose xt_physdev has been loaded for long: that asks
// for the module only once. It is not needed otherwise.
func modprobe() error {
	path, err := find("modprobe")
	if err != nil {
		return errors.New("the kernel did not load it with a physdev rule, and there is no modprobe")
	}
	if out, err := exec.Command(path, module).CombinedOutput(); err != nil {
		return fmt.Errorf("modprobe %s: %w: %s", module, err, firstLines(string(out)))
	}
	return nil
}

const callKind = "nf_call"

// call is an operation that sets whether one bridge shows its packets to
// iptables.
type call struct {
	Bridge string       // what it is called where the plan has come to
	Index  int          // by which it is known whatever it is called by now
	Sets   []sysctl.Set // nf_call_iptables and the like
}

// Kind implements plan.Op.
func (*call) Kind() string { return callKind }

// Commands implements plan.Op.
func (c *call) Commands() []string {
	cmd := "ip link set dev " + c.Bridge + " type bridge"
	for _, s := range c.Sets {
		cmd += " " + s.Name + " " + s.Value
	}
	return []string{cmd}
}

// Do implements plan.Op.
func (c *call) Do(undoing bool) error {
	l, err := interfaceOf(c.Index, c.Bridge)
	if err != nil {
		return gone(err, undoing)
	}
	var errs []error
	for _, s := range c.Sets {
		errs = append(errs, os.WriteFile(callFile(l.Attrs().Name, s.Name), []byte(s.Value), 0))
	}
	return errors.Join(errs...)
}

// interfaceOf finds an interface by its index, or where that is not known, as
// in a journal of an earlier version, by its name.
func interfaceOf(index int, name string) (netlink.Link, error) {
	if index != 0 {
		return netlink.LinkByIndex(index)
	}
	return netlink.LinkByName(name)
}

func callFile(bridge, flag string) string { return filepath.Join(sysfs, bridge, "bridge", flag) }

// calls reads the flags of a bridge, as they will be on one that is still to
// be made: off.
func calls(bridge string, families []*family) []sysctl.Set {
	var sets []sysctl.Set
	for _, f := range families {
		value := "0"
		if data, err := os.ReadFile(callFile(bridge, f.flag)); err == nil {
			value = strings.TrimSpace(string(data))
		}
		sets = append(sets, sysctl.Set{Name: f.flag, Value: value})
	}
	return sets
}
