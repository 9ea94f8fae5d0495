package rtnl

import (
	"time"

	"golang.org/x/sys/unix"
)

// Infinity is the lifetime of an address that never ends (linux/if_addr.h).
const Infinity = ^uint32(0)

// Aged is the messages after that much time: with shorter lifetimes, and without
// what has expired meanwhile.
func (w Wire) Aged(passed time.Duration) Wire {
	seconds := uint32(passed / time.Second)
	if seconds == 0 || !w.expires() {
		return w
	}
	out := make(Wire, 0, len(w))
	for m := range w.All() {
		if m, alive := m.aged(seconds); alive {
			out = out.Add(m)
		}
	}
	return out
}

// expires says whether anything has a lifetime: of very many objects usually none
// has.
func (w Wire) expires() bool {
	for m := range w.All() {
		if m.mortal() {
			return true
		}
	}
	return false
}

// mortal says whether it has a lifetime that ends.
func (m Msg) mortal() bool {
	switch m.Type {
	case unix.RTM_NEWADDR:
		ci := m.Get(unix.IFA_CACHEINFO)
		return len(ci) >= 8 && (native.Uint32(ci) != Infinity || native.Uint32(ci[4:]) != Infinity)
	case unix.RTM_NEWROUTE:
		return len(m.Get(RtaExpires)) == 4
	}
	return false
}

// Leased says whether an address is valid only for a time.
func (m Msg) Leased() bool {
	ci := m.Get(unix.IFA_CACHEINFO)
	return len(ci) >= 8 && native.Uint32(ci[4:]) != Infinity // ifa_valid
}

// Created is when an address was added, in hundredths of a second since the kernel began
// to count; 0 if it does not say.
func (m Msg) Created() uint32 {
	ci := m.Get(unix.IFA_CACHEINFO)
	if len(ci) < 12 {
		return 0
	}
	return native.Uint32(ci[8:]) // cstamp
}

// Preferred is an address that is preferred for at most that many seconds.
func (m Msg) Preferred(seconds uint32) Msg {
	ci := m.Get(unix.IFA_CACHEINFO)
	if len(ci) < 4 || native.Uint32(ci) <= seconds {
		return m
	}
	ci = append([]byte(nil), ci...)
	native.PutUint32(ci, seconds)
	return m.With(unix.IFA_CACHEINFO, ci)
}

// Aged is the message after that much time, with shorter lifetimes; false if it has
// expired.
func (m Msg) Aged(passed time.Duration) (Msg, bool) { return m.aged(uint32(passed / time.Second)) }

// aged is Aged by whole seconds.
func (m Msg) aged(seconds uint32) (Msg, bool) {
	switch {
	case !m.mortal():
		return m, true
	case m.Type == unix.RTM_NEWROUTE:
		left := shorten(U32(m.Get(RtaExpires)), seconds)
		return m.With(RtaExpires, U32Bytes(left)), left > 0
	}
	ci := append([]byte(nil), m.Get(unix.IFA_CACHEINFO)...)
	native.PutUint32(ci, shorten(native.Uint32(ci), seconds))
	native.PutUint32(ci[4:], shorten(native.Uint32(ci[4:]), seconds))
	return m.With(unix.IFA_CACHEINFO, ci), native.Uint32(ci[4:]) > 0
}

func shorten(lifetime, seconds uint32) uint32 {
	if lifetime == Infinity {
		return lifetime
	}
	return lifetime - min(lifetime, seconds)
}
