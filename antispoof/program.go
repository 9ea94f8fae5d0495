package antispoof

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	sys "xbr-script/internal/program"
	"xbr-script/internal/systemd"
)

// lockWait is how many seconds a call of iptables waits for the lock of the
// legacy back end, /run/xtables.lock. The other back end has none.
const lockWait = 5

// program is iptables or ip6tables, as installed.
type program struct {
	ctx     context.Context // when it is done, a program that runs is ended
	name    string          // iptables, ip6tables or, to be exact, iptables-legacy
	path    string
	nft     bool // its rules are kept by nf_tables
	version [3]int
	family  *family
}

// errLocked says that the legacy back end's lock was not released in time.
var errLocked = fmt.Errorf("another program has held the lock of iptables for %d s", lockWait)

// names match the only programs that are run, whatever a journal asks for.
var names = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^ip6?tables(-nft|-legacy)?$`)
})

// version is the output of such a program with --version.
var version = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^ip6?tables v([0-9]{1,4})\.([0-9]{1,4})\.([0-9]{1,4})\b`)
})

// open finds a program and asks for its version and back end.
func open(ctx context.Context, name string) (*program, error) {
	if !names().MatchString(name) {
		return nil, fmt.Errorf("%q is no iptables", name)
	}
	path, err := sys.Find(name)
	if err != nil {
		return nil, err
	}
	said, err := sys.Run(ctx, "", path, "--version")
	if err != nil {
		return nil, err
	}
	p := &program{ctx: ctx, name: name, path: path, family: familyOf(name), nft: strings.Contains(said, "(nf_tables)")}
	found := version().FindStringSubmatch(said)
	if found == nil {
		return nil, fmt.Errorf("%s --version says %.60q", path, said)
	}
	for i := range p.version {
		p.version[i], _ = strconv.Atoi(found[i+1]) // the pattern matched digits
	}
	return p, nil
}

// backend names the back end as in the names of its programs.
func (p *program) backend() string {
	if p.nft {
		return "nft"
	}
	return "legacy"
}

// save is the output of iptables-save: all tables that exist. Unlike a question
// about one table it creates none, and it does not wait for the lock.
func (p *program) save() (string, error) { return p.beside("-save", "") }

// probe asks for something for which the legacy back end needs its lock.
func (p *program) probe() error {
	if p.nft {
		return nil
	}
	if there, err := p.loaded("filter"); err != nil || !there {
		return err
	}
	_, err := sys.Run(p.ctx, "", p.path, append(p.waiting("--wait"), "-t", "filter", "-S")...)
	return p.word(err)
}

// loaded says whether the legacy back end has that table. Asking it for a table
// that is missing would create the table.
func (p *program) loaded(table string) (bool, error) {
	tables, err := p.legacyTables()
	return slices.Contains(tables, table), err
}

// legacyTables are the tables that the legacy back end has.
func (p *program) legacyTables() ([]string, error) {
	data, err := os.ReadFile(p.family.names)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) && os.Geteuid() != 0 {
		return nil, nil // its module is not loaded, or who is not root may not know
	}
	return strings.Fields(string(data)), err
}

// modules has systemd load what the legacy back end consists of, from within a service: a
// service may not do that, and iptables would try to by itself. Where it is in vain iptables
// says what is missing.
func (p *program) modules() {
	if p.nft || !systemd.InService() {
		return
	}
	if _, err := os.Stat(p.family.names); errors.Is(err, fs.ErrNotExist) {
		_ = systemd.Load(p.ctx, p.family.module)
	}
}

// restore makes all changes to a table at once, or none of them; go-iptables has
// no such call.
func (p *program) restore(input string) error {
	p.modules()
	_, err := p.beside("-restore", input, p.restoreFlags()...)
	return err
}

// restoreFlags are the flags of iptables-restore. Since 1.6.2 it can wait for the
// lock; before that, it ignored the lock.
func (p *program) restoreFlags() []string {
	flags := []string{"--noflush"}
	if slices.Compare(p.version[:], []int{1, 6, 2}) >= 0 {
		flags = append(flags, p.waiting("--wait")...)
	}
	return flags
}

// waiting are the arguments that make it wait for the lock. iptables has accepted
// seconds since 1.6.0.
func (p *program) waiting(flag string) []string {
	if slices.Compare(p.version[:], []int{1, 6, 0}) < 0 {
		return nil
	}
	return []string{flag, strconv.Itoa(lockWait)}
}

// beside runs the program's companion, such as its iptables-save.
func (p *program) beside(suffix, input string, args ...string) (string, error) {
	path := filepath.Join(filepath.Dir(p.path), p.name+suffix)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if path, err = sys.Find(p.name + suffix); err != nil {
			return "", err
		}
	} else if err != nil {
		return "", err
	}
	out, err := sys.Run(p.ctx, input, path, args...)
	return out, p.word(err)
}

// word turns a failure to get the lock into errLocked.
func (p *program) word(err error) error {
	if err != nil && strings.Contains(err.Error(), "xtables lock") {
		return errLocked
	}
	return err
}
