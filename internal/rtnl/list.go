package rtnl

import "slices"

// AllAs is the messages with another type and other flags, see Msg.As.
func AllAs(msgs []Msg, typ, flags uint16) []Msg {
	out := make([]Msg, len(msgs))
	for i, m := range msgs {
		out[i] = m.As(typ, flags)
	}
	return out
}

// Reversed is the messages in reverse order: what was made last goes first.
func Reversed(msgs []Msg) []Msg {
	out := slices.Clone(msgs)
	slices.Reverse(out)
	return out
}

// Rest is what is left without some.
func Rest(msgs []Msg, without func(Msg) bool) []Msg {
	return slices.DeleteFunc(slices.Clone(msgs), without)
}
