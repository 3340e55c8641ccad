package db

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"encaisse/base/clock"
	"encaisse/base/problem"
)

const (
	// DefaultMaxGroup is how many writes share a commit at most: from 64 on the
	// latency grows faster than the rate.
	DefaultMaxGroup = 64
	// DefaultReaders is how many SQLite connections read at the same time.
	DefaultReaders = 4
	// DefaultConns is how many PostgreSQL connections are open at most, unless
	// the DSN says pool_max_conns.
	DefaultConns = 32

	// slowWrite is how long one fn may hold the writer's turn before it is
	// named in the log; rowsWrite is how many rows it may touch.
	slowWrite = 20 * time.Millisecond
	rowsWrite = 1000
)

// Engine is one of the two databases Encaisse runs on.
type Engine int

// The engines.
const (
	SQLite Engine = iota + 1
	PostgreSQL
)

// String is the engine's name as the scheme of a DSN has it.
func (e Engine) String() string {
	switch e {
	case SQLite:
		return "sqlite"
	case PostgreSQL:
		return "postgres"
	}
	return "unknown"
}

// Options are the few things about a database that may be chosen. The zero
// value is right for a server.
type Options struct {
	MaxGroup int          // writes in one SQLite commit at most; 0: DefaultMaxGroup
	Readers  int          // SQLite connections that read; 0: DefaultReaders
	Logger   *slog.Logger // nil: nothing is logged
	Clock    clock.Clock  // what the duration of a write is measured with; nil: the machine's

	// Trace, when set, is called with each statement of Exec and Queue before it
	// runs; args are nil, string, int64, bool or []byte. It may be called from many
	// goroutines and keeps none of them.
	Trace func(query string, args []any)

	// ReadOnly opens a database somebody else may be writing to: no writer, no
	// migration, no lock. It is refused when the schema is not today's.
	ReadOnly bool

	walBound int64 // walBound, but in tests
}

// DB is an open database, safe for use by many goroutines.
type DB struct {
	engine  Engine
	options Options
	backend backend
	count   counters
	inside  insideMark
	closing sync.Once
	written chan struct{}
}

// backend is what differs between the engines.
type backend interface {
	write(ctx context.Context, fn func(*Tx) error) error
	read(ctx context.Context, fn func(*Tx) error) error
	walBytes() int64
	close() error
}

var (
	// ErrNone says that a query found no row. It is not a database error: the Tx
	// goes on.
	ErrNone = errors.New("db: no row")
	// ErrUnknown is in the error of a Write whose commit was on its way when the
	// disk or the connection failed: it may have been done. The caller asks again
	// under the same id.
	ErrUnknown = errors.New("db: nobody knows whether the commit was done")
)

// Open opens "sqlite:FILE" or "postgres://…", brings its schema up to today's
// and seals its sealed tables. It fails with a problem: "db.dsn" (no such
// scheme), "db.in_use" (another process writes to the file), "db.not_durable",
// "db.schema_missing", "db.schema_older", "db.schema_newer", "db.unavailable".
func Open(ctx context.Context, dsn string, o Options) (*DB, error) {
	if o.MaxGroup <= 0 {
		o.MaxGroup = DefaultMaxGroup
	}
	if o.Readers <= 0 {
		o.Readers = DefaultReaders
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.walBound == 0 {
		o.walBound = walBound
	}
	if o.Clock == nil {
		o.Clock = clock.Real{}
	}
	d := &DB{options: o, inside: findInsideMark(), written: make(chan struct{}, 1)}
	var err error
	scheme, rest, _ := strings.Cut(dsn, ":")
	switch {
	case scheme == "sqlite" && rest != "":
		d.engine = SQLite
		d.backend, err = openSQLite(ctx, d, rest)
	case scheme == "postgres" || scheme == "postgresql":
		d.engine = PostgreSQL
		d.backend, err = openPostgres(ctx, d, dsn)
	default:
		return nil, problem.New(problem.Invalid, "db.dsn")
	}
	if err != nil {
		return nil, translate(err)
	}
	return d, nil
}

// Engine tells which engine this is.
func (d *DB) Engine() Engine { return d.engine }

// Write runs fn in a transaction and returns nil once what fn wrote is durable.
// fn touches nothing but its transaction and may be run again. The error is
// fn's own, or the first database error of fn, and means that nothing was
// written; only with ErrUnknown is that not sure. ctx bounds the wait for fn to
// begin and nothing else. A call from inside another fn is refused.
func (d *DB) Write(ctx context.Context, fn func(*Tx) error) error {
	if err := d.mayBegin(ctx); err != nil {
		return err
	}
	if d.options.ReadOnly {
		return errReadOnly
	}
	err := d.backend.write(ctx, fn)
	if err == nil {
		select {
		case d.written <- struct{}{}:
		default:
		}
	}
	return err
}

// Written tells one listener that something was written through this DB since it
// listened last: what is on the disk by then is what it may go and read. Nobody has
// to listen.
func (d *DB) Written() <-chan struct{} { return d.written }

// Read runs fn on a snapshot of the database. fn may be run again. The end of
// ctx ends the read. A call from inside another fn is refused.
func (d *DB) Read(ctx context.Context, fn func(*Tx) error) error {
	if err := d.mayBegin(ctx); err != nil {
		return err
	}
	return d.backend.read(ctx, fn)
}

func (d *DB) mayBegin(ctx context.Context) error {
	if d.inside.onStack() {
		return errNested
	}
	if ctx.Err() != nil {
		return interrupted(ctx)
	}
	return nil
}

// Close refuses what comes, waits for what runs or waits, and closes the
// database. It may be called again.
func (d *DB) Close() (err error) {
	d.closing.Do(func() { err = d.backend.close() })
	return err
}
