package db_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/problem"
)

// thing is the table of these tests: every type a column may have, and a rule of
// each kind.
const thing = `CREATE TABLE thing (
	merchant_id TEXT NOT NULL,
	thing_id    TEXT NOT NULL,
	number      BIGINT,
	done        BOOLEAN,
	data        BYTEA,
	label       TEXT,
	parent      TEXT,
	PRIMARY KEY (merchant_id, thing_id),
	UNIQUE (merchant_id, number),
	CHECK (number >= 0),
	FOREIGN KEY (merchant_id, parent) REFERENCES thing (merchant_id, thing_id)
)`

const thingIndex = `CREATE UNIQUE INDEX thing_by_label ON thing (merchant_id, label) WHERE label IS NOT NULL`

// each runs a test on both engines, with the table thing, beside other tests.
func each(t *testing.T, test func(t *testing.T, d *db.DB)) {
	t.Helper()
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		makeThings(t, d)
		test(t, d)
	})
}

// onSQLite is a test of what only SQLite has.
func onSQLite(t *testing.T, o db.Options) *db.DB {
	t.Helper()
	d, _ := dbtest.OpenWith(t, db.SQLite, o)
	makeThings(t, d)
	return d
}

func makeThings(t *testing.T, d *db.DB) {
	t.Helper()
	write(t, d, func(tx *db.Tx) error {
		tx.Queue(thing)
		tx.Queue(thingIndex)
		return nil
	})
}

func write(t *testing.T, d *db.DB, fn func(*db.Tx) error) {
	t.Helper()
	if err := d.Write(context.Background(), fn); err != nil {
		t.Fatalf("write: %v", err)
	}
}

func read(t *testing.T, d *db.DB, fn func(*db.Tx) error) {
	t.Helper()
	if err := d.Read(context.Background(), fn); err != nil {
		t.Fatalf("read: %v", err)
	}
}

func insert(tx *db.Tx, id string) error {
	_, err := tx.Exec("INSERT INTO thing (merchant_id, thing_id) VALUES ($1, $2)", "m", id)
	return err
}

// ids is what is in the table, in order.
func ids(t *testing.T, d *db.DB) string {
	t.Helper()
	var all string
	read(t, d, func(tx *db.Tx) error {
		all = ""
		rows := tx.Query("SELECT thing_id FROM thing WHERE merchant_id = $1 ORDER BY thing_id", "m")
		for rows.Next() {
			var id string
			if err := rows.Scan(&id); err != nil {
				return err
			}
			all += id + " "
		}
		return rows.Err()
	})
	return all
}

func wantIDs(t *testing.T, d *db.DB, want string) {
	t.Helper()
	if have := ids(t, d); have != want {
		t.Errorf("the table holds %q, want %q", have, want)
	}
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	if !problem.Is(err, code) {
		t.Errorf("the error is %v, want %s", err, code)
	}
}

func wantViolation(t *testing.T, err error, kind db.ViolationKind, constraint string) {
	t.Helper()
	var v *db.Violation
	if !errors.As(err, &v) || v.Kind != kind || !db.IsViolation(err, kind) || constraint != "" && v.Constraint != constraint {
		t.Errorf("the error is %v, want a %v violation of %s", err, kind, constraint)
	}
}

func key(i int) string { return fmt.Sprintf("k%06d", i) }

var errOwn = errors.New("fn's own error")
