package payment_test

import (
	"errors"
	"fmt"
	"testing"

	"encaisse/acquirer"
	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/fiscal"
	"encaisse/payment"
	"encaisse/terminal"
)

// TestVerifyFindsWhatIsPlanted: each discrepancy alone, undone afterwards.
func TestVerifyFindsWhatIsPlanted(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		kept := w.pay(1000)
		voided := w.pay(2000)
		_, err := w.reverse(w.boss, w.giving(voided, payment.Auto, nil))
		w.must(err)
		w.finish(voided, cbCard)
		refunded := w.pay(3000)
		w.closeBatches()
		_, err = w.reverse(w.boss, w.giving(refunded, payment.Auto, ptr(eur(500))))
		w.must(err)
		w.finish(refunded, cbCard)
		w.host.silent = func(int, acquirer.Reversal) bool { return true }
		undone := w.ask(4000)
		a := w.attempt(undone.ID)
		_, err = w.Authorise(t.Context(), w.from(), w.request(a, "x1", cbCard))
		w.must(err)
		w.must(w.Concluded(t.Context(), w.from(), w.word(a, false, terminal.CauseCardRemoved)))
		unknown := w.doubtful()
		capture := w.operations(kept.ID)[1]
		w.verify()

		errUndo := errors.New("undo")
		plant := func(name, query string, args ...any) {
			t.Helper()
			var found error
			err := d.Write(t.Context(), func(tx *db.Tx) error {
				if n, err := tx.Exec(query, append([]any{w.m}, args...)...); err != nil || n == 0 {
					return fmt.Errorf("%s: %d rows, %w", name, n, err)
				}
				_, found = payment.Verify(tx, w.m)
				return errUndo
			})
			var defect *fiscal.Defect
			if !errors.Is(err, errUndo) || !errors.As(found, &defect) {
				t.Errorf("%s: %v, %v", name, err, found)
			}
		}
		plant("a sum", `UPDATE payment SET refunded_minor = refunded_minor + 1 WHERE merchant_id = $1 AND payment_id = $2`, refunded.ID)
		plant("a reservation", `UPDATE payment SET pending_minor = pending_minor + 1 WHERE merchant_id = $1 AND payment_id = $2`, refunded.ID)
		plant("a state", `UPDATE payment SET state = 'failed' WHERE merchant_id = $1 AND payment_id = $2`, kept.ID)
		plant("a payment canceled", `UPDATE payment SET state = 'canceled' WHERE merchant_id = $1 AND payment_id = $2`, kept.ID)
		plant("a void undone", `UPDATE payment SET state = 'succeeded' WHERE merchant_id = $1 AND payment_id = $2`, voided.ID)
		plant("a capture gone", `DELETE FROM payment_operation WHERE merchant_id = $1 AND operation_id = $2`, capture.ID)
		plant("a reversal gone", `DELETE FROM payment_operation WHERE merchant_id = $1 AND payment_id = $2 AND kind = 'reversal'`, undone.ID)
		plant("a reversal that nobody sends", `UPDATE payment_operation SET next_try_at = NULL WHERE merchant_id = $1 AND payment_id = $2 AND kind = 'reversal'`, undone.ID)
		plant("an attempt that nobody asks for", `UPDATE payment_attempt SET next_try_at = NULL WHERE merchant_id = $1 AND payment_id = $2`, unknown.ID)
		plant("another currency", `UPDATE payment_operation SET currency = 'CHF' WHERE merchant_id = $1 AND operation_id = $2`, capture.ID)
		plant("a line gone", `DELETE FROM batch_line WHERE merchant_id = $1 AND operation_id = $2`, capture.ID)
		plant("a line's amount", `UPDATE batch_line SET amount_minor = 1 WHERE merchant_id = $1 AND operation_id = $2`, capture.ID)
		plant("a line removed", `UPDATE batch_line SET removed_at = 1 WHERE merchant_id = $1 AND operation_id = $2`, capture.ID)
		plant("a line too many", `INSERT INTO batch_line (merchant_id, operation_id, batch_id, part, payment_id, credit, amount_minor, at, clearing)
			SELECT merchant_id, 'op_x', batch_id, part, payment_id, credit, amount_minor, at, clearing FROM batch_line WHERE merchant_id = $1 AND operation_id = $2`, capture.ID)
		plant("a transfer too many", `INSERT INTO ledger_transfer (merchant_id, source, position, debit, credit, amount_minor, currency, at)
			SELECT merchant_id, source, 2, debit, credit, amount_minor, currency, at FROM ledger_transfer WHERE merchant_id = $1 AND source = $2`, capture.ID)
		w.verify()
	})
}

// TestEveryAnswerAndEveryWord plays each thing a host may answer against each
// word a reader may say, or not say, with and without a process that dies in
// between: nothing is charged that is not captured, and nothing stays unknown.
func TestEveryAnswerAndEveryWord(t *testing.T) {
	answers := map[string]acquirer.Outcome{
		"approved": approve(), "declined": decline(acquirer.DeclineStolen), "answer lost": lost(), "request lost": never(),
		"not sent": {Result: acquirer.NotPerformed, Detail: "connection refused\x00\xff"},
		"odd":      {Result: acquirer.Approved, Code: "000", Approval: "\x00é" + string(rune(0x7f)), RRN: string(make([]byte, 100))},
	}
	words := []string{"success", "failure", "success told twice", "asked", "asked a failure", "lost"}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		var paid payment.Payment
		for name, outcome := range answers {
			for _, word := range words {
				for _, kind := range []terminal.Kind{terminal.Payment, terminal.Refund} {
					for _, killed := range []bool{false, true} {
						w.host.answers = nil
						if kind == terminal.Refund && (paid.ID == "" || w.get(paid.ID).Refundable() < 10) {
							paid = w.pay(500)
							w.closeBatches()
						}
						w.host.answers = func(int, acquirer.Authorisation) acquirer.Outcome { return outcome }
						w.scene(t, kind, paid, word, killed)
						if t.Failed() {
							t.Fatalf("%s, %s, %s, killed: %v", kind, name, word, killed)
						}
					}
				}
			}
		}
	})
}

// scene is one attempt with one answer and one word.
func (w *world) scene(t *testing.T, kind terminal.Kind, paid payment.Payment, word string, killed bool) {
	t.Helper()
	die := func() {
		if killed {
			w.restart()
		}
	}
	var p payment.Payment
	if kind == terminal.Payment {
		p = w.ask(1250)
	} else {
		p = paid
		_, err := w.reverse(w.boss, w.giving(p, terminal.Refund, ptr(eur(10))))
		w.must(err)
	}
	a := w.attempt(p.ID)
	die()
	answer, err := w.Authorise(t.Context(), w.from(), w.request(a, "x1", cbCard))
	w.must(err)
	die()
	success := answer.Approved && (word == "success" || word == "success told twice" || word == "asked")
	spoken := w.word(a, success, terminal.CauseCardRemoved)
	if success {
		spoken.Cause = ""
	}
	switch word {
	case "asked", "asked a failure":
		w.reader.says(spoken)
	case "lost":
		w.reader.mu.Lock()
		w.reader.reached[a.ID] = false
		w.reader.mu.Unlock()
	default:
		w.must(w.Concluded(t.Context(), w.from(), spoken))
		die()
		if word == "success told twice" {
			w.must(w.Concluded(t.Context(), w.from(), spoken))
		}
	}
	w.settleAll()
	ended := w.attempt(p.ID)
	if success != (ended.State == payment.Succeeded) || !success && ended.State != payment.Failed || ended.Conflicted {
		t.Errorf("%s %s", ended.State, ended.Cause)
	}
	w.balanced()
}
