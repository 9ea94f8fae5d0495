package bridge

import (
	"bytes"

	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
)

// Attributes of an entry of a multicast database as the kernel reports it
// (linux/if_bridge.h).
const (
	mdbaMdb          = 1
	mdbaMdbEntry     = 1
	mdbaMdbEntryInfo = 1
	mdbSrcList       = 2
	mdbGroupMode     = 3
	mdbSource        = 4
	mdbRtProt        = 5

	modeExclude = 0 // MCAST_EXCLUDE
)

// mdb are the messages that make the entries of the multicast database that somebody
// has made for the port with that index, or for the bridge itself. The kernel accepts
// none while the bridge does not snoop.
func (r *keeper) mdb(index int) (w rtnl.Wire) {
	if !r.br.Bridge.Snooping {
		return nil
	}
	for _, m := range r.MDB {
		if f := m.Fixed(); f == nil || int(rtnl.U32(f[4:8])) != r.br.Index {
			continue
		}
		for entry := range rtnl.ParseAttrs(m.Get(mdbaMdb)) {
			for info := range rtnl.ParseAttrs(entry.Value) {
				if entry.Type == mdbaMdbEntry && info.Type == mdbaMdbEntryInfo && len(info.Value) >= rtnl.SizeofMdbEntry {
					w = w.Add(r.mdbEntry(index, info.Value[:rtnl.SizeofMdbEntry], info.Value[rtnl.SizeofMdbEntry:])...)
				}
			}
		}
	}
	return w
}

// mdbEntry is the message that makes an entry; none if it is another port's, or
// disappears by itself, as those of the bridge itself do, except for groups by MAC
// address (br_multicast_host_join).
func (r *keeper) mdbEntry(index int, e, attrs []byte) []rtnl.Msg {
	if int(rtnl.U32(e[:4])) != index || e[4] != rtnl.MdbPermanent {
		return nil
	}
	e = bytes.Clone(e)
	e[5] = 0 // flags, which the kernel reports
	m := bridgeMsg(unix.RTM_NEWMDB, unix.NLM_F_CREATE|unix.NLM_F_EXCL, r.br.Index).With(rtnl.MdbaSetEntry, e)
	nest := mdbAttrs(attrs)
	if index != r.br.Index {
		nest = append(nest, mdbProtocol(attrs)...)
	}
	if nest != nil {
		m = m.With(unix.NLA_F_NESTED|rtnl.MdbaSetEntryAttrs, nest)
	}
	return []rtnl.Msg{m}
}

// mdbAttrs are the attributes that make an entry what its reported ones say. Mode and
// sources belong to an entry for any source; defaults are left out, because older
// kernels do not accept them.
func mdbAttrs(attrs []byte) (nest []byte) {
	add := func(typ uint16, value []byte) {
		nest = append(nest, attr(rtnl.Attr{Type: typ, Value: value}).Serialize()...)
	}
	source, sources := rtnl.FindAttr(attrs, mdbSource), settableSources(rtnl.FindAttr(attrs, mdbSrcList))
	if source != nil {
		add(rtnl.MdbeSource, source)
	}
	mode := rtnl.FindAttr(attrs, mdbGroupMode)
	if source == nil && len(mode) == 1 && (mode[0] != modeExclude || sources != nil) {
		add(rtnl.MdbeGroupMode, mode)
	}
	if source == nil && sources != nil {
		add(unix.NLA_F_NESTED|rtnl.MdbeSrcList, sources)
	}
	return nest
}

// mdbProtocol is the attribute that says who made an entry that is not the bridge's
// own, if that is not the default.
func mdbProtocol(attrs []byte) []byte {
	proto := rtnl.FindAttr(attrs, mdbRtProt)
	if len(proto) != 1 || proto[0] == unix.RTPROT_STATIC {
		return nil
	}
	return attr(rtnl.Attr{Type: rtnl.MdbeRtProt, Value: proto}).Serialize()
}

// settableSources is a list of sources without their timers.
func settableSources(b []byte) (out []byte) {
	for entry := range rtnl.ParseAttrs(b) {
		for a := range rtnl.ParseAttrs(entry.Value) {
			if a.Type == 1 { // MDB_SRCATTR_ADDRESS
				nest := attr(a).Serialize()
				out = append(out, attr(rtnl.Attr{Type: unix.NLA_F_NESTED | entry.Type, Value: nest}).Serialize()...)
			}
		}
	}
	return out
}
