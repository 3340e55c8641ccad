package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"

	"encaisse/base/problem"
	"encaisse/schema"
)

// versionTable is where goose keeps which migrations were applied.
const versionTable = goose.DefaultTablename

// migrate applies what is missing. A schema that is newer than this program is
// refused: an older program must not write to it.
func migrate(ctx context.Context, dialect goose.Dialect, pool *sql.DB, log *slog.Logger, options ...goose.ProviderOption) error {
	options = append(options, goose.WithSlog(log), goose.WithDisableGlobalRegistry(true))
	provider, err := goose.NewProvider(dialect, pool, schema.Migrations(), options...)
	if err != nil {
		return err
	}
	if err := checkSchema(ctx, pool); problem.Is(err, "db.schema_newer") {
		return err
	}
	if _, err = provider.Up(ctx); err != nil {
		return fmt.Errorf("db: migrate: %w", err)
	}
	return nil
}

// checkSchema tells whether the schema is exactly today's.
func checkSchema(ctx context.Context, pool *sql.DB) error {
	want, err := newest()
	if err != nil {
		return err
	}
	var have sql.NullInt64
	err = pool.QueryRowContext(ctx, "SELECT MAX(version_id) FROM "+versionTable+" WHERE is_applied").Scan(&have)
	switch {
	case err != nil:
		return problem.New(problem.Conflict, "db.schema_missing").Because(err)
	case have.Int64 < want:
		return problem.New(problem.Conflict, "db.schema_older", "have", have.Int64, "want", want)
	case have.Int64 > want:
		return problem.New(problem.Conflict, "db.schema_newer", "have", have.Int64, "want", want)
	}
	return nil
}

// newest is the number of the last migration.
func newest() (int64, error) {
	files, err := fs.Glob(schema.Migrations(), "*.sql")
	if err != nil || len(files) == 0 {
		return 0, errors.Join(err, errors.New("db: no migrations"))
	}
	return goose.NumericComponent(files[len(files)-1])
}

// liteURI is the name of a file as database/sql's driver wants it.
func liteURI(path, query string) string {
	return (&url.URL{Scheme: "file", Path: path, RawQuery: query}).String()
}

// migrateSQLite migrates and seals a file. The triggers are made anew each time,
// so that one that was dropped by hand comes back.
func migrateSQLite(ctx context.Context, path string, log *slog.Logger) error {
	connector, err := sqlite.NewConnector(liteURI(path, "_busy_timeout=5000&_journal_mode=WAL&_synchronous=FULL&_foreign_keys=1"))
	if err != nil {
		return err
	}
	pool := sql.OpenDB(connector)
	defer pool.Close()
	pool.SetMaxOpenConns(1)
	if err := migrate(ctx, goose.DialectSQLite3, pool, log); err != nil {
		return err
	}
	_, err = pool.ExecContext(ctx, "BEGIN;\n"+schema.SealedSQLite()+"\nCOMMIT;")
	if err != nil {
		return fmt.Errorf("db: seal: %w", err)
	}
	return nil
}

// checkSQLiteSchema checks a file without touching it.
func checkSQLiteSchema(ctx context.Context, path string) error {
	connector, err := sqlite.NewConnector(liteURI(path, "mode=ro&_busy_timeout=5000"))
	if err != nil {
		return err
	}
	pool := sql.OpenDB(connector)
	defer pool.Close()
	return checkSchema(ctx, pool)
}
