package db

import (
	"fmt"
	"reflect"
	"time"

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

// plain turns an argument of a type made of a basic one into the basic one: nil,
// string, int64, bool or []byte.
func plain(arg any) (any, error) {
	switch v := arg.(type) {
	case nil:
		return nil, nil
	case string:
		return v, nil
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
	case time.Duration:
		return nil, argument(arg)
	}
	v := reflect.ValueOf(arg)
	switch v.Kind() {
	case reflect.String:
		return v.String(), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int(), nil
	case reflect.Bool:
		return v.Bool(), nil
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return plain(v.Bytes())
		}
	case reflect.Pointer:
		if v.IsNil() {
			return nil, nil
		}
		return plain(v.Elem().Interface())
	}
	return nil, argument(arg)
}

func argument(arg any) error {
	return problem.New(problem.Internal, "db.argument", "type", fmt.Sprintf("%T", arg))
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

func mismatch(dest any, c cell) error {
	names := [...]string{"NULL", "integer", "text", "blob", "boolean"}
	return problem.New(problem.Internal, "db.scan", "column", names[c.kind], "dest", fmt.Sprintf("%T", dest))
}
