package rtnl

import "encoding/binary"

// SizeofGenl is the length of struct genlmsghdr, which begins each message of generic
// netlink.
const SizeofGenl = 4

// Family is the number of a family of generic netlink; 0 if the kernel has none of that
// name. The connection is one of DialGeneric.
func (c *Conn) Family(name string) (number uint16, err error) {
	const control, getFamily, version, attrID, attrName = 16, 3, 1, 1, 2 // GENL_ID_CTRL, CTRL_CMD_GETFAMILY
	msgs, err := c.Dump(control, []byte{getFamily, version, 0, 0})
	for _, m := range msgs {
		if len(m.Body) < SizeofGenl {
			continue
		}
		if id := FindAttr(m.Body[SizeofGenl:], attrID); len(id) == 2 && String(FindAttr(m.Body[SizeofGenl:], attrName)) == name {
			number = binary.NativeEndian.Uint16(id)
		}
	}
	return number, err
}
