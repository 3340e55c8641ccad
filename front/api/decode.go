package api

import (
	"reflect"
	"strconv"

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
// one problem, each with its place: request.json, request.too_deep and
// request.too_many_values end the reading; the others are the request.* codes of
// plan.go, id.malformed, and what a type's own UnmarshalJSON says.
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
	if r.stopped && len(r.faults) < maxFaults { // the last fault is why, and says more than those before it
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

// fault notes what is wrong with the value being read, and goes on until there are
// enough of them.
func (r *reader) fault(e *problem.Error) {
	if r.stopped {
		return
	}
	r.faults = append(r.faults, e.At(r.where()))
	r.stopped = len(r.faults) == maxFaults
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
