package holders

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
)

// readControl reads the traffic control that somebody has set up on the interface:
// qdiscs at its root and for what comes in, and the BPF programs of tcx (Linux 6.6).
func readControl(r *reader) error {
	msgs, err := r.conn.Dump(unix.RTM_GETQDISC, make([]byte, unix.SizeofRtMsg+8)) // struct tcmsg
	if lacks(err, unix.EOPNOTSUPP) {
		err = nil // a kernel without
	}
	for _, m := range msgs {
		if q, ok := qdiscIn(m.Body); ok {
			r.use(q)
		}
	}
	for index := range r.indexes {
		for _, at := range []struct {
			typ   uint32
			where string
		}{{unix.BPF_TCX_INGRESS, "what comes in"}, {unix.BPF_TCX_EGRESS, "what goes out"}} {
			if n := programsAt(index, at.typ); n > 0 {
				r.use(Use{index, "tcx", plural(n, "program") + " for " + at.where, Stays, sees})
			}
		}
	}
	return err
}

const sees = "it sees all that passes the NIC, what is the guests' too"

// qdiscIn is a qdisc (struct tcmsg). What the kernel has set up by itself has no handle
// (attach_one_default_qdisc).
func qdiscIn(b []byte) (Use, bool) {
	const sizeofMsg, kind, root, ingress = 20, 1, 0xffffffff, 0xfffffff1 // TCA_KIND, TC_H_ROOT, TC_H_INGRESS
	if len(b) < sizeofMsg {
		return Use{}, false
	}
	handle, parent := rtnl.U32(b[8:12]), rtnl.U32(b[12:16])
	if handle == 0 || parent != root && parent != ingress {
		return Use{}, false
	}
	name := rtnl.String(rtnl.FindAttr(b[sizeofMsg:], kind))
	if parent == root {
		name += fmt.Sprintf(" %x:", handle>>16)
	}
	return Use{int(rtnl.U32(b[4:8])), "traffic control", name, Stays, sees}, true
}

// programsAt is how many programs are attached there; a kernel that does not know the
// place has none.
func programsAt(index int, typ uint32) int {
	const progQuery = 16 // BPF_PROG_QUERY
	query := struct {    // union bpf_attr
		index, typ, flags, attached uint32
		ids                         uint64
		count                       uint32
		_                           [13]uint32
	}{index: uint32(index), typ: typ}
	_, _, errno := unix.Syscall(unix.SYS_BPF, progQuery, uintptr(unsafe.Pointer(&query)), unsafe.Sizeof(query))
	if errno != 0 {
		return 0
	}
	return int(query.count)
}
