package main

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"encaisse/base/db"
	"encaisse/base/id"
)

// The baseline is honest because it repeats the product's own writes: the
// statements of two sales are recorded as the product makes them, and what
// differs between the two is what differs from one sale to the next. The bare
// engine then makes such sales with the same driver, file, tables, indexes,
// durability and number of sales in a commit, and does nothing else: no
// validation, no read, no hash, no signature, no savepoint.

// trace records the writes of the database while it is on.
type trace struct {
	mu   sync.Mutex
	on   bool
	list []statement
}

type statement struct {
	query string
	args  []any
}

func (t *trace) record(query string, args []any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.on {
		plain := make([]any, len(args))
		for i, arg := range args {
			plain[i] = plainValue(arg)
		}
		t.list = append(t.list, statement{query, plain})
	}
}

// plainValue turns an argument into what a driver stores: string, int64, []byte, bool or nil.
func plainValue(arg any) any {
	if at, ok := arg.(time.Time); ok {
		return at.UnixMilli()
	}
	v := reflect.ValueOf(arg)
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	switch {
	case !v.IsValid():
		return nil
	case v.Kind() == reflect.String:
		return v.String()
	case v.CanInt():
		return v.Int()
	case v.Kind() == reflect.Bool:
		return v.Bool()
	}
	return append([]byte(nil), v.Bytes()...)
}

// recorded makes one sale and returns its writes.
func (b *bench) recorded(ctx context.Context, s *shop) ([]statement, error) {
	b.traced.mu.Lock()
	b.traced.on, b.traced.list = true, nil
	b.traced.mu.Unlock()
	_, _, err := b.house.sales.Put(ctx, s.principal, s.request(b.house.clock.Now()))
	b.traced.mu.Lock()
	defer b.traced.mu.Unlock()
	b.traced.on = false
	return b.traced.list, err
}

// template makes the writes of the n-th sale of a shop.
type template struct {
	mu         sync.Mutex
	n          int64
	statements []templateStatement
}

type templateStatement struct {
	query string
	args  []templateArg
}

// templateArg is a constant, a number that moves on by step with each sale, or
// an identifier that is new with each sale.
type templateArg struct {
	value any
	step  int64
	fresh string // the identifier it had in the second recorded sale
}

func newTemplate(first, second []statement) (*template, error) {
	if len(first) != len(second) {
		return nil, fmt.Errorf("two sales made %d and %d writes", len(first), len(second))
	}
	t := &template{}
	for i := range second {
		s := templateStatement{query: second[i].query}
		for j, value := range second[i].args {
			arg := templateArg{value: value}
			switch was := first[i].args[j].(type) {
			case int64:
				if now, ok := value.(int64); ok {
					arg.step = now - was
				}
			case string:
				if now, ok := value.(string); ok && now != was && isID(now) {
					arg.fresh = now
				}
			}
			s.args = append(s.args, arg)
		}
		t.statements = append(t.statements, s)
	}
	return t, nil
}

func isID(s string) bool {
	prefix, body, found := strings.Cut(s, "_")
	return found && len(prefix) <= 4 && len(body) == 26
}

// next fills in the writes of the next sale. Sales of a shop are made one at a
// time: their caller holds the template.
func (t *template) next(now time.Time) []statement {
	t.n++
	fresh := make(map[string]string, 4)
	list := make([]statement, len(t.statements))
	for i, s := range t.statements {
		args := make([]any, len(s.args))
		for j, arg := range s.args {
			switch {
			case arg.fresh != "":
				if fresh[arg.fresh] == "" {
					prefix, _, _ := strings.Cut(arg.fresh, "_")
					_, body, _ := strings.Cut(string(id.New[id.Sale](now)), "_")
					fresh[arg.fresh] = prefix + "_" + body
				}
				args[j] = fresh[arg.fresh]
			case arg.step != 0:
				args[j] = arg.value.(int64) + t.n*arg.step
			default:
				args[j] = arg.value
			}
		}
		list[i] = statement{s.query, args}
	}
	return list
}

// bareEngine makes sales without the product.
type bareEngine interface {
	// sell makes sales for a time, group of them to a commit, and tells how many,
	// in what time and with how many bytes of write-ahead log.
	run(ctx context.Context, turn time.Duration, group int) (n int64, elapsed time.Duration, wal int64, err error)
	rows() int
	close()
}

// newRaw records two sales of each bare shop and opens the engine beside the product.
func (b *bench) newRaw(ctx context.Context) (bareEngine, error) {
	var templates []*template
	for i := range b.bare {
		first, err := b.recorded(ctx, &b.bare[i])
		if err != nil {
			return nil, err
		}
		second, err := b.recorded(ctx, &b.bare[i])
		if err != nil {
			return nil, err
		}
		t, err := newTemplate(first, second)
		if err != nil {
			return nil, err
		}
		templates = append(templates, t)
	}
	if b.house.db.Engine() == db.SQLite {
		return openBareSQLite(strings.TrimPrefix(b.dsn, "sqlite:"), templates)
	}
	return openBarePostgres(ctx, b.dsn, b.cmd.Clients, templates)
}
