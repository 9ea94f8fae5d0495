package ipcmd

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"xbr-script/internal/rtnl"

	"golang.org/x/sys/unix"
)

// encapWords are the words for a lightweight tunnel; none if it is unknown.
func encapWords(typ uint64, b []byte) []string {
	a := collect(rtnl.ParseAttrs(b))
	l := newLine("encap")
	switch typ {
	case unix.LWTUNNEL_ENCAP_MPLS:
		l.add("mpls")
		l.fields(a, mplsFields)
	case unix.LWTUNNEL_ENCAP_IP:
		l.add("ip")
		l.fields(a, ipTunnelFields)
		addTunnelFlags(l, a[6])
	case unix.LWTUNNEL_ENCAP_IP6:
		l.add("ip6")
		l.fields(a, ip6TunnelFields)
		addTunnelFlags(l, a[6])
	case unix.LWTUNNEL_ENCAP_SEG6:
		l.add("seg6")
		addSegments(l, a[1]) // SEG6_IPTUNNEL_SRH
	}
	if len(l.words) < 3 {
		return nil // a bare "encap ip" would be a tunnel to nowhere
	}
	return l.words
}

var mplsFields = []field{
	{unix.MPLS_IPTUNNEL_DST, "", labels},
	{unix.MPLS_IPTUNNEL_TTL, "ttl", dec(1)},
}

// LWTUNNEL_IP_… and LWTUNNEL_IP6_… of linux/lwtunnel.h: id, destination,
// source, hop limit, traffic class, flags.
var (
	ipTunnelFields = []field{
		{1, "id", tunnelID}, {2, "dst", nonzero(ip)}, {3, "src", nonzero(ip)},
		{4, "ttl", nonzero(dec(1))}, {5, "tos", nonzero(dec(1))},
	}
	ip6TunnelFields = []field{
		{1, "id", tunnelID}, {2, "dst", nonzero(ip)}, {3, "src", nonzero(ip)},
		{4, "hoplimit", nonzero(dec(1))}, {5, "tc", nonzero(dec(1))},
	}
)

// nonzero leaves out a value that is all zeros, the default.
func nonzero(format func([]byte) (string, bool)) func([]byte) (string, bool) {
	return func(b []byte) (string, bool) {
		if strings.Trim(string(b), "\x00") == "" {
			return "", false
		}
		return format(b)
	}
}

func tunnelID(b []byte) (string, bool) {
	if len(b) != 8 {
		return "", false
	}
	id := binary.BigEndian.Uint64(b)
	return strconv.FormatUint(id, 10), id != 0
}

// addTunnelFlags adds TUNNEL_KEY, TUNNEL_CSUM and TUNNEL_SEQ
// (linux/if_tunnel.h).
func addTunnelFlags(l *line, b []byte) {
	if len(b) != 2 {
		return
	}
	flags := binary.BigEndian.Uint16(b)
	l.addIf(flags&4 != 0, "key")
	l.addIf(flags&1 != 0, "csum")
	l.addIf(flags&8 != 0, "seq")
}

// labels formats a stack of MPLS labels: the label is in the upper 20 bits.
func labels(b []byte) (string, bool) {
	var s []string
	for ; len(b) >= 4; b = b[4:] {
		s = append(s, strconv.FormatUint(uint64(binary.BigEndian.Uint32(b)>>12), 10))
	}
	return strings.Join(s, "/"), len(s) > 0 && len(b) == 0
}

// segModes are the modes of a seg6 tunnel (SEG6_IPTUN_MODE_…).
var segModes = []string{"inline", "encap", "l2encap", "encap.red", "l2encap.red"}

// addSegments reads struct seg6_iptunnel_encap: the mode and a segment routing
// header, in which the last segment comes first. Inline mode has a free place
// for the packet's own destination among them.
func addSegments(l *line, b []byte) {
	const modeLen, srhLen = 4, 8
	if len(b) < modeLen+srhLen {
		return
	}
	mode, srh := binary.NativeEndian.Uint32(b), b[modeLen:]
	count := int(srh[4]) + 1 // first_segment
	if int(mode) >= len(segModes) || len(srh) < srhLen+16*count {
		return
	}
	var segments []string
	for i := count - 1; i >= 0; i-- {
		if mode == 0 && i == 0 {
			break
		}
		segment, _ := ip(srh[srhLen+16*i : srhLen+16*(i+1)])
		segments = append(segments, segment)
	}
	l.add("mode", segModes[mode], "segs", strings.Join(segments, ","))
	if tlv := srh[srhLen+16*count:]; len(tlv) >= 8 && tlv[0] == 5 { // SR6_TLV_HMAC
		l.add("hmac", fmt.Sprint(binary.BigEndian.Uint32(tlv[4:])))
	}
}
