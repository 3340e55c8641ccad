package sale_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/money"
	"encaisse/fiscal"
	"encaisse/report"
	"encaisse/sale"
)

// TestDay lives a small day: sales with reductions, a return, cash movements,
// the Z with a difference, the day; and everything verifies.
func TestDay(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.open(100_00)
		first := w.sell(2*90+150, line(w.bread, 2000), line(w.coffee, 1000))
		if first.Number != 1 || first.Total != 330 || first.BusinessDate != "2026-11-23" {
			t.Fatalf("first sale: %+v", first)
		}
		w.clock.Advance(time.Minute)
		back := w.sell(-90, line(w.bread, -1000))
		if back.Document != sale.Return || back.Number != 2 {
			t.Fatalf("return: %+v", back)
		}
		w.clock.Advance(time.Hour)
		z := w.close(sale.Z, &money.Amount{Minor: 100_00 + 330 - 90 + 5, Currency: "EUR"})
		want := []int64{330 - 90, 330 + 90, 1, 3, 2, 5}
		have := []int64{z.Net, z.Absolute, z.Returns, z.Lines, z.Tickets(), *z.Difference}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Fatal(diff)
		}
		day := w.close(sale.Day, nil)
		if day.Net != z.Net || day.PerpetualAbsolute != 420 {
			t.Fatalf("day: %+v", day)
		}
		w.verify("")
	})
}

// verify verifies the whole database and wants a discrepancy that contains
// want, or none when it is empty.
func (w *world) verify(want string, checkpoints ...fiscal.Checkpoint) {
	w.t.Helper()
	proof, err := report.Verify(context.Background(), w.db, []string{w.public}, checkpoints)
	w.must(err)
	switch {
	case want == "" && proof.Defect != nil:
		w.t.Fatalf("unexpected discrepancy: %v", proof.Defect)
	case want != "" && proof.Defect == nil:
		w.t.Fatalf("no discrepancy found, want %q", want)
	}
}
