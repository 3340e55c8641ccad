package api

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"encaisse/base/problem"
)

// kind is the shape of a JSON value.
type kind int

const (
	objects kind = iota
	lists
	texts
	integers
	booleans
	pointers // a value that may be left out
	custom   // reads itself: an amount, a quantity
)

// begins tells whether a value of this kind can begin with c.
func (k kind) begins(c byte) bool {
	switch k {
	case objects:
		return c == '{'
	case lists:
		return c == '['
	case texts:
		return c == '"'
	case integers:
		return c == '-' || c >= '0' && c <= '9'
	case booleans:
		return c == 't' || c == 'f'
	}
	return false
}

// wants is the refusal of a value of another kind.
func (k kind) wants() *problem.Error {
	switch k {
	case objects:
		return refused("request.object")
	case lists:
		return refused("request.list")
	case texts:
		return refused("request.string")
	case integers:
		return refused("request.integer")
	case booleans:
		return refused("request.boolean")
	}
	return refused("request.value")
}

func refused(code string) *problem.Error { return problem.New(problem.Invalid, code) }

// maxFields is how many fields an object may have: one bit each tells those seen.
const maxFields = 64

// plan says how a JSON value becomes a Go value of one type. It is made once, when
// an operation is registered, from the type and from the schema huma made of it, so
// that what the document promises and what is refused are one.
type plan struct {
	kind   kind
	of     reflect.Type
	fields []field        // of an object
	names  map[string]int // of its fields
	elem   *plan          // of a list or a pointer
	parse  func(string) error
}

type field struct {
	name     string
	index    int
	required bool
	plan     *plan
}

var unmarshalers = reflect.TypeFor[json.Unmarshaler]()

// planOf makes the plan of t. It panics on a type no body of ours has.
func (a *API) planOf(t reflect.Type) *plan {
	if known := a.plans[t]; known != nil {
		return known
	}
	p := &plan{of: t}
	a.plans[t] = p // before its fields: a type may hold itself
	switch {
	case reflect.PointerTo(t).Implements(unmarshalers) && t.Kind() != reflect.Pointer:
		p.kind = custom
		return p
	case t.Kind() == reflect.Pointer:
		p.kind, p.elem = pointers, a.planOf(t.Elem())
		return p
	case t.Kind() == reflect.Slice:
		p.kind, p.elem = lists, a.planOf(t.Elem())
		return p
	}
	switch t.Kind() {
	case reflect.String:
		p.kind, p.parse = texts, a.parsers[t]
	case reflect.Int64, reflect.Int:
		p.kind = integers
	case reflect.Bool:
		p.kind = booleans
	case reflect.Struct:
		p.kind = objects
		a.planFields(p)
	default:
		panic(fmt.Sprintf("api: no plan for a body with %s", t))
	}
	return p
}

func (a *API) planFields(p *plan) {
	schema := a.schemaOf(p.of)
	p.names = make(map[string]int, p.of.NumField())
	for i := range p.of.NumField() {
		f := p.of.Field(i)
		name := jsonName(f)
		if schema.Properties[name] == nil {
			panic(fmt.Sprintf("api: the schema of %s has no %q", p.of, name))
		}
		p.names[name] = len(p.fields)
		p.fields = append(p.fields, field{
			name: name, index: i, required: slices.Contains(schema.Required, name), plan: a.planOf(f.Type),
		})
	}
	if len(p.fields) > maxFields {
		panic(fmt.Sprintf("api: %s has more than %d fields", p.of, maxFields))
	}
}

// schemaOf is the schema of a struct, looked up where huma refers to it.
func (a *API) schemaOf(t reflect.Type) *huma.Schema {
	s := a.registry.Schema(t, true, "")
	for s.Ref != "" {
		s = a.registry.SchemaFromRef(s.Ref)
	}
	return s
}

// body is the body of a request as its type T. What is wrong with it comes out of
// read, so that nobody uses a body that was refused.
type body[T any] struct {
	value T
	err   error
}

// read is the body, or why there is none.
func (b *body[T]) read() (T, error) { return b.value, b.err }

// Schema is T's.
func (b *body[T]) Schema(r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[T](), true, "")
}

func (b *body[T]) decode(a *API, data []byte) {
	b.err = a.plans[reflect.TypeFor[T]()].decode(data, reflect.ValueOf(&b.value).Elem())
}

func (b *body[T]) plan(a *API) { a.planOf(reflect.TypeFor[T]()) }

// planned is a body whatever its type.
type planned interface {
	decode(a *API, data []byte)
	plan(a *API)
}
