package db

import (
	"bytes"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"encaisse/base/problem"
)

// kind is a type a column may have: the portable ones, no float among them.
type kind uint8

const (
	null kind = iota
	integer
	text
	blob
	boolean
)

// cell is one column of one row, owning its memory.
type cell struct {
	kind kind
	i    int64 // integer; boolean as 0 or 1
	s    string
	b    []byte
}

// plain turns an argument into nil, string, int64, bool or []byte. Nothing of what
// it returns points at arg itself, which is why the arguments of a statement stay
// on their caller's stack.
func plain(arg any) (any, error) {
	switch v := arg.(type) {
	case nil:
		return nil, nil
	case string:
		return v, checkText(v)
	case int64:
		return v, nil
	case int:
		return int64(v), nil
	case bool:
		return v, nil
	case []byte:
		if v == nil {
			return nil, nil
		}
		return v, nil
	case time.Time:
		return v.UnixMilli(), nil
	case *time.Time:
		if v == nil {
			return nil, nil
		}
		return v.UnixMilli(), nil
	case time.Duration, *time.Duration:
		return nil, badArgument(arg)
	}
	v := basic(arg)
	switch v.Kind() {
	case reflect.Invalid:
		return nil, nil
	case reflect.String:
		return strings.Clone(v.String()), checkText(v.String())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int(), nil
	case reflect.Bool:
		return v.Bool(), nil
	case reflect.Slice:
		if isBytes(v) {
			return bytes.Clone(v.Bytes()), nil
		}
	}
	return nil, badArgument(arg)
}

// basic looks through a pointer; the zero Value stands for NULL.
func basic(arg any) reflect.Value {
	v := reflect.ValueOf(arg)
	if v.Kind() == reflect.Pointer {
		v = v.Elem() // of nil: the zero Value
	}
	if v.Kind() == reflect.Slice && v.IsNil() {
		return reflect.Value{}
	}
	return v
}

// isBytes tells a []byte, or a type made of it.
func isBytes(v reflect.Value) bool {
	return v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8
}

// checkText refuses what PostgreSQL cannot keep, so that SQLite does not either.
func checkText(s string) error {
	if strings.IndexByte(s, 0) >= 0 || !utf8.ValidString(s) {
		return problem.New(problem.Invalid, "db.text")
	}
	return nil
}

func badArgument(arg any) error {
	return problem.New(problem.Internal, "db.argument", "type", typeName(arg))
}

// assign stores a cell where dest points.
func assign(dest any, c cell) error {
	switch d := dest.(type) {
	case *string:
		if c.kind == text {
			*d = c.s
			return nil
		}
	case *int64:
		if c.kind == integer {
			*d = c.i
			return nil
		}
	case *int:
		if c.kind == integer && int64(int(c.i)) == c.i {
			*d = int(c.i)
			return nil
		}
	case *bool:
		if isBool(c) {
			*d = c.i != 0
			return nil
		}
	case *[]byte:
		switch c.kind {
		case blob:
			*d = c.b
			return nil
		case text:
			*d = []byte(c.s)
			return nil
		case null:
			*d = nil
			return nil
		}
	case *time.Time:
		if c.kind == integer {
			*d = time.UnixMilli(c.i).UTC()
			return nil
		}
	case *time.Duration:
	default:
		return assignReflect(dest, c)
	}
	return mismatch(dest, c)
}

// isBool accepts the integers that SQLite has for booleans.
func isBool(c cell) bool {
	return c.kind == boolean || c.kind == integer && (c.i == 0 || c.i == 1)
}

func assignReflect(dest any, c cell) error {
	p := reflect.ValueOf(dest)
	if p.Kind() != reflect.Pointer || p.IsNil() {
		return mismatch(dest, c)
	}
	v := p.Elem()
	switch v.Kind() {
	case reflect.Pointer:
		if c.kind == null {
			v.SetZero()
			return nil
		}
		target := reflect.New(v.Type().Elem())
		if err := assign(target.Interface(), c); err != nil {
			return err
		}
		v.Set(target)
		return nil
	case reflect.String:
		if c.kind == text {
			v.SetString(c.s)
			return nil
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if c.kind == integer && !v.OverflowInt(c.i) {
			v.SetInt(c.i)
			return nil
		}
	case reflect.Bool:
		if isBool(c) {
			v.SetBool(c.i != 0)
			return nil
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 && (c.kind == blob || c.kind == null) {
			v.SetBytes(c.b)
			return nil
		}
	}
	return mismatch(dest, c)
}

func typeName(v any) string {
	if v == nil {
		return "nil"
	}
	return reflect.TypeOf(v).String()
}

func mismatch(dest any, c cell) error {
	names := [...]string{"NULL", "integer", "text", "blob", "boolean"}
	return problem.New(problem.Internal, "db.scan", "column", names[c.kind], "dest", typeName(dest))
}
