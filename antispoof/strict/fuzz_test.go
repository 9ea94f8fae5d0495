package strict

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/testing/nstest"
)

// frames is how many frames TestFuzz sends from each guest: XBR_TEST_FRAMES, if set (make
// fuzz-strict does so).
func frames(t *testing.T) int {
	t.Helper()
	text := os.Getenv("XBR_TEST_FRAMES")
	if text == "" {
		return 5000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// silent is a bridge on which nobody says anything: whatever arrives anywhere, a guest has
// sent.
type silent struct {
	*testing.T
	state   *State
	senders []*box
	others  []*box // where it may arrive
	random  *rand.Rand
	count   int      // of batches
	corpus  [][]byte // frames of all boxes, right and wrong ones
	words   [][]byte // addresses, numbers of protocols: what makes a difference
}

// onPaper is a lab without a host: only who would be there.
func onPaper() *lab {
	l := &lab{}
	at := func(port string, n int) *box {
		b := &box{port: port, mac: net.HardwareAddr{0, 0x16, 0x3e, 0, 0, byte(n)}, v4: netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}), v6: ip(fmt.Sprintf("fd00::%d", n))}
		b.local = Guest{MAC: b.mac.String()}.linkLocal()
		return b
	}
	l.gw, l.dom0, l.x = at("peth0", 254), at("vif0.0", 1), at("vif9.0", 19)
	l.mallory, l.victim, l.loose, l.router = at("vif1.0", 11), at("vif2.0", 12), at("vif3.0", 13), at("vif4.0", 14)
	return l
}

func newSilent(t *testing.T) *silent {
	t.Helper()
	nstest.New(t)
	seed := uint64(1)
	if os.Getenv("XBR_TEST_FRAMES") != "" {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", seed)
	l := onPaper()
	s := &silent{T: t, random: rand.New(rand.NewPCG(seed, 0)), senders: []*box{l.mallory, l.loose, l.router}}
	nstest.Script(t, `
		for f in /proc/sys/net/bridge/bridge-nf-call-*; do [ ! -e $f ] || echo 0 >$f; done
		sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
		ip link add xenbr0 type bridge mcast_snooping 0 no_linklocal_learn 1
		ip link set xenbr0 arp off up`)
	for _, b := range []*box{l.gw, l.dom0, l.mallory, l.victim, l.loose, l.router, l.x} {
		nstest.Script(t, fmt.Sprintf(`ip link add %[1]s arp off type veth peer name at-%[1]s arp off
			ip link set %[1]s master xenbr0 up
			ip link set at-%[1]s mtu 9000 up`, b.port))
		b.link = "at-" + b.port
		(&lab{T: t}).listen(b)
		s.others = append(s.others, b)
	}
	up := &box{link: "xenbr0"} // what dom0 gets with dom0=bridge
	(&lab{T: t}).listen(up)
	s.others = append(s.others, up)
	for _, b := range s.others {
		if err := unix.SetsockoptInt(b.fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1); err != nil {
			t.Fatal(err)
		}
	}
	s.state = &State{Bridge: "xenbr0", NIC: "peth0", Port: "vif0.0", MAC: l.dom0.mac.String(), Taken: []netip.Addr{l.dom0.v4, l.dom0.v6, l.gw.v4, l.gw.v6}}
	for _, b := range []*box{l.mallory, l.victim} {
		s.state.Guests = append(s.state.Guests, Guest{Port: b.port, MAC: b.mac.String(), Addresses: []netip.Prefix{
			netip.PrefixFrom(b.v4, 32), netip.PrefixFrom(b.v6, 128), netip.MustParsePrefix(fmt.Sprintf("10.1.%d.0/24", b.v4.As4()[3])), netip.MustParsePrefix(fmt.Sprintf("fd01:%d::/64", b.v4.As4()[3]))}})
	}
	s.state.Guests = append(s.state.Guests, Guest{Port: l.loose.port, MAC: l.loose.mac.String()},
		Guest{Port: l.router.port, MAC: l.router.mac.String(), Addresses: []netip.Prefix{netip.PrefixFrom(l.router.v4, 32), netip.PrefixFrom(l.router.v6, 128)}, Router: true})
	do(t, &table{Bridge: "xenbr0", To: s.state})
	for _, a := range l.attacks() {
		s.corpus = append(s.corpus, a.frames...)
	}
	for _, f := range append(l.flows4(), l.flows6()...) {
		if f.frame != nil {
			s.corpus = append(s.corpus, f.frame)
		}
	}
	for _, b := range []*box{l.gw, l.dom0, l.mallory, l.victim, l.loose, l.router, l.x} {
		s.words = append(s.words, b.mac, b.v4.AsSlice(), b.v6.AsSlice(), b.local.AsSlice())
	}
	for _, typ := range []int{0x0800, 0x0806, 0x86dd, 0x8035, 0x8100, 0x88a8, 0, 0x0045, 0x0046, 0x0060, 67, 68, 546, 547, 4242} {
		s.words = append(s.words, be16(typ))
	}
	for _, n := range []byte{0, 1, 2, 4, 5, 6, 9, 17, 41, 43, 44, 51, 58, 59, 60, 103, 130, 133, 134, 135, 136, 137, 143, 151, 0xc9, 0x45, 0x46, 0x60, 255} {
		s.words = append(s.words, []byte{n})
	}
	s.words = append(s.words, zeros(4), zeros(6), zeros(16), broadcast, []byte{0x94, 4, 0, 0}, []byte{131, 7, 4, 10})
	return s
}

// any is one of several.
func pick[E any](r *rand.Rand, list []E) E { return list[r.IntN(len(list))] }

// frame is a random one of a guest: wholly random, or one of those that are known with
// some changes. Half of them have the guest's own MAC address, without which nothing else
// would be looked at.
func (s *silent) frame(from *box) []byte {
	r := s.random
	var f []byte
	if r.IntN(20) == 0 {
		f = make([]byte, 14+r.IntN(200))
		for i := range f {
			f[i] = byte(r.Uint32())
		}
		copy(f[12:], pick(r, [][]byte{{8, 0}, {8, 6}, {0x86, 0xdd}, {0x80, 0x35}, f[12:14]}))
	} else {
		f = append(f, pick(r, s.corpus)...)
		for range r.IntN(6) {
			f = s.change(f)
		}
	}
	if len(f) < 14 {
		f = append(f, zeros(14-len(f))...)
	}
	if r.IntN(8) > 0 {
		copy(f[6:], from.mac)
	}
	return f[:min(len(f), 1500)]
}

// change makes a small change.
func (s *silent) change(f []byte) []byte {
	r := s.random
	if len(f) < 15 {
		return append(f, zeros(20)...)
	}
	at := 12 + r.IntN(min(len(f)-12, 90))
	word := pick(r, s.words)
	switch r.IntN(10) {
	case 0:
		f[at] ^= 1 << r.IntN(8)
	case 1:
		f[at] = byte(r.Uint32())
	case 2: // cut short
		return f[:14+r.IntN(len(f)-14)]
	case 3: // something between
		return append(append(append([]byte{}, f[:at]...), word...), f[at:]...)
	case 4: // something is missing
		return append(append([]byte{}, f[:at]...), f[min(len(f), at+r.IntN(9)):]...)
	case 5: // the head of one, the rest of another
		other := pick(r, s.corpus)
		return append(append([]byte{}, f[:at]...), other[min(len(other), at):]...)
	case 6: // an extension header that is inserted, or a tag
		headers := [][]byte{optionsHeader(pick(r, []byte{17, 58, 60, 44, 43, 6})), fragHeader(pick(r, []byte{17, 58, 60}), 8*r.IntN(3), r.IntN(2) == 0), {0x81, 0, 0, 0}, alertHeader(58)}
		where := pick(r, []int{12, 54, 62, 34})
		if where > len(f) {
			return f
		}
		return append(append(append([]byte{}, f[:where]...), pick(r, headers)...), f[where:]...)
	default: // where it makes a difference
		places := []int{0, 6, 12, 14, 16, 18, 20, 21, 22, 23, 24, 26, 28, 30, 32, 34, 36, 38, 40, 41, 42, 46, 54, 55, 56, 58, 62, 70, 78, 80, 86}
		if where := pick(r, places); where+len(word) <= len(f) {
			copy(f[where:], word)
		}
	}
	return f
}

// TestFuzz sends random frames of guests. Of those that arrive, each is the guest's own
// by who has no part in the rules; and so do those that are its own and have neither
// options nor extension headers, of which the rules know only few.
func TestFuzz(t *testing.T) {
	t.Parallel()
	s := newSilent(t)
	for _, from := range s.senders {
		own := s.person(from)
		total, rightful, came, lost := frames(t), 0, 0, ""
		for sent := 0; sent < total; {
			var batch [][]byte
			for range min(100, total-sent) {
				batch = append(batch, s.frame(from))
			}
			sent += len(batch)
			arrived := s.exchange(from, batch)
			for f, at := range arrived {
				if why := own.why(f.bytes(), f.tagged); why != "" {
					t.Fatalf("from %s, at %s arrives: %s\n%s", from.port, at, why, hex.EncodeToString(f.bytes()))
				}
			}
			for _, f := range batch {
				if !isPlain(f) || own.why(f, false) != "" {
					continue
				}
				rightful++
				if _, there := arrived[arrival{string(f), false}]; there {
					came++
				} else {
					lost = hex.EncodeToString(f)
				}
			}
		}
		t.Logf("%s: %d sent, none arrived that is not its own; %d were its own and plain, of which %d arrived", from.port, total, rightful, came)
		if lost != "" {
			t.Log("not, for one: ", lost)
		}
		if rightful < total/100 || came*100 < rightful*99 { // the machine may drop some
			t.Errorf("%s: of %d of its own only %d arrived", from.port, rightful, came)
		}
	}
}

// arrival is a frame that has come somewhere.
type arrival struct {
	text   string
	tagged bool
}

func (a arrival) bytes() []byte { return []byte(a.text) }

// exchange sends frames, and returns those that came, with where, when all have.
func (s *silent) exchange(from *box, batch [][]byte) map[arrival]string {
	s.Helper()
	for _, f := range batch {
		_ = unix.Sendto(from.fd, f, 0, &unix.SockaddrLinklayer{Ifindex: from.index, Protocol: allFrames})
	}
	s.count++
	last := frame(broadcast, mac("02:00:00:00:00:01"), 0x88b5, fmt.Appendf(nil, "LAST%08d", s.count), zeros(40))
	all, pending := map[arrival]string{}, map[*box]bool{}
	for _, b := range s.others[1:] {
		pending[b] = true
	}
	for begin, round := time.Now(), 0; len(pending) > 0; round++ {
		if round%200 == 0 {
			(&lab{T: s.T}).send(s.others[0], last) // from the LAN
		} else {
			time.Sleep(100 * time.Microsecond)
		}
		for _, b := range s.others {
			for _, f := range s.received(b) {
				switch {
				case f.text == string(last):
					delete(pending, b)
				case f.text[6:14] != string(last[6:14]): // not one that was sent again
					all[f] = b.link
				}
			}
		}
		if time.Since(begin) > prompt {
			s.Fatal("what the LAN sends to all does not arrive")
		}
	}
	return all
}

// received is what has come to a box.
func (s *silent) received(b *box) (list []arrival) {
	s.Helper()
	buf, aux := make([]byte, 1<<16), make([]byte, 256)
	for {
		n, m, _, from, err := unix.Recvmsg(b.fd, buf, aux, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return list
		}
		if ll, ok := from.(*unix.SockaddrLinklayer); ok && ll.Pkttype != unix.PACKET_OUTGOING {
			list = append(list, arrival{string(buf[:n]), s.tagged(aux[:m])})
		}
	}
}

// tagged says whether a frame had a VLAN tag, which the kernel has taken off.
func (s *silent) tagged(aux []byte) bool {
	s.Helper()
	messages, err := unix.ParseSocketControlMessage(aux)
	if err != nil || len(messages) != 1 || len(messages[0].Data) < 4 {
		s.Fatalf("%x, %v", aux, err)
	}
	return binary.NativeEndian.Uint32(messages[0].Data)&unix.TP_STATUS_VLAN_VALID != 0
}
