package payment_test

import (
	"testing"
	"time"

	"encaisse/acquirer"
	"encaisse/base/card"
	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/problem"
	"encaisse/ledger"
	"encaisse/payment"
	"encaisse/terminal"
)

func TestAPaymentIsCapturedInOneCommit(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		p := w.pay(1250)
		if p.Captured != 1250 || p.Authorised != 1250 || p.Batch == "" || p.BatchNumber != 1 || p.Card.Masked != "497010******0154" || p.Number != "000042" {
			t.Errorf("%+v", p)
		}
		if got := w.states(p.ID); got != "authorise:approved capture:approved" {
			t.Error(got)
		}
		if len(w.till.captured) != 1 || w.till.captured[0].Captured != 1250 || w.till.captured[0].Batch != p.Batch {
			t.Errorf("%+v", w.till.captured)
		}
		w.read(func(tx *db.Tx) error {
			captured, err := ledger.Balance(tx, w.m, ledger.Captured(w.contract.ID))
			if captured != 1250 {
				t.Errorf("captured: %d", captured)
			}
			return err
		})
		if len(w.reader.open) != 0 {
			t.Error("the reader's dialogue stays open")
		}
		entries, err := w.History(t.Context(), w.boss, p.ID, "", 100)
		if err != nil || len(entries) < 8 {
			t.Fatal(entries, err)
		}
		for i := 1; i < len(entries); i++ {
			if entries[i].At.Before(entries[i-1].At) {
				t.Error("the history is not in order")
			}
		}
		w.balanced()
	})
}

func TestUPM025_ARefusalIsAnOutcome(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.host.answers = func(int, acquirer.Authorisation) acquirer.Outcome { return decline(acquirer.DeclineFunds) }
		p := w.ask(1250)
		answer := w.finish(p, cbCard)
		done := w.get(p.ID)
		if answer.Approved || answer.Cause != terminal.CauseRefused || done.State != payment.Failed || done.Cause != terminal.CauseRefused {
			t.Errorf("%+v %+v", answer, done)
		}
		if len(w.till.failed) != 1 || len(w.host.seen) != 1 || w.states(p.ID) != "authorise:declined" {
			t.Error(w.till, w.states(p.ID))
		}
		w.balanced()
	})
}

// TestInsertTheSameCard: contactless refused, the same attempt asks again with the card inserted.
func TestInsertTheSameCard(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.host.answers = func(n int, _ acquirer.Authorisation) acquirer.Outcome {
			if n == 1 {
				return decline(acquirer.DeclineInsert)
			}
			return approve()
		}
		p := w.ask(1250)
		a := w.attempt(p.ID)
		first, err := w.Authorise(t.Context(), w.from(), w.request(a, "x1", cbCard))
		w.must(err)
		second, err := w.Authorise(t.Context(), w.from(), w.request(a, "x2", cbCard))
		w.must(err)
		if first.Cause != terminal.CauseInsert || !second.Approved {
			t.Error(first, second)
		}
		w.must(w.Concluded(t.Context(), w.from(), w.word(a, true, "")))
		if got := w.states(p.ID); got != "authorise:declined authorise:approved capture:approved" {
			t.Error(got)
		}
		if w.host.seen[0].Number == w.host.seen[1].Number {
			t.Error("two requests under one trace number")
		}
		w.balanced()
	})
}

func TestUPM030_UPM031_SchemesOfTheContract(t *testing.T) {
	t.Log("coverage: UPM-030 partial: without the emulator")
	t.Log("coverage: UPM-031 partial: without the emulator")
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		p := w.ask(1250)
		if answer := w.finish(p, amexCard); answer.Cause != terminal.CauseAffiliation || w.get(p.ID).Cause != terminal.CauseAffiliation {
			t.Error(answer, w.get(p.ID).Cause)
		}
		delete(w.contract.Schemes, card.CB)
		w.contract.Schemes[card.Amex] = "9876"
		_, _, err := w.contracts.Put(t.Context(), w.boss, w.contract)
		w.must(err)
		p = w.ask(1250)
		if answer := w.finish(p, cbCard); answer.Cause != terminal.CauseScheme || w.get(p.ID).Cause != terminal.CauseScheme {
			t.Error(answer)
		}
		if len(w.host.seen) != 0 {
			t.Error("the host was asked")
		}
		if answer := w.finish(w.ask(1250), amexCard); !answer.Approved {
			t.Error(answer)
		}
		w.balanced()
	})
}

// TestTheSameExchangeIsAnsweredFromItsRow: a reader that lost the answer asks
// again; the host is asked once.
func TestTheSameExchangeIsAnsweredFromItsRow(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		a := w.attempt(w.ask(1250).ID)
		r := w.request(a, "x1", cbCard)
		first, err := w.Authorise(t.Context(), w.from(), r)
		w.must(err)
		w.restart()
		again, err := w.Authorise(t.Context(), w.from(), r)
		w.must(err)
		if !first.Approved || again.Approval != first.Approval || !again.Approved || len(w.host.seen) != 1 {
			t.Error(first, again, len(w.host.seen))
		}
		other := r
		other.Amount = eur(1)
		_, err = w.Authorise(t.Context(), w.from(), other)
		want(t, err, "payment.request_differs")
		stranger := w.from()
		stranger.Terminal = "term_01j00000000000000000000000"
		_, err = w.Authorise(t.Context(), stranger, r)
		want(t, err, "payment.attempt_unknown")
		want(t, w.Concluded(t.Context(), stranger, w.word(a, true, "")), "payment.attempt_unknown")
	})
}

// TestTheSameExchangeTwiceAtOnceWaits: the second one waits for the first one's answer.
func TestTheSameExchangeTwiceAtOnceWaits(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		a := w.attempt(w.ask(1250).ID)
		r := w.request(a, "x1", cbCard)
		asked, answer := make(chan struct{}), make(chan struct{})
		w.host.during = func(acquirer.Authorisation) { close(asked); <-answer }
		results := make(chan terminal.Answer, 2)
		authorise := func() {
			got, err := w.Authorise(t.Context(), w.from(), r)
			if err != nil {
				t.Error(err)
			}
			results <- got
		}
		go authorise()
		<-asked
		go authorise()
		close(answer)
		if one, two := <-results, <-results; !one.Approved || !two.Approved {
			t.Error(one, two)
		}
		if len(w.host.seen) != 1 {
			t.Errorf("the host was asked %d times", len(w.host.seen))
		}
	})
}

// TestSilenceIsReversedAndNeverAskedAgain is §5.4 of the reference: no answer,
// a reversal repeated under its own trace until it is acknowledged.
func TestSilenceIsReversedAndNeverAskedAgain(t *testing.T) {
	for name, silence := range map[string]acquirer.Outcome{"the answer was lost": lost(), "the request was lost": never()} {
		t.Run(name, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, d *db.DB) {
				w := newWorld(t, d)
				w.host.answers = func(int, acquirer.Authorisation) acquirer.Outcome { return silence }
				w.host.silent = func(n int, _ acquirer.Reversal) bool { return n <= 3 }
				p := w.ask(1250)
				answer := w.finish(p, cbCard)
				if answer.Approved || answer.Code != "Z3" || answer.Cause != terminal.CauseHost {
					t.Error(answer)
				}
				if got := w.states(p.ID); got != "authorise:unknown reversal:prepared" {
					t.Error(got)
				}
				w.settleAll()
				if got := w.states(p.ID); got != "authorise:not_performed reversal:approved" {
					t.Error(got)
				}
				if len(w.host.seen) != 1 || len(w.host.undone) != 4 {
					t.Errorf("asked %d times, reversed %d times", len(w.host.seen), len(w.host.undone))
				}
				for i, r := range w.host.undone {
					if r.Number != w.host.undone[0].Number || !r.At.Equal(w.host.undone[0].At) || r.Repeat != (i > 0) || r.Reason != acquirer.ReasonTimeout {
						t.Errorf("%d: %+v", i, r)
					}
					if r.Original.Number != w.host.seen[0].Number || r.Original.About != string(p.Attempt) || len(r.Original.Card.Kept) == 0 || r.Original.Card.Envelope != nil {
						t.Errorf("%d: the original is not what was sent", i)
					}
				}
				if w.get(p.ID).State != payment.Failed || w.host.held() != 0 {
					t.Error(w.get(p.ID).State, w.host.held())
				}
				w.balanced()
			})
		})
	}
}

// TestReversalsGoBeforeTheNextAuthorisation: what a terminal owes its host is
// drained first; where that fails the next sale is not performed.
func TestReversalsGoBeforeTheNextAuthorisation(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		dead := true
		w.host.answers = func(n int, _ acquirer.Authorisation) acquirer.Outcome {
			if n == 1 {
				return lost()
			}
			return approve()
		}
		w.host.silent = func(int, acquirer.Reversal) bool { return dead }
		w.finish(w.ask(1000), cbCard)
		second := w.ask(2000)
		if answer := w.finish(second, cbCard); answer.Approved || answer.Code != "Z3" {
			t.Error(answer)
		}
		if len(w.host.seen) != 1 || w.states(second.ID) != "authorise:not_performed" {
			t.Error("it was sent before the reversal went through", w.states(second.ID))
		}
		dead = false
		third := w.pay(3000)
		if len(w.host.undone) != 2 || w.host.held() != 3000 || third.Captured != 3000 {
			t.Error(len(w.host.undone), w.host.held())
		}
		w.balanced()
	})
}

// TestAReversalThatNobodyAnswersStopsNoShop: after some tries somebody has to
// look, and it is repeated, and the shop sells.
func TestAReversalThatNobodyAnswersStopsNoShop(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.host.answers = func(n int, _ acquirer.Authorisation) acquirer.Outcome {
			if n == 1 {
				return lost()
			}
			return approve()
		}
		w.host.silent = func(int, acquirer.Reversal) bool { return true }
		first := w.ask(1000)
		w.finish(first, cbCard)
		var waits []time.Duration
		for range 8 {
			doubts, err := w.Doubts(t.Context(), w.boss)
			w.must(err)
			if len(doubts) != 1 || doubts[0].Next != payment.StepReverse {
				t.Fatal(doubts)
			}
			waits = append(waits, doubts[0].NextTryAt.Sub(w.clock.Now()))
			w.clock.Advance(doubts[0].NextTryAt.Sub(w.clock.Now()))
			_, err = w.RunDue(t.Context())
			w.must(err)
		}
		if len(w.host.undone) != 8 || waits[1] != 4*time.Second || waits[2] != 8*time.Second || waits[7] != 60*time.Second {
			t.Error(len(w.host.undone), waits)
		}
		doubts, err := w.Doubts(t.Context(), w.boss)
		if err != nil || !doubts[0].Manual || doubts[0].Tries != 8 {
			t.Error(doubts, err)
		}
		w.pay(2000)
		w.host.silent = nil
		w.settleAll()
		w.balanced()
	})
}

func TestUPM022_CardPulledAfterTheApprovalIsReversed(t *testing.T) {
	t.Log("coverage: UPM-022 partial: without the emulator")
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		p := w.ask(1250)
		a := w.attempt(p.ID)
		answer, err := w.Authorise(t.Context(), w.from(), w.request(a, "x1", cbCard))
		if err != nil || !answer.Approved {
			t.Fatal(answer, err)
		}
		pulled := w.word(a, false, terminal.CauseCardRemoved)
		w.must(w.Concluded(t.Context(), w.from(), pulled))
		w.must(w.Concluded(t.Context(), w.from(), pulled))
		if done := w.get(p.ID); done.State != payment.Failed || done.Cause != terminal.CauseCardRemoved || done.Authorised != 0 || done.Doubt == nil {
			t.Errorf("%+v", done)
		}
		w.settleAll()
		if got := w.states(p.ID); got != "authorise:approved reversal:approved" || w.host.held() != 0 {
			t.Error(got, w.host.held())
		}
		if w.host.undone[0].Approval != "A12345" || w.host.undone[0].Reason != acquirer.ReasonCancelled || len(w.till.failed) != 1 {
			t.Errorf("%+v", w.host.undone[0])
		}
		w.balanced()
	})
}

// TestSRC031_AWordAfterTheReadersTimeIsReversed: 60 s count, 60.001 s do not,
// whatever the reader's own clock says.
func TestSRC031_AWordAfterTheReadersTimeIsReversed(t *testing.T) {
	t.Log("coverage: SRC-031 partial: without the emulator, which says expired itself")
	for name, c := range map[string]struct {
		after, skew time.Duration
		state       payment.State
	}{
		"in time":                     {60 * time.Second, 0, payment.Succeeded},
		"late":                        {60*time.Second + time.Millisecond, 0, payment.Failed},
		"at 65 s":                     {65 * time.Second, 0, payment.Failed},
		"in time by a fast clock":     {59 * time.Second, 10 * time.Minute, payment.Succeeded},
		"in time by a clock too slow": {59 * time.Second, -10 * time.Minute, payment.Succeeded},
	} {
		t.Run(name, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, d *db.DB) {
				w := newWorld(t, d)
				p := w.ask(1250)
				a := w.attempt(p.ID)
				w.clock.Advance(20 * time.Second)
				_, err := w.Authorise(t.Context(), w.from(), w.request(a, "x1", cbCard))
				w.must(err)
				w.clock.Advance(c.after - 20*time.Second)
				word := w.word(a, true, "")
				word.At = word.At.Add(c.skew)
				w.must(w.Concluded(t.Context(), w.from(), word))
				w.must(w.Concluded(t.Context(), w.from(), word))
				done := w.get(p.ID)
				if done.State != c.state || done.Conflicted || c.state == payment.Failed && done.Cause != payment.CauseLate {
					t.Errorf("%s %s conflicted=%v", done.State, done.Cause, done.Conflicted)
				}
				w.settleAll()
				w.balanced()
			})
		})
	}
}

// TestAnApprovalThatComesAfterTheReadersTimeIsReversed: the host takes 61 s.
func TestAnApprovalThatComesAfterTheReadersTimeIsReversed(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		p := w.ask(1250)
		a := w.attempt(p.ID)
		w.host.during = func(acquirer.Authorisation) { w.clock.Advance(61 * time.Second) }
		r := w.request(a, "x1", cbCard)
		answer, err := w.Authorise(t.Context(), w.from(), r)
		if err != nil || answer.Approved {
			t.Error(answer, err)
		}
		if again, err := w.Authorise(t.Context(), w.from(), r); err != nil || again.Approved {
			t.Error("the same exchange again is approved:", again, err)
		}
		if late, err := w.Authorise(t.Context(), w.from(), w.request(a, "x2", cbCard)); err != nil || late.Approved {
			t.Error(late, err)
		}
		w.must(w.Concluded(t.Context(), w.from(), w.word(a, false, terminal.CauseExpired)))
		w.settleAll()
		if done := w.get(p.ID); done.Cause != terminal.CauseExpired || w.host.held() != 0 || len(w.host.seen) != 1 {
			t.Error(done.Cause, w.host.held())
		}
		w.balanced()
	})
}

// TestAnOrphanIsKeptAndUndone: the sale cannot take the approval; it is
// recorded all the same.
func TestAnOrphanIsKeptAndUndone(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		p := w.ask(1250)
		w.till.refuses = problem.New(problem.Conflict, "sale.register_closed")
		w.finish(p, cbCard)
		done := w.get(p.ID)
		if done.State != payment.Orphaned || done.Captured != 0 || done.Authorised != 0 || done.Batch != "" || done.Card == nil {
			t.Errorf("%+v", done)
		}
		if got := w.states(p.ID); got != "authorise:approved reversal:prepared" {
			t.Error(got)
		}
		w.settleAll()
		if w.host.held() != 0 {
			t.Error("the money is still held")
		}
		again := w.word(w.attempt(p.ID), true, "")
		w.must(w.Concluded(t.Context(), w.from(), again))
		if w.get(p.ID).Conflicted {
			t.Error("the same word again is taken for another")
		}
		w.balanced()
	})
}

// TestAFailureStandsEvenIfItsOwnerCannotTakeIt.
func TestAFailureStandsEvenIfItsOwnerCannotTakeIt(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		p := w.ask(1250)
		w.till.refuses = problem.New(problem.Internal, "sale.broken")
		w.must(w.Concluded(t.Context(), w.from(), w.word(w.attempt(p.ID), false, terminal.CauseCancelled)))
		if done := w.get(p.ID); done.State != payment.Failed {
			t.Error(done.State)
		}
		w.balanced()
	})
}
