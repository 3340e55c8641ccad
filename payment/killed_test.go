package payment_test

import (
	"errors"
	"testing"
	"time"

	"encaisse/acquirer"
	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/id"
	"encaisse/payment"
	"encaisse/terminal"
)

// due lets time pass and resolves what is due then.
func (w *world) due(after time.Duration) {
	w.t.Helper()
	w.clock.Advance(after)
	_, err := w.RunDue(w.t.Context())
	w.must(err)
}

// TestKilledBeforeTheReaderWasCalled: the process ends after the payment's
// commit; the next one hands it over.
func TestKilledBeforeTheReaderWasCalled(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		p := w.collect(w.collection(1250))
		w.restart()
		w.due(16 * time.Second)
		if a := w.attempt(p.ID); a.State != payment.Sent || w.reader.sent != 1 {
			t.Error(a.State, w.reader.sent)
		}
		w.finish(p, cbCard)
		w.balanced()
	})
}

// TestKilledForLongBeforeTheReaderWasCalled: nobody waits for it any more.
func TestKilledForLongBeforeTheReaderWasCalled(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		p := w.collect(w.collection(1250))
		w.restart()
		w.due(2 * time.Minute)
		if done := w.get(p.ID); done.State != payment.Failed || done.Cause != payment.CauseNotReached || w.reader.sent != 0 || w.count("test.failed", p.ID) != 1 {
			t.Error(done.State, done.Cause, w.reader.sent)
		}
		w.balanced()
	})
}

// TestKilledWhileTheReaderWasCalled: nobody knows whether the reader has it. It
// twice knows nothing of it, further apart than a request could be on its way.
func TestKilledWhileTheReaderWasCalled(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.reader.sends = func(id.Attempt) (bool, error) { return false, errors.New("cut") }
		p := w.ask(1250)
		if a := w.attempt(p.ID); a.State != payment.Unknown || w.get(p.ID).State != payment.Unknown {
			t.Fatal(a.State)
		}
		w.restart()
		w.due(3 * time.Second)
		if w.get(p.ID).State != payment.Unknown {
			t.Error("one word that it knows nothing is taken for the truth")
		}
		w.due(30 * time.Second)
		if w.get(p.ID).State != payment.Unknown {
			t.Error("two words too close together are taken for the truth")
		}
		w.settleAll()
		if done := w.get(p.ID); done.State != payment.Failed || done.Cause != payment.CauseNotReached {
			t.Error(done.State, done.Cause)
		}
		w.must(w.Concluded(t.Context(), w.from(), w.word(w.attempt(p.ID), true, "")))
		if done := w.get(p.ID); !done.Conflicted || done.State != payment.Failed || w.count("payment.conflicted", p.ID) != 1 {
			t.Error("a success after all is not alarmed")
		}
		w.balanced()
	})
}

// TestKilledWhileTheHostWasAsked: whether the host got it or not, the next
// process reverses, and the one that comes back to life changes nothing.
func TestKilledWhileTheHostWasAsked(t *testing.T) {
	for name, decided := range map[string]bool{"before it decided": false, "after it approved": true} {
		t.Run(name, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, d *db.DB) {
				w := newWorld(t, d)
				p := w.ask(1250)
				r := w.request(w.attempt(p.ID), "x1", cbCard)
				dead, revived := make(chan struct{}), make(chan struct{})
				hang := func(acquirer.Authorisation) { close(dead); <-revived }
				if decided {
					w.host.after = hang
				} else {
					w.host.during = hang
				}
				zombie := w.Payments
				answered := make(chan terminal.Answer, 1)
				go func() {
					answer, err := zombie.Authorise(t.Context(), w.from(), r)
					if err != nil {
						t.Error(err)
					}
					answered <- answer
				}()
				<-dead
				w.restart()
				_, err := w.Authorise(t.Context(), w.from(), r)
				want(t, err, "payment.in_progress")
				w.due(46 * time.Second)
				answer, err := w.Authorise(t.Context(), w.from(), r)
				if err != nil || answer.Approved || answer.Code != "Z3" {
					t.Error(answer, err)
				}
				w.must(w.Concluded(t.Context(), w.from(), w.word(w.attempt(p.ID), false, terminal.CauseHost)))
				w.settleAll()
				if got := w.states(p.ID); got != "authorise:not_performed reversal:approved" {
					t.Error(got)
				}
				close(revived)
				if answer := <-answered; answer.Approved {
					t.Error("the process that came back to life approves")
				}
				w.settleAll()
				if !w.get(p.ID).Conflicted || w.get(p.ID).State != payment.Failed {
					t.Error("the second outcome is not kept beside the first")
				}
				if got := w.states(p.ID); got != "authorise:not_performed reversal:approved reversal:approved" {
					t.Error(got)
				}
				w.balanced()
			})
		})
	}
}

// TestALateApprovalIsDiscarded: it comes while the reversal is still on its way.
func TestALateApprovalIsDiscarded(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		p := w.ask(1250)
		w.host.silent = func(int, acquirer.Reversal) bool { return true }
		dead, revived := make(chan struct{}), make(chan struct{})
		w.host.after = func(acquirer.Authorisation) { close(dead); <-revived }
		zombie, r, answered := w.Payments, w.request(w.attempt(p.ID), "x1", cbCard), make(chan terminal.Answer, 1)
		go func() {
			answer, err := zombie.Authorise(t.Context(), w.from(), r)
			if err != nil {
				t.Error(err)
			}
			answered <- answer
		}()
		<-dead
		w.restart()
		w.due(46 * time.Second)
		close(revived)
		if answer := <-answered; answer.Approved {
			t.Error(answer)
		}
		if got := w.states(p.ID); got != "authorise:unknown reversal:sent" && got != "authorise:unknown reversal:unknown" && got != "authorise:unknown reversal:prepared" {
			t.Error(got)
		}
		w.host.silent = nil
		w.must(w.Concluded(t.Context(), w.from(), w.word(w.attempt(p.ID), false, terminal.CauseHost)))
		w.settleAll()
		w.balanced()
	})
}

// TestKilledBeforeTheAuthorisationWasSent: prepared and no more: it did not happen.
func TestKilledBeforeTheAuthorisationWasSent(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.host.answers = func(n int, _ acquirer.Authorisation) acquirer.Outcome {
			if n == 1 {
				return lost()
			}
			return approve()
		}
		w.finish(w.ask(1000), cbCard)
		p := w.ask(1250)
		dead, revived := make(chan struct{}), make(chan struct{})
		w.host.silent = func(int, acquirer.Reversal) bool {
			close(dead)
			w.host.mu.Unlock() // it hangs while it drains, and nobody else does
			<-revived
			w.host.mu.Lock()
			w.host.silent = nil
			return true
		}
		zombie, r, ended := w.Payments, w.request(w.attempt(p.ID), "x1", cbCard), make(chan struct{})
		go func() {
			defer close(ended)
			if answer, err := zombie.Authorise(t.Context(), w.from(), r); err != nil || answer.Approved {
				t.Error(answer, err)
			}
		}()
		<-dead
		w.restart()
		w.host.mu.Lock()
		w.host.silent = nil
		w.host.mu.Unlock()
		w.due(46 * time.Second)
		if got := w.states(p.ID); got != "authorise:not_performed" {
			t.Error(got)
		}
		close(revived)
		<-ended
		if got := w.states(p.ID); got != "authorise:not_performed" || len(w.host.seen) != 1 {
			t.Error(got)
		}
		w.must(w.Concluded(t.Context(), w.from(), w.word(w.attempt(p.ID), false, terminal.CauseHost)))
		w.settleAll()
		w.balanced()
	})
}

// TestUPM023_LinkLostAfterTheApproval: nothing is reversed for that alone; asked
// when it is back, the reader's word counts.
func TestUPM023_LinkLostAfterTheApproval(t *testing.T) {
	t.Log("coverage: UPM-023 partial: without the emulator")
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		p := w.ask(1250)
		a := w.attempt(p.ID)
		_, err := w.Authorise(t.Context(), w.from(), w.request(a, "x1", cbCard))
		w.must(err)
		w.reader.outOfReach(errors.New("link"))
		w.clock.Advance(9 * time.Second)
		w.reader.says(w.word(a, true, ""))
		for range 20 {
			w.due(15 * time.Second)
		}
		doubtful := w.get(p.ID)
		if doubtful.State != payment.Unknown || doubtful.Doubt == nil || doubtful.Doubt.Next != payment.StepAsk || !doubtful.Doubt.Manual || len(w.host.undone) != 0 {
			t.Errorf("%s %+v", doubtful.State, doubtful.Doubt)
		}
		listed, err := w.List(t.Context(), w.boss, payment.Filter{State: payment.Unknown})
		if err != nil || len(listed) != 1 || listed[0].Doubt == nil {
			t.Error(listed, err)
		}
		w.reader.outOfReach(nil)
		found, err := w.Enquire(t.Context(), w.boss, p.ID)
		if err != nil || found.State != payment.Succeeded || found.Captured != 1250 {
			t.Error(found.State, err)
		}
		w.balanced()
	})
}

// TestTheServerWaitsForTheReaderThenAbortsAndAsks: expired is the reader's word.
func TestTheServerWaitsForTheReaderThenAbortsAndAsks(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		p := w.ask(1250)
		for range 12 {
			w.due(5 * time.Second)
		}
		if w.get(p.ID).State != payment.Processing || len(w.reader.aborted) != 0 {
			t.Error("given up within the reader's time")
		}
		w.due(6 * time.Second)
		if w.get(p.ID).State != payment.Unknown || w.reader.aborted[p.Attempt] != 1 {
			t.Error(w.get(p.ID).State, w.reader.aborted)
		}
		w.due(5 * time.Second)
		if w.reader.aborted[p.Attempt] < 2 {
			t.Error("a reader that is still at it is not told again")
		}
		w.reader.says(w.word(w.attempt(p.ID), false, terminal.CauseExpired))
		w.settleAll()
		if done := w.get(p.ID); done.State != payment.Failed || done.Cause != terminal.CauseExpired {
			t.Error(done.State, done.Cause)
		}
	})
}

// TestSRC032_AReaderThatIsCertainlyNotReached: three distinct causes, and nothing in doubt.
func TestSRC032_AReaderThatIsCertainlyNotReached(t *testing.T) {
	t.Log("coverage: SRC-032 partial: without the hub")
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		for code, cause := range map[string]terminal.Cause{
			"terminal.offline": terminal.CauseOffline, "terminal.asleep": terminal.CauseAsleep, "terminal.busy": terminal.CauseBusy,
			"terminal.unplugged": terminal.CauseDevice,
		} {
			w.reader.sends = func(id.Attempt) (bool, error) { return false, conflict(code) }
			if done := w.ask(1250); done.State != payment.Failed || done.Cause != cause {
				t.Error(code, done.State, done.Cause)
			}
		}
		w.balanced()
	})
}
