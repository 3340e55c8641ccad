package db_test

import (
	"errors"
	"fmt"
	"testing"

	"encaisse/base/db"
)

const queued = "INSERT INTO thing (merchant_id, thing_id) VALUES ($1, $2)"

func TestQueueIsWrittenInOrder(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		write(t, d, func(tx *db.Tx) error {
			tx.Queue(queued, "m", "a")
			tx.Queue("UPDATE thing SET label = 'first' WHERE thing_id = $1", "a")
			var label string
			if err := tx.QueryRow("SELECT label FROM thing").Scan(&label); err != nil || label != "first" {
				t.Errorf("a query after the queue sees %q, %v", label, err)
			}
			tx.Queue("UPDATE thing SET label = 'second' WHERE thing_id = $1", "a")
			if n, err := tx.Exec("UPDATE thing SET done = TRUE WHERE label = 'second'"); n != 1 || err != nil {
				t.Errorf("a statement after the queue changed %d, %v", n, err)
			}
			tx.Queue(queued, "m", "b")
			return tx.Flush()
		})
		wantIDs(t, d, "a b ")
	})
}

func TestErrorOfTheQueueSurfacesAtTheNextCall(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		twice := func(tx *db.Tx) { tx.Queue(queued, "m", "a"); tx.Queue(queued, "m", "a"); tx.Queue(queued, "m", "b") }
		for name, next := range map[string]func(tx *db.Tx) error{
			"exec":  func(tx *db.Tx) error { return insert(tx, "c") },
			"query": func(tx *db.Tx) error { return tx.Query("SELECT 1").Err() },
			"row":   func(tx *db.Tx) error { return tx.QueryRow("SELECT 1").Scan(new(int)) },
			"flush": func(tx *db.Tx) error { return tx.Flush() },
		} {
			err := d.Write(t.Context(), func(tx *db.Tx) error {
				twice(tx)
				err := next(tx)
				wantViolation(t, err, db.Unique, "thing_pkey")
				if err == nil {
					t.Errorf("%s: passed", name)
				}
				return nil
			})
			wantViolation(t, err, db.Unique, "thing_pkey")
		}
		err := d.Write(t.Context(), func(tx *db.Tx) error { twice(tx); return nil }) // at the commit
		wantViolation(t, err, db.Unique, "thing_pkey")
		wantIDs(t, d, "")
	})
}

func TestQueueQueryHandsItsRowsOver(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		var seen []string
		collect := func(rows *db.Rows) error {
			for rows.Next() {
				var id string
				if err := rows.Scan(&id); err != nil {
					return err
				}
				seen = append(seen, id)
			}
			return nil
		}
		write(t, d, func(tx *db.Tx) error {
			seen = nil
			tx.Queue(queued, "m", "a")
			tx.QueueQuery(collect, "SELECT thing_id FROM thing ORDER BY thing_id")
			tx.Queue(queued, "m", "b")
			tx.QueueQuery(collect, "SELECT thing_id FROM thing ORDER BY thing_id")
			if err := tx.Flush(); err != nil {
				return err
			}
			if fmt.Sprint(seen) != "[a a b]" {
				t.Errorf("seen %v", seen)
			}
			tx.QueueQuery(collect, "UPDATE thing SET done = TRUE WHERE thing_id = $1 RETURNING thing_id", "b") // read at the commit
			return nil
		})
		if fmt.Sprint(seen) != "[a a b b]" {
			t.Errorf("seen %v", seen)
		}
		read(t, d, func(tx *db.Tx) error {
			seen = nil
			tx.QueueQuery(collect, "SELECT thing_id FROM thing WHERE done")
			return nil
		})
		if fmt.Sprint(seen) != "[b]" {
			t.Errorf("a read saw %v", seen)
		}
	})
}

func TestRowsOfTheQueueMayRefuse(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		refusals := map[string]func(tx *db.Tx) func(*db.Rows) error{
			"own error": func(*db.Tx) func(*db.Rows) error { return func(*db.Rows) error { return errOwn } },
			"wrong scan": func(*db.Tx) func(*db.Rows) error {
				return func(r *db.Rows) error { r.Next(); return r.Scan(new(bool)) }
			},
			"a statement":   func(tx *db.Tx) func(*db.Rows) error { return func(*db.Rows) error { return insert(tx, "z") } },
			"hidden misuse": func(tx *db.Tx) func(*db.Rows) error { return func(*db.Rows) error { insert(tx, "z"); return nil } },
		}
		for name, refuse := range refusals {
			err := d.Write(t.Context(), func(tx *db.Tx) error {
				tx.Queue(queued, "m", "a")
				tx.QueueQuery(refuse(tx), "SELECT 7")
				tx.Queue(queued, "m", "b")
				return nil
			})
			if err == nil {
				t.Errorf("%s: passed", name)
			}
			if name == "own error" && !errors.Is(err, errOwn) {
				t.Errorf("%s: %v", name, err)
			}
			wantIDs(t, d, "")
		}
	})
}

func TestLongQueueIsSentInParts(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		const n = 700
		write(t, d, func(tx *db.Tx) error {
			for i := range n {
				tx.Queue(queued, "m", key(i))
			}
			return nil
		})
		read(t, d, func(tx *db.Tx) error {
			var have int
			err := tx.QueryRow("SELECT COUNT(*) FROM thing").Scan(&have)
			if have != n {
				t.Errorf("%d rows, want %d", have, n)
			}
			return err
		})
	})
}
