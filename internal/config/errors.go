package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"xbr-script/internal/refusal"
)

// misread is the error for input that cannot be understood: where it is, what is
// wrong with it, and what would be right.
func misread(where, reason, hint string) error {
	return refused("cannot understand "+where+": "+reason, hint)
}

// refused is the error for input that is understood but makes no sense.
func refused(msg, hint string) error { return &refusal.Error{Msg: msg, Hint: hint, Usage: true} }

// refusals are all that is wrong with a call, in the order in which it was found.
type refusals []error

// mostTold bounds how many of them the user is told about.
const mostTold = 20

func (r *refusals) add(err error) { *r = append(*r, err) }

// err joins them; nil if there are none.
func (r refusals) err() error {
	if more := len(r) - mostTold; more > 0 {
		r = append(slices.Clone(r[:mostTold]), refused(fmt.Sprintf("cannot list everything here: %d more words or lines are wrong", more), "mend these first"))
	}
	return errors.Join(r...)
}

// maxQuoted bounds how much of a user's word a message repeats.
const maxQuoted = 60

// quote makes a user's word safe for a terminal: no control characters, and not
// too long.
func quote(s string) string {
	if len(s) <= maxQuoted {
		return strconv.Quote(s)
	}
	cut := maxQuoted
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strconv.Quote(s[:cut]) + "..."
}

// plain is text that is nearly always harmless (a file's name, the system's text
// of an error), quoted only if it is not.
func plain(s string) string {
	if q := strconv.Quote(s); q != `"`+s+`"` {
		return q
	}
	return s
}

// list joins words for a sentence.
func list(words []string) string { return strings.Join(words, ", ") }

// didYouMean is a hint that names the nearest right word, if one is near, and
// then all of them.
func didYouMean(word string, right []string, all string) string {
	if near := nearest(word, right); near != "" {
		return fmt.Sprintf("did you mean %q? %s", near, all)
	}
	return all
}
