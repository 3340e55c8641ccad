package sim_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"encaisse/acquirer/simulator"
	"encaisse/base/db"
	"encaisse/terminal/emulator"
)

// errPlanted undoes what was planted.
var errPlanted = errors.New("sim: planted")

// quietDay is a day on which each reader sells three times by card, voids one
// sale and, once the batch is closed, refunds another.
func quietDay() *cardDay {
	day := &cardDay{seed: 1, reborn: []time.Duration{time.Second}}
	for i := range cardReaders {
		for j := range beforeBatchEnds {
			v := &visit{
				customer: customer{name: "pays", hand: emulator.Hand{Card: []string{"cb", "mastercard"}[i]}}, amount: int64(1_000 + 100*i + j),
				plans: make(map[phase]*mischief),
			}
			if j < 2 {
				v.gives, v.later = givesAll, j == 1
			}
			day.visits[i] = append(day.visits[i], v)
		}
	}
	return day
}

// TestCardCheckerSeesFaults plants what no shop may come to, each in books that
// were in order, and wants the checker to name it. The same books without a
// plant are found to be in order.
func TestCardCheckerSeesFaults(t *testing.T) {
	soakOnly(t)
	t.Parallel()
	w := newCardWorld(t, quietDay(), worldOptions{engine: db.SQLite})
	for _, f := range w.live() {
		t.Error(f)
	}
	for _, h := range w.houses {
		h.stop()
	}
	d, err := db.Open(context.Background(), w.dsn, db.Options{})
	w.must(err)
	t.Cleanup(func() { _ = d.Close() })
	look := func(statements ...string) (broken, defects []string) {
		t.Helper()
		err := d.Write(context.Background(), func(tx *db.Tx) (err error) {
			if err := withoutTriggers(tx); err != nil {
				return err
			}
			for _, statement := range statements {
				n, err := tx.Exec(statement)
				if err == nil && n == 0 && !strings.HasPrefix(statement, "DROP") {
					err = errors.New("it changes nothing")
				}
				if err != nil {
					return errors.Join(errors.New(statement), err)
				}
			}
			if broken, err = brokenRules(tx); err != nil {
				return err
			}
			b, err := readBooks(tx, w.host)
			if err != nil {
				return err
			}
			defects = b.defects()
			return errPlanted
		})
		if !errors.Is(err, errPlanted) {
			t.Fatal(err)
		}
		return broken, defects
	}
	if broken, defects := look(); len(broken)+len(defects) > 0 {
		t.Fatalf("nothing is planted: %v %v", broken, defects)
	}
	for name, plant := range plants {
		t.Run(name, func(t *testing.T) {
			broken, defects := look(plant.statements...)
			for _, want := range plant.want {
				if !slices.ContainsFunc(slices.Concat(broken, defects), func(s string) bool { return strings.Contains(s, want) }) {
					t.Errorf("nobody said %q\nrules: %v\nbooks: %v", want, broken, defects)
				}
			}
		})
	}
	b, err := w.readBooks()
	w.must(err)
	w.plantAtBank(t, b)
}

// firstPaid is a payment that was captured and neither voided nor refunded.
const firstPaid = `(SELECT MIN(payment_id) FROM payment WHERE captured_minor > 0 AND voided_minor + refunded_minor = 0)`

// plants are what is planted in the rows, and what must be said of it.
var plants = map[string]struct {
	statements []string
	want       []string
}{
	"a double capture": {
		[]string{`INSERT INTO payment SELECT merchant_id, payment_id || 'x', owner, tender_id, terminal_id, contract_id, operator, reference, currency, amount_minor,
			authorised_minor, captured_minor, 0, 0, 0, state, cause, conflicted, manual_status, manual_by, manual_at, manual_reason, created_at, updated_at
			FROM payment WHERE payment_id = ` + firstPaid},
		[]string{"a sale has more captured than it costs", "a tender has more than one payment captured", "for no ticket", "batches come to"},
	},
	"a capture for a tender that failed": {
		[]string{`UPDATE basket_tender SET state = 'failed' WHERE payment_id = ` + firstPaid},
		[]string{"its tender is not accepted", "a basket's means do not add up"},
	},
	"an attempt that nobody asks for": {
		[]string{`UPDATE payment_attempt SET state = 'unknown' WHERE payment_id = ` + firstPaid},
		[]string{"an attempt is in doubt without a next try"},
	},
	"an authorisation that nobody asks for": {
		[]string{`UPDATE payment_operation SET state = 'unknown' WHERE kind = 'authorise' AND payment_id = ` + firstPaid},
		[]string{"an operation is in doubt without a next try", "is unknown"},
	},
	"a reversal that is forgotten": {
		[]string{`UPDATE payment_operation SET state = 'sent', next_try_at = NULL WHERE kind = 'reversal'`},
		[]string{"an operation is in doubt without a next try", "undone by us false"},
	},
	"a reversal that never was": {
		[]string{`DELETE FROM payment_operation WHERE kind = 'reversal'`},
		[]string{"captured false, undone by us false"},
	},
	"an unbalanced posting": {
		[]string{`UPDATE ledger_transfer SET amount_minor = amount_minor + 1 WHERE credit = 'due' AND source IN
			(SELECT operation_id FROM payment_operation WHERE kind = 'capture' AND payment_id = ` + firstPaid + `)`},
		[]string{"what is due does not add up", "are due in the ledger"},
	},
	"two postings that make up for each other": {
		[]string{
			`UPDATE ledger_transfer SET amount_minor = amount_minor + 1 WHERE credit = 'due' AND source IN (SELECT operation_id FROM payment_operation WHERE kind = 'capture')
			AND source = (SELECT MIN(source) FROM ledger_transfer WHERE source IN (SELECT operation_id FROM payment_operation WHERE kind = 'capture'))`,
			`UPDATE ledger_transfer SET amount_minor = amount_minor - 1 WHERE credit = 'due' AND source IN (SELECT operation_id FROM payment_operation WHERE kind = 'capture')
			AND source = (SELECT MAX(source) FROM ledger_transfer WHERE source IN (SELECT operation_id FROM payment_operation WHERE kind = 'capture'))`,
		},
		[]string{"are due in the ledger"},
	},
	"a ticket that says less": {
		[]string{`UPDATE tender SET amount_minor = amount_minor - 1, received_minor = received_minor - 1 WHERE payment_id = ` + firstPaid},
		[]string{"a ticket is not paid to the cent", "by card (by hand: false)"},
	},
	"a payment on two tickets": {
		[]string{`UPDATE tender SET payment_id = ` + firstPaid + ` WHERE amount_minor > 0 AND payment_id <> ` + firstPaid},
		[]string{"is on two tickets"},
	},
	"a batch that says more": {
		[]string{`UPDATE batch SET debit_minor = debit_minor + 1 WHERE debit_minor > 0`},
		[]string{"its lines come to", "the bank says"},
	},
	"a batch that is not acknowledged": {
		[]string{`UPDATE batch SET state = 'refused' WHERE debit_minor > 0`},
		[]string{"a batch waits without a next try", "is refused"},
	},
	"a line that is voided in secret": {
		[]string{`UPDATE batch_line SET removed_at = at WHERE removed_at IS NULL AND payment_id = ` + firstPaid},
		[]string{"its lines come to"},
	},
	"a capture in no batch": {
		[]string{`UPDATE payment_operation SET batch_number = 99 WHERE kind = 'capture'`},
		[]string{"the bank cleared"},
	},
	"a card that is kept": {
		[]string{`UPDATE payment_operation SET card = X'00' WHERE kind = 'authorise' AND payment_id = ` + firstPaid},
		[]string{"still keeps a card"},
	},
	"a card in a cleared batch": {
		[]string{`UPDATE batch_line SET clearing = X'00' WHERE payment_id = ` + firstPaid},
		[]string{"still holds a card", "bytes of cards"},
	},
	"an outcome that was not told": {
		[]string{`DELETE FROM event WHERE type = 'payment.succeeded'`},
		[]string{"was told 0 times as payment.succeeded"},
	},
	"two dialogues": {
		[]string{`DROP INDEX terminal_dialogue_open`, `UPDATE terminal_dialogue SET state = 'open', closed_at = NULL`},
		[]string{"a reader has two dialogues"},
	},
	"a return that was never made": {
		[]string{`DELETE FROM tender WHERE amount_minor < 0`},
		[]string{"a ticket is not paid to the cent", "returns say 0"},
	},
	"an abandoned basket with money in it": {
		[]string{`UPDATE basket SET state = 'abandoned'`},
		[]string{"an abandoned basket keeps money"},
	},
	"a sealed basket that is not covered": {
		[]string{`UPDATE basket SET accepted_minor = accepted_minor - 1`},
		[]string{"a sealed basket is not covered"},
	},
}

// withoutTriggers takes the triggers away, until the transaction is undone.
func withoutTriggers(tx *db.Tx) error {
	var names []string
	err := queryAll(tx, `SELECT name FROM sqlite_master WHERE type = 'trigger'`, func(rows *db.Rows) error {
		var name string
		err := rows.Scan(&name)
		names = append(names, name)
		return err
	})
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, err := tx.Exec(`DROP TRIGGER ` + name); err != nil {
			return err
		}
	}
	return nil
}

// plantAtBank plants faults on the bank's side.
func (w *cardWorld) plantAtBank(t *testing.T, b *books) {
	t.Helper()
	clean := slices.Clone(b.approvals)
	at := func(state simulator.ApprovalState) int {
		return slices.IndexFunc(clean, func(a simulator.Approval) bool { return a.State == state && !a.Credit })
	}
	for name, plant := range map[string]struct {
		do   func()
		want string
	}{
		"an approval that nobody has": {func() { b.approvals[0].Operation = "op_unheard_of" }, "which our books do not have"},
		"one that was never undone":   {func() { b.approvals[at(simulator.Reversed)].State = simulator.Approved }, "still holds"},
		"one that is not cleared":     {func() { b.approvals[at(simulator.Cleared)].State = simulator.Approved }, "still holds"},
		"one undone behind our back":  {func() { b.approvals[at(simulator.Cleared)].State = simulator.Reversed }, "has undone"},
		"another amount":              {func() { b.approvals[at(simulator.Cleared)].Amount.Minor++ }, "the bank cleared"},
		"one forgotten":               {func() { b.approvals = b.approvals[1:] }, "not at the bank"},
		"another reference":           {func() { b.approvals[0].RRN = "999999999999" }, "reference"},
		"a batch twice":               {func() { b.presented[0].Number = "000077" }, "our books do not"},
	} {
		presented := slices.Clone(b.presented)
		b.approvals = slices.Clone(clean)
		plant.do()
		if found := b.defects(); !slices.ContainsFunc(found, func(s string) bool { return strings.Contains(s, plant.want) }) {
			t.Errorf("%s: nobody said %q: %v", name, plant.want, found)
		}
		b.approvals, b.presented = slices.Clone(clean), presented
	}
	if found := b.defects(); len(found) > 0 {
		t.Errorf("without a plant: %v", found)
	}
}
