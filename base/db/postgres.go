package db

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"encaisse/base/clock"
	"encaisse/base/problem"
	"encaisse/schema"
)

const (
	// maxRetries is how often a write is run again after a serialisation failure
	// or a deadlock.
	maxRetries = 10
	// retryPause is the longest pause before the first retry; it doubles up to
	// maxRetryPause.
	retryPause    = 4 * time.Millisecond
	maxRetryPause = 64 * time.Millisecond
	// The server gives up a statement, a lock and a transaction whose client
	// went silent, so that a lost connection holds nothing for ever.
	statementTimeout = 30 * time.Second
	lockTimeout      = 10 * time.Second
	idleTimeout      = 60 * time.Second
	readIdleTimeout  = "10min" // of a read, which holds no lock
	// sealLock is the advisory lock of whoever makes the triggers.
	sealLock = 0x7365616c
)

// postgres is a database on a PostgreSQL server.
type postgres struct {
	db   *DB
	pool *pgxpool.Pool
	wal  string // where the write-ahead log stood when it was opened
}

func openPostgres(ctx context.Context, d *DB, dsn string) (backend, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, problem.New(problem.Invalid, "db.dsn").Because(err)
	}
	if !strings.Contains(dsn, "pool_max_conns") {
		config.MaxConns = DefaultConns
	}
	for name, limit := range map[string]time.Duration{
		"statement_timeout": statementTimeout, "lock_timeout": lockTimeout,
		"idle_in_transaction_session_timeout": idleTimeout,
	} {
		if _, set := config.ConnConfig.RuntimeParams[name]; !set {
			config.ConnConfig.RuntimeParams[name] = strconv.FormatInt(limit.Milliseconds(), 10)
		}
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	p := &postgres{db: d, pool: pool}
	if err := p.prepare(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	return p, nil
}

// prepare brings the schema up to today's, or checks that it is.
func (p *postgres) prepare(ctx context.Context) error {
	patient := p.pool.Config().ConnConfig.Copy() // a migration takes the time it takes
	patient.RuntimeParams["statement_timeout"], patient.RuntimeParams["lock_timeout"] = "0", "0"
	pool := stdlib.OpenDB(*patient)
	defer pool.Close()
	if err := pool.PingContext(ctx); err != nil {
		return unavailable(err)
	}
	if p.db.options.ReadOnly {
		return checkSchema(ctx, pool)
	}
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return err
	}
	err = migrate(ctx, goose.DialectPostgres, pool, p.db.options.Logger, goose.WithSessionLocker(locker))
	if err != nil {
		return err
	}
	if err := p.seal(ctx); err != nil {
		return err
	}
	return p.pool.QueryRow(ctx, "SELECT pg_current_wal_lsn()::text").Scan(&p.wal)
}

// seal makes the triggers, unless they are all there: making one waits for every
// transaction on its table, and other nodes may be at work. The digest of the
// script is kept as the comment of the function that the triggers call.
func (p *postgres) seal(ctx context.Context) error {
	script := schema.SealedPostgres()
	digest := fmt.Sprintf("%x", sha256.Sum256([]byte(script)))
	var there bool
	err := p.pool.QueryRow(ctx, `SELECT COALESCE(obj_description(to_regproc('sealed'), 'pg_proc'), '') = $1
		AND (SELECT COUNT(*) FROM pg_trigger WHERE tgfoid = to_regproc('sealed') AND tgenabled = 'O') = $2`,
		digest, strings.Count(script, "\nCREATE OR REPLACE TRIGGER ")).Scan(&there)
	if err != nil || there {
		return err
	}
	return pgx.BeginFunc(ctx, p.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", sealLock); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, script+"\nCOMMENT ON FUNCTION sealed() IS '"+digest+"';", pgx.QueryExecModeSimpleProtocol)
		return err
	})
}

func (p *postgres) write(ctx context.Context, fn func(*Tx) error) error {
	for try := 0; ; try++ {
		err, again := p.writeOnce(ctx, fn)
		if !again || try == maxRetries {
			return err
		}
		pause := make(chan struct{})
		jitter := rand.N(min(retryPause<<try, maxRetryPause))
		timer := clock.Real{}.AfterFunc(jitter, func() { close(pause) })
		select {
		case <-pause:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

// writeOnce runs fn in one transaction and tells whether it may be run again.
func (p *postgres) writeOnce(ctx context.Context, fn func(*Tx) error) (err error, again bool) {
	conn, err := p.pool.Acquire(ctx)
	if err != nil {
		return unavailable(err), false
	}
	s := &pgSession{ctx: context.Background(), conn: conn, begin: []string{"begin isolation level read committed"}}
	defer s.end()
	tx := &Tx{pg: s, trace: p.db.options.Trace}
	defer tx.closeRows()
	watch := p.db.watch()
	err = tx.run(fn)
	if err == nil {
		err = tx.runHooks()
	}
	watch.end(tx)
	if err == nil {
		if e := s.commit(tx); e != nil {
			err = tx.fail(e)
		}
	}
	switch {
	case err == nil:
		p.db.count.commits.Add(1)
		p.db.count.writes.Add(1)
		return nil, false
	case !conn.Conn().IsClosed():
		return err, isSerialisation(tx.err)
	case s.committing && !pgconn.SafeToRetry(tx.err):
		return unavailable(errors.Join(ErrUnknown, err)), false
	}
	return unavailable(err), true // the connection was lost before COMMIT was sent
}

func (p *postgres) read(ctx context.Context, fn func(*Tx) error) error {
	conn, err := p.pool.Acquire(ctx)
	if err != nil {
		return unavailable(err)
	}
	s := &pgSession{ctx: ctx, conn: conn, begin: []string{
		"begin isolation level repeatable read read only", // a report may take its time: ctx bounds it
		"select set_config('statement_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '" + readIdleTimeout + "', true)",
	}}
	defer s.end()
	tx := &Tx{pg: s, readOnly: true}
	defer tx.closeRows()
	err = tx.run(fn)
	if err == nil && s.batch != nil {
		err = tx.run((*Tx).Flush)
	}
	return err
}

func (p *postgres) walBytes() int64 {
	ctx, cancel := context.WithTimeout(context.Background(), endPatience)
	defer cancel()
	var n int64
	err := p.pool.QueryRow(ctx, "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), $1::pg_lsn)::bigint", p.wal).Scan(&n)
	if err != nil {
		return 0
	}
	return n
}

func (p *postgres) close() error {
	p.pool.Close()
	return nil
}
