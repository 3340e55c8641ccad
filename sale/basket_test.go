package sale_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/base/problem"
	"encaisse/catalog"
	"encaisse/sale"
)

// basket opens a basket.
func (w *world) basket(lines ...sale.LineRequest) sale.Sale {
	w.t.Helper()
	s, created, err := w.sales.Put(context.Background(), w.boss, w.openRequest(lines...))
	w.must(err)
	if !created || s.State != sale.Opened || s.Number != 0 {
		w.t.Fatalf("basket: created %v, %+v", created, s)
	}
	return s
}

func (w *world) openRequest(lines ...sale.LineRequest) sale.Request {
	r := w.request(0, lines...)
	r.Open = true
	return r
}

func (w *world) cash(of id.Sale, amount int64) sale.Tendering {
	return sale.Tendering{Sale: of, TenderRequest: sale.TenderRequest{
		ID: id.New[id.Tender](w.clock.Now()), Means: sale.Cash, Amount: eur(amount),
	}}
}

func (w *world) pay(r sale.Tendering) sale.Sale {
	w.t.Helper()
	s, created, err := w.sales.Tender(context.Background(), w.boss, r)
	w.must(err)
	if !created {
		w.t.Fatal("the tender was there already")
	}
	return s
}

// refuse wants a tender to be refused and nothing to be written.
func (w *world) refuse(r sale.Tendering, code string) {
	w.t.Helper()
	before := w.rows()
	if _, _, err := w.sales.Tender(context.Background(), w.boss, r); !problem.Is(err, code) {
		w.t.Errorf("%v, want %s", err, code)
	}
	if w.rows() != before {
		w.t.Errorf("%s: a refusal wrote something", code)
	}
}

// TestBasket pays a basket in three parts; its prices are those it was opened with.
func TestBasket(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.open(100_00)
		b := w.basket(line(w.wine, 4000), line(w.coffee, 1000)) // 41.10
		dearer := w.wine
		dearer.Price = &money.Amount{Minor: 99_00, Currency: "EUR"}
		_, _, err := catalog.New(d, w.clock).Put(context.Background(), w.boss, dearer)
		w.must(err)

		first := w.cash(b.ID, 12_00)
		given := eur(20_00)
		first.Received = &given
		got := w.pay(first)
		if got.State != sale.Opened || got.Accepted != 12_00 || got.Reserved != 12_00 || got.Tenders[0].Change != 8_00 || !got.Tenders[0].Early {
			t.Fatalf("after the first part: %+v", got)
		}
		got = w.pay(sale.Tendering{Sale: b.ID, Reference: "Ticket 0042", TenderRequest: sale.TenderRequest{
			ID: id.New[id.Tender](w.clock.Now()), Means: sale.Card, Amount: eur(10_00),
		}})
		if !got.Tenders[1].Manual || got.Tenders[1].State != sale.Accepted {
			t.Fatalf("a card on a terminal that is not connected: %+v", got.Tenders[1])
		}
		w.refuse(w.cash(b.ID, 19_11), "sale.tender_over_due")
		x := w.x()
		if x.Held != 12_00 || x.Cash != 0 || x.Expected != 112_00 || x.Tickets() != 0 {
			t.Fatalf("X before the ticket: %+v", x)
		}
		got = w.pay(w.cash(b.ID, 19_10))
		if got.State != sale.Sealed || got.Number != 1 || got.Total != 41_10 || len(got.Tenders) != 3 {
			t.Fatalf("sealed: %+v", got)
		}
		w.refuse(w.cash(b.ID, 1), "sale.basket_sealed")
		if x = w.x(); x.Held != 0 || x.Cash != 31_10 || x.Card != 10_00 || x.CardManual != 10_00 || x.Expected != 131_10 {
			t.Fatalf("X after the ticket: %+v", x)
		}
		w.close(sale.Z, nil)
		w.close(sale.Day, nil)
		w.verify("")
	})
}

func (w *world) x() sale.Totals {
	w.t.Helper()
	_, x, err := w.sales.X(context.Background(), w.boss, w.founded.Till.ID)
	w.must(err)
	return x
}

// TestSameBasketSameTender: the same again is the same, other content is refused,
// and eight clients at once make one tender.
func TestSameBasketSameTender(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.open(0)
		r := w.openRequest(line(w.wine, 1000))
		for i := range 2 {
			if _, created, err := w.sales.Put(context.Background(), w.boss, r); err != nil || created != (i == 0) {
				t.Fatalf("basket, time %d: created %v, %v", i+1, created, err)
			}
		}
		sealed := r
		sealed.Open = false
		sealed.Tenders = []sale.TenderRequest{w.cash(r.ID, 9_90).TenderRequest}
		if _, _, err := w.sales.Put(context.Background(), w.boss, sealed); !problem.Is(err, "sale.other_content") {
			t.Fatalf("sealed beside its basket: %v", err)
		}
		part := w.cash(r.ID, 5_00)
		var made atomic.Int64
		var clients sync.WaitGroup
		for range 8 {
			clients.Go(func() {
				_, created, err := w.sales.Tender(context.Background(), w.boss, part)
				if err != nil {
					t.Error(err)
				}
				if created {
					made.Add(1)
				}
			})
		}
		clients.Wait()
		got, err := w.sales.Get(context.Background(), w.boss, r.ID)
		w.must(err)
		if made.Load() != 1 || got.Accepted != 5_00 || len(got.Tenders) != 1 {
			t.Fatalf("%d made, %+v", made.Load(), got)
		}
		part.Amount = eur(4_00)
		w.refuse(part, "sale.other_content")
		w.verify("")
	})
}

// TestDueIsTakenOnce: of many means that each want more than half, one passes.
func TestDueIsTakenOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.open(0)
		b := w.basket(line(w.wine, 1000))
		var passed atomic.Int64
		var clients sync.WaitGroup
		for range 64 {
			clients.Go(func() {
				_, _, err := w.sales.Tender(context.Background(), w.boss, w.cash(b.ID, 6_00))
				switch {
				case err == nil:
					passed.Add(1)
				case !problem.Is(err, "sale.tender_over_due"):
					t.Error(err)
				}
			})
		}
		clients.Wait()
		if passed.Load() != 1 {
			t.Fatalf("%d of 64 passed", passed.Load())
		}
		w.verify("")
	})
}

// TestTenderRefusals: each names its fault and writes nothing.
func TestTenderRefusals(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.open(0)
		dear := line(w.bag, 1000)
		price := eur(1_500_00)
		dear.Unit = &price
		b := w.basket(dear)
		card := func(change func(r *sale.Tendering)) sale.Tendering {
			r := w.cash(b.ID, 1_00)
			r.Means = sale.Card
			change(&r)
			return r
		}
		less := eur(50)
		w.refuse(w.cash(id.New[id.Sale](opening), 1), "sale.not_found")
		w.refuse(w.cash(b.ID, 0), "sale.tender_zero")
		w.refuse(w.cash(b.ID, -5), "sale.tender_zero")
		w.refuse(w.cash(b.ID, 1_000_01), "sale.cash_ceiling")
		w.refuse(card(func(*sale.Tendering) {}), "sale.terminal_or_reference")
		w.refuse(card(func(r *sale.Tendering) { r.Reference, r.Received = "7", &less }), "sale.card_change")
		w.refuse(card(func(r *sale.Tendering) { r.Reference, r.Offline = "7", true }), "sale.offline_card_refused")
		w.refuse(card(func(r *sale.Tendering) { r.Terminal = id.New[id.Terminal](opening) }), "sale.no_cards")
		w.refuse(card(func(r *sale.Tendering) { r.Means, r.PrintSlip = sale.Cash, true }), "sale.card_fields")
		w.refuse(card(func(r *sale.Tendering) { r.Means = "gold" }), "sale.means_unknown")
		w.refuse(card(func(r *sale.Tendering) { r.Means, r.Amount.Currency = sale.Cash, "USD" }), "sale.currency")
		w.refuse(card(func(r *sale.Tendering) { r.Means, r.Received = sale.Cash, &less }), "sale.received_short")
		w.pay(w.cash(b.ID, 600_00))
		w.refuse(w.cash(b.ID, 400_01), "sale.cash_ceiling") // all legs count together
		w.pay(w.cash(b.ID, 400_00))
		for name, change := range map[string]func(r *sale.Request){
			"sale.open_tenders": func(r *sale.Request) { r.Tenders = []sale.TenderRequest{w.cash(r.ID, 1).TenderRequest} },
			"sale.open_total":   func(r *sale.Request) { r.Lines[0].Quantity = -1000 },
		} {
			r := w.openRequest(line(w.wine, 1000))
			change(&r)
			if _, _, err := w.sales.Put(context.Background(), w.boss, r); !problem.Is(err, name) {
				t.Errorf("%v, want %s", err, name)
			}
		}
		direct := w.request(90, line(w.bread, 1000))
		direct.Tenders[0].Means = sale.Card
		if _, _, err := w.sales.Put(context.Background(), w.boss, direct); !problem.Is(err, "sale.card_needs_basket") {
			t.Errorf("card without basket: %v", err)
		}
		w.verify("")
	})
}

// TestBasketOutlivesItsSession: cash taken in one session for a ticket of the next is
// in the drawer that took it.
func TestBasketOutlivesItsSession(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.open(0)
		b := w.basket(line(w.wine, 1000))
		w.pay(w.cash(b.ID, 4_00))
		counted := eur(4_00)
		if z := w.close(sale.Z, &counted); z.Held != 4_00 || z.Expected != 4_00 || *z.Difference != 0 || z.Tickets() != 0 {
			t.Fatalf("first Z: %+v", z)
		}
		w.refuse(w.cash(b.ID, 5_90), "sale.register_closed")
		w.open(0)
		if s := w.pay(w.cash(b.ID, 5_90)); s.State != sale.Sealed {
			t.Fatalf("not sealed: %+v", s)
		}
		counted = eur(5_90)
		if z := w.close(sale.Z, &counted); z.Held != -4_00 || z.Cash != 9_90 || *z.Difference != 0 {
			t.Fatalf("second Z: %+v", z)
		}
		if day := w.close(sale.Day, nil); day.Held != 0 || day.Cash != 9_90 {
			t.Fatalf("day: %+v", day)
		}
		w.verify("")
	})
}

// TestAbandon hands cash back before it lets a basket go, once.
func TestAbandon(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.open(0)
		b := w.basket(line(w.wine, 1000))
		w.pay(w.cash(b.ID, 4_00))
		w.pay(w.cash(b.ID, 1_00))
		before := w.rows()
		left, err := w.sales.Abandon(context.Background(), w.boss, b.ID, "Client parti")
		w.must(err)
		if left.State != sale.Abandoned || left.Accepted != 0 || left.Tenders[0].State != sale.Returned {
			t.Fatalf("abandoned: %+v", left)
		}
		if after := w.rows(); after != before+3+2+3 { // records, transfers, events
			t.Fatalf("abandoning wrote %d rows", after-before)
		}
		if x := w.x(); x.Held != 0 || x.Expected != 0 {
			t.Fatalf("X: %+v", x)
		}
		before = w.rows()
		if again, err := w.sales.Abandon(context.Background(), w.boss, b.ID, ""); err != nil || again.State != sale.Abandoned || w.rows() != before {
			t.Fatalf("again: %+v %v", again, err)
		}
		w.refuse(w.cash(b.ID, 1_00), "sale.basket_abandoned")
		sold := w.sell(90, line(w.bread, 1000))
		for of, code := range map[id.Sale]string{sold.ID: "sale.basket_sealed", id.New[id.Sale](opening): "sale.not_found"} {
			if _, err := w.sales.Abandon(context.Background(), w.boss, of, ""); !problem.Is(err, code) {
				t.Errorf("%v, want %s", err, code)
			}
		}
		w.close(sale.Z, nil)
		w.verify("")
	})
}

// TestBasketsAreListed by state.
func TestBasketsAreListed(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.open(0)
		one, two := w.basket(line(w.wine, 1000)), w.basket(line(w.bread, 1000))
		_, err := w.sales.Abandon(context.Background(), w.boss, one.ID, "")
		w.must(err)
		for state, want := range map[string]id.Sale{sale.Opened: two.ID, sale.Abandoned: one.ID} {
			page, err := w.sales.Baskets(context.Background(), w.boss, state, "", 10)
			w.must(err)
			if len(page) != 1 || page[0].ID != want {
				t.Errorf("%s: %+v", state, page)
			}
		}
	})
}

// TestBasketTampering: what was journaled before a ticket is found altered, and what
// was not journaled is found to be there.
func TestBasketTampering(t *testing.T) {
	d, _ := dbtest.Open(t, db.SQLite)
	w := newWorld(t, d)
	w.open(0)
	b := w.basket(line(w.wine, 1000))
	w.pay(w.cash(b.ID, 4_00))
	gone := w.basket(line(w.wine, 1000))
	w.pay(w.cash(gone.ID, 3_00))
	_, err := w.sales.Abandon(context.Background(), w.boss, gone.ID, "Client parti")
	w.must(err)
	w.verify("")
	exec := func(query string) { // as somebody who has the database, its seals taken away
		w.must(d.Write(context.Background(), func(tx *db.Tx) error {
			_, err := tx.Exec(query)
			return err
		}))
	}
	exec("DROP TRIGGER sealed_basket_tender_update")
	for _, c := range []struct{ alter, mend string }{
		{"amount_minor = 401, received_minor = 401", "amount_minor = 400, received_minor = 400"},
		{"early = FALSE", "early = TRUE"},
		{"means = 'card'", "means = 'cash'"},
		{"manual = TRUE", "manual = FALSE"},
		{"reference = 'x'", "reference = ''"},
		{"accepted_at = accepted_at + 1", "accepted_at = accepted_at - 1"},
		{"operator = 7", "operator = 0"},
		{"session_id = 'ses_x'", fmt.Sprintf("session_id = '%s'", w.session())},
		{"returned_at = 1", "returned_at = NULL"},
		{"confirmed_at = 1", "confirmed_at = NULL"},
	} {
		where := fmt.Sprintf(" WHERE sale_id = '%s'", b.ID)
		exec("UPDATE basket_tender SET " + c.alter + where)
		w.verify("altered")
		exec("UPDATE basket_tender SET " + c.mend + where)
		w.verify("")
	}
	exec(fmt.Sprintf("UPDATE basket_tender SET returned_at = returned_at + 1 WHERE sale_id = '%s'", gone.ID))
	w.verify("altered")
	exec(fmt.Sprintf("UPDATE basket_tender SET returned_at = returned_at - 1 WHERE sale_id = '%s'", gone.ID))
	w.verify("")
}

func (w *world) session() id.Session {
	w.t.Helper()
	s, err := w.sales.Session(context.Background(), w.boss, w.founded.Till.ID)
	w.must(err)
	return s.ID
}
