package api

import (
	"encoding/json"
	"reflect"
	"strconv"
	"unicode/utf8"

	"encaisse/base/problem"
)

func (r *reader) textInto(p *plan, to reflect.Value) {
	text, ok := r.text()
	if !ok {
		r.broken()
		return
	}
	if text == nil {
		r.fault(problem.New(problem.Invalid, "request.text"))
		return
	}
	s := string(text)
	if p.parse != nil {
		if err := p.parse(s); err != nil {
			r.fault(problem.As(err))
			return
		}
	}
	to.SetString(s)
}

// text reads a string, ok where it is JSON. It is nil where what it says is no text:
// half a character, or NUL, which PostgreSQL cannot keep.
func (r *reader) text() (text []byte, ok bool) {
	if !r.take('"') {
		return nil, false
	}
	for i := r.at; i < len(r.data); i++ {
		switch c := r.data[i]; {
		case c == '"':
			text, r.at = r.data[r.at:i], i+1
			return sound(text, true), true
		case c == '\\':
			return r.escaped(i)
		case c < ' ':
			r.at = i
			return nil, false
		}
	}
	r.at = len(r.data)
	return nil, false
}

func sound(text []byte, fine bool) []byte {
	if fine && utf8.Valid(text) {
		return text
	}
	return nil
}

// escaped reads a string with escapes in it; the first stands at first.
func (r *reader) escaped(first int) (text []byte, ok bool) {
	out := append(make([]byte, 0, 64), r.data[r.at:first]...)
	fine := true
	for r.at = first; r.at < len(r.data); {
		switch c := r.data[r.at]; {
		case c == '"':
			r.at++
			return sound(out, fine), true
		case c == '\\':
			char, ok := r.escape()
			if !ok {
				return nil, false
			}
			fine = fine && char > 0
			out = utf8.AppendRune(out, char)
		case c < ' ':
			return nil, false
		default:
			out = append(out, c)
			r.at++
		}
	}
	return nil, false
}

// escape reads one escape. -1 is half of a pair without the other half.
func (r *reader) escape() (char rune, ok bool) {
	if r.at+1 >= len(r.data) {
		return 0, false
	}
	c := r.data[r.at+1]
	if c == 'u' {
		return r.unicode()
	}
	r.at += 2
	switch c {
	case '"', '\\', '/':
		return rune(c), true
	case 'b':
		return '\b', true
	case 'f':
		return '\f', true
	case 'n':
		return '\n', true
	case 'r':
		return '\r', true
	case 't':
		return '\t', true
	}
	return 0, false
}

const (
	pairHigh, pairLow, pairEnd = 0xd800, 0xdc00, 0xe000 // surrogates, RFC 8259 §7
	pairBase                   = 0x10000
	escapeLength               = len(`\u0000`)
)

func (r *reader) unicode() (char rune, ok bool) {
	char, ok = r.hex(r.at)
	if !ok {
		return 0, false
	}
	r.at += escapeLength
	if char < pairHigh || char >= pairEnd {
		return char, true
	}
	low, ok := r.hex(r.at)
	if char >= pairLow || !ok || low < pairLow || low >= pairEnd {
		return -1, true
	}
	r.at += escapeLength
	return pairBase + (char-pairHigh)<<10 + low - pairLow, true
}

// hex reads \uXXXX at i, without stepping over it.
func (r *reader) hex(i int) (rune, bool) {
	if i+escapeLength > len(r.data) || r.data[i] != '\\' || r.data[i+1] != 'u' {
		return 0, false
	}
	v, err := strconv.ParseUint(string(r.data[i+2:i+escapeLength]), 16, 32)
	return rune(v), err == nil
}

func (r *reader) booleanInto(to reflect.Value) {
	if r.data[r.at] == 't' {
		to.SetBool(true)
		r.literal("true")
		return
	}
	r.literal("false")
}

func (r *reader) literal(word string) {
	end := r.at + len(word)
	if end > len(r.data) || string(r.data[r.at:end]) != word {
		r.broken()
		return
	}
	r.at = end
}

// integerInto reads a number that is whole and written so: neither 12.0 nor 1e3.
func (r *reader) integerInto(p *plan, to reflect.Value) {
	start := r.at
	whole := r.number()
	if r.stopped {
		return
	}
	v, err := strconv.ParseInt(string(r.data[start:r.at]), 10, 64)
	if !whole || err != nil || to.OverflowInt(v) {
		r.fault(p.kind.wants())
		return
	}
	to.SetInt(v)
}

// number steps over a number and tells whether it is written without fraction and exponent.
func (r *reader) number() (whole bool) {
	if r.data[r.at] == '-' {
		r.at++
	}
	start := r.at
	if r.digits() == 0 || r.data[start] == '0' && r.at > start+1 {
		r.broken()
		return false
	}
	whole = true
	if r.at < len(r.data) && r.data[r.at] == '.' {
		whole = false
		r.at++
		if r.digits() == 0 {
			r.broken()
		}
	}
	if r.at < len(r.data) && (r.data[r.at] == 'e' || r.data[r.at] == 'E') {
		whole = false
		r.at++
		if r.at < len(r.data) && (r.data[r.at] == '+' || r.data[r.at] == '-') {
			r.at++
		}
		if r.digits() == 0 {
			r.broken()
		}
	}
	return whole
}

func (r *reader) digits() (n int) {
	for r.at < len(r.data) && r.data[r.at] >= '0' && r.data[r.at] <= '9' {
		r.at++
		n++
	}
	return n
}

// customInto gives the bytes of the value to a type that reads itself.
func (r *reader) customInto(to reflect.Value) {
	r.space()
	start := r.at
	if r.skip(); r.stopped {
		return
	}
	err := to.Addr().Interface().(json.Unmarshaler).UnmarshalJSON(r.data[start:r.at])
	switch e := problem.As(err); {
	case err == nil:
	case e != nil:
		r.fault(e)
	default:
		r.fault(problem.New(problem.Invalid, "request.value").Because(err))
	}
}

// skip steps over any value, checking that it is JSON.
func (r *reader) skip() {
	switch c := r.next(); {
	case c == '{':
		r.skipAll('}', true)
	case c == '[':
		r.skipAll(']', false)
	case c == '"':
		if _, ok := r.text(); !ok {
			r.broken()
		}
	case c == 't':
		r.literal("true")
	case c == 'f':
		r.literal("false")
	case c == 'n':
		r.literal("null")
	case c == '-' || c >= '0' && c <= '9':
		r.number()
	default:
		r.broken()
	}
}

func (r *reader) skipAll(end byte, named bool) {
	if !r.enter() {
		return
	}
	defer r.leave()
	r.at++
	for first := true; !r.stopped && !r.take(end); first = false {
		if !first && !r.take(',') {
			r.broken()
			return
		}
		if named {
			if _, ok := r.text(); !ok || !r.take(':') {
				r.broken()
				return
			}
		}
		r.skip()
	}
}
