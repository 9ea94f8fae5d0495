package rtnl

import "encoding/binary"

// SizeofGenl is the length of struct genlmsghdr, which begins each message of generic
// netlink.
const SizeofGenl = 4

// Family is the number of a family of generic netlink; 0 if the kernel has none of that
// name. The connection is one of DialGeneric, and asks once for all of them: asked for one by
// its name, the kernel would load a module.
func (c *Conn) Family(name string) (uint16, error) {
	if c.families != nil {
		return c.families[name], nil
	}
	const control, getFamily, version, attrID, attrName = 16, 3, 1, 1, 2 // GENL_ID_CTRL, CTRL_CMD_GETFAMILY
	msgs, err := c.Dump(control, []byte{getFamily, version, 0, 0})
	if err != nil {
		return 0, err
	}
	c.families = map[string]uint16{}
	for _, m := range msgs {
		if len(m.Body) < SizeofGenl {
			continue
		}
		if id := FindAttr(m.Body[SizeofGenl:], attrID); len(id) == 2 {
			c.families[String(FindAttr(m.Body[SizeofGenl:], attrName))] = binary.NativeEndian.Uint16(id)
		}
	}
	return c.families[name], nil
}
