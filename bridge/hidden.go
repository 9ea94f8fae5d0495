package bridge

import (
	"xbr-script/internal/host"
	"xbr-script/internal/shell"
)

// hidden says whether dom0's interface is in the NIC's place although no NIC
// has its second name: somebody has given the NIC another one, or pulled it
// out. Then the network is not up, but it is not down either.
func (s *parts) hidden(rec *Record) bool {
	l := s.nic // has the NIC's name
	switch {
	case l == nil:
		return false
	case s.onBridge():
		return l.Kind == "bridge" && rec != nil && rec.Spec.NetDev == s.NetDev
	}
	return l.Kind == "veth" && !l.Elsewhere && s.port != nil && l.Lower == s.port.Index
}

// refuseHidden is the error in that case. It says what the NIC is called now,
// judging by the MAC address that it has as a port.
func (s *parts) refuseHidden(h *host.Host) error {
	br, mac := s.br, portMAC
	if s.onBridge() {
		br, mac = s.nic, s.nic.MAC
	}
	name := "NIC"
	if br != nil {
		for _, l := range h.Ports(br.Index) {
			if sameMAC(l.MAC, mac) && l != s.port {
				name = l.Name
			}
		}
	}
	return refuse("give the NIC its name back: ip link set dev "+shell.Quote(name)+" name "+shell.Quote(s.PDev),
		"cannot take %s down: its NIC %s is missing, though %s is dom0's interface", s.Bridge, s.PDev, s.NetDev)
}
