package db_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"encaisse/base/db"
	"encaisse/base/db/dbtest"
)

func TestFirst(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := context.Background()
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				err := d.Write(ctx, func(tx *db.Tx) error {
					_, err := tx.Exec("INSERT INTO event_cursor (merchant_id, last_number) VALUES ($1, $2)", string(rune('a'+i)), i)
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		n := 0
		err := d.Read(ctx, func(tx *db.Tx) error {
			return tx.QueryRow("SELECT COUNT(*) FROM event_cursor").Scan(&n)
		})
		t.Log(n, err, d.Stats())
		err = d.Read(ctx, func(tx *db.Tx) error {
			return tx.QueryRow("SELECT last_number FROM event_cursor WHERE merchant_id=$1", "zz").Scan(&n)
		})
		if !errors.Is(err, db.ErrNone) {
			t.Fatal(err)
		}
		err = d.Write(ctx, func(tx *db.Tx) error { return d.Read(ctx, func(tx *db.Tx) error { return nil }) })
		t.Log(err)
	})
}
