package db_test

import (
	"errors"
	"runtime"
	"slices"
	"testing"

	"encaisse/base/db"
)

func TestWriteIsAllOrNothing(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		write(t, d, func(tx *db.Tx) error { return errors.Join(insert(tx, "a"), insert(tx, "b")) })
		err := d.Write(t.Context(), func(tx *db.Tx) error { return errors.Join(insert(tx, "c"), errOwn) })
		if !errors.Is(err, errOwn) {
			t.Errorf("the error is %v", err)
		}
		wantIDs(t, d, "a b ")
	})
}

func TestExecTellsHowManyRowsChanged(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		write(t, d, func(tx *db.Tx) error {
			for i := range 3 {
				if err := insert(tx, key(i)); err != nil {
					return err
				}
			}
			for query, want := range map[string]int64{
				"UPDATE thing SET label = thing_id":                                                                     3,
				"UPDATE thing SET label = 'x' WHERE thing_id = 'none'":                                                  0,
				"UPDATE thing SET label = NULL RETURNING thing_id":                                                      3,
				"INSERT INTO thing (merchant_id, thing_id) VALUES ('m', 'k000000') ON CONFLICT DO NOTHING":              0,
				"SELECT thing_id FROM thing":                                                                            0,
				"-- a comment first\n UPDATE thing SET done = TRUE WHERE thing_id <> 'k000001'":                         2,
				"WITH t AS (SELECT 'k000002' AS id) UPDATE thing SET done = FALSE WHERE thing_id IN (SELECT id FROM t)": 1,
				"CREATE TABLE other (x BIGINT)":                                                                         0,
			} {
				have, err := tx.Exec(query)
				if err != nil || have != want {
					t.Errorf("%s: %d, %v; want %d", query, have, err, want)
				}
			}
			return nil
		})
	})
}

func TestTheFirstDatabaseErrorEndsTheFn(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		write(t, d, func(tx *db.Tx) error { return insert(tx, "a") })
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			if err := insert(tx, "b"); err != nil {
				return err
			}
			first := insert(tx, "a")
			wantViolation(t, first, db.Unique, "thing_pkey")
			if again := insert(tx, "c"); !errors.Is(again, first) {
				t.Errorf("the next statement said %v", again)
			}
			if rows := tx.Query("SELECT 1"); rows.Next() || !errors.Is(rows.Err(), first) {
				t.Errorf("a query said %v", rows.Err())
			}
			var n int
			if err := tx.QueryRow("SELECT 1").Scan(&n); !errors.Is(err, first) {
				t.Errorf("a row said %v", err)
			}
			if err := tx.Flush(); !errors.Is(err, first) {
				t.Errorf("the flush said %v", err)
			}
			return nil // the write is rolled back all the same
		})
		wantViolation(t, err, db.Unique, "thing_pkey")
		wantIDs(t, d, "a ")
	})
}

func TestNoRowIsNoDatabaseError(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		write(t, d, func(tx *db.Tx) error {
			var id string
			err := tx.QueryRow("SELECT thing_id FROM thing WHERE thing_id = $1", "none").Scan(&id)
			if !errors.Is(err, db.ErrNone) {
				t.Errorf("the error is %v", err)
			}
			return insert(tx, "a")
		})
		wantIDs(t, d, "a ")
	})
}

func TestTxIsRefusedAfterItsFn(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		var kept *db.Tx
		var rows *db.Rows
		keep := func(tx *db.Tx) error { kept = tx; rows = tx.Query("SELECT 1"); rows.Close(); return nil }
		check := func() {
			t.Helper()
			_, err := kept.Exec("DELETE FROM thing")
			wantCode(t, err, "db.tx_over")
			wantCode(t, kept.Query("SELECT 1").Err(), "db.tx_over")
			wantCode(t, kept.QueryRow("SELECT 1").Scan(new(int)), "db.tx_over")
			wantCode(t, kept.Flush(), "db.tx_over")
			kept.Queue("DELETE FROM thing")
			kept.QueueQuery(func(*db.Rows) error { t.Error("ran"); return nil }, "SELECT 1")
			kept.AtCommit(func(*db.Tx) error { t.Error("ran"); return nil })
			if rows.Next() {
				t.Error("rows of a Tx that is over went on")
			}
		}
		write(t, d, func(tx *db.Tx) error { return errors.Join(insert(tx, "a"), keep(tx)) })
		check()
		read(t, d, keep)
		check()
		wantIDs(t, d, "a ")
	})
}

func TestNoStatementWhileRowsAreOpen(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		write(t, d, func(tx *db.Tx) error { return errors.Join(insert(tx, "a"), insert(tx, "b")) })
		for name, call := range map[string]func(tx *db.Tx) error{
			"exec":       func(tx *db.Tx) error { return insert(tx, "c") },
			"query":      func(tx *db.Tx) error { return tx.Query("SELECT 1").Err() },
			"row":        func(tx *db.Tx) error { return tx.QueryRow("SELECT 1").Scan(new(int)) },
			"flush":      func(tx *db.Tx) error { return tx.Flush() },
			"queue":      func(tx *db.Tx) error { tx.Queue("DELETE FROM thing"); return nil },
			"left open":  func(tx *db.Tx) error { return nil },
			"at commit":  func(tx *db.Tx) error { tx.AtCommit(func(*db.Tx) error { return nil }); return nil },
			"row, again": func(tx *db.Tx) error { tx.QueryRow("SELECT 2"); return nil },
		} {
			err := d.Write(t.Context(), func(tx *db.Tx) error {
				if err := insert(tx, "d"); err != nil {
					return err
				}
				rows := tx.Query("SELECT thing_id FROM thing")
				if !rows.Next() {
					t.Errorf("%s: no row: %v", name, rows.Err())
				}
				call(tx) // its error is the Tx's from now on
				return nil
			})
			wantCode(t, err, "db.rows_open")
		}
		wantIDs(t, d, "a b ")
		write(t, d, func(tx *db.Tx) error { // closing early is fine
			rows := tx.Query("SELECT thing_id FROM thing")
			rows.Next()
			rows.Close()
			rows.Close()
			return errors.Join(rows.Err(), insert(tx, "c"))
		})
		wantIDs(t, d, "a b c ")
	})
}

func TestScanNeedsARow(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		err := d.Read(t.Context(), func(tx *db.Tx) error { return tx.Query("SELECT 1").Scan(new(int)) })
		wantCode(t, err, "db.no_row")
		err = d.Read(t.Context(), func(tx *db.Tx) error {
			row := tx.QueryRow("SELECT 1")
			return errors.Join(row.Scan(new(int)), row.Scan(new(int)))
		})
		wantCode(t, err, "db.no_row")
	})
}

func TestNestedCallsAreRefused(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		nothing := func(*db.Tx) error { return nil }
		calls := []func() error{
			func() error { return d.Write(ctx, nothing) },
			func() error { return d.Read(ctx, nothing) },
			func() error { return deep(200, func() error { return d.Write(ctx, nothing) }) },
		}
		for i, inner := range calls {
			places := map[string]func() error{
				"write": func() error { return d.Write(ctx, func(*db.Tx) error { return inner() }) },
				"read":  func() error { return d.Read(ctx, func(*db.Tx) error { return inner() }) },
				"hook": func() error {
					return d.Write(ctx, func(tx *db.Tx) error {
						tx.AtCommit(func(*db.Tx) error { return inner() })
						return nil
					})
				},
				"rows": func() error {
					return d.Write(ctx, func(tx *db.Tx) error {
						tx.QueueQuery(func(*db.Rows) error { return inner() }, "SELECT 1")
						return nil
					})
				},
				"deferred in a panic": func() (err error) {
					defer func() { recover() }()
					return d.Write(ctx, func(*db.Tx) error {
						defer func() { err = inner() }()
						panic("so there")
					})
				},
			}
			for place, outer := range places {
				if err := outer(); err == nil || err.Error() != "db.nested" {
					t.Errorf("call %d inside %s: %v", i, place, err)
				}
			}
			if err := inner(); err != nil { // and outside it is fine again
				t.Errorf("call %d outside: %v", i, err)
			}
		}
	})
}

func deep(n int, fn func() error) error {
	if n == 0 {
		return fn()
	}
	return deep(n-1, fn)
}

// Not nested: another goroutine of the same program, while an fn runs.
func TestNeighboursAreNotNested(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		write(t, d, func(tx *db.Tx) error {
			answer := make(chan error)
			go func() { answer <- d.Read(t.Context(), func(*db.Tx) error { return nil }) }()
			return <-answer
		})
	})
}

func TestReadWritesNothing(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		for name, call := range map[string]func(tx *db.Tx) error{
			"exec":      func(tx *db.Tx) error { return insert(tx, "a") },
			"queue":     func(tx *db.Tx) error { tx.Queue("DELETE FROM thing"); return nil },
			"at commit": func(tx *db.Tx) error { tx.AtCommit(func(*db.Tx) error { return nil }); return nil },
			"returning": func(tx *db.Tx) error {
				return tx.QueryRow("INSERT INTO thing (merchant_id, thing_id) VALUES ('m', 'x') RETURNING thing_id").Scan(new(string))
			},
		} {
			if err := d.Read(t.Context(), call); err == nil {
				t.Errorf("%s: passed", name)
			}
		}
		wantIDs(t, d, "")
	})
}

func TestReadSeesOneSnapshot(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		write(t, d, func(tx *db.Tx) error { return insert(tx, "a") })
		count := func(tx *db.Tx) (n int) {
			if err := tx.QueryRow("SELECT COUNT(*) FROM thing").Scan(&n); err != nil {
				t.Error(err)
			}
			return n
		}
		read(t, d, func(tx *db.Tx) error {
			before := count(tx)
			done := make(chan struct{})
			go func() {
				defer close(done)
				write(t, d, func(tx *db.Tx) error { return insert(tx, "b") })
			}()
			<-done
			if after := count(tx); before != 1 || after != 1 {
				t.Errorf("before %d, after %d", before, after)
			}
			return nil
		})
		wantIDs(t, d, "a b ")
	})
}

func TestTransactionControlIsNotForFn(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		for _, text := range []string{"COMMIT", "rollback", " -- x\n\tBEGIN", "SAVEPOINT a", "release a", "END", "PRAGMA foreign_keys=OFF", ";commit"} {
			err := d.Write(t.Context(), func(tx *db.Tx) error {
				if err := insert(tx, "a"); err != nil {
					return err
				}
				_, err := tx.Exec(text)
				return err
			})
			wantCode(t, err, "db.control")
		}
		wantIDs(t, d, "")
	})
}

func TestPanicLeavesNothingAndGoesOn(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		func() {
			defer func() {
				if r := recover(); r != "so there" {
					t.Errorf("recovered %v", r)
				}
			}()
			d.Write(t.Context(), func(tx *db.Tx) error {
				insert(tx, "a")
				tx.Query("SELECT 1").Next() // rows left open
				panic("so there")
			})
		}()
		left := make(chan struct{})
		go func() { // t.FailNow in an fn does this
			defer close(left)
			d.Write(t.Context(), func(tx *db.Tx) error {
				insert(tx, "b")
				runtime.Goexit()
				return nil
			})
		}()
		<-left
		func() {
			defer func() { recover() }()
			d.Read(t.Context(), func(tx *db.Tx) error { tx.Query("SELECT 1").Next(); panic("so there") })
		}()
		write(t, d, func(tx *db.Tx) error { return insert(tx, "c") })
		wantIDs(t, d, "c ")
	})
}

func TestHooksRunInOrderJustBeforeTheCommit(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		var order []string
		write(t, d, func(tx *db.Tx) error {
			order = nil
			for _, id := range []string{"a", "b"} {
				tx.AtCommit(func(hook *db.Tx) error {
					order = append(order, "hook "+id)
					hook.Queue("INSERT INTO thing (merchant_id, thing_id) VALUES ('m', $1)", id)
					return nil
				})
			}
			order = append(order, "fn")
			return insert(tx, "c")
		})
		if want := []string{"fn", "hook a", "hook b"}; !slices.Equal(order, want) {
			t.Errorf("the order is %q", order)
		}
		wantIDs(t, d, "a b c ")
	})
}

func TestHookThatFailsIsTheErrorOfTheWrite(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		hooks := map[string]func(tx *db.Tx) error{
			"own error":      func(*db.Tx) error { return errOwn },
			"database error": func(tx *db.Tx) error { insert(tx, "a"); return nil },
			"queued error": func(tx *db.Tx) error {
				tx.Queue("INSERT INTO thing (merchant_id, thing_id) VALUES ('m', 'a')")
				return nil
			},
			"hook in a hook": func(tx *db.Tx) error { tx.AtCommit(func(*db.Tx) error { return nil }); return nil },
			"rows left open": func(tx *db.Tx) error { tx.Query("SELECT 1").Next(); return nil },
		}
		for name, hook := range hooks {
			err := d.Write(t.Context(), func(tx *db.Tx) error { tx.AtCommit(hook); return insert(tx, "a") })
			if err == nil {
				t.Errorf("%s: passed", name)
			}
			wantIDs(t, d, "")
		}
		func() {
			defer func() { recover() }()
			d.Write(t.Context(), func(tx *db.Tx) error {
				tx.AtCommit(func(*db.Tx) error { panic("so there") })
				return insert(tx, "a")
			})
			t.Error("the panic stayed in the hook")
		}()
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			tx.AtCommit(func(*db.Tx) error { t.Error("a hook of an fn that failed ran"); return nil })
			return errOwn
		})
		if !errors.Is(err, errOwn) {
			t.Error(err)
		}
		wantIDs(t, d, "")
	})
}
