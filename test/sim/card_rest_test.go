package sim_test

import (
	"context"
	"fmt"
	"time"

	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/problem"
	"encaisse/payment"
	"encaisse/sale"
	"encaisse/terminal/emulator"
)

// closeTill makes a Z.
func (w *cardWorld) closeTill(h *cardHouse) {
	request := sale.ClosingRequest{ID: id.New[id.Closing](w.clock.Now()), Register: w.shop.Till.ID, Kind: sale.Z}
	if _, _, err := h.sales.Close(w.ctx, w.shop.boss, request); err != nil && problem.As(err) == nil && !h.dead.Load() {
		w.fault("a Z: %v", err)
	}
}

// openTill opens the till, unless it is.
func (w *cardWorld) openTill() {
	opening := sale.Opening{ID: id.New[id.Session](w.clock.Now()), Register: w.shop.Till.ID, Float: eur(100_00)}
	err := w.call("open the till", func(h *cardHouse) error {
		_, _, err := h.sales.Open(w.ctx, w.shop.boss, opening)
		return err
	})
	if err != nil && !problem.Is(err, "sale.already_open") && w.ctx.Err() == nil {
		w.fault("open the till: %v", err)
	}
}

// calmDown ends all mischief.
func (w *cardWorld) calmDown() {
	w.mu.Lock()
	w.calm = true
	w.strikes = make(map[id.Terminal][]strike)
	w.mu.Unlock()
	w.host.Clear()
	for _, r := range w.readers {
		for _, t := range troubles {
			t.mend(r)
		}
		_ = r.Play("chip_code") // there is one of that name; it takes every planned fault away
		r.Next(emulator.Hand{})
	}
}

// restless says what has not come to rest yet, or "".
func (w *cardWorld) restless() (what string) {
	err := w.watch.Read(context.Background(), func(tx *db.Tx) (err error) {
		what, err = restless(tx)
		return err
	})
	if err != nil {
		return err.Error()
	}
	return what
}

// restless says what has not come to rest yet, in the rows.
func restless(tx *db.Tx) (what string, err error) {
	for _, q := range [...]struct{ name, query string }{
		{"attempts", `SELECT COUNT(*) FROM payment_attempt WHERE next_try_at IS NOT NULL OR state NOT IN ('succeeded', 'failed')`},
		{"operations", `SELECT COUNT(*) FROM payment_operation WHERE next_try_at IS NOT NULL OR state IN ('prepared', 'sent', 'unknown')`},
		{"dialogues", `SELECT COUNT(*) FROM terminal_dialogue WHERE state = 'open'`},
		{"batches", `SELECT COUNT(*) FROM batch WHERE state NOT IN ('open', 'acknowledged')`},
		{"returns", `SELECT COUNT(*) FROM return_due`},
		{"tenders", `SELECT COUNT(*) FROM basket_tender WHERE state = 'processing'`},
		{"payments with something pending", `SELECT COUNT(*) FROM payment WHERE pending_minor <> 0`},
	} {
		var n int64
		if err := tx.QueryRow(q.query).Scan(&n); err != nil {
			return "", err
		}
		if n > 0 {
			what += fmt.Sprintf("%d %s ", n, q.name)
		}
	}
	return what, nil
}

// rest waits until everything has come to rest.
func (w *cardWorld) rest(when string) {
	began, what := w.clock.Now(), ""
	w.until("rest "+when, func() bool {
		if what = w.restless(); what != "" && w.clock.Now().Sub(began) > 3*time.Hour {
			w.fault("no rest %s: %s", when, what)
			w.cancel()
			return true
		}
		return what == ""
	})
}

// evening ends a day: what is unpaid is given up, the batches are closed and
// sent, the till is closed. Nothing goes wrong any more but what was planned for
// the batches.
func (w *cardWorld) evening() {
	w.calmDown()
	w.openTill()
	w.rest("after the last customer")
	w.giveUpBaskets()
	w.mu.Lock()
	w.calm = false
	w.mu.Unlock()
	w.loose(0, &w.day.evening)
	if w.day.atHour {
		night := time.Date(2026, 11, 23, 22, 29, 0, 0, time.UTC)
		if w.clock.manual.Now().Before(night) {
			w.clock.manual.Set(night)
		}
		w.until("the contract's hour", func() bool { return w.clock.manual.Now().After(night.Add(2 * time.Minute)) })
	}
	for i := range w.readers {
		if err := w.endBatch(nil, w.shop.readers[i].terminal.ID); err != nil && w.ctx.Err() == nil {
			w.fault("close a batch: %v", err)
		}
	}
	w.rest("after the batches")
	w.calmDown()
	w.openTill()
	h := w.someHouse()
	if h == nil {
		return
	}
	w.closeTill(h)
	w.rest("at night")
	if h := w.someHouse(); h != nil {
		if _, err := h.events.Number(w.ctx); err != nil && w.ctx.Err() == nil {
			w.fault("number events: %v", err)
		}
	}
}

// giveUpBaskets abandons what was not paid: a card that was taken for it is
// voided, or refunded, before.
func (w *cardWorld) giveUpBaskets() {
	var open []id.Sale
	err := w.call("list baskets", func(h *cardHouse) error {
		open = nil
		page, err := h.sales.Baskets(w.ctx, w.shop.boss, sale.Opened, "", 100)
		for _, b := range page {
			open = append(open, b.ID)
		}
		return err
	})
	if err != nil {
		w.fault("list baskets: %v", err)
	}
	for _, saleID := range open {
		w.giveUp(saleID)
	}
}

func (w *cardWorld) giveUp(saleID id.Sale) {
	found, err := w.read(saleID)
	if err != nil {
		w.fault("read basket %s: %v", saleID, err)
		return
	}
	for _, t := range found.Tenders {
		if t.State != sale.Accepted || t.Payment == "" || t.Manual {
			continue
		}
		var p payment.Payment
		err := w.call("read a payment", func(h *cardHouse) (err error) {
			p, err = h.payments.Get(w.ctx, w.shop.boss, t.Payment)
			return err
		})
		if err != nil {
			w.fault("read payment %s: %v", t.Payment, err)
			return
		}
		i := w.readerAt(p.Terminal)
		w.giveBack(i, paid{p.ID, p.Refundable(), w.handFor(p), &visit{gives: givesAll}})
	}
	err = w.call("abandon", func(h *cardHouse) error {
		_, err := h.sales.Abandon(w.ctx, w.shop.boss, saleID, "Client parti")
		return err
	})
	if err != nil && w.ctx.Err() == nil {
		w.fault("abandon %s: %v", saleID, err)
	}
}

func (w *cardWorld) readerAt(terminal id.Terminal) int {
	for i, r := range w.shop.readers {
		if r.terminal.ID == terminal {
			return i
		}
	}
	return 0
}

// handFor finds the card that paid in the rack, by its masked number.
func (w *cardWorld) handFor(p payment.Payment) emulator.Hand {
	for _, c := range w.readers[0].Rack() {
		if p.Card == nil || c.Masked != p.Card.Masked {
			continue
		}
		switch {
		case c.Insert:
			return emulator.Hand{Card: c.Name}
		case c.Tap:
			return emulator.Hand{Card: c.Name, Gesture: emulator.Tap}
		}
		return emulator.Hand{Card: c.Name, Gesture: emulator.Swipe}
	}
	return emulator.Hand{Card: "cb"}
}
