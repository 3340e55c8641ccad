package db

import (
	"context"
	"errors"
	"runtime"
	"slices"

	"zombiezen.com/go/sqlite"
)

// errLost says that SQLite gave up the transaction of a whole group.
var errLost = errors.New("db: the transaction was lost")

// phase is how far a group has come.
type phase int

const (
	phaseRun phase = iota
	phaseHooks
)

// writer is the one connection that writes, and the turn to use it. Whoever
// holds the turn (one caller, or the writer's goroutine) owns every field but
// the queue.
type writer struct {
	db      *DB
	conn    *liteConn
	queue   *queue
	back    chan struct{} // the turn comes back to the writer's goroutine
	ended   chan struct{}
	between func() // runs between groups: the checkpointer's chance

	begin, commit, rollback, savepoint, release, rollbackTo *sqlite.Stmt

	group    []*request
	previous int // members of the group before
	limit    int
	phase    phase
	hook     int   // the next member whose hooks run
	lost     bool  // the transaction is gone or must go
	broken   error // the disk failed a commit: nothing is written any more
}

func newWriter(d *DB, conn *liteConn) (*writer, error) {
	w := &writer{
		db: d, conn: conn, queue: newQueue(), between: func() {},
		back: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	for text, stmt := range map[string]**sqlite.Stmt{
		"BEGIN IMMEDIATE": &w.begin, "COMMIT": &w.commit, "ROLLBACK": &w.rollback,
		"SAVEPOINT one": &w.savepoint, "RELEASE one": &w.release, "ROLLBACK TO one": &w.rollbackTo,
	} {
		var err error
		if *stmt, err = conn.conn.Prepare(text); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// step runs one of the writer's own statements.
func step(stmt *sqlite.Stmt) error {
	if _, err := stmt.Step(); err != nil {
		return err
	}
	return stmt.Reset()
}

// loop serves groups until the queue is closed and empty.
func (w *writer) loop() {
	defer close(w.ended)
	for {
		w.between()
		if r := w.queue.pop(); r != nil {
			w.serve(r)
		} else if w.queue.isClosed() {
			return
		} else {
			<-w.queue.wake
		}
	}
}

// serve makes one group that begins with first, commits it and answers it. The
// members of a lost group run again singly.
func (w *writer) serve(first *request) {
	err := w.together(first, w.db.options.MaxGroup)
	if err == nil || len(w.group) == 1 || w.broken != nil {
		w.answer(err)
		return
	}
	for _, r := range slices.Clone(w.group) {
		if !r.gone {
			r.err = nil
			w.answer(w.together(r, 1))
		}
	}
}

// together runs a group of at most limit in one transaction; an error means that
// the transaction is gone.
func (w *writer) together(first *request, limit int) error {
	w.previous = len(w.group)
	w.group, w.limit, w.phase, w.hook, w.lost = append(w.group[:0], first), limit, phaseRun, 0, false
	if w.broken != nil {
		return w.broken
	}
	if err := step(w.begin); err != nil {
		return err
	}
	first.words <- wordRun
	<-w.back
	var err error = errLost
	if !w.lost {
		err = w.finish()
	}
	if err != nil && !w.conn.conn.AutocommitEnabled() {
		if undo := step(w.rollback); undo != nil {
			w.broken = unavailable(errors.Join(err, undo))
		}
	}
	return err
}

// finish commits. When the disk fails to flush, what it has kept is anybody's
// guess: the members are told so, and nothing more is written until a restart
// reads back what is there.
func (w *writer) finish() error {
	err := step(w.commit)
	if sqlite.ErrCode(err).ToPrimary() == sqlite.ResultIOErr {
		w.db.options.Logger.Error("db: the disk failed a commit; no more writes until a restart", "error", err)
		w.broken = unavailable(err)
		return unavailable(errors.Join(ErrUnknown, err))
	}
	return err
}

// answer tells the members of the group that the commit is done, or with lost what
// became of them.
func (w *writer) answer(lost error) {
	writes := int64(0)
	for _, r := range w.group {
		if r.err == nil && lost != nil {
			r.err = translate(lost)
		}
		if r.err == nil && !r.gone {
			writes++
		}
	}
	if writes > 0 { // before anybody is answered: who asks then finds itself counted
		w.db.count.commits.Add(1)
		w.db.count.writes.Add(writes)
	}
	for _, r := range w.group {
		if !r.gone {
			r.words <- wordAnswer
		}
	}
}

// passOn gives the turn to whoever comes next.
func (w *writer) passOn() {
	if w.phase == phaseRun && !w.lost && len(w.group) < w.limit {
		next := w.queue.pop()
		if next == nil && len(w.group) < w.previous {
			runtime.Gosched() // some of those just answered are about to come back
			next = w.queue.pop()
		}
		if next != nil {
			w.group = append(w.group, next)
			next.words <- wordRun
			return
		}
	}
	w.phase = phaseHooks
	for !w.lost && w.hook < len(w.group) {
		r := w.group[w.hook]
		w.hook++
		if !r.gone && r.err == nil && len(r.tx.hooks) > 0 {
			r.words <- wordHooks
			return
		}
	}
	w.back <- struct{}{}
}

// write is a Write on SQLite, on its caller's goroutine.
func (w *writer) write(ctx context.Context, fn func(*Tx) error) error {
	r := &request{fn: fn, words: make(chan word, 1)}
	if err := w.queue.push(r); err != nil {
		return err
	}
	for {
		said, err := r.wait(ctx)
		if err != nil {
			return err
		}
		switch said {
		case wordRun:
			w.runFn(r)
		case wordHooks:
			w.runHooks(r)
		case wordAnswer:
			return r.err
		}
	}
}

// runFn runs fn in its savepoint. A panic, or a Goexit, leaves nothing of it and
// goes on in this goroutine once the turn is passed on.
func (w *writer) runFn(r *request) {
	watch := w.db.watch()
	r.gone = true // until fn returns
	r.tx = &Tx{lite: w.conn, trace: w.db.options.Trace}
	r.tx.over.Store(true)
	defer w.passOn()
	if err := step(w.savepoint); err != nil {
		r.gone = false
		r.err, w.lost = translate(err), true
		return
	}
	defer w.settle(r)
	r.err = r.tx.run(r.fn)
	r.gone = false
	watch.end(r.tx)
}

// settle keeps what a fn wrote, or undoes it.
func (w *writer) settle(r *request) {
	r.tx.closeRows()
	if w.conn.conn.AutocommitEnabled() { // SQLite rolled everything back by itself
		w.lost = true
		return
	}
	if !r.gone && r.err == nil {
		if err := step(w.release); err != nil {
			r.err, w.lost = translate(err), true
		}
		return
	}
	if err := step(w.rollbackTo); err != nil {
		w.lost = true
		return
	}
	if err := step(w.release); err != nil {
		w.lost = true
	}
}

// runHooks runs the AtCommit hooks of r. There is no savepoint to go back to: a
// hook that fails takes the group with it.
func (w *writer) runHooks(r *request) {
	watch := w.db.watch()
	r.gone = true // until the hooks return
	defer w.passOn()
	defer func() { w.lost = w.lost || r.gone || r.err != nil }()
	defer r.tx.closeRows()
	r.err = r.tx.runHooks()
	r.gone = false
	watch.end(r.tx)
}
