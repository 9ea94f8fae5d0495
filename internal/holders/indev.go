package holders

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
)

// sizeofTcmsg is the length of struct tcmsg.
const sizeofTcmsg = 20

// readInputs reads the filters of traffic control, wherever they are, that ask by which
// interface a packet has come in. They have its index, and tell its name (u32_dump).
func readInputs(r *reader) error {
	qdiscs, err := r.conn.Dump(unix.RTM_GETQDISC, make([]byte, sizeofTcmsg))
	if err != nil {
		return unlessNone(err)
	}
	for _, q := range qdiscs {
		if len(q.Body) < sizeofTcmsg {
			continue
		}
		on, handle := q.Body[4:8], rtnl.U32(q.Body[8:12])
		for _, parent := range parents(handle, rtnl.U32(q.Body[12:16])) {
			if err := r.readFilters(on, parent); err != nil {
				return err
			}
		}
	}
	return nil
}

// parents are what the filters of a qdisc hang on. One that the kernel has set up by itself
// has none.
func parents(handle, parent uint32) []uint32 {
	const ingress, in, out = 0xfffffff1, 0xfffffff2, 0xfffffff3 // TC_H_INGRESS, which TC_H_CLSACT is as well; TC_H_MIN_INGRESS, TC_H_MIN_EGRESS
	switch {
	case handle == 0:
		return nil
	case parent == ingress:
		return []uint32{in, out}
	}
	return []uint32{handle}
}

// readFilters reads those on one parent.
func (r *reader) readFilters(on []byte, parent uint32) error {
	req := make([]byte, sizeofTcmsg+8)
	copy(req[4:8], on)
	binary.NativeEndian.PutUint32(req[12:], parent)
	counts := map[Use]int{}
	err := r.conn.DumpEach(unix.RTM_GETTFILTER, req, func() { clear(counts) }, func(m rtnl.Msg) {
		if kind, name := inputIn(m.Body); name != "" {
			counts[Use{Index: r.indexOf(name), What: kind}]++
		}
	})
	dev := "an interface"
	if l := r.Host.Index(int(rtnl.U32(on))); l != nil {
		dev = l.Name
	}
	for f, n := range counts {
		what := plural(n, "filter") + " of " + dev + " (" + f.What + ") for what comes in by it (indev)"
		r.use(Use{f.Index, "traffic control", what, Breaks, "make them anew for dom0's interface"})
	}
	return unlessNone(err)
}

// inputIn is the kind of a filter, and the interface that it asks for, "" if none.
func inputIn(b []byte) (kind, name string) {
	const kindAttr, options = 1, 2                             // TCA_KIND, TCA_OPTIONS
	indev := map[string]uint16{"u32": 8, "fw": 3, "flower": 2} // TCA_U32_INDEV, TCA_FW_INDEV, TCA_FLOWER_INDEV
	if len(b) < sizeofTcmsg {
		return "", ""
	}
	kind = rtnl.String(rtnl.FindAttr(b[sizeofTcmsg:], kindAttr))
	if indev[kind] == 0 {
		return kind, ""
	}
	return kind, rtnl.String(rtnl.FindAttr(rtnl.FindAttr(b[sizeofTcmsg:], options), indev[kind]))
}

// unlessNone is nil for an error that says that the kernel has no traffic control, or that
// the qdisc has no filters or has gone.
func unlessNone(err error) error {
	if lacks(err, unix.EOPNOTSUPP, unix.EINVAL, unix.ENOENT, unix.ENODEV) {
		return nil
	}
	return err
}
