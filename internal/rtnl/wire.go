package rtnl

import (
	"encoding/json"
	"fmt"
	"iter"

	"golang.org/x/sys/unix"
)

// Wire is messages as they are sent, one after another, with nothing in their
// headers that belongs to an exchange. A hundred thousand of them need no more
// memory than their bytes.
type Wire []byte

// Pack makes a Wire of messages.
func Pack(msgs ...Msg) Wire { return Wire(nil).Add(msgs...) }

// Add appends messages to w.
func (w Wire) Add(msgs ...Msg) Wire {
	for _, m := range msgs {
		w = m.append(w, 0, 0)
	}
	return w
}

// AddOn is Add for a message in which the interface index from has become to.
func (w Wire) AddOn(m Msg, from, to int) Wire {
	begin := len(w) + unix.SizeofNlMsghdr
	w = m.append(w, 0, 0)
	m.Body = w[begin : begin+len(m.Body)]
	m.retarget(from, to)
	return w
}

// All yields the messages, which alias w.
func (w Wire) All() iter.Seq[Msg] {
	return func(yield func(Msg) bool) {
		for h, body := range split(w) {
			if !yield(Msg{h.Type, h.Flags, body[:len(body):len(body)]}) {
				return
			}
		}
	}
}

// Msgs is All as a list.
func (w Wire) Msgs() []Msg {
	var msgs []Msg
	for m := range w.All() {
		msgs = append(msgs, m)
	}
	return msgs
}

// Check is nil if w is whole messages.
func (w Wire) Check() error {
	read := 0
	for h := range split(w) {
		read += align(int(h.Len))
	}
	if read != len(w) {
		return fmt.Errorf("netlink messages: %d bytes at the end are not a message", len(w)-read)
	}
	return nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (w *Wire) UnmarshalJSON(data []byte) error {
	var b []byte
	if err := json.Unmarshal(data, &b); err != nil {
		return err
	}
	*w = b
	return w.Check()
}
