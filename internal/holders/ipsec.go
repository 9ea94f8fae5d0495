package holders

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
)

// readPolicies reads IPsec's policies that are for one interface (struct
// xfrm_userpolicy_info). If nobody has set any, the part of the kernel that tells may
// not be loaded, and is left alone.
func readPolicies(r *reader) error {
	const getPolicy, sizeofSelector = 0x15, 56 // XFRM_MSG_GETPOLICY, struct xfrm_selector
	c, err := r.ipsec()
	if err != nil || c == nil {
		return err
	}
	msgs, err := c.Dump(getPolicy, nil)
	for _, m := range msgs {
		if len(m.Body) < sizeofSelector {
			continue
		}
		size := 4
		if binary.NativeEndian.Uint16(m.Body[40:]) == unix.AF_INET6 {
			size = 16
		}
		dst, _ := netip.AddrFromSlice(m.Body[:size])
		src, _ := netip.AddrFromSlice(m.Body[16 : 16+size])
		what := fmt.Sprintf("policy from %v to %v", netip.PrefixFrom(src, int(m.Body[43])), netip.PrefixFrom(dst, int(m.Body[42])))
		r.use(Use{int(rtnl.U32(m.Body[48:52])), "IPsec", what, Breaks, "make it anew for dom0's interface"})
	}
	return unlessLacking(err)
}

// ipsec is the connection to IPsec, nil if it is not there, or not in use.
func (r *reader) ipsec() (*rtnl.Conn, error) {
	loaded := false
	err := eachLine("netlink", 1, func(w []string) error {
		loaded = loaded || len(w) > 1 && w[1] == strconv.Itoa(unix.NETLINK_XFRM)
		return nil
	})
	if err != nil || !loaded {
		return nil, err
	}
	return r.to(xfrm)
}

// readOffload reads IPsec's states that a NIC encrypts for (struct xfrm_user_offload): dom0's
// packets come to it by the bridge, which is no way for them (validate_xmit_xfrm).
func readOffload(r *reader) error {
	const getState = 0x12 // XFRM_MSG_GETSA
	c, err := r.ipsec()
	if err != nil || c == nil {
		return err
	}
	msgs, err := c.Dump(getState, nil)
	for _, m := range msgs {
		if index, what, ok := offloaded(m.Body); ok {
			r.use(Use{index, "IPsec", what, Breaks, "make it anew without offload"})
		}
	}
	return unlessLacking(err)
}

// offloaded is a state that is offloaded to the interface with that index.
func offloaded(b []byte) (index int, what string, ok bool) {
	const sizeofInfo, offload, id, family = 224, 28, 56, 212 // struct xfrm_usersa_info, XFRMA_OFFLOAD_DEV, and where struct xfrm_id and the family are
	if len(b) < sizeofInfo {
		return 0, "", false
	}
	dev := rtnl.FindAttr(b[sizeofInfo:], offload)
	if len(dev) < 4 {
		return 0, "", false
	}
	size := 4
	if binary.NativeEndian.Uint16(b[family:]) == unix.AF_INET6 {
		size = 16
	}
	to, _ := netip.AddrFromSlice(b[id : id+size])
	return int(rtnl.U32(dev[:4])), fmt.Sprintf("state to %v, SPI %#x, which it encrypts", to, binary.BigEndian.Uint32(b[id+16:])), true
}
