package nstest

import (
	"encoding/hex"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// ownFlags are those that make an IPv6 route the kernel's own, made of a router
// advertisement (RTF_DEFAULT, RTF_ADDRCONF, RTF_PREFIX_RT, RTF_ROUTEINFO of
// linux/ipv6_route.h).
const ownFlags = 0x008d0000

// What may differ for the kernel's own routes: one that an ioctl has made shows
// another protocol, and what the interface has learnt comes with the next
// advertisement.
var ownNoise = regexp.MustCompile(` proto \S+| hoplimit [0-9]+| mtu [0-9]+`)

// routes6 marks the IPv6 routes that are the kernel's own, which ip does not
// tell from others.
func routes6(ls []string) []string {
	own := map[string]uint64{}
	for line := range strings.Lines(read("/proc/thread-self/net/ipv6_route")) {
		if w := strings.Fields(line); len(w) == 10 {
			flags, _ := strconv.ParseUint(w[8], 16, 32) // the kernel's own format
			own[procKey(w)] |= flags & ownFlags
		}
	}
	for i, l := range ls {
		if flags := own[lineKey(l)]; flags != 0 && strings.Contains(l, " table main ") {
			ls[i] = ownNoise.ReplaceAllString(l, "") + " own 0x" + strconv.FormatUint(flags, 16)
		}
	}
	return sorted(ls)
}

// procKey is destination, gateway, interface and metric of a line of
// /proc/net/ipv6_route.
func procKey(w []string) string {
	bits, _ := strconv.ParseUint(w[1], 16, 8)
	metric, _ := strconv.ParseUint(w[5], 16, 32)
	return key6(netip.PrefixFrom(hexAddr(w[0]), int(bits)), hexAddr(w[4]), w[9], metric)
}

func hexAddr(text string) netip.Addr {
	b, _ := hex.DecodeString(text)
	addr, _ := netip.AddrFromSlice(b)
	return addr
}

// lineKey is the same for a line of ip -d -6 route.
func lineKey(line string) string {
	w := strings.Fields(line)
	if len(w) < 2 {
		return ""
	}
	dst := netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	if p, err := netip.ParsePrefix(w[1]); err == nil {
		dst = p
	} else if a, err := netip.ParseAddr(w[1]); err == nil {
		dst = netip.PrefixFrom(a, a.BitLen())
	}
	words := map[string]string{}
	for i := 2; i+1 < len(w); i++ {
		if _, ok := words[w[i]]; !ok {
			words[w[i]] = w[i+1]
		}
	}
	gateway := netip.IPv6Unspecified()
	if a, err := netip.ParseAddr(words["via"]); err == nil {
		gateway = a
	}
	metric, _ := strconv.ParseUint(words["metric"], 10, 32)
	return key6(dst, gateway, words["dev"], metric)
}

func key6(dst netip.Prefix, gateway netip.Addr, dev string, metric uint64) string {
	return dst.String() + " " + gateway.String() + " " + dev + " " + strconv.FormatUint(metric, 10)
}
