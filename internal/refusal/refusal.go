// Package refusal has the errors that tell the user more than what went wrong: what
// he can do about it, and with which exit status the program ends.
package refusal

import (
	"errors"
	"fmt"
)

// The exit statuses of a call that ends with an error.
const (
	Failed   = 1 // and everything is as it was before, or the error says what is not
	BadUsage = 2 // the words of the call, or of the file, are wrong
)

// Explained is an error that knows what the user can do.
type Explained interface {
	error
	// Advice is what the user can do, "" if nothing.
	Advice() string
	ExitStatus() int
}

// Error says what cannot be done, and what would help.
type Error struct {
	Msg   string // begins with "cannot", unless it is the cause of another error
	Hint  string // what the user can do, "" if nothing
	Cause error  // nil if there is no underlying error
	Usage bool   // the words of the call are wrong
}

func (e *Error) Error() string { return e.Msg }

// Advice implements Explained.
func (e *Error) Advice() string { return e.Hint }

// ExitStatus implements Explained.
func (e *Error) ExitStatus() int {
	if e.Usage {
		return BadUsage
	}
	return Failed
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// New makes an Error from a hint and a message.
func New(hint, format string, args ...any) *Error {
	return &Error{Msg: fmt.Sprintf(format, args...), Hint: hint}
}

// Wrap makes an Error from another one: the message says what cannot be done, and
// why.
func Wrap(cause error, hint, format string, args ...any) *Error {
	return &Error{Msg: fmt.Sprintf(format, args...) + ": " + cause.Error(), Hint: hint, Cause: cause}
}

// Advice is what the user can do about an error, "" if nothing is known.
func Advice(err error) string {
	if e, ok := errors.AsType[Explained](err); ok {
		return e.Advice()
	}
	return ""
}

// ExitStatus is how the program ends with an error.
func ExitStatus(err error) int {
	if e, ok := errors.AsType[Explained](err); ok {
		return e.ExitStatus()
	}
	return Failed
}

// Text is what the user is told about an error, in one or more lines. If several
// were joined, each comes with its advice.
func Text(err error) string {
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		text := ""
		for _, e := range all.Unwrap() {
			text += Text(e)
		}
		return text
	}
	text := "xbr-script: " + err.Error() + "\n"
	if advice := Advice(err); advice != "" {
		text += "hint: " + advice + "\n"
	}
	return text
}
