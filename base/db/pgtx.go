package db

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"encaisse/base/problem"
)

// maxQueued is how many statements wait for a round trip before they are sent.
const maxQueued = 256

// endPatience is how long the end of a transaction that is given up may take.
const endPatience = 5 * time.Second

// pgConn is what a session needs of a connection of the pool.
type pgConn interface {
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
	Exec(ctx context.Context, query string, args ...any) (pgconn.CommandTag, error)
	Conn() *pgx.Conn
	Release()
}

// pgSession is one transaction on one PostgreSQL connection. Every round trip is
// a batch: BEGIN if it is the first, what was queued, the statement that waits
// for its answer.
type pgSession struct {
	ctx   context.Context
	conn  pgConn
	begin []string // not sent yet
	batch *pgx.Batch
	reads []func(*Rows) error // per queued statement: who reads its rows, nil for none
	skip  int                 // results of BEGIN to read first

	committing bool // COMMIT has been sent, or was about to be
}

// pgRows is a cursor over the rows of the last statement of a batch.
type pgRows struct {
	rows    pgx.Rows
	results pgx.BatchResults // nil for rows of a queued query: the flush goes on
}

// add puts a statement at the end of the batch.
func (s *pgSession) add(query string, args []any) error {
	if isControl(query) {
		return errControl
	}
	plains := make([]any, len(args))
	for i, arg := range args {
		var err error
		if plains[i], err = plain(arg); err != nil {
			return err
		}
	}
	s.open()
	s.batch.Queue(query, plains...)
	return nil
}

// open makes the batch, with BEGIN in front of the first one.
func (s *pgSession) open() {
	if s.batch != nil {
		return
	}
	s.batch, s.reads, s.skip = &pgx.Batch{}, s.reads[:0], len(s.begin)
	for _, statement := range s.begin {
		s.batch.Queue(statement)
	}
	s.begin = nil
}

func (s *pgSession) queue(t *Tx, fn func(*Rows) error, query string, args []any) {
	if err := s.add(query, args); err != nil {
		t.fail(err)
		return
	}
	s.reads = append(s.reads, fn)
	if len(s.reads) >= maxQueued {
		if err := s.flush(t); err != nil {
			t.fail(err)
		}
	}
}

// send sends the batch and reads the results of what was queued.
func (s *pgSession) send(t *Tx) (pgx.BatchResults, error) {
	results := s.conn.SendBatch(s.ctx, s.batch)
	s.batch = nil
	for range s.skip {
		if _, err := results.Exec(); err != nil {
			results.Close()
			return nil, err
		}
	}
	for _, fn := range s.reads {
		if err := s.result(t, results, fn); err != nil {
			results.Close()
			return nil, err
		}
	}
	return results, nil
}

// result reads the result of one queued statement.
func (s *pgSession) result(t *Tx, results pgx.BatchResults, fn func(*Rows) error) error {
	if fn == nil {
		tag, err := results.Exec()
		t.touched += tag.RowsAffected()
		return err
	}
	found, err := results.Query()
	if err != nil {
		return err
	}
	rows := &Rows{tx: t, pg: &pgRows{rows: found}}
	t.open = rows
	t.hand(rows, fn)
	return t.err
}

func (s *pgSession) flush(t *Tx) error {
	if s.batch == nil {
		return nil
	}
	results, err := s.send(t)
	if err != nil {
		return err
	}
	return results.Close()
}

func (s *pgSession) exec(t *Tx, query string, args []any) (int64, error) {
	if err := s.add(query, args); err != nil {
		return 0, err
	}
	results, err := s.send(t)
	if err != nil {
		return 0, err
	}
	tag, err := results.Exec()
	if end := results.Close(); err == nil {
		err = end
	}
	if !isChange(query) {
		return 0, err
	}
	return tag.RowsAffected(), err
}

func (s *pgSession) query(t *Tx, query string, args []any) (*pgRows, error) {
	if err := s.add(query, args); err != nil {
		return nil, err
	}
	results, err := s.send(t)
	if err != nil {
		return nil, err
	}
	rows, err := results.Query()
	if err != nil {
		results.Close()
		return nil, err
	}
	return &pgRows{rows, results}, nil
}

// commit sends what is queued and COMMIT in one batch: the server skips COMMIT
// when a statement before it fails. Where somebody has yet to look at rows, COMMIT
// waits until they have, for they may refuse.
func (s *pgSession) commit(t *Tx) error {
	if s.batch != nil && slices.ContainsFunc(s.reads, func(fn func(*Rows) error) bool { return fn != nil }) {
		if err := t.run((*Tx).Flush); err != nil {
			return err
		}
	}
	if s.batch == nil && len(s.begin) > 0 {
		return nil // nothing was ever sent
	}
	s.open()
	s.batch.Queue("commit")
	s.committing = true
	results, err := s.send(t)
	if err != nil {
		return err
	}
	_, err = results.Exec()
	if end := results.Close(); err == nil {
		err = end
	}
	return err
}

// end leaves the connection without a transaction and gives it back.
func (s *pgSession) end() {
	defer s.conn.Release() // which drops a connection that is closed or still in a transaction
	if raw := s.conn.Conn().PgConn(); !raw.IsClosed() && raw.TxStatus() != 'I' {
		ctx, cancel := context.WithTimeout(context.Background(), endPatience)
		defer cancel()
		s.conn.Exec(ctx, "rollback", pgx.QueryExecModeSimpleProtocol)
	}
}

func (r *pgRows) next() (bool, error) {
	if r.rows.Next() {
		return true, nil
	}
	return false, r.rows.Err()
}

func (r *pgRows) columns() int { return len(r.rows.FieldDescriptions()) }

func (r *pgRows) close() error {
	r.rows.Close()
	err := r.rows.Err()
	if r.results != nil {
		if end := r.results.Close(); err == nil {
			err = end
		}
	}
	return err
}

func (r *pgRows) scan(column int, dest any) error {
	field := r.rows.FieldDescriptions()[column]
	c, err := decode(field.DataTypeOID, field.Format, r.rows.RawValues()[column])
	if err != nil {
		return err
	}
	return assign(dest, c)
}

// decode reads a value as the server sent it.
func decode(oid uint32, format int16, raw []byte) (cell, error) {
	if raw == nil {
		return cell{}, nil
	}
	binary := format == pgx.BinaryFormatCode
	switch oid {
	case pgtype.TextOID, pgtype.VarcharOID, pgtype.BPCharOID, pgtype.NameOID, pgtype.UnknownOID:
		return cell{kind: text, s: string(raw)}, nil
	case pgtype.Int8OID, pgtype.Int4OID, pgtype.Int2OID:
		if binary {
			i := int64(int8(raw[0]))
			for _, b := range raw[1:] {
				i = i<<8 | int64(b)
			}
			return cell{kind: integer, i: i}, nil
		}
	case pgtype.BoolOID:
		if binary {
			return cell{kind: boolean, i: int64(raw[0])}, nil
		}
	case pgtype.ByteaOID:
		if binary {
			return cell{kind: blob, b: append([]byte{}, raw...)}, nil
		}
	}
	return cell{}, problem.New(problem.Internal, "db.column_type", "oid", oid) // a SUM wants CAST(… AS BIGINT)
}
