package payment_test

import (
	"testing"
	"time"

	"encaisse/access"
	"encaisse/acquirer"
	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/base/problem"
	"encaisse/ledger"
	"encaisse/payment"
	"encaisse/terminal"
)

// giving asks to give back, with a key of its own.
func (w *world) giving(p payment.Payment, kind terminal.Kind, amount *money.Amount) payment.ReversalRequest {
	return payment.ReversalRequest{
		Payment: p.ID, Key: string(id.New[id.Event](w.parts.Clock.Now())), Kind: kind, Amount: amount, Reason: "erreur", Code: goodCode,
	}
}

// reverse asks for it and waits until the reader has it.
func (w *world) reverse(pr access.Principal, r payment.ReversalRequest) (payment.Reversal, error) {
	made, err := w.Reverse(w.t.Context(), pr, r)
	w.Wait()
	return made, err
}

func TestUPM079_VoidWhileTheBatchIsOpen(t *testing.T) {
	t.Log("coverage: UPM-079 partial: without the emulator")
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		p := w.pay(1250)
		w.clock.Advance(18 * time.Hour) // the next morning; no batch has run
		made, err := w.reverse(w.boss, w.giving(p, payment.Auto, nil))
		if err != nil || made.Kind != terminal.Void || made.Amount != eur(1250) || w.get(p.ID).Pending != 1250 {
			t.Fatal(made, err)
		}
		asked := w.reader.open[made.ID]
		if asked.Original == nil || asked.Original.Transaction != "000042" || asked.Original.Masked != p.Card.Masked || asked.Original.Fingerprint == "" {
			t.Errorf("%+v", asked.Original)
		}
		if answer := w.finish(p, cbCard); !answer.Approved {
			t.Error(answer)
		}
		done := w.get(p.ID)
		if done.State != payment.Canceled || done.Voided != 1250 || done.Pending != 0 || len(w.till.reversed) != 1 || w.till.reversed[0].Kind != terminal.Void {
			t.Errorf("%+v", done)
		}
		w.settleAll()
		r := w.host.undone[0]
		if r.Reason != acquirer.ReasonVoid || r.Original.Number != w.host.seen[0].Number || r.Original.About != string(p.Attempt) || len(r.Original.Card.Kept) == 0 {
			t.Errorf("%+v", r)
		}
		w.read(func(tx *db.Tx) error {
			captured, err := ledger.Balance(tx, w.m, ledger.Captured(w.contract.ID))
			if captured != 0 {
				t.Errorf("captured: %d", captured)
			}
			return err
		})
		w.balanced()
		w.closeBatches()
		if len(w.host.batches) != 1 || len(w.host.batches[0].Lines) != 0 {
			t.Error("the voided line was sent")
		}
		_, err = w.reverse(w.boss, w.giving(p, payment.Auto, nil))
		want(t, err, "payment.not_captured")
		w.balanced()
	})
}

func TestUPM080_UPM081_RefundOnceTheBatchIsClosed(t *testing.T) {
	t.Log("coverage: UPM-080 partial: without HTTP")
	t.Log("coverage: UPM-081 partial: without HTTP")
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		p := w.pay(10000)
		offered := func(want terminal.Kind) {
			t.Helper()
			if got, err := w.Offered(t.Context(), w.boss, p.ID); err != nil || got != want {
				t.Errorf("%q is offered, want %q: %v", got, want, err)
			}
		}
		offered(terminal.Void)
		_, err := w.reverse(w.boss, w.giving(p, terminal.Refund, nil))
		want(t, err, "payment.refund_too_early")
		if problem.As(err).Kind != problem.Conflict || problem.As(err).Args["kind"] != terminal.Void {
			t.Error(err)
		}
		_, err = w.reverse(w.boss, w.giving(p, payment.Auto, ptr(eur(4000))))
		want(t, err, "payment.void_partial")
		w.closeBatches()
		offered(terminal.Refund)
		_, err = w.reverse(w.boss, w.giving(p, terminal.Void, nil))
		want(t, err, "payment.void_too_late")
		if problem.As(err).Args["kind"] != terminal.Refund {
			t.Error(err)
		}
		for code, amount := range map[string]money.Amount{
			"payment.amount": eur(0), "payment.exceeds": eur(10001), "payment.currency": {Minor: 1, Currency: "CHF"},
		} {
			_, err = w.reverse(w.boss, w.giving(p, payment.Auto, &amount))
			want(t, err, code)
		}
		for _, amount := range []int64{4000, 5000, 1000} { // the exact rest is given back (hyperswitch-control-center#3799)
			made, err := w.reverse(w.boss, w.giving(p, payment.Auto, ptr(eur(amount))))
			if err != nil || made.Kind != terminal.Refund {
				t.Fatal(made, err)
			}
			w.finish(p, cbCard)
		}
		_, err = w.reverse(w.boss, w.giving(p, payment.Auto, ptr(eur(1))))
		want(t, err, "payment.exceeds")
		offered("")
		done := w.get(p.ID)
		if done.State != payment.Succeeded || done.Refunded != 10000 || done.Pending != 0 || len(w.till.reversed) != 3 {
			t.Errorf("%+v", done)
		}
		if w.host.seen[1].Kind != acquirer.Refund || w.host.seen[1].Amount != eur(4000) {
			t.Errorf("%+v", w.host.seen[1].Kind)
		}
		w.closeBatches()
		sent := w.host.batches[1]
		if sent.Credits != (acquirer.Sum{Count: 3, Minor: 10000}) || sent.Debits.Count != 0 {
			t.Errorf("%+v %+v", sent.Debits, sent.Credits)
		}
		w.balanced()
	})
}

// TestUPM082_TheCodeIsAsked: wrong codes are refused, tries are limited, and
// nothing is reserved.
func TestUPM082_TheCodeIsAsked(t *testing.T) {
	t.Log("coverage: UPM-082 partial: without HTTP")
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		p := w.pay(1250)
		r := w.giving(p, payment.Auto, nil)
		r.Code = ""
		_, err := w.reverse(w.boss, r)
		want(t, err, "access.code_shape")
		r.Code = wrongCode
		for range access.MaxTries {
			_, err = w.reverse(w.boss, r)
			want(t, err, "access.code_wrong")
		}
		r.Code = goodCode
		_, err = w.reverse(w.boss, r)
		want(t, err, "access.locked")
		if w.get(p.ID).Pending != 0 || w.reader.sent != 1 {
			t.Error("something was asked of the reader")
		}
		w.clock.Advance(access.LockFor)
		if _, err = w.reverse(w.boss, r); err != nil {
			t.Error(err)
		}
		key := w.boss
		key.Person, key.Key = "", "key_01j00000000000000000000000"
		_, err = w.reverse(key, w.giving(p, payment.Auto, nil))
		want(t, err, "access.not_a_person")
	})
}

func TestUPM083_AnotherCardIsRefused(t *testing.T) {
	t.Log("coverage: UPM-083 partial: without the emulator")
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		p := w.pay(1250)
		for i, batch := range []string{"open", "closed"} {
			if i == 1 {
				w.closeBatches()
			}
			_, err := w.reverse(w.boss, w.giving(p, payment.Auto, nil))
			w.must(err)
			answer := w.finish(p, otherCard)
			a := w.attempt(p.ID)
			if answer.Approved || answer.Cause != terminal.CauseOtherCard || a.State != payment.Failed || a.Cause != terminal.CauseOtherCard {
				t.Error(batch, answer, a.State, a.Cause)
			}
			_, err = w.reverse(w.boss, w.giving(p, payment.Auto, nil))
			w.must(err)
			w.must(w.Concluded(t.Context(), w.from(), w.word(w.attempt(p.ID), false, terminal.CauseExpired)))
		}
		if done := w.get(p.ID); done.Pending != 0 || done.Captured != 1250 || done.State != payment.Succeeded || len(w.host.seen) != 1 {
			t.Errorf("%+v", done)
		}
		w.balanced()
	})
}

// TestTheSameAccountIsTheSameCard: a wallet of the card has another number and the same PAR.
func TestTheSameAccountIsTheSameCard(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		p := w.ask(1250)
		a := w.attempt(p.ID)
		_, err := w.Authorise(t.Context(), w.from(), w.request(a, "x1", cbCard))
		w.must(err)
		word := w.word(a, true, "")
		word.Card.PAR = "500165890J2HPYRTOYLIAAAAAAAAA"
		w.must(w.Concluded(t.Context(), w.from(), word))
		_, err = w.reverse(w.boss, w.giving(p, payment.Auto, nil))
		w.must(err)
		r := w.request(w.attempt(p.ID), "v1", visaCard)
		r.Card.PAR = word.Card.PAR
		if answer, err := w.Authorise(t.Context(), w.from(), r); err != nil || !answer.Approved {
			t.Error(answer, err)
		}
	})
}

// TestTheBatchClosesUnderAVoid: between the request and the card. Nothing is
// done, and the refund is offered.
func TestTheBatchClosesUnderAVoid(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		p := w.pay(1250)
		_, err := w.reverse(w.boss, w.giving(p, payment.Auto, nil))
		w.must(err)
		w.closeBatches()
		if answer := w.finish(p, cbCard); answer.Approved || answer.Cause != payment.CauseBatchClosed {
			t.Error(answer)
		}
		if a := w.attempt(p.ID); a.State != payment.Failed || a.Cause != payment.CauseBatchClosed || w.get(p.ID).Pending != 0 || len(w.host.undone) != 0 {
			t.Error(a.State, a.Cause)
		}
		made, err := w.reverse(w.boss, w.giving(p, payment.Auto, nil))
		if err != nil || made.Kind != terminal.Refund {
			t.Error(made.Kind, err)
		}
		w.finish(p, cbCard)
		w.balanced()
	})
}

// TestTheOwnerCannotTakeAReversal: a void is not made; a refund that the host
// approved is undone.
func TestTheOwnerCannotTakeAReversal(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		p := w.pay(1250)
		closed := problem.New(problem.Conflict, "sale.register_closed")
		_, err := w.reverse(w.boss, w.giving(p, payment.Auto, nil))
		w.must(err)
		w.till.refuses = closed
		if answer := w.finish(p, cbCard); answer.Approved {
			t.Error(answer)
		}
		if done := w.get(p.ID); done.State != payment.Succeeded || done.Pending != 0 || w.attempt(p.ID).Cause != payment.CauseOwner {
			t.Errorf("%+v", done)
		}
		w.balanced()
		w.till.refuses = nil
		w.closeBatches()
		_, err = w.reverse(w.boss, w.giving(p, payment.Auto, nil))
		w.must(err)
		w.till.refuses = closed
		w.finish(p, cbCard)
		if a := w.attempt(p.ID); a.State != payment.Failed || a.Cause != payment.CauseOwner || w.get(p.ID).Refunded != 0 {
			t.Error(a.State, a.Cause)
		}
		w.settleAll()
		w.balanced()
	})
}

// TestAVoidIsDoneWhateverTheReaderSaysAfterwards.
func TestAVoidIsDoneWhateverTheReaderSaysAfterwards(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		for _, last := range []string{"failure", "nothing"} {
			p := w.pay(1250)
			_, err := w.reverse(w.boss, w.giving(p, payment.Auto, nil))
			w.must(err)
			a := w.attempt(p.ID)
			answer, err := w.Authorise(t.Context(), w.from(), w.request(a, "v1", cbCard))
			if err != nil || !answer.Approved || w.get(p.ID).State != payment.Canceled {
				t.Fatal(answer, err)
			}
			if last == "failure" {
				w.must(w.Concluded(t.Context(), w.from(), w.word(a, false, terminal.CauseCardRemoved)))
			} else {
				w.reader.outOfReach(conflict("terminal.offline"))
				for range 12 {
					w.due(10 * time.Second)
				}
				w.reader.outOfReach(nil)
			}
			if _, open := w.reader.open[a.ID]; open {
				t.Error(last, "the reader's dialogue stays open")
			}
			if w.get(p.ID).State != payment.Canceled || w.get(p.ID).Conflicted {
				t.Error(last)
			}
			w.settleAll()
		}
		w.balanced()
	})
}

// TestARefundWithoutAnswerIsReversedAndMayBeTriedAgain.
func TestARefundWithoutAnswerIsReversedAndMayBeTriedAgain(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		p := w.pay(1250)
		w.closeBatches()
		w.host.answers = func(n int, _ acquirer.Authorisation) acquirer.Outcome {
			if n == 2 {
				return lost()
			}
			return approve()
		}
		_, err := w.reverse(w.boss, w.giving(p, payment.Auto, nil))
		w.must(err)
		w.finish(p, cbCard)
		if w.get(p.ID).Pending != 0 || w.attempt(p.ID).State != payment.Failed {
			t.Error(w.get(p.ID))
		}
		w.settleAll()
		_, err = w.reverse(w.boss, w.giving(p, payment.Auto, nil))
		w.must(err)
		w.finish(p, cbCard)
		if w.get(p.ID).Refunded != 1250 {
			t.Error(w.get(p.ID))
		}
		w.balanced()
	})
}

func TestReverseRefuses(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		p := w.pay(1250)
		for code, spoil := range map[string]func(*payment.ReversalRequest){
			"payment.kind":      func(r *payment.ReversalRequest) { r.Kind = "credit" },
			"payment.key":       func(r *payment.ReversalRequest) { r.Key = "" },
			"payment.reason":    func(r *payment.ReversalRequest) { r.Reason = "  " },
			"payment.text":      func(r *payment.ReversalRequest) { r.Remark = "a\x00b" },
			"payment.not_found": func(r *payment.ReversalRequest) { r.Payment = "pay_01j00000000000000000000000" },
		} {
			r := w.giving(p, payment.Auto, nil)
			spoil(&r)
			_, err := w.reverse(w.boss, r)
			want(t, err, code)
		}
		_, err := w.reverse(w.user, w.giving(p, payment.Auto, nil))
		want(t, err, "payment.not_found")
	})
}
