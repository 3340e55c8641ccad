package sim_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"encaisse/acquirer/simulator"
	"encaisse/base/db"
	"encaisse/report"
)

// books are a shop's, as rows, laid beside the bank's.
type books struct {
	payments   map[string]*bookPayment
	operations map[string]*bookOperation
	tenders    []bookTender // of tickets and returns, by card
	legs       map[string]string
	batches    map[string]*bookBatch // by terminal and number
	events     map[string]int        // type and subject
	due        map[string]int64      // by sale
	approvals  []simulator.Approval
	presented  []simulator.Batch
}

type bookPayment struct {
	id, owner, tender, state                               string
	amount, authorised, captured, voided, refunded, manual int64
}

type bookOperation struct {
	id, payment, kind, state, purpose, original, terminal, rrn string
	amount, batch, card                                        int64
}

type bookTender struct {
	sale, payment string
	amount        int64
	manual        bool
}

type bookBatch struct {
	terminal, state                                    string
	number, debits, debitMinor, credits, creditMinor   int64
	lines, lineDebits, lineCredits, removed, clearings int64
}

// queryAll reads rows with scan, one by one.
func queryAll(tx *db.Tx, query string, scan func(rows *db.Rows) error) error {
	rows := tx.Query(query)
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// readBooks reads both sides.
func (w *cardWorld) readBooks() (b *books, err error) {
	err = w.watch.Read(context.Background(), func(tx *db.Tx) (err error) {
		b, err = readBooks(tx, w.host)
		return err
	})
	return b, err
}

// readBooks reads both sides in a transaction.
func readBooks(tx *db.Tx, host *simulator.Simulator) (*books, error) {
	b := &books{
		payments: make(map[string]*bookPayment), operations: make(map[string]*bookOperation), legs: make(map[string]string),
		batches: make(map[string]*bookBatch), events: make(map[string]int), due: make(map[string]int64),
		approvals: host.Approvals(), presented: host.Batches(),
	}
	for _, read := range []func(*db.Tx) error{b.readPayments, b.readOperations, b.readTickets, b.readBatches, b.readEvents, b.readDue} {
		if err := read(tx); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (b *books) readPayments(tx *db.Tx) error {
	return queryAll(tx, `SELECT payment_id, owner, tender_id, state, amount_minor, authorised_minor, captured_minor, voided_minor, refunded_minor,
		CASE WHEN manual_status = 'success' THEN 1 ELSE 0 END FROM payment`, func(rows *db.Rows) error {
		p := &bookPayment{}
		err := rows.Scan(&p.id, &p.owner, &p.tender, &p.state, &p.amount, &p.authorised, &p.captured, &p.voided, &p.refunded, &p.manual)
		b.payments[p.id] = p
		return err
	})
}

func (b *books) readOperations(tx *db.Tx) error {
	return queryAll(tx, `SELECT operation_id, payment_id, kind, state, purpose, original_id, acceptor_terminal, rrn, amount_minor, batch_number, CAST(LENGTH(card) AS BIGINT)
		FROM payment_operation`, func(rows *db.Rows) error {
		o := &bookOperation{}
		err := rows.Scan(&o.id, &o.payment, &o.kind, &o.state, &o.purpose, &o.original, &o.terminal, &o.rrn, &o.amount, &o.batch, &o.card)
		b.operations[o.id] = o
		return err
	})
}

func (b *books) readTickets(tx *db.Tx) error {
	err := queryAll(tx, `SELECT sale_id, COALESCE(payment_id, ''), amount_minor, manual FROM tender WHERE means = 'card'`, func(rows *db.Rows) error {
		var t bookTender
		err := rows.Scan(&t.sale, &t.payment, &t.amount, &t.manual)
		b.tenders = append(b.tenders, t)
		return err
	})
	if err != nil {
		return err
	}
	return queryAll(tx, `SELECT payment_id, state FROM basket_tender WHERE payment_id IS NOT NULL`, func(rows *db.Rows) error {
		var payment, state string
		err := rows.Scan(&payment, &state)
		b.legs[payment] += state + " " // of one that went back in part there are two
		return err
	})
}

func (b *books) readBatches(tx *db.Tx) error {
	ids := make(map[string]*bookBatch)
	err := queryAll(tx, `SELECT batch_id, acceptor_terminal, state, number, debit_count, debit_minor, credit_count, credit_minor FROM batch`, func(rows *db.Rows) error {
		var id string
		n := &bookBatch{}
		err := rows.Scan(&id, &n.terminal, &n.state, &n.number, &n.debits, &n.debitMinor, &n.credits, &n.creditMinor)
		ids[id], b.batches[batchKey(n.terminal, n.number)] = n, n
		return err
	})
	if err != nil {
		return err
	}
	return queryAll(tx, `SELECT batch_id, credit, amount_minor, CASE WHEN removed_at IS NULL THEN 0 ELSE 1 END, CAST(LENGTH(clearing) AS BIGINT) FROM batch_line`, func(rows *db.Rows) error {
		var id string
		var credit bool
		var amount, removed, clearing int64
		if err := rows.Scan(&id, &credit, &amount, &removed, &clearing); err != nil {
			return err
		}
		n := ids[id]
		n.clearings += clearing
		switch {
		case removed == 1:
			n.removed++
		case credit:
			n.lines, n.lineCredits = n.lines+1, n.lineCredits+amount
		default:
			n.lines, n.lineDebits = n.lines+1, n.lineDebits+amount
		}
		return nil
	})
}

func batchKey(terminal string, number int64) string {
	return strings.TrimSpace(terminal) + " " + strconv.FormatInt(number, 10)
}

func (b *books) readEvents(tx *db.Tx) error {
	return queryAll(tx, `SELECT type, subject FROM event WHERE type LIKE 'payment.%'`, func(rows *db.Rows) error {
		var kind, subject string
		err := rows.Scan(&kind, &subject)
		b.events[kind+" "+subject]++
		return err
	})
}

// readDue adds up what each sale owes, from what its seal, its tenders, its
// payments' operations and their returns booked.
func (b *books) readDue(tx *db.Tx) error {
	of := make(map[string]string) // source → sale
	for _, query := range []string{
		`SELECT sale_id, COALESCE(original_id, sale_id) FROM sale`,
		`SELECT tender_id, sale_id FROM basket_tender`,
		`SELECT o.operation_id, p.owner FROM payment_operation o JOIN payment p ON p.merchant_id = o.merchant_id AND p.payment_id = o.payment_id`,
	} {
		err := queryAll(tx, query, func(rows *db.Rows) error {
			var source, sale string
			err := rows.Scan(&source, &sale)
			of[source] = sale
			return err
		})
		if err != nil {
			return err
		}
	}
	return queryAll(tx, `SELECT source, CASE WHEN debit = 'due' THEN amount_minor ELSE -amount_minor END FROM ledger_transfer WHERE debit = 'due' OR credit = 'due'`,
		func(rows *db.Rows) error {
			var source string
			var amount int64
			err := rows.Scan(&source, &amount)
			source, _, _ = strings.Cut(source, "/")
			sale, known := of[source]
			if !known {
				sale = "nobody's " + source
			}
			b.due[sale] += amount
			return err
		})
}

// defects are what is wrong with books at rest, all batches acknowledged.
func (b *books) defects() (all []string) {
	say := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	undone, entered := make(map[string]bool), make(map[string]*bookOperation)
	for _, o := range b.operations {
		switch {
		case o.kind == "reversal" && o.state == "approved":
			undone[o.original] = true
		case o.kind == "capture" || o.kind == "refund":
			entered[o.original] = o
		}
		if o.card > 0 {
			say("%s %s still keeps a card", o.kind, o.id)
		}
		if o.state == "unknown" || o.state == "prepared" || o.state == "sent" {
			say("%s %s is %s", o.kind, o.id, o.state)
		}
	}
	b.againstBank(say, undone, entered)
	b.againstTickets(say)
	b.batchesAgree(say)
	for sale, minor := range b.due {
		if minor != 0 {
			say("sale %s: %d are due in the ledger", sale, minor)
		}
	}
	slices.Sort(all)
	return all
}

// againstBank holds every approval against our operations, and the other way round.
func (b *books) againstBank(say func(string, ...any), undone map[string]bool, entered map[string]*bookOperation) {
	approved := make(map[string]simulator.Approval)
	for _, a := range b.approvals {
		approved[a.Operation] = a
		o := b.operations[a.Operation]
		if o == nil || o.kind != "authorise" || o.amount != a.Asked || a.Credit != (o.purpose == "refund") {
			say("the bank approved %d for %s, which our books do not have", a.Asked, a.Operation)
			continue
		}
		line := entered[o.id]
		live := line != nil && (line.kind == "refund" || b.payments[line.payment].voided == 0)
		switch a.State {
		case simulator.Cleared:
			if !live || line.amount != a.Amount.Minor || a.Batch != fmt.Sprintf("%06d", line.batch) && a.Batch != strconv.FormatInt(line.batch, 10) {
				say("the bank cleared %s in batch %s, our books say %+v", o.id, a.Batch, line)
			}
		case simulator.Reversed:
			if live || !undone[o.id] {
				say("the bank has undone %s: captured %v, undone by us %v", o.id, live, undone[o.id])
			}
		default:
			say("the bank still holds %d for %s: captured %v, undone by us %v", a.Amount.Minor, o.id, live, undone[o.id])
		}
	}
	for _, o := range b.operations {
		a, known := approved[o.id]
		switch {
		case o.kind != "authorise" || o.state != "approved":
		case !known:
			say("authorisation %s is approved in our books, and not at the bank", o.id)
		case o.rrn != a.RRN:
			say("authorisation %s has the bank's reference %s, which says %s", o.id, o.rrn, a.RRN)
		}
	}
}

// againstTickets holds payments against tickets and returns.
func (b *books) againstTickets(say func(string, ...any)) {
	ticketed, returned := make(map[string]int64), make(map[string]int64)
	for _, t := range b.tenders {
		p := b.payments[t.payment]
		switch {
		case t.payment == "" || p == nil:
			say("ticket %s has a card tender of no payment", t.sale)
		case t.amount < 0:
			returned[t.payment] -= t.amount
		default:
			if ticketed[t.payment] > 0 {
				say("payment %s is on two tickets", t.payment)
			}
			ticketed[t.payment] += t.amount
			if t.manual && p.manual == 0 || !t.manual && p.captured != t.amount {
				say("ticket %s says %d by card (by hand: %v), payment %s captured %d", t.sale, t.amount, t.manual, p.id, p.captured)
			}
		}
	}
	for _, p := range b.payments {
		back := p.voided + p.refunded
		switch {
		case p.captured > 0 && ticketed[p.id] == 0 && !strings.Contains(b.legs[p.id], "returned"):
			say("payment %s captured %d for no ticket", p.id, p.captured)
		case ticketed[p.id] > 0 && returned[p.id] != back && !strings.Contains(b.legs[p.id], "returned"):
			say("payment %s gave back %d, returns say %d", p.id, back, returned[p.id])
		case returned[p.id] > back:
			say("payment %s gave back %d, returns say %d", p.id, back, returned[p.id])
		}
		if p.captured == 0 && p.authorised != 0 {
			say("payment %s is %s with %d authorised", p.id, p.state, p.authorised)
		}
		b.told(say, p)
	}
}

// told holds what was told against what is so.
func (b *books) told(say func(string, ...any), p *bookPayment) {
	for kind, want := range map[string]bool{
		"payment.succeeded": p.state == "succeeded" || p.state == "canceled", "payment.failed": p.state == "failed", "payment.orphaned": p.state == "orphaned",
	} {
		if n := b.events[kind+" "+p.id]; n != 1 && want || n != 0 && !want {
			say("payment %s is %s and was told %d times as %s", p.id, p.state, n, kind)
		}
	}
}

// batchesAgree holds batches against their lines, the bank's and the tickets.
func (b *books) batchesAgree(say func(string, ...any)) {
	var ours, cleared, captured int64
	theirs := make(map[string]simulator.Batch)
	for _, t := range b.presented {
		number, err := strconv.ParseInt(t.Number, 10, 64)
		if err != nil {
			say("the bank has a batch %q", t.Number)
		}
		key := batchKey(t.Terminal, number)
		theirs[key] = t
		if b.batches[key] == nil {
			say("the bank has batch %s, our books do not", key)
		}
	}
	for key, n := range b.batches {
		t, known := theirs[key]
		if n.state != "acknowledged" {
			say("batch %s is %s", key, n.state)
		}
		if n.lineDebits != n.debitMinor || n.lineCredits != n.creditMinor || n.debits+n.credits != n.lines {
			say("batch %s: its lines come to %d and %d, its totals to %d and %d", key, n.lineDebits, n.lineCredits, n.debitMinor, n.creditMinor)
		}
		if n.clearings > 0 {
			say("batch %s still holds %d bytes of cards", key, n.clearings)
		}
		if !known || t.State != simulator.BatchInBalance || t.Debits.Minor != n.debitMinor || t.Credits.Minor != n.creditMinor || t.Debits.Count != n.debits || t.Credits.Count != n.credits {
			say("batch %s: we say %d and %d, the bank says %+v", key, n.debitMinor, n.creditMinor, t)
		}
		ours += n.debitMinor - n.creditMinor
	}
	for _, a := range b.approvals {
		switch {
		case a.State != simulator.Cleared:
		case a.Credit:
			cleared -= a.Amount.Minor
		default:
			cleared += a.Amount.Minor
		}
	}
	for _, p := range b.payments {
		captured += p.captured - p.voided - p.refunded
	}
	var tickets int64
	for _, t := range b.tenders {
		if p := b.payments[t.payment]; p != nil && p.captured > 0 {
			tickets += t.amount
		}
	}
	if ours != cleared || ours != captured || tickets > captured {
		say("batches come to %d, the bank cleared %d, payments captured %d, tickets say %d", ours, cleared, captured, tickets)
	}
	if !b.returnedBeforeTicket() && tickets != ours {
		say("batches come to %d, tickets and returns to %d", ours, tickets)
	}
}

// returnedBeforeTicket tells whether a card went back before there was a ticket:
// it was captured, and credited, and no ticket says either.
func (b *books) returnedBeforeTicket() bool {
	return slices.ContainsFunc(slices.Collect(maps.Values(b.legs)), func(s string) bool { return strings.Contains(s, "returned") })
}

// verifyAgain is how often the product verifies once more where somebody sold while it did.
const verifyAgain = 3

// balanced checks the books at rest, and has the product verify itself.
func (w *cardWorld) balanced() {
	w.rowsAreSound("rest")
	b, err := w.readBooks()
	if err != nil {
		w.fault("the books cannot be read: %v", err)
		return
	}
	for _, d := range b.defects() {
		w.fault("at rest: %s", d)
	}
	proof, err := report.Verify(context.Background(), w.watch, []string{w.shop.public}, nil)
	for range verifyAgain { // the last commits of a house that just closed may fall into the first look
		if err != nil || len(proof.Live) == 0 {
			break
		}
		proof, err = report.Verify(context.Background(), w.watch, []string{w.shop.public}, nil)
	}
	switch {
	case err != nil:
		w.fault("verify: %v", err)
	case proof.Defect != nil:
		w.fault("verify: %v", proof.Defect)
	case len(proof.Live) > 0:
		w.fault("verify: somebody sold meanwhile")
	}
}
