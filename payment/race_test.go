package payment_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"encaisse/access"
	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/base/problem"
	"encaisse/payment"
	"encaisse/terminal"
)

func conflict(code string) error { return problem.New(problem.Conflict, code) }

// atOnce runs fn as many times at the same moment.
func atOnce(times int, fn func(i int)) {
	var wait sync.WaitGroup
	begin := make(chan struct{})
	for i := range times {
		wait.Go(func() { <-begin; fn(i) })
	}
	close(begin)
	wait.Wait()
}

// TestRegression_Hyperswitch13182: two refunds of 60 on 100 both succeeded. Here
// 64 people ask for 60 % of a capture at the same time, and one gets it.
func TestRegression_Hyperswitch13182(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		p := w.pay(10000)
		w.closeBatches()
		var passed atomic.Int64
		atOnce(64, func(i int) {
			amount := eur(6000)
			_, err := w.Reverse(context.Background(), access.System(w.m), payment.ReversalRequest{
				Payment: p.ID, Key: fmt.Sprint("key ", i), Kind: payment.Auto, Amount: &amount, Reason: "retour",
			})
			switch {
			case err == nil:
				passed.Add(1)
			case !problem.Is(err, "payment.exceeds"):
				t.Error(err)
			}
		})
		w.Wait()
		if passed.Load() != 1 || w.get(p.ID).Pending != 6000 {
			t.Errorf("%d refunds passed, %d is reserved", passed.Load(), w.get(p.ID).Pending)
		}
		w.finish(p, cbCard)
		if done := w.get(p.ID); done.Refunded != 6000 || done.Pending != 0 || w.count("test.reversed", p.ID) != 1 {
			t.Errorf("%+v", done)
		}
		w.balanced()
	})
}

// TestRegression_Hyperswitch13182_CanFail: a guard that reads, checks and then
// writes, as it is often done, lets them all through, and the test above would
// see it; the table's own CHECK does too.
func TestRegression_Hyperswitch13182_CanFail(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		p := w.pay(10000)
		var looked sync.WaitGroup
		looked.Add(64)
		var checked, written atomic.Int64
		atOnce(64, func(int) {
			found, err := w.Get(context.Background(), w.boss, p.ID)
			if err == nil && found.Refundable() >= 6000 {
				checked.Add(1)
			}
			looked.Done()
			looked.Wait()
			err = w.d.Write(context.Background(), func(tx *db.Tx) error {
				_, err := tx.Exec(`UPDATE payment SET pending_minor = pending_minor + 6000 WHERE merchant_id = $1 AND payment_id = $2`, w.m, p.ID)
				return err
			})
			if err == nil {
				written.Add(1)
			} else if !db.IsViolation(err, db.Check) {
				t.Error(err)
			}
		})
		if checked.Load() != 64 || written.Load() != 1 {
			t.Errorf("%d passed the check, the table let %d through", checked.Load(), written.Load())
		}
	})
}

// TestRegression_SaleorDashboard4474: a double click, or two people, refund
// twice. The same key is one refund; another key finds nothing left.
func TestRegression_SaleorDashboard4474(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		p := w.pay(10000)
		w.closeBatches()
		made := make([]id.Attempt, 16)
		var fresh atomic.Int64
		atOnce(16, func(i int) {
			r, err := w.Reverse(context.Background(), access.System(w.m), payment.ReversalRequest{
				Payment: p.ID, Key: "one click", Kind: payment.Auto, Reason: "retour",
			})
			if err != nil {
				t.Error(err)
			}
			made[i] = r.ID
			if r.Created {
				fresh.Add(1)
			}
		})
		w.Wait()
		for _, a := range made {
			if a != made[0] {
				t.Error("two refunds of one click")
			}
		}
		if fresh.Load() != 1 || w.reader.sent != 2 {
			t.Error(fresh.Load(), w.reader.sent)
		}
		_, err := w.Reverse(t.Context(), access.System(w.m), payment.ReversalRequest{Payment: p.ID, Key: "two clicks", Kind: payment.Auto, Reason: "retour"})
		want(t, err, "payment.exceeds")
		_, err = w.Reverse(t.Context(), access.System(w.m), payment.ReversalRequest{Payment: p.ID, Key: "one click", Kind: payment.Auto, Reason: "autre"})
		want(t, err, "payment.key_reused")
	})
}

// TestRegression_Lago5495: two voids run twice.
func TestRegression_Lago5495(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		p := w.pay(10000)
		var passed atomic.Int64
		atOnce(16, func(i int) {
			_, err := w.Reverse(context.Background(), access.System(w.m), payment.ReversalRequest{
				Payment: p.ID, Key: fmt.Sprint("key ", i), Kind: terminal.Void, Reason: "erreur",
			})
			if err == nil {
				passed.Add(1)
			} else if !problem.Is(err, "payment.exceeds") {
				t.Error(err)
			}
		})
		w.Wait()
		if passed.Load() != 1 {
			t.Errorf("%d voids passed", passed.Load())
		}
		a := w.attempt(p.ID)
		r := w.request(a, "v1", cbCard)
		atOnce(8, func(int) {
			if answer, err := w.Authorise(context.Background(), w.from(), r); err != nil || !answer.Approved {
				t.Error(answer, err)
			}
		})
		if done := w.get(p.ID); done.State != payment.Canceled || done.Voided != 10000 || w.count("test.reversed", p.ID) != 1 {
			t.Errorf("%+v", done)
		}
		w.settleAll()
		w.balanced()
	})
}

// TestRegression_Killbill1599: the janitor races the live payment. Its word
// comes eight times over the link and eight times by asking: it settles once.
func TestRegression_Killbill1599(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		p := w.ask(1250)
		a := w.attempt(p.ID)
		_, err := w.Authorise(t.Context(), w.from(), w.request(a, "x1", cbCard))
		w.must(err)
		word := w.word(a, true, "")
		w.reader.says(word)
		other := payment.New(w.parts) // a second node on the same database
		other.Serve(w.till)
		w.clock.Advance(11 * time.Second)
		atOnce(16, func(i int) {
			var err error
			switch i % 4 {
			case 0, 1:
				err = w.Concluded(context.Background(), w.from(), word)
			case 2:
				_, err = other.RunDue(context.Background())
			case 3:
				_, err = other.Enquire(context.Background(), w.boss, p.ID)
			}
			if err != nil {
				t.Error(err)
			}
		})
		if done := w.get(p.ID); done.State != payment.Succeeded || done.Conflicted || w.count("test.captured", p.ID) != 1 || w.count("payment.succeeded", p.ID) != 1 {
			t.Errorf("%+v", done)
		}
		w.balanced()
	})
}

// TestRegression_Saleor18196: a second event with another amount is kept, and
// the first one stands.
func TestRegression_Saleor18196(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		p := w.pay(1250)
		w.must(w.Concluded(t.Context(), w.from(), w.word(w.attempt(p.ID), false, terminal.CauseRefused)))
		done := w.get(p.ID)
		if done.State != payment.Succeeded || !done.Conflicted || w.count("payment.conflicted", p.ID) != 1 {
			t.Errorf("%+v", done)
		}
		entries, err := w.History(t.Context(), w.boss, p.ID, "", 100)
		w.must(err)
		last := entries[len(entries)-1]
		if last.Event != payment.Fail || last.From != payment.Succeeded || last.To != payment.Succeeded {
			t.Errorf("%+v", last)
		}
		w.balanced()
	})
}

// onePayment is what callers may see of one id: the first content is the
// payment, the same again is it, another is refused.
var onePayment = porcupine.Model{
	Init: func() any { return int64(0) },
	Step: func(state, input, output any) (bool, any) {
		have, asked, got := state.(int64), input.(int64), output.(string)
		if have == 0 || have == asked {
			return got == "ok", asked
		}
		return got == "other", have
	},
}

// TestEightClientsWithOneIDMakeOnePayment: what they see is what one after the
// other would have seen.
func TestEightClientsWithOneIDMakeOnePayment(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		for round := range 5 {
			c := w.collection(1000)
			var mu sync.Mutex
			var history []porcupine.Operation
			began := time.Now()
			atOnce(8, func(client int) {
				mine := c
				mine.Amount = eur(1000 + int64(client%2))
				call := time.Since(began).Nanoseconds()
				err := w.d.Write(context.Background(), func(tx *db.Tx) error {
					_, err := w.Collect(tx, w.boss, mine)
					return err
				})
				result := "ok"
				if problem.Is(err, "payment.other_content") {
					result = "other"
				} else if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				history = append(history, porcupine.Operation{
					ClientId: client, Input: mine.Amount.Minor, Call: call, Output: result, Return: time.Since(began).Nanoseconds(),
				})
			})
			if !porcupine.CheckOperations(onePayment, history) {
				t.Errorf("round %d: nobody could have seen this one after the other: %+v", round, history)
			}
			attempts, err := w.Attempts(t.Context(), w.boss, c.Payment)
			if err != nil || len(attempts) != 1 {
				t.Errorf("%d attempts, %v", len(attempts), err)
			}
		}
	})
}

// TestTheModelCanFail: two contents that were both accepted are seen.
func TestTheModelCanFail(t *testing.T) {
	history := []porcupine.Operation{
		{ClientId: 1, Input: int64(1000), Output: "ok", Call: 0, Return: 10},
		{ClientId: 2, Input: int64(1001), Output: "ok", Call: 5, Return: 15},
	}
	if porcupine.CheckOperations(onePayment, history) {
		t.Error("two payments under one id are not seen")
	}
}

// TestRegression_Odoo219054: a cancelled line swallows the next customer's
// approval. Each word names its attempt: another's changes nothing.
func TestRegression_Odoo219054(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		first := w.ask(1000)
		w.must(w.Concluded(t.Context(), w.from(), w.word(w.attempt(first.ID), false, terminal.CauseCancelled)))
		second := w.pay(2000)
		if w.get(first.ID).Captured != 0 || second.Captured != 2000 {
			t.Error(w.get(first.ID), second)
		}
		w.balanced()
	})
}

// amounts of a refund.
func ptr(a money.Amount) *money.Amount { return &a }
