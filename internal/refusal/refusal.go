// Package refusal is the error of a call that is refused before it has changed
// anything.
package refusal

import "fmt"

// Error says what cannot be done and what would help.
type Error struct {
	Msg   string // begins with "cannot"
	Hint  string // what the user can do, "" if nothing
	Cause error  // nil if it is nobody else's error
}

func (e *Error) Error() string { return e.Msg }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// New makes an Error from a hint and a message.
func New(hint, format string, args ...any) *Error {
	return &Error{Msg: fmt.Sprintf(format, args...), Hint: hint}
}

// Wrap makes an Error of another: the message is what cannot be done, and why.
func Wrap(cause error, hint, format string, args ...any) *Error {
	return &Error{fmt.Sprintf(format, args...) + ": " + cause.Error(), hint, cause}
}
