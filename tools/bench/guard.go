package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// How guests are kept from sending as others.
const (
	unguarded    = "none"
	byStrict     = "antispoof=strict"
	cleanTraffic = "libvirt's clean-traffic"
)

// A guarded is what one way costs on one path, with so many guests known.
type guarded struct {
	How    string `json:"how"`
	Guests int    `json:"guests"`
	Path   string `json:"path"`
	// Rates are packets per second of processor time, of each round, and Latencies the
	// median times there and back, in microseconds.
	Rates     []float64 `json:"packets_a_second"`
	Latencies []float64 `json:"there_and_back_us"`
}

// guardWorld is dom0 with two guests on a bridge, and the LAN.
type guardWorld struct {
	*world
	ends  []*netns // of the guests
	paths []*guardPath
}

// guardPath is a pair of sockets.
type guardPath struct {
	*guarded
	from, to int
}

// ends of a path have these addresses.
const (
	guestA, guestB, onLAN = "192.168.0.101", "192.168.0.102", "192.168.0.1"
	guardPort             = 4242
)

// measureGuard sends packets from guest to guest and to the LAN, in turns with each way
// of guarding.
func measureGuard(o *options, r *report) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var worlds []*guardWorld
	defer func() {
		for _, w := range worlds {
			w.close()
		}
	}()
	for _, s := range []struct {
		how    string
		guests int
	}{{unguarded, 2}, {byStrict, 2}, {cleanTraffic, 2}, {byStrict, 500}, {cleanTraffic, 500}} {
		w, err := newGuardWorld(o, s.how, s.guests)
		if err != nil {
			return fmt.Errorf("%s, %d guests: %w", s.how, s.guests, err)
		}
		if w == nil {
			r.Absent[s.how] = "there is no ebtables-nft-restore"
			continue
		}
		worlds = append(worlds, w)
		for _, p := range w.paths {
			r.Guard = append(r.Guard, p.guarded)
		}
	}
	for round := range o.pick(60, 8) {
		for i := range worlds {
			for _, p := range worlds[(i+round)%len(worlds)].paths {
				if err := p.measure(); err != nil {
					return fmt.Errorf("%s: %w", p.How, err)
				}
			}
		}
	}
	return nil
}

// newGuardWorld makes one; nil if the means are missing.
func newGuardWorld(o *options, how string, guests int) (*guardWorld, error) {
	if _, err := exec.LookPath("ebtables-nft-restore"); err != nil && how == cleanTraffic {
		return nil, nil
	}
	nics, err := newWorld(0)
	if err != nil {
		return nil, err
	}
	w := &guardWorld{world: nics}
	words := []string{o.binary, "start", "check=no"}
	if how == byStrict {
		lines := ""
		for _, g := range guardGuests(guests) {
			lines += fmt.Sprintf("port=%s mac=%s ip=%s\n", g.port, g.mac, g.ip)
		}
		if err := w.dom0.write("/run/guests", "\nantispoof=strict\n"+lines); err != nil {
			return w, err
		}
		words = append(words, "config=/run/guests")
	}
	if err := w.dom0.run(words...); err != nil {
		return w, err
	}
	if how == cleanTraffic {
		if _, _, err := w.dom0.command(cleanTrafficRules(guardGuests(guests)), "ebtables-nft-restore"); err != nil {
			return w, err
		}
	}
	if err := w.withoutNetfilter(); err != nil {
		return w, err
	}
	return w, w.plugTwo(how, guests)
}

// withoutNetfilter keeps iptables from seeing what is bridged, which some kernels have it
// do in a new namespace.
func (w *guardWorld) withoutNetfilter() error {
	for _, name := range []string{"iptables", "ip6tables", "arptables"} {
		file := "/proc/sys/net/bridge/bridge-nf-call-" + name
		if err := w.dom0.write(file, "0"); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}

// A guardGuest is a guest that is known, whether it is there or not.
type guardGuest struct{ port, mac, ip string }

// guardGuests are that many. The two that are there are in the middle.
func guardGuests(n int) (list []guardGuest) {
	for i := range n {
		list = append(list, guardGuest{fmt.Sprintf("vif%d.0", i+3), fmt.Sprintf("00:16:3e:00:%02x:%02x", i/256+1, i%256), fmt.Sprintf("10.7.%d.%d", i/250, i%250+1)})
	}
	for i, ip := range []string{guestA, guestB} {
		list[n/2-1+i] = guardGuest{fmt.Sprintf("vif%d.0", i+1), fmt.Sprintf("00:16:3e:00:00:%02x", i+1), ip}
	}
	return list
}

// plugTwo adds the guests, and opens the sockets of both paths.
func (w *guardWorld) plugTwo(how string, guests int) error {
	for i, ip := range []string{guestA, guestB} {
		end, err := newNetns("guest")
		if err != nil {
			return err
		}
		w.ends = append(w.ends, end)
		port := fmt.Sprintf("vif%d.0", i+1)
		if err := w.dom0.batch([]string{
			fmt.Sprintf("link add %s type veth peer name eth0 address 00:16:3e:00:00:%02x netns %s", port, i+1, end.path),
			"link set " + port + " master xenbr0 up",
		}); err != nil {
			return err
		}
		if err := end.batch([]string{"link set eth0 up", "addr add " + ip + "/24 dev eth0"}); err != nil {
			return err
		}
	}
	for i, p := range []struct {
		path string
		to   *netns
		ip   string
	}{{"guest to guest", w.ends[1], guestB}, {"guest to LAN", w.lan, onLAN}} {
		from, err := udpSocket(w.ends[0], guestA, p.ip, guardPort+i)
		if err != nil {
			return err
		}
		to, err := udpSocket(p.to, p.ip, guestA, guardPort+i)
		if err != nil {
			return err
		}
		w.paths = append(w.paths, &guardPath{&guarded{How: how, Guests: guests, Path: p.path}, from, to})
	}
	return nil
}

func (w *guardWorld) close() {
	for _, p := range w.paths {
		_, _ = unix.Close(p.from), unix.Close(p.to)
	}
	for _, end := range w.ends {
		end.close()
	}
	w.world.close()
}

// udpSocket is one that is connected.
func udpSocket(in *netns, here, there string, port int) (fd int, err error) {
	address := func(ip string) *unix.SockaddrInet4 {
		return &unix.SockaddrInet4{Port: port, Addr: [4]byte(net.ParseIP(ip).To4())}
	}
	err = in.try(func() error {
		if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		if err := unix.Bind(fd, address(here)); err != nil {
			return err
		}
		return unix.Connect(fd, address(there))
	})
	return fd, err
}

// measure is one round. All that a packet meets happens in the thread that sends it, so
// its own processor time is what it costs, whatever else the machine does.
func (p *guardPath) measure() error {
	const batches, size, turns = 300, 32, 2000
	if err := p.exchange(); err != nil { // now both are known to each other
		return err
	}
	payload, buf := make([]byte, 64), make([]byte, 2048)
	begin, arrived := threadTime(), 0
	for range batches {
		for range size {
			_, _ = unix.Write(p.from, payload)
		}
		for {
			if _, err := unix.Read(p.to, buf); err != nil {
				break
			}
			arrived++
		}
	}
	took := threadTime() - begin
	if arrived < batches*size*9/10 {
		return fmt.Errorf("only %d of %d packets arrived, %s", arrived, batches*size, p.Path)
	}
	p.Rates = append(p.Rates, float64(arrived)/took.Seconds())
	var times []float64
	for range turns {
		before := time.Now()
		if err := p.exchange(); err != nil {
			return err
		}
		times = append(times, float64(time.Since(before).Nanoseconds())/1e3)
	}
	p.Latencies = append(p.Latencies, median(times))
	return nil
}

// exchange sends a packet there and one back.
func (p *guardPath) exchange() error {
	for _, way := range [][2]int{{p.from, p.to}, {p.to, p.from}} {
		if err := pass(way[0], way[1]); err != nil {
			return err
		}
	}
	return nil
}

// pass sends a packet until it arrives: the first may have to wait for ARP.
func pass(from, to int) error {
	buf := make([]byte, 2048)
	for begin := time.Now(); time.Since(begin) < 5*time.Second; time.Sleep(time.Millisecond) {
		if _, err := unix.Write(from, buf[:64]); err != nil {
			return err
		}
		for range 100 {
			if _, err := unix.Read(to, buf); err == nil {
				return nil
			}
		}
	}
	return fmt.Errorf("nothing arrives")
}

// threadTime is the processor time of this thread.
func threadTime() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t)
	return time.Duration(t.Nano())
}

// cleanTrafficRules are those that libvirt 9.0 makes for clean-traffic with an address, as
// ebtables tells them.
func cleanTrafficRules(guests []guardGuest) string {
	var chains, rules strings.Builder
	for _, g := range guests {
		for _, c := range []string{"libvirt-I-%s", "libvirt-O-%s", "I-%s-mac", "I-%s-ipv4-ip", "I-%s-arp-mac", "I-%s-arp-ip", "I-%s-rarp", "O-%s-ipv4", "O-%s-rarp"} {
			fmt.Fprintf(&chains, ":"+c+" RETURN\n", g.port)
		}
		rules.WriteString(strings.NewReplacer("PORT", g.port, "MAC", g.mac, "ADDRESS", g.ip).Replace(`-A PREROUTING -i PORT -j libvirt-I-PORT
-A POSTROUTING -o PORT -j libvirt-O-PORT
-A I-PORT-arp-ip -p ARP --arp-ip-src ADDRESS -j RETURN
-A I-PORT-arp-ip -j DROP
-A I-PORT-arp-mac -p ARP --arp-mac-src MAC -j RETURN
-A I-PORT-arp-mac -j DROP
-A I-PORT-ipv4-ip -p IPv4 --ip-src 0.0.0.0 --ip-proto udp -j RETURN
-A I-PORT-ipv4-ip -p IPv4 --ip-src ADDRESS -j RETURN
-A I-PORT-ipv4-ip -j DROP
-A I-PORT-mac -s MAC -j RETURN
-A I-PORT-mac -j DROP
-A I-PORT-rarp -j DROP
-A O-PORT-ipv4 -j ACCEPT
-A O-PORT-rarp -j DROP
-A libvirt-I-PORT -j I-PORT-mac
-A libvirt-I-PORT -p IPv4 -j I-PORT-ipv4-ip
-A libvirt-I-PORT -p IPv4 -j ACCEPT
-A libvirt-I-PORT -p ARP -j I-PORT-arp-mac
-A libvirt-I-PORT -p ARP -j I-PORT-arp-ip
-A libvirt-I-PORT -p ARP -j ACCEPT
-A libvirt-I-PORT -p 0x8035 -j I-PORT-rarp
-A libvirt-I-PORT -p 0x835 -j ACCEPT
-A libvirt-I-PORT -j DROP
-A libvirt-O-PORT -p IPv4 -j O-PORT-ipv4
-A libvirt-O-PORT -p ARP -j ACCEPT
-A libvirt-O-PORT -p 0x8035 -j O-PORT-rarp
-A libvirt-O-PORT -j DROP
`))
	}
	return "*nat\n:PREROUTING ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n" + chains.String() + rules.String()
}

// printGuard compares each round with that of none beside it.
func (r *report) printGuard(out io.Writer) {
	rows := [][]string{{"guarded by", "guests", "path", "packets/s", "of none", "there and back µs", "of none"}}
	none := map[string]*guarded{}
	for _, g := range r.Guard {
		if g.How == unguarded {
			none[g.Path] = g
		}
		rows = append(rows, []string{
			g.How, fmt.Sprint(g.Guests), g.Path, fmt.Sprintf("%.0f", median(g.Rates)), fmt.Sprintf("%.3f", median(quotients(g.Rates, none[g.Path].Rates))),
			fmt.Sprintf("%.2f", median(g.Latencies)), fmt.Sprintf("%.3f", median(quotients(g.Latencies, none[g.Path].Latencies))),
		})
	}
	table(out, "What it costs to keep guests from sending as others (medians; ratios by round)", rows)
}

// quotients are those of what was measured in the same rounds.
func quotients(a, b []float64) (list []float64) {
	for i := range min(len(a), len(b)) {
		list = append(list, a[i]/b[i])
	}
	return list
}
