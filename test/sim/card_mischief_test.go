package sim_test

import (
	"errors"
	"slices"
	"time"

	"encaisse/acquirer/simulator"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/base/problem"
	"encaisse/batch"
	"encaisse/payment"
	"encaisse/sale"
	"encaisse/terminal"
)

// closeBatchOf closes the open batch of a reader by hand.
func (w *cardWorld) closeBatchOf(i int) {
	m := &w.day.midday[i]
	w.loose(i, m)
	if err := w.endBatch(nil, w.shop.readers[i].terminal.ID); err != nil && w.ctx.Err() == nil {
		w.fault("close a batch: %v", err)
	}
}

// endBatch closes the open batch of a reader, at a given house or any.
func (w *cardWorld) endBatch(h *cardHouse, reader id.Terminal) error {
	end := func(h *cardHouse) error {
		page, err := h.batches.List(w.ctx, w.shop.boss, reader, "", 5)
		if err != nil {
			return err
		}
		for _, b := range page {
			if b.State == batch.Open {
				if _, err := h.batches.Close(w.ctx, w.shop.boss, b.ID); err != nil {
					return err
				}
				h.jobs.Wake()
			}
		}
		return nil
	}
	if h != nil {
		return end(h)
	}
	return w.call("close a batch", end)
}

// loose lets the mischief of a phase loose.
func (w *cardWorld) loose(i int, m *mischief) {
	if m == nil {
		return
	}
	reader := w.shop.readers[i]
	w.readers[i].Plan(m.reader...)
	w.mu.Lock()
	w.strikes[reader.terminal.ID] = append(w.strikes[reader.terminal.ID], m.strikes...)
	w.mu.Unlock()
	if len(m.host) > 0 {
		all := slices.Clone(m.host)
		for k := range all {
			if all[k].Match.MTI != "08" {
				all[k].Match.Terminal = reader.terminal.Acceptor
			}
		}
		w.must(w.host.Play(simulator.Scenario{Steps: all}))
	}
	if m.signOn {
		w.cutHost()
	}
	for _, d := range m.device {
		troubles[d.which].begin(w.readers[i])
		w.beside.Go(func() {
			w.clock.wait(w.ctx, d.lasts)
			troubles[d.which].mend(w.readers[i])
		})
	}
	for _, c := range m.cells {
		w.table.hit(c, 1)
	}
}

// mend takes away what did not strike while it was meant to.
func (w *cardWorld) mend(i int, m *mischief) {
	if m == nil {
		return
	}
	reader := w.shop.readers[i].terminal.ID
	w.mu.Lock()
	w.strikes[reader] = nil
	w.mu.Unlock()
}

// cutHost cuts the connection of every house to the host.
func (w *cardWorld) cutHost() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range w.houses {
		if h != nil {
			h.outside.cut()
		}
	}
}

func eur(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: "EUR"} }

// reached is called by a house at every step of its card path.
func (w *cardWorld) reached(h *cardHouse, s step, reader id.Terminal) {
	if h.dead.Load() || w.ctx.Err() != nil {
		return
	}
	w.rowsAreSound(string(s))
	for {
		do, some := w.take(reader, s)
		if !some || h.dead.Load() {
			return
		}
		w.table.hit(cell{groupHouse, string(do), string(s)}, 1)
		w.act(h, do, reader)
	}
}

// take takes the next act planned for a step off the plan.
func (w *cardWorld) take(reader id.Terminal, s step) (act, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.calm {
		return "", false
	}
	all := w.strikes[reader]
	i := slices.IndexFunc(all, func(p strike) bool { return p.at == s })
	if i < 0 {
		return "", false
	}
	do := all[i].do
	w.strikes[reader] = slices.Delete(slices.Clone(all), i, i+1)
	return do, true
}

// act lets it happen. What is the till's, or another goroutine's, happens beside:
// the step goes on once it is done, or after a while without it.
func (w *cardWorld) act(h *cardHouse, do act, reader id.Terminal) {
	beside := func(fn func()) {
		done := make(chan struct{})
		w.beside.Go(func() {
			defer close(done)
			fn()
		})
		over := make(chan struct{})
		timer := w.clock.AfterFunc(time.Second, func() { close(over) })
		defer timer.Stop()
		select {
		case <-done:
		case <-over:
		}
	}
	switch do {
	case actKill:
		w.die(h)
	case actCut:
		h.inside.cut()
	case actHostCut:
		h.outside.cut()
	case actStall:
		w.clock.wait(w.ctx, 50*time.Second)
	case actBatch:
		beside(func() { _ = w.endBatch(h, reader) }) // a house that died meanwhile closes none
	case actResolve:
		beside(func() {
			if next := w.house(); next != nil {
				_, _ = next.payments.RunDue(w.ctx) // what it meets is logged
			}
		})
	default:
		beside(func() { w.tillActs(do, reader) })
	}
}

// errUnexpected is a refusal that no till should meet.
var errUnexpected = errors.New("sim: unexpected refusal")

// tillActs does what an impatient cashier does, once. A conflict is an answer.
func (w *cardWorld) tillActs(do act, reader id.Terminal) {
	w.mu.Lock()
	leg, there := w.legs[reader]
	w.mu.Unlock()
	h := w.house()
	if h == nil || !there && do != actRegister {
		return
	}
	pr := w.shop.boss
	var err error
	switch do {
	case actRegister:
		w.closeTill(h)
		w.beside.Go(func() {
			w.clock.wait(w.ctx, 20*time.Second)
			w.openTill()
		})
	case actCancel:
		_, err = h.sales.CancelTender(w.ctx, pr, leg.sale, leg.request.ID)
	case actAbandon:
		_, err = h.sales.AbandonTender(w.ctx, pr, leg.sale, leg.request.ID)
	case actRepeat:
		_, _, err = h.sales.Tender(w.ctx, pr, leg.request)
	case actRival:
		rival := leg.request
		rival.ID, rival.Means, rival.Terminal, rival.PrintSlip = id.New[id.Tender](w.clock.Now()), sale.Cash, "", false
		_, _, err = h.sales.Tender(w.ctx, pr, rival)
	case actEnquire, actManual:
		if found, known := w.leg(leg.sale, leg.request.ID); known && found.Payment != "" {
			if do == actEnquire {
				_, err = h.payments.Enquire(w.ctx, pr, found.Payment)
			} else {
				_, err = h.payments.SetManualStatus(w.ctx, pr, payment.Statement{Payment: found.Payment, Success: true, Reason: "Ticket présenté"})
			}
		}
	}
	if e := problem.As(err); err != nil && !h.dead.Load() && w.ctx.Err() == nil &&
		(e == nil || e.Kind == problem.Internal) && !errors.Is(err, terminal.ErrUnknown) {
		w.fault("the till's %s: %v: %v", do, errUnexpected, err)
	}
}
