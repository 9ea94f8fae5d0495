package antispoof

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	sys "xbr-script/internal/program"
	"xbr-script/internal/rawjson"
)

// Settings are those of the host that planning asks for.
func Settings() []string { return []string{ipv4.global, ipv6.global} }

// Reader reads what plans are made from besides the snapshot and the records.
// Programs that it runs end when ctx is done. It fails while somebody holds the
// lock of iptables.
type Reader struct {
	Records plan.Records
	Host    *host.Host
	Scripts string // where Xen's scripts are; "" is /etc/xen/scripts
}

// ForStart reads what Planner.Start needs for these bridges, nil if no rule is
// concerned.
func (r Reader) ForStart(ctx context.Context, bridges []Bridge) *Seen {
	records, err := allRecords(r.Records)
	if err != nil {
		return &Seen{Err: err}
	}
	switch on, off := sortOut(bridges, records); {
	case len(on) > 0:
		return r.All(ctx)
	case len(off) > 0:
		return r.rulesAlone(ctx)
	}
	return nil
}

// ForStop reads what Planner.Stop needs.
func (r Reader) ForStop(ctx context.Context, bridges []Bridge) *Seen {
	if len(bridges) == 0 {
		return nil
	}
	return r.rulesAlone(ctx)
}

// ForStatus reads what Planner.Status needs for each of them.
func (r Reader) ForStatus(ctx context.Context, bridges []Bridge) *Seen {
	records, err := allRecords(r.Records)
	if err != nil {
		return &Seen{Err: err}
	}
	if slices.ContainsFunc(bridges, func(b Bridge) bool { return records[b.Name] != nil }) {
		return r.All(ctx)
	}
	return nil
}

// All reads everything that any of them needs.
func (r Reader) All(ctx context.Context) *Seen {
	s, programs, err := r.rules(ctx)
	if err == nil && s.Missing == "" {
		s.Ground, err = readGround(r.Host, programs)
	}
	return s.or(err)
}

func (r Reader) rulesAlone(ctx context.Context) *Seen {
	s, _, err := r.rules(ctx)
	return s.or(err)
}

// or is what was seen, or the error that kept it from being seen.
func (s *Seen) or(err error) *Seen {
	if err != nil && os.Geteuid() != 0 {
		err = notRoot{err}
	}
	if err != nil {
		return &Seen{Err: err}
	}
	return s
}

// notRoot is an error that root might not have met.
type notRoot struct{ error }

// Unwrap gives the error itself.
func (e notRoot) Unwrap() error { return e.error }

// rules reads which rules there are, and which programs can change them.
func (r Reader) rules(ctx context.Context) (*Seen, []*program, error) {
	records, err := allRecords(r.Records)
	if err != nil {
		return nil, nil, err
	}
	s := &Seen{}
	if s.Scripts, err = readScripts(cmp.Or(r.Scripts, defaultScripts)); err != nil {
		return nil, nil, err
	}
	wanted, err := programs()
	var used []*program
	for _, name := range wanted {
		prog, err := s.readRules(ctx, name, records)
		if errors.Is(err, sys.ErrMissing) {
			return &Seen{Missing: name}, nil, nil
		}
		if err != nil {
			return nil, nil, err
		}
		used = append(used, prog)
	}
	return s, used, err
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

// recorded is the program with the back end in which the records' rules are: an
// admin may have switched iptables to the other one since.
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
