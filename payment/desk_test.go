package payment_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"encaisse/acquirer"
	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/id"
	"encaisse/base/problem"
	"encaisse/payment"
	"encaisse/terminal"
)

// doubtful is a payment that nobody knows the outcome of.
func (w *world) doubtful() payment.Payment {
	w.t.Helper()
	w.reader.sends = func(id.Attempt) (bool, error) { return true, errors.New("cut") }
	p := w.ask(1250)
	w.reader.sends = nil
	if p.State != payment.Unknown {
		w.t.Fatal(p.State)
	}
	return p
}

func TestCCV011_AManualStatusStandsBesideTheAutomaticOne(t *testing.T) {
	t.Log("coverage: CCV-011 partial: without HTTP")
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		done := w.pay(1250)
		said := payment.Statement{Payment: done.ID, Success: true, Reason: "ticket marchand n° 42"}
		_, err := w.SetManualStatus(t.Context(), w.boss, said)
		want(t, err, "payment.manual_not_offered")
		p := w.doubtful()
		said.Payment = p.ID
		_, err = w.SetManualStatus(t.Context(), w.user, said)
		want(t, err, "access.forbidden")
		_, err = w.SetManualStatus(t.Context(), w.boss, payment.Statement{Payment: p.ID, Success: true})
		want(t, err, "payment.reason")
		w.till.refuses = problem.New(problem.Conflict, "sale.basket_sealed")
		_, err = w.SetManualStatus(t.Context(), w.boss, said)
		want(t, err, "sale.basket_sealed")
		if w.get(p.ID).Manual != nil {
			t.Error("a status that the sale refused is kept")
		}
		w.till.refuses = nil
		kept, err := w.SetManualStatus(t.Context(), w.boss, said)
		if err != nil || kept.State != payment.Unknown || kept.Manual == nil || !kept.Manual.Success || kept.Manual.By != string(w.boss.Person) ||
			kept.Manual.Reason != said.Reason || !kept.Manual.At.Equal(w.clock.Now()) {
			t.Fatalf("%+v %v", kept, err)
		}
		if w.count("test.captured", p.ID) != 1 || len(w.operations(p.ID)) != 0 || kept.Captured != 0 || kept.Doubt == nil {
			t.Error("it made an operation, or stopped the resolver")
		}
		a := w.attempt(p.ID)
		_, err = w.Authorise(t.Context(), w.from(), w.request(a, "x1", cbCard))
		w.must(err)
		w.must(w.Concluded(t.Context(), w.from(), w.word(a, true, "")))
		found := w.get(p.ID)
		if found.State != payment.Succeeded || found.Captured != 1250 || found.Manual == nil || w.count("test.captured", p.ID) != 2 {
			t.Errorf("%+v", found)
		}
		w.balanced()
	})
}

func TestAbandonLetsAnotherMeansBeTaken(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		ask := w.ask(1000)
		_, err := w.Abandon(t.Context(), w.boss, ask.ID)
		want(t, err, "payment.not_in_doubt")
		w.must(w.Concluded(t.Context(), w.from(), w.word(w.attempt(ask.ID), false, terminal.CauseCancelled)))
		p := w.doubtful()
		a := w.attempt(p.ID)
		answer, err := w.Authorise(t.Context(), w.from(), w.request(a, "x1", cbCard))
		if err != nil || !answer.Approved {
			t.Fatal(answer, err)
		}
		gone, err := w.Abandon(t.Context(), w.boss, p.ID)
		if err != nil || gone.State != payment.Failed || gone.Cause != payment.CauseAbandoned || gone.Authorised != 0 || w.count("test.failed", p.ID) != 1 {
			t.Errorf("%+v %v", gone, err)
		}
		w.reader.says(w.word(a, true, ""))
		w.settleAll()
		if got := w.states(p.ID); got != "authorise:approved reversal:approved" {
			t.Error(got)
		}
		if late := w.attempt(p.ID); late.State != payment.Failed || late.Word != "success" || late.Cause != payment.CauseAbandoned || w.count("test.captured", p.ID) != 0 {
			t.Errorf("%+v", late)
		}
		w.balanced()
	})
}

func TestCancelUntilACardIsIn(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		unsent := w.collect(w.collection(1000))
		if gone, err := w.Cancel(t.Context(), w.boss, unsent.ID); err != nil || gone.State != payment.Failed || gone.Cause != terminal.CauseAborted {
			t.Error(gone.State, err)
		}
		p := w.ask(1250)
		w.must(w.Progressed(t.Context(), w.from(), p.Attempt, terminal.StageWaitingCard))
		if asked, err := w.Cancel(t.Context(), w.boss, p.ID); err != nil || asked.State != payment.Processing || w.reader.aborted[p.Attempt] != 1 {
			t.Error(asked.State, err)
		}
		w.must(w.Progressed(t.Context(), w.from(), p.Attempt, terminal.StageCardIn))
		_, err := w.Cancel(t.Context(), w.boss, p.ID)
		want(t, err, "payment.card_in")
		w.finish(p, cbCard)
		_, err = w.Cancel(t.Context(), w.boss, p.ID)
		want(t, err, "payment.over")
		if w.count("payment.progress", p.ID) != 2 || w.get(p.ID).State != payment.Succeeded {
			t.Error("the stages are not told, or the cancellation won over an approval")
		}
		w.must(w.Progressed(t.Context(), w.from(), p.Attempt, terminal.StageRemoveCard))
		w.balanced()
	})
}

func TestCollectRefuses(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		collect := func(c payment.Collection) error {
			return w.d.Write(t.Context(), func(tx *db.Tx) error {
				_, err := w.Collect(tx, w.boss, c)
				return err
			})
		}
		for code, spoil := range map[string]func(*payment.Collection){
			"id.malformed":       func(c *payment.Collection) { c.Payment = "pay_1" },
			"payment.amount":     func(c *payment.Collection) { c.Amount.Minor = 0 },
			"payment.currency":   func(c *payment.Collection) { c.Amount.Currency = "CHF" },
			"terminal.not_found": func(c *payment.Collection) { c.Terminal = "term_01j00000000000000000000000" },
		} {
			c := w.collection(1000)
			spoil(&c)
			want(t, collect(c), code)
		}
		w.contract.State = "closed"
		_, _, err := w.contracts.Put(t.Context(), w.boss, w.contract)
		w.must(err)
		want(t, collect(w.collection(1000)), "payment.contract_closed")
		delete(w.parts.Connectors, "host")
		w.contract.State = "active"
		_, _, err = w.contracts.Put(t.Context(), w.boss, w.contract)
		w.must(err)
		want(t, collect(w.collection(1000)), "payment.connector_missing")
	})
}

func TestUPM045_AUserSeesOwnPaymentsOnly(t *testing.T) {
	t.Log("coverage: UPM-045 partial: payments, without HTTP")
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		hers := w.pay(1000)
		mine := w.collection(2000)
		mine.Operator = w.user.Operator
		w.collect(mine)
		page, err := w.List(t.Context(), w.user, payment.Filter{Limit: 10})
		if err != nil || len(page) != 1 || page[0].ID != mine.Payment {
			t.Error(page, err)
		}
		page, err = w.List(t.Context(), w.boss, payment.Filter{Limit: 1})
		if err != nil || len(page) != 1 || page[0].ID != mine.Payment {
			t.Error(page, err)
		}
		page, err = w.List(t.Context(), w.boss, payment.Filter{Limit: 10, Before: page[0].ID, Owner: hers.Owner, Terminal: hers.Terminal, State: payment.Succeeded})
		if err != nil || len(page) != 1 || page[0].ID != hers.ID || page[0].Batch != hers.Batch || page[0].Card == nil {
			t.Error(page, err)
		}
		for name, read := range map[string]func() error{
			"get":        func() error { _, err := w.Get(t.Context(), w.user, hers.ID); return err },
			"attempts":   func() error { _, err := w.Attempts(t.Context(), w.user, hers.ID); return err },
			"operations": func() error { _, err := w.Operations(t.Context(), w.user, hers.ID); return err },
			"history":    func() error { _, err := w.History(t.Context(), w.user, hers.ID, "", 10); return err },
			"cancel":     func() error { _, err := w.Cancel(t.Context(), w.user, hers.ID); return err },
			"abandon":    func() error { _, err := w.Abandon(t.Context(), w.user, hers.ID); return err },
			"enquire":    func() error { _, err := w.Enquire(t.Context(), w.user, hers.ID); return err },
		} {
			if err := read(); !problem.Is(err, "payment.not_found") {
				t.Error(name, err)
			}
		}
		_, err = w.Doubts(t.Context(), w.user)
		want(t, err, "access.forbidden")
		_, err = w.List(t.Context(), w.boss, payment.Filter{State: "paid"})
		want(t, err, "payment.state")
	})
}

// TestNoCardDataIsLeft looks for the number, the track and the PIN block in
// every form, in the file and the log, after finding a planted one.
func TestNoCardDataIsLeft(t *testing.T) {
	d, dsn := dbtest.Open(t, db.SQLite)
	w := newWorld(t, d)
	w.host.answers = func(n int, _ acquirer.Authorisation) acquirer.Outcome {
		if n == 2 {
			return lost()
		}
		return approve()
	}
	p := w.pay(1250)
	w.host.silent = func(int, acquirer.Reversal) bool { return true }
	w.finish(w.ask(1000), cbCard)
	plant := func(value string) {
		w.write(func(tx *db.Tx) error {
			tx.Queue(`UPDATE payment SET reference = $3 WHERE merchant_id = $1 AND payment_id = $2`, w.m, p.ID, value)
			return nil
		})
	}
	var everything []byte
	look := func() {
		everything = []byte(w.logged.String())
		for _, suffix := range []string{"", "-wal"} {
			text, err := os.ReadFile(strings.TrimPrefix(dsn, "sqlite:") + suffix)
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			everything = append(everything, text...)
		}
	}
	secrets := []string{cbCard, "29122011000012300000", "0412ACCCCCDDDD11"}
	forms := func(s string) [][]byte {
		packed, _ := hex.DecodeString(s)
		return [][]byte{[]byte(s), packed, []byte(hex.EncodeToString([]byte(s))), []byte(base64.StdEncoding.EncodeToString([]byte(s)))}
	}
	look()
	for _, secret := range secrets {
		for i, form := range forms(secret) {
			if bytes.Contains(everything, form) {
				t.Errorf("%s is there, in form %d", secret, i)
			}
		}
	}
	plant(cbCard)
	if look(); !bytes.Contains(everything, forms(cbCard)[0]) {
		t.Error("a planted number is not found")
	}
	w.read(func(tx *db.Tx) error {
		var kept int64
		err := tx.QueryRow(`SELECT COUNT(*) FROM payment_operation WHERE LENGTH(card) > 0`).Scan(&kept)
		if kept != 1 {
			t.Errorf("%d operations keep a card, want that of the reversal alone", kept)
		}
		return err
	})
	w.host.silent = nil
	w.settleAll()
	w.read(func(tx *db.Tx) error {
		var kept int64
		err := tx.QueryRow(`SELECT COUNT(*) FROM payment_operation WHERE LENGTH(card) > 0`).Scan(&kept)
		if kept != 0 {
			t.Errorf("%d operations keep a card that nobody needs", kept)
		}
		return err
	})
}

// TestTheSchedule is screens §6.5: 2, 4, 8… up to 60 s, and it never stops.
func TestTheSchedule(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		p := w.doubtful()
		w.reader.outOfReach(errors.New("link"))
		var waits []time.Duration
		for range 9 {
			next := w.get(p.ID).Doubt.NextTryAt
			waits = append(waits, next.Sub(w.clock.Now()))
			w.due(next.Sub(w.clock.Now()))
		}
		want := []time.Duration{2, 4, 8, 16, 32, 60, 60, 60, 60}
		for i := range want {
			if waits[i] != want[i]*time.Second {
				t.Fatal(waits)
			}
		}
		if w.reader.asked != 9 || !w.get(p.ID).Doubt.Manual {
			t.Error(w.reader.asked)
		}
		w.verify()
	})
}
