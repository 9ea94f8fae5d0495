package antispoof

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"xbr-script/internal/host"
	sys "xbr-script/internal/program"
	"xbr-script/internal/rawjson"
	"xbr-script/internal/rtnl"
)

// Seen is which rules a host has, and what it has to make some with. Together with
// the snapshot and the records it is all that a plan, or a status, is made from.
type Seen struct {
	// Missing is a program without which there can be no rules; then the rest is
	// unknown.
	Missing  string       `json:"missing,omitempty"`
	Backend  string       `json:"backend,omitempty"`  // of iptables as it is installed now: nft or legacy
	Families []SeenFamily `json:"families,omitempty"` // IPv4, then IPv6 if the kernel has it
	Scripts  SeenScripts  `json:"xen_scripts,omitzero"`
	// Ground is nil if no bridge is, or is to be, guarded.
	Ground *SeenGround `json:"ground,omitempty"`
}

// SeenFamily is what one of iptables and ip6tables says.
type SeenFamily struct {
	Program string           `json:"program"` // iptables or, to be exact, iptables-legacy
	Backend string           `json:"backend"`
	Saved   []rawjson.String `json:"saved"` // the lines of iptables-save
}

// SeenScripts is what Xen's vif-bridge does about guests' rules.
type SeenScripts struct {
	Path     string `json:"path"`     // the file with its function handle_iptable; "" if there is none
	Disabled bool   `json:"disabled"` // it returns at once: Debian's, bug #894013
	Appends  bool   `json:"appends"`  // iptables -A
}

// SeenGround is what else matters for the effect of rules.
type SeenGround struct {
	// Lacks is what the kernel lacks for the rules, as a sentence.
	Lacks string `json:"kernel_lacks,omitempty"`
	// Others are programs of the other back end that have rules as well, by family;
	// "" for none.
	Others []string `json:"other_back_end,omitempty"`
	// Forwarding are the tables of nftables that judge forwarded packets.
	Forwarding []string `json:"nftables_forwarding,omitempty"`
}

// Settings are those of the host that planning asks for.
func Settings() []string { return []string{ipv4.global, ipv6.global} }

// Read reads what there is; guard says that a bridge is, or is to be, guarded. It
// fails while somebody holds the lock of iptables.
func (p *Planner) Read(h *host.Host, guard bool) (*Seen, error) {
	records, err := p.all()
	if err != nil {
		return nil, err
	}
	return p.read(h, records, guard)
}

func (p *Planner) read(h *host.Host, records map[string]*record, guard bool) (*Seen, error) {
	scripts, err := p.vifScript()
	if err != nil {
		return nil, err
	}
	s := &Seen{Scripts: scripts}
	wanted, err := programs()
	if err != nil {
		return nil, err
	}
	var used []*program
	for _, name := range wanted {
		prog, err := s.readRules(p.context(), name, records)
		if errors.Is(err, sys.ErrMissing) {
			return &Seen{Missing: name}, nil
		}
		if err != nil {
			return nil, err
		}
		used = append(used, prog)
	}
	if guard {
		s.Ground, err = readGround(h, used)
	}
	return s, err
}

// readRules reads the rules of one family.
func (s *Seen) readRules(ctx context.Context, name string, records map[string]*record) (*program, error) {
	prog, err := open(ctx, name)
	if err != nil {
		return nil, err
	}
	if name == ipv4.program {
		s.Backend = prog.backend()
	}
	if prog, err = recorded(prog, records); err != nil {
		return nil, err
	}
	if err := prog.probe(); err != nil {
		return nil, err
	}
	_, saved, err := readSaved(prog)
	lines := strings.Split(strings.TrimSuffix(saved, "\n"), "\n")
	s.Families = append(s.Families, SeenFamily{prog.name, prog.backend(), rawjson.Strings(lines)})
	return prog, err
}

// readGround reads what the rules need.
func readGround(h *host.Host, programs []*program) (*SeenGround, error) {
	g := &SeenGround{}
	if err := kernelHas(programs, moduleThere(h)); err != nil {
		g.Lacks = err.Error()
	}
	for _, p := range programs {
		other, err := p.otherHolds()
		if err != nil {
			return nil, err
		}
		g.Others = append(g.Others, other)
	}
	var err error
	g.Forwarding, err = forwarding()
	return g, err
}

// programs are the ones for the kernel's families.
func programs() ([]string, error) {
	v6, err := hasIPv6()
	if err != nil || !v6 {
		return []string{ipv4.program}, err
	}
	return []string{ipv4.program, ipv6.program}, nil
}

// hasIPv6 says whether the kernel has IPv6 at all (with ipv6.disable=1 it has not).
func hasIPv6() (bool, error) {
	_, err := os.Stat("/proc/thread-self/net/if_inet6")
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func (p *Planner) vifScript() (SeenScripts, error) {
	if p.Scripts != "" {
		return readScripts(p.Scripts)
	}
	return readScripts(defaultScripts)
}

// recorded is the program that has the back end in which the rules of the
// records are: an admin may have switched iptables to the other since.
func recorded(p *program, records map[string]*record) (*program, error) {
	for _, r := range records {
		if r.Backend != p.backend() {
			return open(p.ctx, p.family.program+"-"+r.Backend)
		}
	}
	return p, nil
}

// otherHolds names the program of the other back end if it has rules; "" if
// not.
func (p *program) otherHolds() (string, error) {
	suffix := "-nft"
	if p.nft {
		suffix = "-legacy"
	}
	name := p.family.program + suffix
	other, err := open(p.ctx, name)
	var s *ruleset
	if err == nil && other.nft != p.nft {
		s, err = read(other)
	}
	var broken *sys.Failed
	if errors.Is(err, sys.ErrMissing) || errors.As(err, &broken) {
		return "", nil // nobody can have made rules with it
	}
	if err != nil || s == nil {
		return "", err
	}
	for _, c := range s.chains {
		if len(c.rules) > 0 || c.policy == "DROP" {
			return name, nil
		}
	}
	return "", nil
}

// see is the snapshot and what is seen besides: what the planner was given, or else
// what is there now. done ends it.
func (p *Planner) see(records map[string]*record, bridge string, guard bool) (h *host.Host, s *Seen, done func(), err error) {
	h, s, done = p.Host, p.Seen, func() {}
	if h == nil {
		if h, done, err = readHost(); err != nil {
			return nil, nil, done, err
		}
	}
	if s == nil {
		s, err = p.read(h, records, guard)
	}
	if err == nil && s.Missing != "" {
		err = fmt.Errorf("%s %w", s.Missing, sys.ErrMissing)
	}
	if err == nil && guard && s.Ground == nil {
		err = errors.New("what the rules need was not read")
	}
	if err != nil {
		err = explain(bridge, err)
	}
	return h, s, done, err
}

// readHost reads the interfaces with their addresses.
func readHost() (h *host.Host, done func(), err error) {
	c, err := rtnl.Dial()
	if err != nil {
		return nil, func() {}, err
	}
	h, err = host.ReadLinks(c)
	return h, func() { _ = c.Close() }, err
}

// states are the rules as a plan changes them.
func (s *Seen) states() (states []*ruleset, err error) {
	for _, f := range s.Families {
		var text strings.Builder
		for _, line := range f.Saved {
			text.WriteString(string(line) + "\n")
		}
		st, err := parse(text.String())
		if err != nil {
			return nil, fmt.Errorf("%s-save: %w", f.Program, err)
		}
		st.program = &program{name: f.Program, nft: f.Backend == "nft", family: familyOf(f.Program)}
		states = append(states, st)
	}
	if len(states) == 0 {
		return nil, errors.New("the rules were not read")
	}
	return states, nil
}
