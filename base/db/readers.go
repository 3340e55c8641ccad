package db

import (
	"context"
	"errors"

	"zombiezen.com/go/sqlite"
)

// readers is the pool of connections that read, opened when first needed.
type readers struct {
	path  string
	flags sqlite.OpenFlags
	free  chan *reader
	done  chan struct{}
}

// reader is one connection that reads; conn is nil until it is needed.
type reader struct {
	conn          *liteConn
	begin, commit *sqlite.Stmt
	stop          chan struct{} // closed to interrupt what runs
}

func newReaders(path string, o Options) *readers {
	n, flags := o.Readers, sqlite.OpenReadWrite // to help with the recovery of a WAL; query_only keeps it from writing
	if o.ReadOnly {
		flags = sqlite.OpenReadOnly
	}
	r := &readers{path: path, flags: flags, free: make(chan *reader, n), done: make(chan struct{})}
	for range n {
		r.free <- &reader{}
	}
	return r
}

func (r *reader) open(path string, flags sqlite.OpenFlags) error {
	conn, err := openLite(path, flags, "PRAGMA query_only=ON", "PRAGMA cache_size=-16384")
	if err != nil {
		return err
	}
	if r.begin, err = conn.conn.Prepare("BEGIN"); err == nil {
		r.commit, err = conn.conn.Prepare("COMMIT")
	}
	if err != nil {
		return errors.Join(err, conn.close())
	}
	r.conn = conn
	r.arm()
	return nil
}

// arm makes the connection interruptible. The driver starts a goroutine for it,
// which is why this happens once and not for every read.
func (r *reader) arm() {
	r.stop = make(chan struct{})
	r.conn.conn.SetInterrupt(r.stop)
}

// read is a Read on SQLite.
func (l *lite) read(ctx context.Context, fn func(*Tx) error) error {
	var r *reader
	select {
	case r = <-l.readers.free:
	default:
		select {
		case r = <-l.readers.free:
		case <-l.readers.done:
			return unavailable(errClosed)
		case <-ctx.Done():
			return interrupted(ctx)
		}
	}
	defer func() { l.readers.free <- r }()
	if r.conn == nil {
		if err := r.open(l.path, l.readers.flags); err != nil {
			return translate(err)
		}
	}
	return r.snapshot(ctx, fn)
}

// snapshot runs fn in a transaction that only reads.
func (r *reader) snapshot(ctx context.Context, fn func(*Tx) error) error {
	if err := step(r.begin); err != nil {
		return translate(err)
	}
	forget := context.AfterFunc(ctx, func() { close(r.stop) })
	tx := &Tx{lite: r.conn, readOnly: true}
	defer func() {
		tx.closeRows()
		if !forget() { // the interrupt is on its way, or was there
			<-r.stop
			r.arm()
		}
		step(r.commit) // of a transaction that only read: nothing to lose
	}()
	err := tx.run(fn)
	if err != nil && ctx.Err() != nil && sqlite.ErrCode(err) == sqlite.ResultInterrupt {
		return interrupted(ctx)
	}
	return err
}

// close waits for the reads that run and closes every connection.
func (r *readers) close() error {
	var errs []error
	for range cap(r.free) {
		if one := <-r.free; one.conn != nil {
			errs = append(errs, one.conn.close())
		}
	}
	close(r.done)
	return errors.Join(errs...)
}
