// Package sysctl reads and writes the kernel's settings under /proc/sys.
package sysctl

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unique"

	"golang.org/x/sys/unix"

	"xbr-script/internal/eintr"
	"xbr-script/internal/ifname"
	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
	"xbr-script/internal/shell"
)

// root is where the settings are. Names are relative to it and keep their
// slashes, since an interface name may have dots.
const root = "/proc/sys/"

// Kind names a Write in a journal.
const Kind = "sysctl"

// Set is one setting and its value.
type Set struct {
	Name  string `json:"Name"`
	Value string `json:"Value"`
	// Index, unless 0, is that of the interface to which the setting belongs: then the
	// interface counts, whatever its name is by now. Name contains the name that it
	// has at this point of the plan.
	Index int `json:"Index,omitempty"`
}

// Write is an operation that gives settings their values, in order.
type Write struct {
	Sets []Set `json:"Sets"`
}

// Kinds are the operations of this package.
func Kinds() plan.Kinds { return plan.Kinds{Kind: func() plan.Op { return &Write{} }} }

// Kind implements plan.Op.
func (*Write) Kind() string { return Kind }

// Commands implements plan.Op.
func (w *Write) Commands() []string {
	lines := make([]string, len(w.Sets))
	for i, s := range w.Sets {
		lines[i] = s.command()
	}
	return lines
}

func (s Set) command() string { return "sysctl -qw " + shell.Quote("/"+s.Name+"="+s.Value) }

// failed says which setting could not be made.
type failed struct {
	Set
	cause error
}

// FailedCommand is the command that would have made it.
func (f *failed) FailedCommand() string { return f.command() }

func (f *failed) Error() string { return fmt.Sprintf("%s=%s: %v", f.Name, f.Value, f.cause) }

// Unwrap gives the cause.
func (f *failed) Unwrap() error { return f.cause }

// Do implements plan.Op. When undoing, a setting that is gone with its
// interface counts as done.
func (w *Write) Do(_ context.Context, undoing bool) error {
	var errs []error
	for _, s := range w.Sets {
		err := s.write()
		if err == nil || undoing && s.isGone(err) {
			continue
		}
		errs = append(errs, &failed{s, err})
		if !undoing {
			break
		}
	}
	return errors.Join(errs...)
}

// isGone says whether a failure to write the setting means that there is nothing to set
// any more. An interface that is still there has all settings.
func (s Set) isGone(err error) bool {
	if s.Index != 0 {
		return errors.Is(err, unix.ENODEV)
	}
	return errors.Is(err, fs.ErrNotExist)
}

// renames is how often an interface may be renamed while its setting is being
// written.
const renames = 10

// strange says whether a name cannot come from this package: a journal that somebody
// else wrote must not lead out of the network's settings.
func (s Set) strange() bool {
	return !strings.HasPrefix(s.Name, "net/") || path.Clean(s.Name) != s.Name
}

// errStrange is the refusal of such a name.
var errStrange = errors.New("this is no setting of the network")

// write gives the setting its value.
func (s Set) write() error {
	if s.strange() {
		return errStrange
	}
	if s.Index == 0 {
		return os.WriteFile(root+s.Name, []byte(s.Value), 0)
	}
	for try := 1; ; try++ {
		name, err := ifname.Of(s.Index)
		if err != nil {
			return err
		}
		renamed, err := s.writeAs(name)
		if !renamed || try == renames {
			return err
		}
	}
}

// writeAs writes the setting if the interface has that name. With another name the
// kernel gives it other files (addrconf_sysctl_unregister, devinet_sysctl_unregister,
// neigh_sysctl_unregister), and one that was open accepts nothing any more. So whoever
// has opened the file, and then finds that the interface still has the name, cannot
// write to another interface's.
func (s Set) writeAs(name string) (renamed bool, err error) {
	f, err := os.OpenFile(root+s.Of(name), os.O_WRONLY, 0)
	if err == nil {
		defer func() { _ = f.Close() }()
	}
	now, nameErr := ifname.Of(s.Index)
	switch {
	case nameErr != nil:
		return false, nameErr
	case now != name:
		return true, err
	case err != nil:
		return false, err
	}
	_, err = f.WriteString(s.Value)
	return errors.Is(err, fs.ErrNotExist), err
}

// Of is the setting's name when its interface has that name.
func (s Set) Of(device string) string {
	dir, setting := filepath.Split(s.Name)
	return filepath.Dir(filepath.Clean(dir)) + "/" + device + "/" + setting
}

// Ready implements plan.Prudent: a container may have /proc/sys read-only.
// Settings of interfaces that are yet to be created do not exist, so one that always
// does stands for all.
func (w *Write) Ready(context.Context) error {
	const always = root + "net/core/somaxconn"
	if err := unix.Access(always, unix.W_OK); errors.Is(err, unix.EROFS) {
		return refusal.Wrap(err, "nothing was changed; make it writable: mount -o remount,rw /proc/sys", "cannot write settings under %snet", root)
	}
	return nil
}

// Get reads one setting; "" if it does not exist.
func Get(name string) (string, error) {
	v, err := read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("%s%s: %w", root, name, err)
	}
	return v, nil
}

// read reads a setting by itself: os.ReadFile needs ten system calls for what takes
// three, and a NIC has some hundred settings.
func read(name string) (string, error) { return readAt(unix.AT_FDCWD, root+name) }

// readAt is read by a name that begins in the open directory dir.
func readAt(dir int, name string) (string, error) {
	fd, err := eintr.Retry(func() (int, error) { return unix.Openat(dir, name, unix.O_RDONLY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return "", err
	}
	defer func() { _ = unix.Close(fd) }()
	var value strings.Builder
	for buf := make([]byte, 4096); ; {
		n, err := eintr.Retry(func() (int, error) { return unix.Read(fd, buf) })
		if err != nil {
			return "", err
		}
		if value.Write(buf[:n]); n < len(buf) {
			// The kernel gives a setting in one piece: less than there is room for is
			// the end.
			return strings.TrimSpace(value.String()), nil
		}
	}
}

// dirs are the directories with a subdirectory for each interface.
var dirs = []string{"net/ipv4/conf", "net/ipv4/neigh", "net/ipv6/conf", "net/ipv6/neigh"}

// Device is the settings of one interface, by directory and name:
// "net/ipv4/conf" and "arp_notify".
type Device map[Key]string

// Key is a setting that exists once for each interface.
type Key struct{ Dir, Name string }

// Of is the setting's name for that interface.
func (k Key) Of(device string) string { return k.Dir + "/" + device + "/" + k.Name }

// OfDevice splits a setting's name into its interface's name and the rest; device is ""
// if the setting does not belong to an interface.
func OfDevice(name string) (device string, k Key) {
	for _, dir := range dirs {
		if rest, ok := strings.CutPrefix(name, dir+"/"); ok {
			if i := strings.LastIndexByte(rest, '/'); i >= 0 {
				return rest[:i], Key{dir, rest[i+1:]}
			}
		}
	}
	return "", Key{}
}

// Set is the setting with a value, for the interface with that index and the name
// device.
func (k Key) Set(index int, device, value string) Set {
	return Set{Name: k.Of(device), Value: value, Index: index}
}

// MarshalText implements encoding.TextMarshaler: a Device can be kept as JSON.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.Dir + "/" + k.Name), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *Key) UnmarshalText(b []byte) error {
	k.Dir, k.Name = filepath.Split(string(b))
	k.Dir = strings.TrimSuffix(k.Dir, "/")
	return nil
}

// notState are files that are not state to carry over.
var notState = map[string]bool{
	"mc_forwarding":       true, // read only: set by a multicast routing daemon
	"addr_gen_mode":       true, // moved by netlink: a write here would generate addresses
	"base_reachable_time": true, // the same value as …_ms, in other units
	"retrans_time":        true,
	"unres_qlen":          true, // the same value as …_bytes, in other units
}

// Carried says whether the setting is one that ReadDevice reads.
func (k Key) Carried() bool { return !notState[k.Name] }

// ReadDevice reads an interface's settings ("default" for what a new
// interface begins with). One that is not there has none. Names and values are
// much the same for all, and kept once.
func ReadDevice(device string) (Device, error) {
	d := Device{}
	for _, dir := range dirs {
		if err := d.readDir(dir, device); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// readDir reads the settings of one directory. It opens them from there: to go all the
// way for each takes half as long again.
func (d Device) readDir(dir, device string) error {
	f, err := os.Open(filepath.Join(root, dir, device))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // IPv6 is switched off at boot, or the interface has none
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return err
	}
	at := int(f.Fd())
	for _, name := range names {
		k := Key{dir, unique.Make(name).Value()}
		if !k.Carried() {
			continue
		}
		v, err := readAt(at, name)
		if k.noValue(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("%s%s: %w", root, k.Of(device), err)
		}
		d[k] = unique.Make(v).Value()
	}
	return nil
}

// noValue says whether a failure to read a setting means that it has no value: a
// stable_secret that was never written gives EIO (addrconf_sysctl_stable_secret), an
// interface may go while it is read, and only root may read all settings.
func (k Key) noValue(err error) bool {
	switch {
	case errors.Is(err, unix.EIO):
		return k.Name == "stable_secret"
	case errors.Is(err, fs.ErrPermission):
		return os.Geteuid() != 0
	}
	return errors.Is(err, fs.ErrNotExist)
}
