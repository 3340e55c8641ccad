package db

import (
	"sync/atomic"
)

// Tx is a transaction, for the fn it was handed to and nobody else: not for
// another goroutine, not after fn has returned.
//
// Parameters are written $1, $2…; they may be used in any order and again. An
// argument is a string, an integer, a bool, a []byte, a time.Time (stored as
// milliseconds UTC), a pointer to one of those (nil is NULL), or a type made of
// one of them. The statements that end a transaction are not for fn: they are
// refused.
type Tx struct {
	lite     *liteConn // one of the two is set
	pg       *pgSession
	readOnly bool
	over     atomic.Bool // fn has returned
	open     *Rows       // being read
	hooking  bool        // an AtCommit hook is running
	err      error       // the first error: everything after it is refused
	touched  int64       // rows written and read
	hooks    []func(*Tx) error
	trace    func(query string, args []any)
	row      Row
}

// Exec runs a statement and tells how many rows it changed.
func (t *Tx) Exec(query string, args ...any) (affected int64, err error) {
	if err := t.ready(); err != nil {
		return 0, err
	}
	if t.readOnly {
		return 0, t.fail(errReadTx)
	}
	t.traced(query, args)
	if t.lite != nil {
		affected, err = t.lite.exec(query, args)
	} else {
		affected, err = t.pg.exec(t, query, args)
	}
	if err != nil {
		return 0, t.fail(err)
	}
	t.touched += affected
	return affected, nil
}

// Queue runs a statement whose outcome nobody waits for. On PostgreSQL it is
// sent with the next statement, Flush or commit, in one round trip; on SQLite it
// runs at once. On both its error surfaces at the next call, or at the commit.
func (t *Tx) Queue(query string, args ...any) {
	if t.ready() != nil {
		return
	}
	if t.readOnly {
		t.fail(errReadTx)
		return
	}
	t.traced(query, args)
	if t.lite == nil {
		t.pg.queue(t, nil, query, args)
		return
	}
	affected, err := t.lite.exec(query, args)
	if err != nil {
		t.fail(err)
		return
	}
	t.touched += affected
}

// QueueQuery is Queue for a query; fn reads its rows when they come: at once on
// SQLite, when the queue is sent on PostgreSQL. fn runs no statement. Its error
// ends the transaction as a database error does.
func (t *Tx) QueueQuery(fn func(*Rows) error, query string, args ...any) {
	if t.ready() != nil {
		return
	}
	if t.lite == nil {
		t.pg.queue(t, fn, query, args)
		return
	}
	rows := &Rows{tx: t}
	t.start(rows, query, args)
	t.hand(rows, fn)
}

// hand gives rows to the fn of a QueueQuery, and closes them.
func (t *Tx) hand(rows *Rows, fn func(*Rows) error) {
	if rows.err != nil {
		return
	}
	err := fn(rows)
	rows.Close()
	if err == nil {
		err = rows.err
	}
	if err != nil && t.err == nil {
		t.err = err
	}
}

// Flush sends what is queued and returns its first error.
func (t *Tx) Flush() error {
	if err := t.ready(); err != nil {
		return err
	}
	if t.lite != nil {
		return nil
	}
	if err := t.pg.flush(t); err != nil {
		return t.fail(err)
	}
	return t.err
}

// Query runs a query. Its error, if any, is the rows' Err. The rows must be read
// to their end or closed before the next statement.
func (t *Tx) Query(query string, args ...any) *Rows {
	rows := &Rows{tx: t}
	if err := t.ready(); err != nil {
		rows.err = err
		return rows
	}
	t.start(rows, query, args)
	return rows
}

// QueryRow runs a query of which the first row matters; Scan reads it, or says
// ErrNone.
func (t *Tx) QueryRow(query string, args ...any) *Row {
	row := &t.row
	if t.open != nil || t.over.Load() { // leave the row that is open alone
		row = &Row{}
	}
	row.rows = Rows{tx: t}
	if row.rows.err = t.ready(); row.rows.err == nil {
		t.start(&row.rows, query, args)
	}
	return row
}

// LockRow is QueryRow for the one row that query finds and this transaction is
// about to change: until it ends nobody else changes it. query is a plain SELECT
// of one table; its condition holds for the row as it is once it is locked. On
// SQLite the writer is alone, so reading is enough; PostgreSQL is told.
func (t *Tx) LockRow(query string, args ...any) *Row {
	if t.lite == nil {
		query += " FOR UPDATE"
	}
	return t.QueryRow(query, args...)
}

func (t *Tx) start(rows *Rows, query string, args []any) {
	var err error
	if t.lite != nil {
		rows.lite, err = t.lite.query(query, args)
	} else {
		rows.pg, err = t.pg.query(t, query, args)
	}
	if err != nil {
		rows.err = t.fail(err)
		return
	}
	t.open = rows
}

// AtCommit registers a hook that runs just before the commit, in this
// transaction, after every fn that shares the commit. It is where to wait for
// what was computed on other goroutines meanwhile, and to write it. Hooks run in
// the order they were registered, on the goroutine that called Write; their
// error, or panic, is the error of that Write. The hooks of an fn that failed are
// dropped. A hook registers no further hook.
func (t *Tx) AtCommit(hook func(*Tx) error) {
	if t.ready() != nil {
		return
	}
	if t.readOnly || t.hooking {
		t.fail(errHook)
		return
	}
	t.hooks = append(t.hooks, hook)
}

// traced shows a statement to the Trace of the options: with copies, so that
// without one the arguments stay on their caller's stack.
func (t *Tx) traced(query string, args []any) {
	if t.trace == nil {
		return
	}
	copies := make([]any, len(args))
	for i, arg := range args {
		copies[i], _ = plain(arg) // what is wrong with it the statement will say
	}
	t.trace(query, copies)
}

// ready tells whether a statement may run now.
func (t *Tx) ready() error {
	if t.over.Load() {
		return errOver
	}
	if t.err == nil && t.open != nil {
		t.fail(errRowsOpen)
	}
	return t.err
}

// fail keeps the first error, translated, and returns it.
func (t *Tx) fail(err error) error {
	if t.err == nil {
		t.err = translate(err)
		if t.lite != nil {
			t.lite.nameConstraint(t.err)
		}
	}
	return t.err
}

// run calls fn, then tells what it came to: fn's own error, or the first
// database error that fn kept to itself.
func (t *Tx) run(fn func(*Tx) error) error {
	t.over.Store(false)
	defer t.over.Store(true)
	err := call(fn, t)
	if t.open != nil && t.err == nil {
		t.fail(errRowsOpen)
	}
	if err == nil {
		err = t.err
	}
	return err
}

// closeRows closes what fn left open, so that the transaction can end.
func (t *Tx) closeRows() {
	if t.open != nil {
		t.open.Close()
	}
}

// runHooks runs the AtCommit hooks in order up to the first error.
func (t *Tx) runHooks() error {
	t.hooking = true
	for _, hook := range t.hooks {
		if err := t.run(hook); err != nil {
			return err
		}
	}
	return nil
}
