package sale_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"encaisse/base/clock"
	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/id"
	"encaisse/base/job"
	"encaisse/base/money"
	"encaisse/base/problem"
	"encaisse/sale"
)

// rows counts everything a sale writes, so that a refusal can be seen to write nothing.
func (w *world) rows() (n int64) {
	w.t.Helper()
	w.must(w.db.Read(context.Background(), func(tx *db.Tx) error {
		n = 0
		for _, table := range []string{"sale", "sale_line", "sale_vat", "tender", "fiscal_record", "ledger_transfer", "event"} {
			var count int64
			if err := tx.QueryRow(`SELECT COUNT(*) FROM ` + table).Scan(&count); err != nil {
				return err
			}
			n += count
		}
		return nil
	}))
	return n
}

// TestRefusals: each names the field and the reason, and writes nothing.
func TestRefusals(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.open(0)
		before := w.rows()
		for name, c := range map[string]struct {
			change      func(r *sale.Request)
			code, field string
		}{
			"unknown article":           {func(r *sale.Request) { r.Lines[0].Article = id.New[id.Article](opening) }, "catalog.article_unknown", "lines[0].article_id"},
			"foreign price":             {func(r *sale.Request) { r.Lines[0].Unit = &money.Amount{Minor: 90, Currency: "USD"} }, "sale.currency", "lines[0].unit_price"},
			"foreign tender":            {func(r *sale.Request) { r.Tenders[0].Amount.Currency = "USD" }, "sale.currency", "tenders[0].amount"},
			"tender short":              {func(r *sale.Request) { r.Tenders[0].Amount.Minor-- }, "sale.tender_short", "tenders"},
			"tender exceeds":            {func(r *sale.Request) { r.Tenders[0].Amount.Minor++ }, "sale.tender_exceeds", "tenders"},
			"negative cash":             {func(r *sale.Request) { r.Tenders[0].Amount.Minor = -90 }, "sale.cash_negative", "tenders[0].amount"},
			"received short":            {func(r *sale.Request) { less := eur(80); r.Tenders[0].Received = &less }, "sale.received_short", "tenders[0].received"},
			"no lines":                  {func(r *sale.Request) { r.Lines = nil }, "sale.no_lines", "lines"},
			"zero quantity":             {func(r *sale.Request) { r.Lines[0].Quantity = 0 }, "sale.quantity_zero", "lines[0].quantity"},
			"10,000 lines":              {func(r *sale.Request) { r.Lines = make([]sale.LineRequest, 10_000) }, "sale.too_many_lines", "lines"},
			"control character":         {func(r *sale.Request) { r.ExternalRef = "a\x00b" }, "sale.text", "external_ref"},
			"bytes that are not text":   {func(r *sale.Request) { r.ExternalRef = "a\xffb" }, "sale.text", "external_ref"},
			"unknown means":             {func(r *sale.Request) { r.Tenders[0].Means = "gold" }, "sale.means_unknown", "tenders[0].means"},
			"reduction beyond its line": {func(r *sale.Request) { off := eur(91); r.Lines[0].Reduction = &sale.Reduction{Amount: &off} }, "sale.reduction_exceeds", "lines[0].reduction.amount"},
			"reduction twice":           {func(r *sale.Request) { off := eur(1); r.Reduction = &sale.Reduction{Amount: &off, PercentBP: 100} }, "sale.reduction_kind", "reduction"},
			"no price":                  {func(r *sale.Request) { r.Lines[0].Article = w.bag.ID }, "sale.price_missing", "lines[0].unit_price"},
			"quantity beyond any shop":  {func(r *sale.Request) { r.Lines[0].Quantity = 1_000_001 * 1000 }, "sale.quantity_limit", "lines[0].quantity"},
			"price beyond any shop":     {func(r *sale.Request) { big := eur(100_000_000_01); r.Lines[0].Unit = &big }, "sale.price_limit", "lines[0].unit_price"},
			"history register":          {func(r *sale.Request) { r.Register = w.founded.History.ID }, "sale.history_register", "register_id"},
			"session of nobody":         {func(r *sale.Request) { r.Session = id.New[id.Session](opening) }, "sale.session_unknown", "session_id"},
		} {
			r := w.request(90, line(w.bread, 1000))
			c.change(&r)
			_, _, err := w.sales.Put(context.Background(), w.boss, r)
			p := problem.As(err)
			if p == nil || p.Code != c.code || p.Field != c.field {
				t.Errorf("%s: %v, want %s at %q", name, err, c.code, c.field)
			}
		}
		if after := w.rows(); after != before {
			t.Fatalf("refusals wrote %d rows", after-before)
		}
		w.verify("")
	})
}

// TestCashCeiling holds both sides of each ceiling (fiscal.md §18).
func TestCashCeiling(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.open(0)
		for _, c := range []struct {
			payer string
			total int64
			ok    bool
		}{
			{"", 1_000_00, true},
			{"", 1_000_01, false},
			{sale.Resident, 1_000_01, false},
			{sale.NonResident, 15_000_00, true},
			{sale.NonResident, 15_000_01, false},
		} {
			r := w.request(c.total, line(w.bag, 1000))
			price := eur(c.total)
			r.Lines[0].Unit, r.CashPayer = &price, c.payer
			half := eur(c.total - 1) // two legs count together
			r.Tenders[0].Amount = half
			r.Tenders = append(r.Tenders, sale.TenderRequest{ID: id.New[id.Tender](opening), Means: sale.Cash, Amount: eur(1)})
			_, _, err := w.sales.Put(context.Background(), w.boss, r)
			if c.ok != (err == nil) || !c.ok && !problem.Is(err, "sale.cash_ceiling") {
				t.Errorf("%q %d: %v", c.payer, c.total, err)
			}
		}
	})
}

// TestSameIDIsTheSameSale: the same again is the same, another content is
// refused, and eight clients at once make one sale.
func TestSameIDIsTheSameSale(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.open(0)
		r := w.request(90, line(w.bread, 1000))
		var made sync.Map
		var clients sync.WaitGroup
		for range 8 {
			clients.Go(func() {
				s, created, err := w.sales.Put(context.Background(), w.boss, r)
				if err != nil {
					t.Error(err)
				}
				made.Store(fmt.Sprint(created, s.Number), s)
			})
		}
		clients.Wait()
		var kinds []string
		made.Range(func(k, _ any) bool { kinds = append(kinds, k.(string)); return true })
		if len(kinds) != 2 { // one created, the others found it, under one number
			t.Fatalf("outcomes: %v", kinds)
		}
		r.Lines[0].Quantity, r.Tenders[0].Amount = 2000, eur(180)
		if _, _, err := w.sales.Put(context.Background(), w.boss, r); !problem.Is(err, "sale.other_content") {
			t.Fatalf("another content under the same id: %v", err)
		}
		w.verify("")
	})
}

// TestClock: within the tolerance time waits, beyond it nothing is sealed, and a
// jump is journaled.
func TestClock(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.open(0)
		w.clock.Advance(time.Hour)
		first := w.sell(90, line(w.bread, 1000))
		w.clock.Advance(-time.Second)
		if s := w.sell(90, line(w.bread, 1000)); !s.SealedAt.Equal(first.SealedAt) {
			t.Fatalf("sealed at %s, after one at %s", s.SealedAt, first.SealedAt)
		}
		before := w.rows()
		w.clock.Advance(-time.Minute)
		_, _, err := w.sales.Put(context.Background(), w.boss, w.request(90, line(w.bread, 1000)))
		if p := problem.As(err); p == nil || p.Code != "fiscal.clock_back" || p.Field != "clock" {
			t.Fatalf("clock set back: %v", err)
		}
		if after := w.rows(); after != before {
			t.Fatal("a refused sale wrote something")
		}
		w.must(w.journal.ClockJumped(context.Background(), d, clock.Jump{
			Expected: first.SealedAt, Now: w.clock.Now(), By: -time.Minute,
		}))
		if after := w.rows(); after != before+2 { // the site's chain is opened by its first event
			t.Fatalf("%d records journal the jump", after-before)
		}
		w.verify("")
	})
}

// TestDayEnds: a till left open gets its Z and its day at the site's hour, once,
// and what is closed stays closed.
func TestDayEnds(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		session := w.open(50_00)
		w.sell(90, line(w.bread, 1000))
		jobs := job.New(d, w.clock, nil)
		jobs.Handle(sale.JobDay, w.sales.RunDay)
		run := func() {
			t.Helper()
			_, err := jobs.RunDue(context.Background())
			w.must(err)
		}
		w.clock.Set(time.Date(2026, 11, 24, 2, 59, 0, 0, time.UTC)) // 03:59 in Paris
		run()
		if _, err := w.sales.Session(context.Background(), w.boss, w.founded.Till.ID); err != nil {
			t.Fatalf("closed before its hour: %v", err)
		}
		w.clock.Advance(time.Minute)
		run()
		late := w.request(90, line(w.bread, 1000))
		late.Session = session.ID
		if _, _, err := w.sales.Put(context.Background(), w.boss, late); !problem.Is(err, "sale.session_closed") {
			t.Fatalf("a sale in a closed session: %v", err)
		}
		days, err := w.sales.Closings(context.Background(), w.boss, w.founded.Till.ID, sale.Day, 0, 10)
		w.must(err)
		if len(days) != 1 || days[0].Net != 90 || days[0].BusinessDate != "2026-11-23" || days[0].Counted != nil {
			t.Fatalf("days: %+v", days)
		}
		run()
		w.verify("")
	})
}

// TestSealedRowsAreSealed: what was sealed cannot be changed or removed, not
// even by a program that has the database open.
func TestSealedRowsAreSealed(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.open(0)
		w.sell(90, line(w.bread, 1000))
		w.close(sale.Z, nil)
		for _, table := range strings.Fields("sale sale_line sale_vat tender closing closing_vat fiscal_record ledger_transfer fiscal_signer") {
			for _, statement := range []string{"UPDATE " + table + " SET merchant_id = 'x'", "DELETE FROM " + table} {
				err := d.Write(context.Background(), func(tx *db.Tx) error {
					_, err := tx.Exec(statement)
					return err
				})
				if !db.IsViolation(err, db.Sealed) {
					t.Errorf("%s: %v", statement, err)
				}
			}
		}
		w.verify("")
	})
}
