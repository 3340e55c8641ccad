package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

const (
	bareCheckpoint = 100 * time.Millisecond // as often as the product's
	bareConns      = 32                     // PostgreSQL connections, as many as the product's
)

// bareSQLite writes through one connection of the product's driver.
type bareSQLite struct {
	path      string
	conn      *sqlite.Conn
	check     *sqlite.Conn
	templates []*template
	prepared  map[string]*sqlite.Stmt
}

func openBareSQLite(path string, templates []*template) (*bareSQLite, error) {
	e := &bareSQLite{path: path, templates: templates, prepared: make(map[string]*sqlite.Stmt)}
	var err error
	if e.conn, err = sqlite.OpenConn(path, sqlite.OpenReadWrite); err != nil {
		return nil, err
	}
	if e.check, err = sqlite.OpenConn(path, sqlite.OpenReadWrite); err != nil {
		return nil, err
	}
	for _, pragma := range []string{"PRAGMA synchronous=FULL", "PRAGMA wal_autocheckpoint=0", "PRAGMA foreign_keys=ON", "PRAGMA cache_size=-65536"} {
		if err := sqlitex.ExecuteTransient(e.conn, pragma, nil); err != nil {
			return nil, err
		}
	}
	return e, nil
}

func (e *bareSQLite) rows() int { return len(e.templates[0].statements) }

func (e *bareSQLite) close() {
	for _, s := range e.prepared {
		_ = s.Finalize()
	}
	_ = e.conn.Close()
	_ = e.check.Close()
}

func (e *bareSQLite) run(ctx context.Context, turn time.Duration, group int) (n int64, elapsed time.Duration, wal int64, err error) {
	stop := make(chan struct{})
	var checking sync.WaitGroup
	var checkpointed atomic.Int64
	checking.Go(func() { e.checkpoints(stop, &checkpointed) })
	random := rand.New(rand.NewPCG(1, 2))
	began := time.Now()
	for time.Since(began) < turn && err == nil && ctx.Err() == nil {
		if err = e.commit(random, group); err == nil {
			n += int64(group)
		}
	}
	elapsed = time.Since(began)
	close(stop)
	checking.Wait()
	if err == nil {
		wal, err = e.walBytes(group)
		wal *= n
	}
	return n, elapsed, wal, err
}

func (e *bareSQLite) commit(random *rand.Rand, group int) error {
	if err := sqlitex.ExecuteTransient(e.conn, "BEGIN IMMEDIATE", nil); err != nil {
		return err
	}
	for range group {
		t := e.templates[random.IntN(len(e.templates))]
		for _, s := range t.next(time.Now()) {
			if err := e.exec(s); err != nil {
				return err
			}
		}
	}
	return sqlitex.ExecuteTransient(e.conn, "COMMIT", nil)
}

func (e *bareSQLite) exec(s statement) error {
	stmt := e.prepared[s.query]
	if stmt == nil {
		var err error
		if stmt, _, err = e.conn.PrepareTransient(s.query); err != nil {
			return err
		}
		e.prepared[s.query] = stmt
	}
	for i, arg := range s.args {
		switch v := arg.(type) {
		case nil:
			stmt.BindNull(i + 1)
		case string:
			stmt.BindText(i+1, v)
		case int64:
			stmt.BindInt64(i+1, v)
		case bool:
			stmt.BindBool(i+1, v)
		case []byte:
			stmt.BindBytes(i+1, v)
		}
	}
	if _, err := stmt.Step(); err != nil {
		return fmt.Errorf("%s: %w", s.query, err)
	}
	return stmt.Reset()
}

func (e *bareSQLite) checkpoints(stop <-chan struct{}, done *atomic.Int64) {
	tick := time.NewTicker(bareCheckpoint)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			if sqlitex.ExecuteTransient(e.check, "PRAGMA wal_checkpoint(PASSIVE)", nil) == nil {
				done.Add(1)
			}
		}
	}
}

// walBytes measures what one sale adds to the log: one group on an emptied log.
func (e *bareSQLite) walBytes(group int) (int64, error) {
	if err := sqlitex.ExecuteTransient(e.check, "PRAGMA wal_checkpoint(TRUNCATE)", nil); err != nil {
		return 0, err
	}
	if err := e.commit(rand.New(rand.NewPCG(3, 4)), group); err != nil {
		return 0, err
	}
	info, err := os.Stat(e.path + "-wal")
	if err != nil {
		return 0, err
	}
	return info.Size() / int64(group), nil
}

// barePostgres writes one sale a transaction, all its statements in one batch.
type barePostgres struct {
	pool      *pgxpool.Pool
	clients   int
	templates []*template
}

func openBarePostgres(ctx context.Context, dsn string, clients int, templates []*template) (*barePostgres, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	config.MaxConns = bareConns
	pool, err := pgxpool.NewWithConfig(ctx, config)
	return &barePostgres{pool: pool, clients: clients, templates: templates}, err
}

func (e *barePostgres) rows() int { return len(e.templates[0].statements) }
func (e *barePostgres) close()    { e.pool.Close() }

func (e *barePostgres) run(ctx context.Context, turn time.Duration, _ int) (int64, time.Duration, int64, error) {
	var sold atomic.Int64
	var failed atomic.Pointer[error]
	var clients sync.WaitGroup
	before, err := e.position(ctx)
	if err != nil {
		return 0, 0, 0, err
	}
	began := time.Now()
	for i := range e.clients {
		clients.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 2))
			for time.Since(began) < turn && failed.Load() == nil && ctx.Err() == nil {
				if err := e.sale(ctx, e.templates[random.IntN(len(e.templates))]); err != nil {
					failed.Store(&err)
					return
				}
				sold.Add(1)
			}
		})
	}
	clients.Wait()
	elapsed := time.Since(began)
	if err := failed.Load(); err != nil {
		return 0, 0, 0, *err
	}
	after, err := e.position(ctx)
	return sold.Load(), elapsed, after - before, err
}

func (e *barePostgres) sale(ctx context.Context, t *template) error {
	t.mu.Lock() // the chain row lets one sale of a shop pass at a time, here as in the product
	defer t.mu.Unlock()
	batch := &pgx.Batch{}
	batch.Queue("BEGIN")
	for _, s := range t.next(time.Now()) {
		batch.Queue(s.query, s.args...)
	}
	batch.Queue("COMMIT")
	return e.pool.SendBatch(ctx, batch).Close()
}

// position is how far the write-ahead log of the cluster has been written.
func (e *barePostgres) position(ctx context.Context) (at int64, err error) {
	err = e.pool.QueryRow(ctx, `SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint`).Scan(&at)
	return at, err
}
