package sim_test

import (
	"fmt"
	"slices"
	"time"

	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/base/problem"
	"encaisse/payment"
	"encaisse/sale"
	"encaisse/terminal/emulator"
)

const (
	// sellRate is the VAT of everything that is sold.
	sellRate = money.Rate(550)
	// askAgain is after how long a till asks again what nobody could answer.
	askAgain = time.Second
	// mostTries is how often a customer lets a card be tried.
	mostTries = 3
	// patienceOfAll is how long a till waits for what must be known in the end.
	patienceOfAll = time.Hour
)

// cardLeg is a tender that a till has asked for.
type cardLeg struct {
	sale    id.Sale
	request sale.Tendering
}

// paid is a card payment that a customer may bring back.
type paid struct {
	payment id.Payment
	amount  int64
	hand    emulator.Hand
	visit   *visit
}

// call does something at a house that is there, again where nobody knows whether
// it was done: with the same ids, as a till must.
func (w *cardWorld) call(what string, fn func(h *cardHouse) error) error {
	for {
		h := w.someHouse()
		if h == nil {
			return errNobody
		}
		err := fn(h)
		if err == nil {
			return nil
		}
		e := problem.As(err)
		passing := h.dead.Load() || e != nil && (e.Kind == problem.Unavailable || e.Kind == problem.TooMany)
		if e != nil && e.Kind != problem.Internal && !passing {
			return err
		}
		if !passing {
			w.fault("%s: %v", what, err)
			return err
		}
		if w.ctx.Err() != nil {
			return err
		}
		w.clock.wait(w.ctx, askAgain)
	}
}

// serve is the day of one cashier.
func (w *cardWorld) serve(i int, visits []*visit) {
	var toCome []paid
	for n, v := range visits {
		if w.ctx.Err() != nil {
			return
		}
		for _, p := range w.sell(i, v) {
			switch {
			case v.gives == keepsAll:
			case v.later:
				toCome = append(toCome, p)
			default:
				w.giveBack(i, p)
			}
		}
		w.rowsAreSound("after a visit")
		if n == beforeBatchEnds-1 {
			w.closeBatchOf(i)
		}
	}
	for _, p := range toCome {
		w.giveBack(i, p)
	}
}

// sell is one sale; it returns what was paid by card.
func (w *cardWorld) sell(i int, v *visit) (cards []paid) {
	saleID := id.New[id.Sale](w.clock.Now())
	unit := eur(v.amount)
	rate := sellRate
	request := sale.Request{
		ID: saleID, Register: w.shop.Till.ID, Open: true,
		Lines: []sale.LineRequest{{Label: "Panier", Rate: &rate, Quantity: money.Quantity(1000), Unit: &unit}},
	}
	err := w.whenFree("open a basket", func(h *cardHouse) error {
		_, _, err := h.sales.Put(w.ctx, w.shop.boss, request)
		return err
	})
	if err != nil {
		w.fault("open a basket: %v", err)
		return nil
	}
	due := v.amount
	if v.split {
		part := due / 3
		if w.cash(saleID, part) {
			due -= part
		}
	}
	parts := []int64{due}
	if v.two {
		parts = []int64{due / 2, due - due/2}
	}
	w.loose(i, v.plans[paying])
	for _, part := range parts {
		hand := v.customer.hand
		done := false
		for try := 0; try < mostTries && !done && w.ctx.Err() == nil; try++ {
			if try > 0 {
				hand = emulator.Hand{Card: "cb"}
			}
			done = w.card(i, v, saleID, part, hand, &cards)
		}
		if !done && !w.sealedAlready(saleID) && !w.cash(saleID, part) {
			break // a card that was taken after all, or a till that is closed: looked at in the evening
		}
	}
	w.mend(i, v.plans[paying])
	return cards
}

// card asks for a card once and waits for what comes of it. True: the part is paid.
func (w *cardWorld) card(i int, v *visit, saleID id.Sale, part int64, hand emulator.Hand, cards *[]paid) bool {
	reader := w.shop.readers[i].terminal.ID
	asked := sale.Tendering{
		TenderRequest: sale.TenderRequest{ID: id.New[id.Tender](w.clock.Now()), Means: sale.Card, Amount: eur(part)},
		Sale:          saleID, Terminal: reader, PrintSlip: true,
	}
	w.mu.Lock()
	w.legs[reader] = cardLeg{saleID, asked}
	w.mu.Unlock()
	w.readers[i].Next(hand)
	err := w.whenFree("a tender", func(h *cardHouse) error {
		_, _, err := h.sales.Tender(w.ctx, w.shop.boss, asked)
		return err
	})
	if err != nil {
		return false
	}
	began, lost := w.clock.Now(), false
	var leg sale.Tender
	settled := w.until("an outcome of "+string(asked.ID), func() bool {
		var known bool
		if leg, known = w.leg(saleID, asked.ID); known && leg.State != sale.Processing {
			return true
		}
		if v.impatience != "" && !lost && w.clock.Now().Sub(began) > v.patience {
			lost = true
			w.tillActs(v.impatience, reader)
		}
		if w.clock.Now().Sub(began) > patienceOfAll {
			w.fault("%s is %s after %s", asked.ID, leg.State, patienceOfAll)
			w.cancel()
			return true
		}
		return false
	})
	if !settled || leg.State != sale.Accepted {
		return false
	}
	if leg.Payment != "" && !leg.Manual {
		*cards = append(*cards, paid{leg.Payment, part, sameCard(hand), v})
	}
	return true
}

// sameCard is the hand that shows a card again, with nothing odd about it.
func sameCard(h emulator.Hand) emulator.Hand { return emulator.Hand{Card: h.Card, Gesture: h.Gesture} }

// whenFree calls until the reader has no other dialogue.
func (w *cardWorld) whenFree(what string, fn func(h *cardHouse) error) error {
	began := w.clock.Now()
	for {
		err := w.call(what, fn)
		if !problem.Is(err, "terminal.busy") && !problem.Is(err, "sale.register_closed") {
			return err
		}
		if w.ctx.Err() != nil {
			return err
		}
		if w.clock.Now().Sub(began) > patienceOfAll {
			w.fault("%s: %v after %s", what, err, patienceOfAll)
			return err
		}
		w.clock.wait(w.ctx, 3*time.Second)
	}
}

// leg reads a tender of a sale, sealed or not.
func (w *cardWorld) leg(saleID id.Sale, tender id.Tender) (sale.Tender, bool) {
	found, err := w.read(saleID)
	if err != nil {
		return sale.Tender{}, false
	}
	at := slices.IndexFunc(found.Tenders, func(t sale.Tender) bool { return t.ID == tender })
	if at < 0 { // it failed, and its ticket was sealed without it
		return sale.Tender{State: sale.Failed}, found.State == sale.Sealed
	}
	t := found.Tenders[at]
	if found.State == sale.Sealed {
		t.State = sale.Accepted
	}
	return t, true
}

func (w *cardWorld) read(saleID id.Sale) (found sale.Sale, err error) {
	err = w.call("read a sale", func(h *cardHouse) (err error) {
		found, err = h.sales.Get(w.ctx, w.shop.boss, saleID)
		return err
	})
	return found, err
}

func (w *cardWorld) sealedAlready(saleID id.Sale) bool {
	found, err := w.read(saleID)
	return err == nil && found.State != sale.Opened
}

// cash pays a part in cash.
func (w *cardWorld) cash(saleID id.Sale, part int64) bool {
	asked := sale.Tendering{
		TenderRequest: sale.TenderRequest{ID: id.New[id.Tender](w.clock.Now()), Means: sale.Cash, Amount: eur(part)}, Sale: saleID,
	}
	return w.whenFree("cash", func(h *cardHouse) error {
		_, _, err := h.sales.Tender(w.ctx, w.shop.boss, asked)
		return err
	}) == nil
}

// giveBack is a customer who brings something back: the same card is shown.
func (w *cardWorld) giveBack(i int, p paid) {
	reader := w.shop.readers[i].terminal.ID
	plan := p.visit.plans[returning]
	w.loose(i, plan)
	defer w.mend(i, plan)
	amount := p.amount
	if p.visit.gives == givesPart && amount > 1 {
		amount /= 2
	}
	for try := range mostTries {
		hand := p.hand
		if try == 0 && plan != nil && plan.customer != nil {
			hand = plan.customer.hand
		}
		w.readers[i].Next(hand)
		asked := eur(amount)
		request := payment.ReversalRequest{
			Payment: p.payment, Key: fmt.Sprintf("%s-%d-%d", p.payment, amount, try), Kind: payment.Auto, Amount: &asked, Reason: "Article rendu",
			Code: bossCode, Terminal: reader, PrintSlip: true,
		}
		var begun payment.Reversal
		err := w.whenFree("give back", func(h *cardHouse) (err error) {
			begun, err = h.payments.Reverse(w.ctx, w.shop.boss, request)
			return err
		})
		if problem.Is(err, "payment.void_partial") { // the batch is open: all or nothing
			amount = p.amount
			continue
		}
		if err != nil {
			if !problem.Is(err, "payment.exceeds") && !problem.Is(err, "payment.not_captured") && w.ctx.Err() == nil {
				w.fault("give back %s: %v", p.payment, err)
			}
			return
		}
		if w.givenBack(begun.ID) || w.ctx.Err() != nil {
			return
		}
	}
}

// givenBack waits for what comes of a void or refund.
func (w *cardWorld) givenBack(attempt id.Attempt) (done bool) {
	began := w.clock.Now()
	w.until("an outcome of "+string(attempt), func() bool {
		var found payment.Reversal
		err := w.call("read a reversal", func(h *cardHouse) (err error) {
			found, err = h.payments.ReversalByID(w.ctx, w.shop.boss, attempt)
			return err
		})
		if err != nil || w.clock.Now().Sub(began) > patienceOfAll {
			w.fault("reversal %s is %s after %s: %v", attempt, found.State, w.clock.Now().Sub(began), err)
			return true
		}
		done = found.State == payment.Succeeded
		return done || found.State == payment.Failed
	})
	return done
}
