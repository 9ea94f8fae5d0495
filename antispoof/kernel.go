package antispoof

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/coreos/go-iptables/iptables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	sys "xbr-script/internal/program"
	"xbr-script/internal/refusal"
	"xbr-script/internal/shell"
	"xbr-script/internal/sysctl"
	"xbr-script/internal/systemd"
)

// sysfs is where interfaces are.
const sysfs = "/sys/class/net"

// module is the part of the kernel that shows bridged packets to iptables. It
// is loaded if its settings exist.
const module = "br_netfilter"

const moduleSettings = "net/bridge/"

// moduleThere says whether it is loaded, or built in.
func moduleThere(h *host.Host) bool { return h.Setting(ipv4.global) != "" }

// moduleThereNow asks the kernel for the same, as it is at this moment.
func moduleThereNow() (bool, error) {
	v, err := sysctl.Get(ipv4.global)
	return v != "", err
}

// modulesDir is where the kernel's modules are.
var modulesDir = "/lib/modules"

// kernelHas says what the kernel lacks for the rules, as far as that can be
// known without trying: without a list of modules, nothing is known.
func kernelHas(programs []*program, there bool) error {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return err
	}
	release := unix.ByteSliceToString(uts.Release[:])
	list, err := moduleList(filepath.Join(modulesDir, release))
	switch {
	case errors.Is(err, fs.ErrNotExist) && there:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("this kernel (%s) was built without %s, and has no modules", release, module)
	case err != nil:
		return err
	}
	lacks, err := lacking(list, modules(programs, there))
	if err != nil {
		return err
	}
	if len(lacks) > 0 {
		return fmt.Errorf("this kernel (%s) has no %s", release, strings.Join(lacks, ", "))
	}
	disabled, err := sysctl.Get("kernel/modules_disabled")
	if err == nil && !there && disabled == "1" {
		return fmt.Errorf("%s is not loaded, and kernel.modules_disabled forbids it", module)
	}
	return err
}

// moduleList names the modules that the kernel has, loaded or not.
func moduleList(dir string) ([]byte, error) {
	list, err := os.ReadFile(filepath.Join(dir, "modules.dep"))
	if err != nil {
		return nil, err
	}
	builtin, err := os.ReadFile(filepath.Join(dir, "modules.builtin"))
	if errors.Is(err, fs.ErrNotExist) {
		return list, nil // older kernels have no such list
	}
	return append(list, builtin...), err
}

// lacking are the modules that are neither in the list nor loaded.
func lacking(list []byte, wanted []string) (lacks []string, err error) {
	for _, m := range wanted {
		if bytes.Contains(list, []byte("/"+m+".ko")) {
			continue
		}
		there, err := loaded(m)
		if err != nil {
			return nil, err
		}
		if !there {
			lacks = append(lacks, m)
		}
	}
	return lacks, nil
}

// modules are what the rules need of the kernel besides iptables itself.
func modules(programs []*program, there bool) []string {
	list := []string{"xt_physdev", "xt_CT", "xt_addrtype"}
	if !there {
		list = append(list, module)
	}
	for _, p := range programs {
		if p.family == ipv6 {
			list = append(list, "ip6t_eui64")
		}
		switch {
		case p.nft:
		case p.family == ipv6:
			list = append(list, "ip6table_raw")
		default:
			list = append(list, "iptable_raw")
		}
	}
	return list
}

// loaded says whether a module is in the kernel.
func loaded(name string) (bool, error) {
	_, err := os.Stat("/sys/module/" + name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

const loadKind = "br_netfilter"

// load is an operation that loads the module, and at once restores the settings
// of the host's other bridges: the module is loaded with filtering switched on
// for all of them (br_netfilter_sysctl_default).
type load struct {
	Program string       `json:"Program"`
	Sets    []sysctl.Set `json:"Sets"` // how it was without the module: off
}

// newLoad is the operation that loads the module by means of that iptables.
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
func (l *load) Do(ctx context.Context, undoing bool) error {
	if undoing {
		return errors.Join(l.unprobe(ctx), (&sysctl.Write{Sets: l.Sets}).Do(ctx, true))
	}
	there, err := moduleThereNow()
	if err != nil || there {
		return err
	}
	for _, way := range []func(context.Context) error{l.byRule, l.modprobe} {
		if err := way(ctx); err != nil {
			return err
		}
		if there, err = moduleThereNow(); err != nil || there {
			break
		}
	}
	if err != nil {
		return err
	}
	if !there {
		return errors.New("it is loaded and has no settings in this network namespace")
	}
	return (&sysctl.Write{Sets: l.Sets}).Do(ctx, false)
}

// probeChain is a chain that nothing jumps to.
const probeChain = "XBR_PROBE"

// byRule lets the kernel load the module itself: it does so for the first rule
// with a physdev match (physdev_mt_check; before Linux 5.1, as a dependency of
// xt_physdev).
func (l *load) byRule(ctx context.Context) error {
	p, err := open(ctx, l.Program)
	if err != nil {
		return err
	}
	rule := append(strings.Fields(bridged), "-j", "RETURN")
	p.modules()
	return p.word(sys.Guard(ctx, func() error {
		ipt, err := iptables.New(iptables.Timeout(lockWait), iptables.Path(p.path))
		if err != nil {
			return err
		}
		if err := ipt.ClearChain("filter", probeChain); err != nil { // makes it, too
			return err
		}
		return errors.Join(ipt.Append("filter", probeChain, rule...), ipt.ClearAndDeleteChain("filter", probeChain))
	}))
}

// unprobe removes what byRule may have left when its process died.
func (l *load) unprobe(ctx context.Context) error {
	return (&edit{Program: l.Program, Chains: []chainEdit{{Table: "filter", Name: probeChain, Gone: true}}}).Do(ctx, true)
}

// modprobe is for a kernel whose xt_physdev was loaded long ago: it asks for
// the module only once. It is not needed otherwise.
func (l *load) modprobe(ctx context.Context) error {
	if systemd.InService() && systemd.Load(ctx, module) == nil {
		return nil
	}
	path, err := sys.Find("modprobe")
	if errors.Is(err, sys.ErrMissing) {
		return errors.New("the kernel did not load it with a physdev rule, and there is no modprobe")
	}
	if err == nil {
		_, err = sys.Run(ctx, "", path, module)
	}
	return err
}

const nfCallKind = "nf_call"

// nfCall is an operation that sets whether one bridge shows its packets to
// iptables.
type nfCall struct {
	Bridge string       `json:"Bridge"` // what it is called where the plan has come to
	Index  int          `json:"Index"`  // by which it is known whatever it is called by now
	Sets   []sysctl.Set `json:"Sets"`   // nf_call_iptables and the like
}

// Kind implements plan.Op.
func (*nfCall) Kind() string { return nfCallKind }

// Commands implements plan.Op.
func (c *nfCall) Commands() []string {
	cmd := "ip link set dev " + shell.Quote(c.Bridge) + " type bridge"
	for _, s := range c.Sets {
		cmd += " " + s.Name + " " + s.Value
	}
	return []string{cmd}
}

// Ready implements plan.Prudent: a container may have /sys read-only.
func (c *nfCall) Ready(context.Context) error {
	if err := unix.Access(sysfs, unix.W_OK); errors.Is(err, unix.EROFS) {
		return refusal.Wrap(err, "nothing was changed; make it writable: mount -o remount,rw /sys", "cannot show iptables the packets that cross %s: the setting is below %s", c.Bridge, sysfs)
	}
	return nil
}

// Do implements plan.Op.
func (c *nfCall) Do(_ context.Context, undoing bool) error {
	if c.Bridge == "" || c.Bridge == ".." || strings.Contains(c.Bridge, "/") {
		return fmt.Errorf("%q is not a bridge", c.Bridge)
	}
	l, err := interfaceOf(c.Index, c.Bridge)
	if err != nil {
		return gone(err, undoing)
	}
	var errs []error
	for _, s := range c.Sets {
		errs = append(errs, c.write(l.Attrs().Name, s))
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

// write sets one flag. A path in a journal cannot lead out of a bridge's own
// directory.
func (c *nfCall) write(bridge string, s sysctl.Set) error {
	if s.Name != ipv4.flag && s.Name != ipv6.flag {
		return fmt.Errorf("%q of %q is not a flag of a bridge", s.Name, bridge)
	}
	f, err := os.OpenFile(callFile(bridge, s.Name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(s.Value)
	return errors.Join(err, f.Close())
}

func callFile(bridge, flag string) string { return filepath.Join(sysfs, bridge, "bridge", flag) }

// flagsOf are the flags of a bridge; they are off on one that is still to be
// made.
func flagsOf(h *host.Host, bridge string, families []*family) (sets []sysctl.Set) {
	l := h.Name(bridge)
	for _, f := range families {
		value := "0"
		if l != nil && l.Kind == "bridge" && l.BridgeSetting(f.attr) != 0 {
			value = "1"
		}
		sets = append(sets, sysctl.Set{Name: f.flag, Value: value})
	}
	return sets
}
