package payment

import (
	"errors"
	"fmt"
	"time"

	"encaisse/base/db"
	"encaisse/base/id"
)

type scanning interface{ Scan(dest ...any) error }

const paymentColumns = `payment_id, owner, tender_id, terminal_id, contract_id, operator, reference, currency, amount_minor,
	authorised_minor, captured_minor, voided_minor, refunded_minor, pending_minor, state, cause, conflicted,
	manual_status, manual_by, manual_at, manual_reason, created_at, updated_at`

// fields are where the columns of a payment go; manual is made of four of them by [manualRow.of].
func (p *Payment) fields(manual *manualRow) []any {
	return []any{
		&p.ID, &p.Owner, &p.Tender, &p.Terminal, &p.Contract, &p.Operator, &p.Reference, &p.Amount.Currency, &p.Amount.Minor,
		&p.Authorised, &p.Captured, &p.Voided, &p.Refunded, &p.Pending, &p.State, &p.Cause, &p.Conflicted,
		&manual.status, &manual.by, &manual.at, &manual.reason, &p.CreatedAt, &p.UpdatedAt,
	}
}

type manualRow struct {
	status, by, reason string
	at                 *time.Time
}

const manualSuccess, manualFailure = "success", "failure"

func (r manualRow) of() *Manual {
	if r.status == "" || r.at == nil {
		return nil
	}
	return &Manual{Success: r.status == manualSuccess, By: r.by, At: *r.at, Reason: r.reason}
}

func scanPayment(row scanning, m id.Merchant) (Payment, error) {
	p := Payment{Merchant: m}
	var manual manualRow
	err := row.Scan(p.fields(&manual)...)
	p.Manual = manual.of()
	return p, err
}

// insertPayment reports whether the id was free.
func insertPayment(tx *db.Tx, p Payment) (fresh bool, err error) {
	n, err := tx.Exec(`INSERT INTO payment (merchant_id, `+paymentColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, 0, 0, 0, 0, $11, '', FALSE, '', '', NULL, '', $12, $12)
		ON CONFLICT (merchant_id, payment_id) DO NOTHING`,
		p.Merchant, p.ID, p.Owner, p.Tender, p.Terminal, p.Contract, p.Operator, p.Reference, p.Amount.Currency, p.Amount.Minor,
		p.State, p.CreatedAt)
	return n == 1, err
}

func readPayment(tx *db.Tx, m id.Merchant, payment id.Payment) (Payment, error) {
	return scanPayment(tx.QueryRow(`SELECT `+paymentColumns+` FROM payment WHERE merchant_id = $1 AND payment_id = $2`, m, payment), m)
}

// lockPayment reads a payment that this transaction is about to change.
func lockPayment(tx *db.Tx, m id.Merchant, payment id.Payment) (Payment, error) {
	return scanPayment(tx.LockRow(`SELECT `+paymentColumns+` FROM payment WHERE merchant_id = $1 AND payment_id = $2`, m, payment), m)
}

// sums is by how much the amounts of a payment change.
type sums struct{ authorised, captured, voided, refunded, pending int64 }

// updatePayment moves a payment from a state to another, with its amounts; the
// CHECKs of the table refuse what would not add up. db.ErrNone: it is not in
// that state any more.
func updatePayment(tx *db.Tx, p Payment, from State, by sums, at time.Time) (Payment, error) {
	return scanPayment(tx.QueryRow(`UPDATE payment SET state = $4, cause = $5, authorised_minor = authorised_minor + $6,
		captured_minor = captured_minor + $7, voided_minor = voided_minor + $8, refunded_minor = refunded_minor + $9,
		pending_minor = pending_minor + $10, updated_at = $11
		WHERE merchant_id = $1 AND payment_id = $2 AND state = $3 RETURNING `+paymentColumns,
		p.Merchant, p.ID, from, p.State, p.Cause, by.authorised, by.captured, by.voided, by.refunded, by.pending, at), p.Merchant)
}

// reserve sets an amount aside for a void or a refund: the condition is the
// guard, whoever comes at the same time. whole asks that nothing was given back
// before. db.ErrNone: there is not that much left.
func reserve(tx *db.Tx, p Payment, minor int64, whole bool, at time.Time) (Payment, error) {
	return scanPayment(tx.QueryRow(`UPDATE payment SET pending_minor = pending_minor + $3, updated_at = $5
		WHERE merchant_id = $1 AND payment_id = $2 AND state = 'succeeded'
		AND voided_minor + refunded_minor + pending_minor + $3 <= captured_minor
		AND (NOT $4 OR (voided_minor = 0 AND refunded_minor = 0 AND pending_minor = 0 AND captured_minor = $3))
		RETURNING `+paymentColumns, p.Merchant, p.ID, minor, whole, at), p.Merchant)
}

func markConflicted(tx *db.Tx, m id.Merchant, payment id.Payment) {
	tx.Queue(`UPDATE payment SET conflicted = TRUE WHERE merchant_id = $1 AND payment_id = $2`, m, payment)
}

// setManual keeps a status said by hand, while the automatic one allows it.
func setManual(tx *db.Tx, p Payment, status string, manual Manual) (Payment, error) {
	return scanPayment(tx.QueryRow(`UPDATE payment SET manual_status = $3, manual_by = $4, manual_at = $5, manual_reason = $6, updated_at = $5
		WHERE merchant_id = $1 AND payment_id = $2 AND state IN ('failed', 'unknown') RETURNING `+paymentColumns,
		p.Merchant, p.ID, status, manual.By, manual.At, manual.Reason), p.Merchant)
}

// selections are the conditions of a list by state, written out so that the index of the unusual ones serves.
var selections = map[State]string{
	"":         `1 = 1`,
	Processing: `state = 'processing'`,
	Unknown:    `state = 'unknown'`,
	Succeeded:  `state = 'succeeded'`,
	Failed:     `state = 'failed'`,
	Canceled:   `state = 'canceled'`,
	Orphaned:   `state = 'orphaned'`,
}

// readPage reads payments older than f.Before, newest first. operator < 0: everybody's.
func readPage(tx *db.Tx, m id.Merchant, f Filter, operator int64) ([]Payment, error) {
	rows := tx.Query(`SELECT `+paymentColumns+` FROM payment WHERE merchant_id = $1 AND `+selections[f.State]+`
		AND (payment_id < $2 OR $2 = '') AND (owner = $3 OR $3 = '') AND (terminal_id = $4 OR $4 = '')
		AND (operator = $5 OR $5 < 0) ORDER BY payment_id DESC LIMIT $6`,
		m, f.Before, f.Owner, f.Terminal, operator, f.Limit)
	return scanPayments(rows, m)
}

func scanPayments(rows *db.Rows, m id.Merchant) ([]Payment, error) {
	var page []Payment
	for rows.Next() {
		p, err := scanPayment(rows, m)
		if err != nil {
			return nil, err
		}
		page = append(page, p)
	}
	return page, rows.Err()
}

// readAfter reads payments in the order of their ids, for verification.
func readAfter(tx *db.Tx, m id.Merchant, after id.Payment, limit int) ([]Payment, error) {
	return scanPayments(tx.Query(`SELECT `+paymentColumns+` FROM payment
		WHERE merchant_id = $1 AND payment_id > $2 ORDER BY payment_id LIMIT $3`, m, after, limit), m)
}

// NextTrace draws the next trace number of a terminal, 1 to 999999 and again: what
// no other message of it to its host has that day. Batches draw theirs here too.
func NextTrace(tx *db.Tx, m id.Merchant, terminal id.Terminal) (number int64, err error) {
	err = tx.QueryRow(`INSERT INTO payment_stan (merchant_id, terminal_id, last_number) VALUES ($1, $2, 1)
		ON CONFLICT (merchant_id, terminal_id) DO UPDATE SET
		last_number = CASE WHEN payment_stan.last_number >= 999999 THEN 1 ELSE payment_stan.last_number + 1 END
		RETURNING last_number`, m, terminal).Scan(&number)
	return number, err
}

// insertRequest reports whether the key was free.
func insertRequest(tx *db.Tx, m id.Merchant, key, body []byte, attempt id.Attempt, at time.Time) (fresh bool, err error) {
	n, err := tx.Exec(`INSERT INTO payment_request (merchant_id, key_hash, body_hash, attempt_id, at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (merchant_id, key_hash) DO NOTHING`, m, key, body, attempt, at)
	return n == 1, err
}

// readRequest reads what a key made; empty when it is free.
func readRequest(tx *db.Tx, m id.Merchant, key []byte) (body []byte, attempt id.Attempt, err error) {
	err = tx.QueryRow(`SELECT body_hash, attempt_id FROM payment_request WHERE merchant_id = $1 AND key_hash = $2`, m, key).
		Scan(&body, &attempt)
	if errors.Is(err, db.ErrNone) {
		return nil, "", nil
	}
	return body, attempt, err
}

func pruneRequests(tx *db.Tx, before time.Time, limit int) (int64, error) {
	return tx.Exec(`DELETE FROM payment_request WHERE (merchant_id, key_hash) IN
		(SELECT merchant_id, key_hash FROM payment_request WHERE at < $1 LIMIT $2)`, before, limit)
}

const historyColumns = `payment_id, history_id, attempt_id, operation_id, subject, event, from_state, to_state, source, actor, detail, at`

func insertHistory(tx *db.Tx, m id.Merchant, e Entry) {
	detail := string(e.Detail)
	if detail == "" {
		detail = "{}"
	}
	tx.Queue(`INSERT INTO payment_history (merchant_id, `+historyColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		m, e.Payment, e.ID, e.Attempt, e.Operation, e.Subject, e.Event, e.From, e.To, e.Source, e.Actor, detail, e.At)
}

func readHistory(tx *db.Tx, m id.Merchant, payment id.Payment, after id.History, limit int) ([]Entry, error) {
	rows := tx.Query(`SELECT `+historyColumns+` FROM payment_history
		WHERE merchant_id = $1 AND payment_id = $2 AND history_id > $3 ORDER BY history_id LIMIT $4`, m, payment, after, limit)
	var entries []Entry
	for rows.Next() {
		var e Entry
		var detail string
		if err := rows.Scan(&e.Payment, &e.ID, &e.Attempt, &e.Operation, &e.Subject, &e.Event, &e.From, &e.To, &e.Source, &e.Actor, &detail, &e.At); err != nil {
			return nil, err
		}
		e.Detail = []byte(detail)
		entries = append(entries, e)
	}
	return entries, rows.Err()
}

// places writes count parameters from the one numbered first: "$3, $4".
func places(first, count int) string {
	var b []byte
	for i := range count {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = fmt.Appendf(b, "$%d", first+i)
	}
	return string(b)
}
