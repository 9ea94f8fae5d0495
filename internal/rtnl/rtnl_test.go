package rtnl

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// attr is an attribute in wire form.
func attr(typ uint16, values ...[]byte) []byte {
	value := slices.Concat(values...)
	b := native.AppendUint16(nil, uint16(4+len(value)))
	b = append(native.AppendUint16(b, typ), value...)
	return append(b, make([]byte, align(len(b))-len(b))...)
}

func str(typ uint16, s string) []byte { return attr(typ, []byte(s), []byte{0}) }
func num(typ uint16, v uint32) []byte { return attr(typ, U32Bytes(v)) }

// link is the body of a message about a link.
func link(index int, flags, change uint32, attrs ...[]byte) []byte {
	b := native.AppendUint32([]byte{0, 0, 0, 0}, uint32(index))
	b = native.AppendUint32(native.AppendUint32(b, flags), change)
	return append(b, slices.Concat(attrs...)...)
}

const create = unix.NLM_F_CREATE | unix.NLM_F_EXCL

func set(index int, attrs ...[]byte) Msg {
	return Msg{unix.RTM_NEWLINK, 0, link(index, 0, 0, attrs...)}
}

func dial(t *testing.T) *Conn {
	t.Helper()
	c, err := Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}
