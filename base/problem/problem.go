// Package problem is the one error type of Encaisse: what went wrong, said once,
// at the bottom, in a form that a person, a till and a log can all use.
//
// A package that refuses something returns an *Error with a Kind (what sort of
// refusal), a stable Code ("sale.unknown_article"), the Field that is to blame
// and the Args that name the facts. The HTTP status is chosen from the Kind at
// the top, in base/web, and the sentence is taken from the message catalogue of
// the reader's language (base/i18n), keyed by the Code. Args never carry card
// data, a secret, or the offending value of a free text field.
package problem

import (
	"errors"
	"fmt"
	"sort"
	"strings"
)

// Kind says what sort of refusal an Error is; it decides the HTTP status.
type Kind int

const (
	Internal     Kind = iota // our own fault: 500, details only in the log
	Invalid                  // the content breaks a rule: 422
	Malformed                // the content cannot be read at all: 400
	Unauthorized             // who are you? 401
	Forbidden                // known, but not allowed: 403
	NotFound                 // no such thing, or not yours: 404
	Conflict                 // it clashes with what is there: 409
	TooLarge                 // over a named limit of size: 413
	TooMany                  // over a named limit of rate: 429
	Unavailable              // not now, try the same again: 503
)

var kindNames = map[Kind]string{
	Internal: "internal", Invalid: "invalid", Malformed: "malformed", Unauthorized: "unauthorized",
	Forbidden: "forbidden", NotFound: "not_found", Conflict: "conflict", TooLarge: "too_large",
	TooMany: "too_many", Unavailable: "unavailable",
}

func (k Kind) String() string { return kindNames[k] }

// Error is one refusal. Details lists further ones found in the same content,
// so that a form or an import can show them all at once.
type Error struct {
	Kind    Kind
	Code    string         // stable, dotted, also the key of its sentence
	Field   string         // path in the request, "lines[2].quantity", empty when no field is to blame
	Args    map[string]any // what the sentence names
	Details []*Error
	cause   error
}

// New makes an Error; args are name, value, name, value…
func New(kind Kind, code string, args ...any) *Error {
	e := &Error{Kind: kind, Code: code}
	if len(args)%2 != 0 {
		panic("problem: odd number of args for " + code)
	}
	if len(args) > 0 {
		e.Args = make(map[string]any, len(args)/2)
		for i := 0; i < len(args); i += 2 {
			e.Args[args[i].(string)] = args[i+1]
		}
	}
	return e
}

// At names the field that is to blame, as a path in the request.
func (e *Error) At(field string) *Error { e.Field = field; return e }

// Because keeps the cause for the log; it is never shown.
func (e *Error) Because(cause error) *Error { e.cause = cause; return e }

// With adds further refusals found in the same content.
func (e *Error) With(details ...*Error) *Error { e.Details = append(e.Details, details...); return e }

func (e *Error) Unwrap() error { return e.cause }

// Error is for logs: code, field, args in a fixed order, cause.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Code)
	if e.Field != "" {
		b.WriteString(" at " + e.Field)
	}
	names := make([]string, 0, len(e.Args))
	for n := range e.Args {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		fmt.Fprintf(&b, " %s=%v", n, e.Args[n])
	}
	if e.cause != nil {
		b.WriteString(": " + e.cause.Error())
	}
	for _, d := range e.Details {
		b.WriteString("; " + d.Error())
	}
	return b.String()
}

// As finds the Error inside err, or nil.
func As(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// Is tells whether err carries the given code.
func Is(err error, code string) bool {
	e := As(err)
	return e != nil && e.Code == code
}
