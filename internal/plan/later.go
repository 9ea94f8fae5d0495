package plan

import "encoding/json"

// Later is a part of a form that many records do not have. It is read like the form
// itself, but only where it is there: before encoding/json reads a struct, it looks at
// every struct that might be in it, which takes longer than reading most records.
type Later[T any] struct{ V *T }

// IsZero tells encoding/json that there is nothing to write (omitzero).
func (l Later[T]) IsZero() bool { return l.V == nil }

// MarshalJSON implements json.Marshaler.
func (l Later[T]) MarshalJSON() ([]byte, error) { return json.Marshal(l.V) }

// UnmarshalJSON implements json.Unmarshaler.
func (l *Later[T]) UnmarshalJSON(data []byte) error { return Strict(data, &l.V) }
