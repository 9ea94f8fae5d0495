package networkmanager

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/manager"
	"xbr-script/internal/refusal"
)

// Original is the profile of a NIC that a bridge gets a copy of, and what NetworkManager
// has made of the NIC's name and kind and of the profile's UUID. The copy gets that as it
// is, because the bridge's are others: with them the host would get other addresses.
type Original struct {
	Profile  string `json:"profile"`            // its UUID
	Metric   uint32 `json:"metric,omitempty"`   // of routes; 0: the profile has it
	ClientID string `json:"clientID,omitempty"` // of DHCPv4, "" without a lease
	IAID     string `json:"iaid,omitempty"`     // of DHCPv6, a decimal number, "" without a lease
	Token    string `json:"token,omitempty"`    // the lower half of its IPv6 addresses, "" if the MAC address makes it
}

// key is the user's key in a copy that has what it was made from, as a note.
const key = "xbr-script.original"

// note is what a copy says, so that stop knows. It is the present version of it.
type note struct {
	Version int `json:"version"`
	Original
}

const noteVersion = 1

func (o Original) note() string {
	text, err := json.Marshal(note{noteVersion, o})
	if err != nil {
		panic(err) // strings and numbers
	}
	return string(text)
}

// originalOf reads the note from the values of a profile; nil if there is none.
func originalOf(values map[string]string) (*Original, error) {
	text, ok := values[key]
	if !ok {
		return nil, nil
	}
	var n note
	if err := json.Unmarshal([]byte(text), &n); err != nil || n.Version != noteVersion {
		return nil, fmt.Errorf("cannot read %s=%s in a profile of NetworkManager", key, text)
	}
	return &n.Original, nil
}

// original is what the bridge gets a copy of.
func (m Manager) original(move manager.Move, profile string) (*Original, error) {
	d, err := m.entry(move.From.Index)
	if err != nil {
		return nil, err
	}
	o := &Original{Profile: profile, ClientID: d["dhcp4.dhcp_client_identifier"], IAID: decimal(d["dhcp6.iaid"])}
	o.Metric = metricOf(d)
	o.Token, err = token(move)
	return o, err
}

// metricOf is the metric of an interface's routes, as its file says; 0 if it does not.
func metricOf(entry map[string]string) uint32 {
	metric, err := strconv.ParseUint(entry["route-metric-default-effective"], 10, 32)
	if err != nil {
		return 0
	}
	return uint32(metric)
}

// decimal is an IAID as a profile has it; NetworkManager tells it as four bytes.
func decimal(iaid string) string {
	b, err := hex.DecodeString(strings.ReplaceAll(iaid, ":", ""))
	if err != nil || len(b) != 4 {
		return ""
	}
	return strconv.FormatUint(uint64(b[0])<<24|uint64(b[1])<<16|uint64(b[2])<<8|uint64(b[3]), 10)
}

// token is the lower half of the addresses that it makes by what routers say. A profile
// can have one, for all prefixes; made from its UUID it is another one for each.
func token(move manager.Move) (string, error) {
	var found []byte
	for _, a := range move.Expiring {
		if a.Family() != unix.AF_INET6 || a.Body[1] != 64 || a.IsTemporary() {
			continue
		}
		half := a.Local()[8:]
		if found != nil && !bytes.Equal(found, half) {
			return "", refusal.New("without dom0=bridge NetworkManager goes on with them",
				"cannot %s: NetworkManager makes the IPv6 addresses of %s from the profile's UUID, and would make others for a bridge", move.Undertaking, move.From.Name)
		}
		found = half
	}
	if found == nil || bytes.Equal(found, eui64(move.From.MAC)) {
		return "", nil
	}
	return netip.AddrFrom16([16]byte(append(make([]byte, 8), found...))).String(), nil
}

// eui64 is the lower half that a MAC address makes (RFC 4291, appendix A).
func eui64(mac net.HardwareAddr) []byte {
	if len(mac) != 6 {
		return nil
	}
	return []byte{mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]}
}
