package payment_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/payment"
)

var update = flag.Bool("update", false, "write docs/payment-states.md anew from the graphs")

const page = "../docs/payment-states.md"

// TestTheDrawingIsTheGraph holds the page for people against the table that the code uses.
func TestTheDrawingIsTheGraph(t *testing.T) {
	intro := "# States of a payment\n\nWritten by `go test ./payment -run Drawing -update` from payment/graph.go, which is what the code uses.\n" +
		"What is not drawn does not happen: an outcome that finds no arrow is kept beside the first one, in the history, and alarmed.\n\n"
	want := intro + payment.Diagrams()
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(page)
	if err != nil || string(have) != want {
		t.Errorf("docs/payment-states.md is not what the graphs say (%v): run with -update", err)
	}
}

var everyState = []payment.State{
	payment.Prepared, payment.Sent, payment.Unknown, payment.Approved, payment.Declined, payment.NotPerformed, payment.Abandoned,
	payment.Succeeded, payment.Failed, payment.Processing, payment.Canceled, payment.Orphaned,
}

var everyEvent = []payment.Event{
	payment.Begin, payment.Send, payment.Approve, payment.Decline, payment.Miss, payment.Silence, payment.Succeed, payment.Fail,
	payment.Abandon, payment.Orphan, payment.Cancel,
}

// ends are the states that nothing leaves, by hand.
var ends = map[payment.Subject][]payment.State{
	payment.SubjectPayment:   {payment.Failed, payment.Canceled, payment.Orphaned},
	payment.SubjectAttempt:   {payment.Succeeded, payment.Failed},
	payment.SubjectAuthorise: {payment.Approved, payment.Declined, payment.NotPerformed},
	payment.SubjectReversal:  {payment.Approved},
	payment.SubjectCapture:   {payment.Approved},
	payment.SubjectRefund:    {payment.Approved},
	payment.SubjectVoid:      {payment.Approved},
}

// TestTheGraphsHold: one arrow a state and event, every state reached from the
// beginning, and no way on from an end.
func TestTheGraphsHold(t *testing.T) {
	for _, s := range payment.Subjects() {
		seen, reached, left := map[string]bool{}, map[payment.State]bool{"": true}, map[payment.State]bool{}
		for _, e := range payment.Graph(s) {
			key := fmt.Sprint(e.From, e.Event)
			if seen[key] || !slices.Contains(everyState, e.To) || !slices.Contains(everyEvent, e.Event) {
				t.Errorf("%s: %s twice, or unknown", s, key)
			}
			seen[key] = true
			if e.From != e.To {
				left[e.From] = true
			}
		}
		for range everyState {
			for _, e := range payment.Graph(s) {
				reached[e.To] = reached[e.To] || reached[e.From]
			}
		}
		for state := range reached {
			if isEnd := slices.Contains(ends[s], state); isEnd == left[state] {
				t.Errorf("%s: %s: end %v, left %v", s, state, isEnd, left[state])
			}
		}
		for state := range left {
			if !reached[state] {
				t.Errorf("%s: nothing leads to %s", s, state)
			}
		}
	}
}

// TestEveryEventInEveryState applies each event to a row in each state, through
// the one door: the row moves where the graph says, or stays.
func TestEveryEventInEveryState(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		p := w.pay(1250)
		operation := w.operations(p.ID)[0]
		moves := 0
		for _, s := range payment.Subjects() {
			table, column, key := "payment_operation", "operation_id", string(operation.ID)
			switch s {
			case payment.SubjectPayment:
				table, column, key = "payment", "payment_id", string(p.ID)
			case payment.SubjectAttempt:
				table, column, key = "payment_attempt", "attempt_id", string(p.Attempt)
			}
			for _, from := range statesOf(s) {
				for _, e := range everyEvent {
					to, legal := from, false
					for _, edge := range payment.Graph(s) {
						if edge.From == from && edge.Event == e {
							to, legal = edge.To, true
						}
					}
					w.write(func(tx *db.Tx) error {
						if table == "payment_operation" {
							tx.Queue(`UPDATE payment_operation SET kind = $3 WHERE merchant_id = $1 AND operation_id = $2`, w.m, key, s)
						}
						tx.Queue(`UPDATE `+table+` SET state = $3 WHERE merchant_id = $1 AND `+column+` = $2`, w.m, key, from)
						return nil
					})
					moved, err := w.Apply(t.Context(), w.m, s, p.ID, p.Attempt, operation.ID, e)
					w.must(err)
					var is payment.State
					w.read(func(tx *db.Tx) error {
						return tx.QueryRow(`SELECT state FROM `+table+` WHERE merchant_id = $1 AND `+column+` = $2`, w.m, key).Scan(&is)
					})
					if moved != legal || is != to {
						t.Errorf("%s %s %s: moved %v to %s, want %v to %s", s, from, e, moved, is, legal, to)
					}
					if moved {
						moves++
					}
				}
			}
		}
		if moves < 25 {
			t.Errorf("only %d moves were made", moves)
		}
	})
}

// statesOf lists the states a subject has. A capture, which is there once, is left as it is.
func statesOf(s payment.Subject) (all []payment.State) {
	if s == payment.SubjectCapture || s == payment.SubjectVoid || s == payment.SubjectRefund {
		return nil
	}
	for _, e := range payment.Graph(s) {
		if !slices.Contains(all, e.To) {
			all = append(all, e.To)
		}
	}
	return all
}

// TestASealedHistory: nobody changes what was tried.
func TestASealedHistory(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		p := w.pay(1250)
		for _, query := range []string{`UPDATE payment_history SET actor = 'x' WHERE payment_id = $1`, `DELETE FROM payment_history WHERE payment_id = $1`} {
			err := w.d.Write(t.Context(), func(tx *db.Tx) error {
				_, err := tx.Exec(query, p.ID)
				return err
			})
			if !db.IsViolation(err, db.Sealed) {
				t.Error(err)
			}
		}
	})
}

// TestTraceNumbersGoRound: 999999 is followed by 1.
func TestTraceNumbersGoRound(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.write(func(tx *db.Tx) error {
			for i, want := range []int64{1, 2, 999999, 1} {
				if i == 2 {
					tx.Queue(`UPDATE payment_stan SET last_number = 999998 WHERE merchant_id = $1`, w.m)
				}
				number, err := payment.NextTrace(tx, w.m, "term_2")
				if err != nil || number != want {
					t.Error(number, err)
				}
			}
			return nil
		})
	})
}

// TestKeysAreForgottenAfterThirtyDays and not before.
func TestKeysAreForgottenAfterThirtyDays(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		p := w.pay(1250)
		r := w.giving(p, payment.Auto, nil)
		first, err := w.reverse(w.boss, r)
		w.must(err)
		w.finish(p, cbCard)
		w.settleAll()
		keys := func() (n int64) {
			w.read(func(tx *db.Tx) error {
				return tx.QueryRow(`SELECT COUNT(*) FROM payment_request WHERE merchant_id = $1`, w.m).Scan(&n)
			})
			return n
		}
		for _, days := range []time.Duration{30 * day, 2 * day} {
			w.clock.Advance(days)
			w.PruneKeys(t.Context())
			if days == 30*day {
				again, err := w.reverse(w.boss, r)
				if err != nil || again.Created || again.ID != first.ID || keys() != 1 {
					t.Error(again.ID, err, keys())
				}
			}
		}
		if keys() != 0 {
			t.Error("a key is kept for ever")
		}
	})
}

const day = 24 * time.Hour
