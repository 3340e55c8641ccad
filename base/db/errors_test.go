package db_test

import (
	"errors"
	"testing"

	"encaisse/base/db"
	"encaisse/base/problem"
)

func TestViolationsAreNamed(t *testing.T) {
	cases := []struct {
		name       string
		query      string
		kind       db.ViolationKind
		constraint map[db.Engine]string
	}{
		{"primary key", "INSERT INTO thing (merchant_id, thing_id) VALUES ('m', 'a')", db.Unique, both("thing_pkey")},
		{"unique", "INSERT INTO thing (merchant_id, thing_id, number) VALUES ('m', 'b', 1)", db.Unique, both("thing_merchant_id_number_key")},
		{"partial index", "INSERT INTO thing (merchant_id, thing_id, label) VALUES ('m', 'b', 'l')", db.Unique, both("thing_by_label")},
		{"check", "UPDATE thing SET number = -1", db.Check, map[db.Engine]string{db.SQLite: "number >= 0", db.PostgreSQL: "thing_number_check"}},
		{"not null", "INSERT INTO thing (merchant_id) VALUES ('m')", db.NotNull, both("thing.thing_id")},
		{"foreign key", "UPDATE thing SET parent = 'nobody'", db.ForeignKey, map[db.Engine]string{db.PostgreSQL: "thing_merchant_id_parent_fkey"}},
	}
	each(t, func(t *testing.T, d *db.DB) {
		write(t, d, func(tx *db.Tx) error {
			_, err := tx.Exec("INSERT INTO thing (merchant_id, thing_id, number, label) VALUES ('m', 'a', 1, 'l')")
			return err
		})
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				for how, run := range map[string]func(tx *db.Tx) error{
					"exec":  func(tx *db.Tx) error { _, err := tx.Exec(c.query); return err },
					"queue": func(tx *db.Tx) error { tx.Queue(c.query); return nil },
					"rows": func(tx *db.Tx) error {
						rows := tx.Query(c.query + " RETURNING thing_id")
						rows.Next()
						return rows.Err()
					},
					"row": func(tx *db.Tx) error { return tx.QueryRow(c.query + " RETURNING thing_id").Scan(new(string)) },
				} {
					err := d.Write(t.Context(), run)
					wantViolation(t, err, c.kind, c.constraint[d.Engine()])
					if problem.As(err) != nil {
						t.Errorf("%s: a violation is for its noun to name, not a problem: %v", how, err)
					}
					for other := db.Unique; other <= db.Sealed; other++ {
						if db.IsViolation(err, other) != (other == c.kind) {
							t.Errorf("%s: IsViolation(%v)", how, other)
						}
					}
				}
			})
		}
	})
}

func both(name string) map[db.Engine]string {
	return map[db.Engine]string{db.SQLite: name, db.PostgreSQL: name}
}

// A RETURNING whose row is read before SQLite has checked everything: the error
// comes when the statement ends, and is not lost.
func TestErrorAfterTheFirstRowIsNotLost(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		write(t, d, func(tx *db.Tx) error { return errors.Join(insert(tx, "a"), insert(tx, "b")) })
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			return tx.QueryRow("UPDATE thing SET parent = 'none' WHERE thing_id = 'a' RETURNING thing_id").Scan(new(string))
		})
		wantViolation(t, err, db.ForeignKey, "")
		err = d.Write(t.Context(), func(tx *db.Tx) error {
			return tx.QueryRow("UPDATE thing SET label = 'same' RETURNING thing_id").Scan(new(string))
		})
		wantViolation(t, err, db.Unique, "thing_by_label")
	})
}

func TestUnknownTableIsNoViolation(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		err := d.Write(t.Context(), func(tx *db.Tx) error { _, err := tx.Exec("DELETE FROM nowhere"); return err })
		var v *db.Violation
		if err == nil || errors.As(err, &v) || problem.As(err) != nil {
			t.Errorf("the error is %v", err)
		}
	})
}
