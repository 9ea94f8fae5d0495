package antispoof

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/coreos/go-iptables/iptables"
)

// lockWait is how many seconds a call of iptables waits for the lock of the
// legacy back end, /run/xtables.lock. The other back end has none.
const lockWait = 5

// sbin is where iptables is if PATH, as of a cron job, does not say.
var sbin = []string{"/usr/local/sbin", "/usr/sbin", "/sbin"}

// program is iptables or ip6tables as it is installed.
type program struct {
	name string // iptables, ip6tables or, to be exact, iptables-legacy
	path string
	nft  bool // its rules are kept by nf_tables
	*iptables.IPTables
	family *family
}

// errMissing is a program that is not installed.
var errMissing = errors.New("is not installed")

// errLocked is the legacy back end's lock that was not given back in time.
var errLocked = fmt.Errorf("another program has held the lock of iptables for %d s", lockWait)

// open finds a program and asks which back end it has.
func open(name string) (*program, error) {
	path, err := find(name)
	if err != nil {
		return nil, fmt.Errorf("%s %w", name, errMissing)
	}
	f := familyOf(name)
	ipt, err := iptables.New(iptables.IPFamily(f.proto), iptables.Timeout(lockWait), iptables.Path(path))
	if err != nil {
		return nil, err
	}
	nft, err := isNFT(path)
	if err != nil {
		return nil, err
	}
	return &program{name, path, nft, ipt, f}, nil
}

// isNFT says which back end a program has. The two are programs of many names,
// and that it is a link to one of them tells faster than to run it.
func isNFT(path string) (bool, error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		switch filepath.Base(target) {
		case "xtables-nft-multi":
			return true, nil
		case "xtables-legacy-multi":
			return false, nil
		}
	}
	out, err := exec.Command(path, "--version").CombinedOutput()
	if err != nil {
		return false, fmt.Errorf("%s --version: %w: %s", path, err, bytes.TrimSpace(out))
	}
	return bytes.Contains(out, []byte("(nf_tables)")), nil
}

// find looks in PATH and then where it is as a rule.
func find(name string) (string, error) {
	path, err := exec.LookPath(name)
	for _, dir := range sbin {
		if err == nil {
			break
		}
		path, err = exec.LookPath(filepath.Join(dir, name))
	}
	return path, err
}

// backend names the back end as its programs are named.
func (p *program) backend() string {
	if p.nft {
		return "nft"
	}
	return "legacy"
}

// save is the output of iptables-save: all tables that are there. Unlike a
// question for one table it makes none, and it does not wait for the lock.
func (p *program) save() (string, error) { return p.beside("-save", "") }

// probe asks for something, for which the legacy back end needs its lock.
func (p *program) probe() error {
	if p.nft || !p.loaded("filter") {
		return nil
	}
	_, err := p.ListChains("filter")
	return p.word(err)
}

// loaded says whether the legacy back end has that table. To ask it for one
// that it has not would make it.
func (p *program) loaded(table string) bool {
	data, err := os.ReadFile(p.family.names)
	return err == nil && slices.Contains(strings.Fields(string(data)), table)
}

// restore makes all the changes to each table at once, or none; go-iptables
// has no such call.
func (p *program) restore(input string) error {
	_, err := p.beside("-restore", input, p.restoreFlags()...)
	return err
}

// restoreFlags are the flags of iptables-restore. It knows how to wait for the
// lock since 1.6.2; before, it did not care about it.
func (p *program) restoreFlags() []string {
	flags := []string{"--noflush"}
	major, minor, patch := p.GetIptablesVersion()
	if slices.Compare([]int{major, minor, patch}, []int{1, 6, 2}) >= 0 {
		flags = append(flags, "--wait", strconv.Itoa(lockWait))
	}
	return flags
}

// beside runs the program's companion of that name.
func (p *program) beside(suffix, input string, args ...string) (string, error) {
	path := filepath.Join(filepath.Dir(p.path), p.name+suffix)
	if _, err := os.Stat(path); err != nil {
		if path, err = find(p.name + suffix); err != nil {
			return "", fmt.Errorf("%s%s %w", p.name, suffix, errMissing)
		}
	}
	var out, errs bytes.Buffer
	cmd := exec.Command(path, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &errs
	if err := cmd.Run(); err != nil {
		return "", p.word(fmt.Errorf("%s%s: %w: %s", p.name, suffix, err, firstLines(errs.String())))
	}
	return out.String(), nil
}

// word makes the failure to get the lock known as such.
func (p *program) word(err error) error {
	if err != nil && strings.Contains(err.Error(), "xtables lock") {
		return errLocked
	}
	return err
}

// firstLines is a message in one line, of at most three.
func firstLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[:min(len(lines), 3)], "; ")
}
