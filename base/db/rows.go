package db

import "encaisse/base/problem"

// Rows is the result of a query, read row by row. Next closes it after the last.
type Rows struct {
	tx      *Tx
	lite    *liteStmt // one of the two is set
	pg      *pgRows
	current bool // there is a row to scan
	closed  bool
	err     error
}

// Next goes to the next row; false means the end or an error, see Err.
func (r *Rows) Next() bool {
	if r.err != nil || r.closed {
		return false
	}
	if r.tx.over.Load() {
		r.err = errOver
		return false
	}
	var err error
	if r.lite != nil {
		r.current, err = r.lite.next()
	} else {
		r.current, err = r.pg.next()
	}
	if err != nil {
		r.current = false
		r.err = r.tx.fail(err)
	}
	if r.current {
		r.tx.touched++
		return true
	}
	r.Close()
	return false
}

// Scan copies the columns of the current row into dest: pointers to strings,
// integers, bools, []byte, time.Time, types made of those, or pointers to one of
// them where the column may be NULL. A wrong number or type of dest is an error
// that ends the transaction like a database error.
func (r *Rows) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	if !r.current {
		return r.misuse(errNoRow)
	}
	columns := 0
	if r.lite != nil {
		columns = r.lite.columns
	} else {
		columns = r.pg.columns()
	}
	if columns != len(dest) {
		return r.misuse(problem.New(problem.Internal, "db.scan", "columns", columns, "dests", len(dest)))
	}
	for i, d := range dest {
		var err error
		if r.lite != nil {
			err = r.lite.scan(i, d)
		} else {
			err = r.pg.scan(i, d)
		}
		if err != nil {
			return r.misuse(err)
		}
	}
	return nil
}

func (r *Rows) misuse(err error) error {
	r.err = r.tx.fail(err)
	return r.err
}

// Err is what ended Next early, or nil.
func (r *Rows) Err() error { return r.err }

// Close ends the reading; it may be called again.
func (r *Rows) Close() {
	if r.closed {
		return
	}
	r.closed, r.current = true, false
	var err error
	switch {
	case r.lite != nil:
		err = r.lite.close()
	case r.pg != nil:
		err = r.pg.close()
	default:
		return // never opened
	}
	r.tx.open = nil
	if err != nil && r.err == nil {
		r.err = r.tx.fail(err)
	}
}

// Row is the first row of a query.
type Row struct{ rows Rows }

// Scan copies the row's columns into dest, or returns ErrNone where there is no
// row. It is called once.
func (r *Row) Scan(dest ...any) error {
	if r.rows.err != nil {
		return r.rows.err
	}
	if r.rows.closed {
		return r.rows.misuse(errNoRow)
	}
	if !r.rows.Next() {
		if r.rows.err != nil {
			return r.rows.err
		}
		return ErrNone
	}
	err := r.rows.Scan(dest...)
	r.rows.Close()
	if err == nil {
		err = r.rows.err
	}
	return err
}
