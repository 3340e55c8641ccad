package db_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"encaisse/base/db"
	"encaisse/base/db/dbtest"
)

func open(t *testing.T, dsn string, o db.Options) (*db.DB, error) {
	t.Helper()
	d, err := db.Open(t.Context(), dsn, o)
	if err == nil {
		t.Cleanup(func() { d.Close() })
	}
	return d, err
}

func TestOpenRefusesOtherSchemes(t *testing.T) {
	for _, dsn := range []string{"", "sqlite:", "encaisse.db", "mysql://localhost/x", "postgres://%zz", "file:x"} {
		_, err := open(t, dsn, db.Options{})
		wantCode(t, err, "db.dsn")
	}
}

func TestOpenTakesOddPaths(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, path := range []string{"here.db", "a b.db", "é?x=1&y#z%20.db", "./sub/../c.db"} {
		os.MkdirAll(filepath.Join(dir, "sub"), 0o700)
		d, err := open(t, "sqlite:"+path, db.Options{})
		if err != nil {
			t.Errorf("%q: %v", path, err)
			continue
		}
		makeThings(t, d)
		wantIDs(t, d, "")
		if _, err := os.Stat(filepath.Join(dir, filepath.Clean(path))); err != nil {
			t.Errorf("%q: %v", path, err)
		}
	}
	_, err := open(t, "sqlite:none/such.db", db.Options{})
	if err == nil {
		t.Error("a folder that is not there: passed")
	}
}

func TestOnlyTheOwnerReadsTheFile(t *testing.T) {
	d, dsn := dbtest.Open(t, db.SQLite)
	makeThings(t, d)
	path := strings.TrimPrefix(dsn, "sqlite:")
	for _, name := range []string{path, path + "-wal", path + "-shm", path + ".lock"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Error(err)
		} else if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", filepath.Base(name), info.Mode().Perm())
		}
	}
}

func TestOneProcessWrites(t *testing.T) {
	d, dsn := dbtest.Open(t, db.SQLite)
	_, err := open(t, dsn, db.Options{})
	wantCode(t, err, "db.in_use")
	path := strings.TrimPrefix(dsn, "sqlite:")
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	_, err = open(t, "sqlite:"+link, db.Options{})
	wantCode(t, err, "db.in_use")
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, dsn, db.Options{}); err != nil { // the lock is gone with it
		t.Error(err)
	}
}

func TestClosedIsClosed(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		nothing := func(*db.Tx) error { return nil }
		wantCode(t, d.Write(t.Context(), nothing), "db.unavailable")
		wantCode(t, d.Read(t.Context(), nothing), "db.unavailable")
	})
}

// What waits when Close is called is written.
func TestCloseServesWhoWaits(t *testing.T) {
	d, dsn := dbtest.Open(t, db.SQLite)
	makeThings(t, d)
	c := gather(t, d)
	a := c.join(t.Context(), func(tx *db.Tx) error { return insert(tx, "a") })
	closed := make(chan error)
	go func() { closed <- d.Close() }()
	c.release()
	if err := <-closed; err != nil || c.errs[a] != nil {
		t.Error(err, c.errs[a])
	}
	d, err := open(t, dsn, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	wantIDs(t, d, "a ")
}

func TestReadOnlyReadsWhatSomebodyElseWrites(t *testing.T) {
	for _, engine := range []db.Engine{db.SQLite, db.PostgreSQL} {
		t.Run(engine.String(), func(t *testing.T) {
			d, dsn := dbtest.Open(t, engine)
			makeThings(t, d)
			write(t, d, func(tx *db.Tx) error { return insert(tx, "a") })
			other, err := open(t, dsn, db.Options{ReadOnly: true})
			if err != nil {
				t.Fatal(err)
			}
			wantIDs(t, other, "a ")
			write(t, d, func(tx *db.Tx) error { return insert(tx, "b") })
			wantIDs(t, other, "a b ")
			err = other.Write(t.Context(), func(*db.Tx) error { t.Error("ran"); return nil })
			wantCode(t, err, "db.read_only")
			if other.Stats().Writes != 0 {
				t.Error(other.Stats())
			}
		})
	}
}

// A file that nobody has open is read as it is: nothing is left beside it.
func TestReadOnlyLeavesTheFileAlone(t *testing.T) {
	d, dsn := dbtest.Open(t, db.SQLite)
	makeThings(t, d)
	write(t, d, func(tx *db.Tx) error { return insert(tx, "a") })
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	path := strings.TrimPrefix(dsn, "sqlite:")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other, err := open(t, dsn, db.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	wantIDs(t, other, "a ")
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	after, err := os.ReadFile(path)
	if err != nil || string(before) != string(after) {
		t.Errorf("the file changed: %v", err)
	}
}

func TestReadOnlyNeedsTodaysSchema(t *testing.T) {
	dir := t.TempDir()
	_, err := open(t, "sqlite:"+filepath.Join(dir, "none.db"), db.Options{ReadOnly: true})
	wantCode(t, err, "db.schema_missing")
	if _, err := os.Stat(filepath.Join(dir, "none.db")); err == nil {
		t.Error("a read-only open made a file")
	}
	empty := filepath.Join(dir, "empty.db")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = open(t, "sqlite:"+empty, db.Options{ReadOnly: true})
	wantCode(t, err, "db.schema_missing")
	_, err = open(t, dbtest.Empty(t, db.PostgreSQL), db.Options{ReadOnly: true})
	wantCode(t, err, "db.schema_missing")
}

func TestSchemaOfAnotherVersionIsRefused(t *testing.T) {
	for _, engine := range []db.Engine{db.SQLite, db.PostgreSQL} {
		t.Run(engine.String(), func(t *testing.T) {
			d, dsn := dbtest.Open(t, engine)
			pretend := func(version int) {
				write(t, d, func(tx *db.Tx) error {
					tx.Queue("DELETE FROM goose_db_version")
					tx.Queue("INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, TRUE)", version)
					return nil
				})
			}
			pretend(0)
			_, err := open(t, dsn, db.Options{ReadOnly: true})
			wantCode(t, err, "db.schema_older")
			pretend(9999)
			_, err = open(t, dsn, db.Options{ReadOnly: true})
			wantCode(t, err, "db.schema_newer")
			d.Close()
			_, err = open(t, dsn, db.Options{})
			wantCode(t, err, "db.schema_newer")
		})
	}
}

func TestOpenAgainChangesNothing(t *testing.T) {
	for _, engine := range []db.Engine{db.SQLite, db.PostgreSQL} {
		t.Run(engine.String(), func(t *testing.T) {
			d, dsn := dbtest.Open(t, engine)
			makeThings(t, d)
			write(t, d, func(tx *db.Tx) error { return insert(tx, "a") })
			d.Close()
			d, err := open(t, dsn, db.Options{})
			if err != nil {
				t.Fatal(err)
			}
			wantIDs(t, d, "a ")
		})
	}
}

// Two nodes that start at the same time on one PostgreSQL migrate once.
func TestNodesStartTogether(t *testing.T) {
	dsn := dbtest.Empty(t, db.PostgreSQL)
	errs := make(chan error)
	for range 3 {
		go func() {
			d, err := db.Open(context.Background(), dsn, db.Options{})
			if err == nil {
				err = d.Close()
			}
			errs <- err
		}()
	}
	for range 3 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// raw runs statements on the file beside the product, as an outsider would.
func raw(t *testing.T, dsn string, script string) error {
	t.Helper()
	conn, err := sqlite.OpenConn(strings.TrimPrefix(dsn, "sqlite:"), sqlite.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return sqlitex.ExecuteScript(conn, script, nil)
}
