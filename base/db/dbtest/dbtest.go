// Package dbtest gives tests a database of their own, on each engine: SQLite on
// a real file, PostgreSQL on a cluster started for the run.
//
// ENCAISSE_TEST_PG, a postgres:// URL of somebody who may create databases, makes
// the tests use that cluster. Otherwise the first test that needs one starts it,
// and it ends with the test program, however that ends. Where PostgreSQL is not
// installed its tests are skipped, and with CI=true they fail.
package dbtest

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"encaisse/base/db"
)

// Each runs test on each engine, as a subtest named after it.
func Each(t *testing.T, test func(t *testing.T, d *db.DB)) {
	t.Helper()
	for _, engine := range []db.Engine{db.SQLite, db.PostgreSQL} {
		t.Run(engine.String(), func(t *testing.T) {
			d, _ := Open(t, engine)
			test(t, d)
		})
	}
}

// Open opens a migrated database that ends with the test, and tells its DSN.
func Open(t testing.TB, engine db.Engine) (*db.DB, string) {
	t.Helper()
	return OpenWith(t, engine, db.Options{})
}

// OpenWith is Open with options.
func OpenWith(t testing.TB, engine db.Engine, o db.Options) (*db.DB, string) {
	t.Helper()
	dsn := DSN(t, engine)
	d, err := db.Open(context.Background(), dsn, o)
	if err != nil {
		t.Fatalf("dbtest: open %s: %v", engine, err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("dbtest: close: %v", err)
		}
	})
	return d, dsn
}

// DSN makes a place for a database, which ends with the test: on SQLite a file
// that is not there yet, on PostgreSQL a migrated database.
func DSN(t testing.TB, engine db.Engine) string {
	t.Helper()
	if engine == db.SQLite {
		return "sqlite:" + filepath.Join(t.TempDir(), "encaisse.db")
	}
	return postgres(t, templateOf)
}

// Empty is DSN for a database without any table.
func Empty(t testing.TB, engine db.Engine) string {
	t.Helper()
	if engine == db.SQLite {
		return DSN(t, engine)
	}
	return postgres(t, func(context.Context, string) (string, error) { return "template0", nil })
}

func missing(t testing.TB, reason error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("dbtest: PostgreSQL: %v", reason)
	}
	t.Skipf("dbtest: PostgreSQL: %v", reason)
}
