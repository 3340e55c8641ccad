package db

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"zombiezen.com/go/sqlite"

	"encaisse/base/problem"
)

// lite is a database in one SQLite file.
type lite struct {
	db         *DB
	path       string
	lock       *os.File
	writer     *writer // nil where it is opened read-only
	readers    *readers
	checkpoint *checkpoint
}

// writerPragmas make a commit durable. What they say is read back.
var writerPragmas = []string{
	"PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "PRAGMA foreign_keys=ON",
	"PRAGMA wal_autocheckpoint=0", "PRAGMA cache_size=-32768", "PRAGMA temp_store=MEMORY",
	fmt.Sprintf("PRAGMA journal_size_limit=%d", walBound),
}

func openSQLite(ctx context.Context, d *DB, file string) (backend, error) {
	path, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	if real, err := filepath.EvalSymlinks(path); err == nil { // one lock for one file, whatever it is called
		path = real
	}
	l := &lite{db: d, path: path, readers: newReaders(path, d.options)}
	if d.options.ReadOnly {
		if _, err := os.Stat(path); err != nil {
			return nil, problem.New(problem.Conflict, "db.schema_missing").Because(err)
		}
		return l, checkSQLiteSchema(ctx, path)
	}
	if err := l.openToWrite(ctx); err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

func (l *lite) openToWrite(ctx context.Context) error {
	var err error
	if l.lock, err = lockFile(l.path + ".lock"); err != nil {
		return err
	}
	file, err := os.OpenFile(l.path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	if err := migrateSQLite(ctx, l.path, l.db.options.Logger); err != nil {
		return err
	}
	conn, err := openWriter(l.path)
	if err != nil {
		return err
	}
	if l.writer, err = newWriter(l.db, conn); err != nil {
		return errors.Join(err, conn.close())
	}
	if l.checkpoint, err = newCheckpoint(l.path, l.writer); err != nil {
		l.writer = nil
		return errors.Join(err, conn.close())
	}
	go l.writer.loop()
	return nil
}

// openWriter opens the connection that writes, and refuses it when its commits
// would not be durable. The extra pragmas are how the tests show that it does.
func openWriter(path string, extra ...string) (*liteConn, error) {
	pragmas := append(append([]string(nil), writerPragmas...), extra...)
	conn, err := openLite(path, sqlite.OpenReadWrite, pragmas...)
	if err != nil {
		return nil, err
	}
	for pragma, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "wal_autocheckpoint": "0",
	} {
		have, err := conn.pragma("PRAGMA " + pragma)
		if err == nil && have != want {
			err = problem.New(problem.Internal, "db.not_durable", "pragma", pragma, "want", want, "have", have)
		}
		if err != nil {
			return nil, errors.Join(err, conn.close())
		}
	}
	return conn, nil
}

func (l *lite) write(ctx context.Context, fn func(*Tx) error) error { return l.writer.write(ctx, fn) }

func (l *lite) walBytes() int64 {
	if l.checkpoint == nil {
		return 0
	}
	return l.checkpoint.walBytes()
}

func (l *lite) close() error {
	var errs []error
	if l.writer != nil {
		l.writer.queue.close()
		<-l.writer.ended
		errs = append(errs, l.checkpoint.close())
	}
	errs = append(errs, l.readers.close())
	if l.writer != nil { // last, so that it moves the WAL into the file and removes it
		errs = append(errs, l.writer.conn.close())
	}
	if l.lock != nil {
		errs = append(errs, l.lock.Close())
	}
	return errors.Join(errs...)
}
