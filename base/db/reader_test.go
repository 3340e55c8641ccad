package db_test

import (
	"context"
	"errors"
	"testing"

	"encaisse/base/db"
	"encaisse/base/problem"
)

// endless is a query that ends when somebody ends it.
const endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n"

func TestContextEndsARead(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		for range 20 { // more often than there are connections: each comes back
			ctx, cancel := context.WithCancelCause(t.Context())
			err := d.Read(ctx, func(tx *db.Tx) error {
				rows := tx.Query("SELECT 1")
				rows.Next()
				rows.Close()
				go cancel(errOwn)
				return tx.QueryRow(endless).Scan(new(int))
			})
			if p := problem.As(err); p == nil || p.Kind != problem.Unavailable || ctx.Err() == nil {
				t.Errorf("the error is %v", err)
			}
		}
		write(t, d, func(tx *db.Tx) error { return insert(tx, "a") })
		wantIDs(t, d, "a ")
	})
}

func TestReadersAreBounded(t *testing.T) {
	d := onSQLite(t, db.Options{Readers: 2})
	hold, held, done := make(chan struct{}), make(chan struct{}), make(chan error)
	for range 2 {
		go func() {
			done <- d.Read(t.Context(), func(*db.Tx) error { held <- struct{}{}; <-hold; return nil })
		}()
		<-held
	}
	ctx, cancel := context.WithCancel(t.Context())
	third := make(chan error)
	go func() { third <- d.Read(ctx, func(*db.Tx) error { return nil }) }()
	cancel()
	if err := <-third; err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("the third: %v", err)
	} else if err == nil {
		t.Error("a third reader got a connection")
	}
	write(t, d, func(tx *db.Tx) error { return insert(tx, "a") }) // readers do not block the writer
	close(hold)
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	wantIDs(t, d, "a ")
}

// A row that was locked is as it was read until the transaction ends: no update
// is lost.
func TestLockedRowDoesNotChange(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		write(t, d, func(tx *db.Tx) error {
			_, err := tx.Exec("INSERT INTO thing (merchant_id, thing_id, number) VALUES ('m', 'a', 0)")
			return err
		})
		const writers, times = 8, 10
		errs := make(chan error)
		for range writers {
			go func() {
				var err error
				for range times {
					err = errors.Join(err, d.Write(t.Context(), func(tx *db.Tx) error {
						var n int64
						if err := tx.LockRow("SELECT number FROM thing WHERE thing_id = $1", "a").Scan(&n); err != nil {
							return err
						}
						_, err := tx.Exec("UPDATE thing SET number = $1", n+1)
						return err
					}))
				}
				errs <- err
			}()
		}
		for range writers {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		var n int64
		read(t, d, func(tx *db.Tx) error { return tx.QueryRow("SELECT number FROM thing").Scan(&n) })
		if n != writers*times {
			t.Errorf("%d, want %d", n, writers*times)
		}
	})
}

func TestTraceSeesWhatIsWritten(t *testing.T) {
	var seen []any
	d := onSQLite(t, db.Options{Trace: func(query string, args []any) {
		if len(args) > 0 {
			seen = append(append(seen, query), args...)
		}
	}})
	write(t, d, func(tx *db.Tx) error {
		tx.Queue(queued, name("m"), "a")
		n := int64(7)
		_, err := tx.Exec("UPDATE thing SET number = $1", &n)
		return err
	})
	if len(seen) != 5 || seen[0] != queued || seen[1] != "m" || seen[4] != int64(7) {
		t.Errorf("seen: %v", seen)
	}
}
