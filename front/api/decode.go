package api

import (
	"encoding/json"
	"reflect"
	"strconv"
	"unicode/utf8"

	"encaisse/base/problem"
)

// Limits of a JSON body, beside its length.
const (
	maxDepth  = 32
	maxValues = 200_000 // what a reader makes of a megabyte of "{},{},{}" is bounded
	maxFaults = 50      // that are named at once
	maxName   = 40      // of a field that is repeated in an answer
)

// decode reads data into the value that to points at. All the faults found are in
// one problem, each with its place: request.json and request.too_deep end the
// reading; the others are the request.* codes of plan.go, id.malformed, and what a
// type's own UnmarshalJSON says.
func (p *plan) decode(data []byte, to reflect.Value) error {
	r := reader{data: data}
	r.value(p, to)
	if !r.stopped {
		if r.space(); r.at < len(r.data) {
			r.broken()
		}
	}
	if len(r.faults) == 0 {
		return nil
	}
	if r.stopped { // the last fault is why, and says more than those before it
		return r.faults[len(r.faults)-1]
	}
	return blame(r.faults)
}

// blame makes one problem of the faults: the first, with the others as its details.
func blame(faults []*problem.Error) error {
	return faults[0].With(faults[1:]...)
}

// reader walks a JSON text once.
type reader struct {
	data    []byte
	at      int
	depth   int
	values  int
	path    []step
	faults  []*problem.Error
	stopped bool // the rest cannot be read
}

// step is one step into the content: the name of a field, or a place in a list.
type step struct {
	name  string
	index int
}

// where is the path to what is being read: "lines[2].quantity".
func (r *reader) where() string {
	var out []byte
	for _, s := range r.path {
		if s.name == "" {
			out = append(out, '[')
			out = strconv.AppendInt(out, int64(s.index), 10)
			out = append(out, ']')
			continue
		}
		if len(out) > 0 {
			out = append(out, '.')
		}
		out = append(out, s.name...)
	}
	return string(out)
}

// fault notes what is wrong with the value being read, and goes on.
func (r *reader) fault(e *problem.Error) {
	if len(r.faults) < maxFaults {
		r.faults = append(r.faults, e.At(r.where()))
	}
}

// stop notes what makes the rest unreadable.
func (r *reader) stop(e *problem.Error) {
	if !r.stopped {
		r.stopped = true
		r.faults = append(r.faults, e.At(r.where()))
	}
}

func (r *reader) broken() {
	r.stop(problem.New(problem.Malformed, "request.json", "offset", r.at))
}

func (r *reader) space() {
	for r.at < len(r.data) {
		switch r.data[r.at] {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return
		}
	}
}

// next is the first byte of the value that follows, 0 at the end.
func (r *reader) next() byte {
	r.space()
	if r.at == len(r.data) {
		return 0
	}
	return r.data[r.at]
}

// take steps over c if it comes next.
func (r *reader) take(c byte) bool {
	if r.next() != c {
		return false
	}
	r.at++
	return true
}

// enter counts one level more, and leave one less.
func (r *reader) enter() bool {
	if r.depth++; r.depth > maxDepth {
		r.stop(problem.New(problem.Malformed, "request.too_deep", "most", maxDepth))
	}
	return !r.stopped
}

func (r *reader) leave() { r.depth-- }

// value reads one value as p says. What has the wrong shape is stepped over.
func (r *reader) value(p *plan, to reflect.Value) {
	if r.values++; r.values > maxValues {
		r.stop(problem.New(problem.TooLarge, "request.too_many_values", "most", maxValues))
		return
	}
	if p.kind == pointers {
		if to.IsNil() {
			to.Set(reflect.New(p.elem.of))
		}
		r.value(p.elem, to.Elem())
		return
	}
	if p.kind != custom && !p.kind.begins(r.next()) {
		r.mistyped(p.kind.wants())
		return
	}
	switch p.kind {
	case objects:
		r.object(p, to)
	case lists:
		r.list(p, to)
	case texts:
		r.textInto(p, to)
	case integers:
		r.integerInto(p, to)
	case booleans:
		r.booleanInto(to)
	case custom:
		r.customInto(to)
	}
}

// mistyped steps over a value of another shape than asked for.
func (r *reader) mistyped(e *problem.Error) {
	if r.skip(); !r.stopped {
		r.fault(e)
	}
}

func (r *reader) object(p *plan, to reflect.Value) {
	if !r.enter() {
		return
	}
	defer r.leave()
	r.at++ // the brace
	var seen uint64
	for first := true; !r.take('}'); first = false {
		if !first && !r.take(',') {
			r.broken()
			return
		}
		name, ok := r.text()
		if !ok || !r.take(':') {
			r.broken()
			return
		}
		if r.member(p, to, name, &seen); r.stopped {
			return
		}
	}
	for i, f := range p.fields {
		if f.required && seen&(1<<i) == 0 {
			r.path = append(r.path, step{name: f.name})
			r.fault(problem.New(problem.Invalid, "request.required"))
			r.path = r.path[:len(r.path)-1]
		}
	}
}

// member reads one field of an object. null is the same as leaving it out.
func (r *reader) member(p *plan, to reflect.Value, name []byte, seen *uint64) {
	i, known := p.names[string(name)]
	if !known {
		safe := repeatable(name)
		if safe != "" {
			r.path = append(r.path, step{name: safe})
		}
		r.mistyped(problem.New(problem.Invalid, "request.unknown"))
		if safe != "" {
			r.path = r.path[:len(r.path)-1]
		}
		return
	}
	r.path = append(r.path, step{name: p.fields[i].name})
	switch {
	case *seen&(1<<i) != 0:
		r.mistyped(problem.New(problem.Invalid, "request.duplicate"))
	case r.next() == 'n':
		r.literal("null")
	default:
		*seen |= 1 << i
		r.value(p.fields[i].plan, to.Field(p.fields[i].index))
	}
	r.path = r.path[:len(r.path)-1]
}

// repeatable is the name of an unknown field if it may stand in an answer: one that
// looks like a name, and not like a card number somebody put in the wrong place.
func repeatable(name []byte) string {
	digits := 0
	for i, c := range name {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_':
		case c >= '0' && c <= '9' && i > 0:
			digits++
		default:
			return ""
		}
	}
	if len(name) > maxName || digits > 4 {
		return ""
	}
	return string(name)
}

func (r *reader) list(p *plan, to reflect.Value) {
	if !r.enter() {
		return
	}
	defer r.leave()
	r.at++ // the bracket
	n := 0
	for ; !r.take(']'); n++ {
		if n > 0 && !r.take(',') {
			r.broken()
			return
		}
		if n == to.Cap() {
			to.Grow(max(n, 4))
		}
		to.SetLen(n + 1)
		r.path = append(r.path, step{index: n})
		r.value(p.elem, to.Index(n))
		r.path = r.path[:len(r.path)-1]
		if r.stopped {
			return
		}
	}
	if n == 0 {
		to.Set(reflect.MakeSlice(to.Type(), 0, 0))
	}
}

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
