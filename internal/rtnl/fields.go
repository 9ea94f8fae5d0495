package rtnl

import "golang.org/x/sys/unix"

// AddrFlags are the flags IFA_F_… of an address.
func (m Msg) AddrFlags() uint32 {
	if b := m.Get(unix.IFA_FLAGS); b != nil {
		return U32(b)
	}
	return uint32(m.Body[2]) // ifa_flags
}

// Local is the address itself of an address; IFA_ADDRESS is its peer, or the
// same.
func (m Msg) Local() []byte {
	if b := m.Get(unix.IFA_LOCAL); b != nil {
		return b
	}
	return m.Get(unix.IFA_ADDRESS)
}

// IsTemporary says whether the kernel made an IPv6 address as a temporary one.
func (m Msg) IsTemporary() bool { return m.AddrFlags()&unix.IFA_F_TEMPORARY != 0 }

// MakesTemporary says whether the kernel makes temporary addresses for one.
func (m Msg) MakesTemporary() bool { return m.AddrFlags()&unix.IFA_F_MANAGETEMPADDR != 0 }

// Table is the number of a route's table.
func (m Msg) Table() uint32 {
	if t := m.Get(unix.RTA_TABLE); t != nil {
		return U32(t)
	}
	return uint32(m.Fixed()[4]) // rtm_table
}

// ByKernel says whether the kernel has made a route by itself.
func (m Msg) ByKernel() bool { return m.Fixed()[5] == unix.RTPROT_KERNEL } // rtm_protocol

// HasGateway says whether a route leads by one or several gateways.
func (m Msg) HasGateway() bool {
	return m.HasAny(unix.RTA_GATEWAY, unix.RTA_VIA, unix.RTA_MULTIPATH)
}

func (m Msg) isRoute() bool { return m.Type == unix.RTM_NEWROUTE || m.Type == unix.RTM_DELROUTE }
