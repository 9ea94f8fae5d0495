// Command bench measures xbr-script against what else can do its job: what a
// probe on the network loses while a NIC goes into a bridge and comes back,
// how long it takes, and how that grows with the host.
//
//	bench -outside NETNS [-quick] [-only PARTS] [-json FILE] [-plots FOLDER] [-peers FOLDER] BINARY
//
// All of it happens in network namespaces that it makes itself. It must be the
// first process of a namespace of processes, in a network namespace other than
// NETNS, and refuses otherwise: scripts/bench.sh starts it so.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == meterArg {
		os.Exit(meter(os.Args[2:]))
	}
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench: "+err.Error())
		os.Exit(1)
	}
}

// options is what the command line asked for.
type options struct {
	binary string
	peers  string
	quick  bool
	only   map[string]bool
	rate   int
	trials int
}

// pick is the first number in a full run, and the second in a quick one.
func (o *options) pick(full, quick int) int {
	if o.quick {
		return quick
	}
	return full
}

// wants tells whether a part of the bench is to be run.
func (o *options) wants(part string) bool { return len(o.only) == 0 || o.only[part] }

var parts = []string{"load", "loss", "guests", "guard", "time", "scale"}

func run(args []string) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	o := options{only: map[string]bool{}}
	outside := flags.String("outside", "", "the network namespace of the machine, as readlink /proc/self/ns/net tells it")
	flags.BoolVar(&o.quick, "quick", false, "few trials, a minute in all")
	only := flags.String("only", "", "some of "+strings.Join(parts, ","))
	flags.IntVar(&o.rate, "rate", 20000, "probes a second each way")
	flags.IntVar(&o.trials, "trials", 0, "how often each tool is tried under load")
	jsonFile := flags.String("json", "", "write the results there, as JSON")
	plots := flags.String("plots", "", "write SVG plots into that folder")
	flags.StringVar(&o.peers, "peers", "", "where Debian's packages of the peers lie unpacked")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("usage: bench -outside NETNS [options] BINARY")
	}
	if *only != "" {
		for part := range strings.SplitSeq(*only, ",") {
			o.only[part] = true
		}
	}
	var err error
	if o.binary, err = filepath.Abs(flags.Arg(0)); err != nil {
		return err
	}
	if err := enclosed(*outside); err != nil {
		return err
	}
	if err := prepareMounts(&o); err != nil {
		return err
	}
	// Threads that must never wait for Go's scheduler or its garbage collector
	// send, echo and receive probes.
	runtime.GOMAXPROCS(32)
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(4 << 30)
	begin := time.Now()
	r := newReport(&o)
	// A part that fails must not take the others' results with it.
	failed := measure(&o, r)
	r.Seconds = time.Since(begin).Seconds()
	r.print(os.Stdout)
	if *jsonFile != "" {
		failed = errors.Join(failed, r.writeJSON(*jsonFile))
	}
	if *plots != "" {
		failed = errors.Join(failed, r.plot(*plots))
	}
	return failed
}

// measure runs the parts one after the other, so that none disturbs another.
func measure(o *options, r *report) error {
	var errs []error
	for _, part := range []struct {
		name string
		run  func(*options, *report) error
	}{
		{"load", measureLoad}, {"loss", measureLoss}, {"guests", measureGuests}, {"guard", measureGuard}, {"time", measureTime}, {"scale", measureScale},
	} {
		if !o.wants(part.name) {
			continue
		}
		begin := time.Now()
		r.Load = append(r.Load, fmt.Sprintf("%s %.2f", part.name, loadAverage()))
		if err := part.run(o, r); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", part.name, err))
		}
		progress("%s: done in %.0f s", part.name, time.Since(begin).Seconds())
	}
	return errors.Join(errs...)
}

// progress tells whoever waits how far the bench is.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...)
}

// enclosed is the safety catch: everything after it makes and changes
// interfaces, which must never be the machine's own.
func enclosed(outside string) error {
	here, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return err
	}
	if outside == "" || here == outside || os.Getpid() != 1 {
		return errors.New("not in namespaces of its own: start it with scripts/bench.sh")
	}
	return nil
}

// prepareMounts lays the peers' files over /etc and /usr for this run only, and
// gives it a /run of its own.
func prepareMounts(o *options) error {
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("cannot make the mounts private: %w", err)
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("cannot mount /run: %w", err)
	}
	if o.peers == "" {
		return nil
	}
	for _, dir := range []string{"/run/over/etc", "/run/over/work", "/run/network"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := unix.Mount("overlay", "/usr", "overlay", unix.MS_RDONLY, "lowerdir="+o.peers+"/usr:/usr"); err != nil {
		progress("cannot lay Debian's packages over /usr: %v", err)
		o.peers = ""
		return nil
	}
	if err := unix.Mount("overlay", "/etc", "overlay", 0, "lowerdir="+o.peers+"/etc:/etc,upperdir=/run/over/etc,workdir=/run/over/work"); err != nil {
		progress("cannot lay Debian's packages over /etc: %v", err)
		o.peers = ""
	}
	return nil
}
