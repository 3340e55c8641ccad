package payment

import (
	"encoding/json"
	"time"

	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/problem"
)

const attemptColumns = `attempt_id, payment_id, kind, state, cause, stage, terminal_id, contract_id, connector, acceptor_terminal, zone,
	currency, amount_minor, operator, actor, reason, remark, print_slip, asked_at, settled_at, word, reader_number, reader_at,
	approval, code, card, chip, signed, printed, conflicted, tries, next_try_at, not_found_at, manual`

func scanAttempt(row scanning, m id.Merchant) (Attempt, error) {
	a := Attempt{Merchant: m}
	var card, chip string
	err := row.Scan(&a.ID, &a.Payment, &a.Kind, &a.State, &a.Cause, &a.Stage, &a.Terminal, &a.Contract, &a.Connector, &a.Acceptor,
		&a.Zone, &a.Amount.Currency, &a.Amount.Minor, &a.Operator, &a.Actor, &a.Reason, &a.Remark, &a.PrintSlip, &a.AskedAt,
		&a.SettledAt, &a.Word, &a.Number, &a.ReaderAt, &a.Approval, &a.Code, &card, &chip, &a.Signed, &a.Printed, &a.Conflicted,
		&a.Tries, &a.NextTryAt, &a.NotFoundAt, &a.Manual)
	if err != nil {
		return a, err
	}
	if err := unpack(card, &a.Card); err != nil {
		return a, err
	}
	return a, unpack(chip, &a.Chip)
}

// unpack reads what [pack] wrote; an empty text leaves nil.
func unpack[T any](text string, into **T) error {
	if text == "" {
		return nil
	}
	*into = new(T)
	if err := json.Unmarshal([]byte(text), *into); err != nil {
		return problem.New(problem.Internal, "payment.stored").Because(err)
	}
	return nil
}

func pack[T any](v *T) string {
	if v == nil {
		return ""
	}
	text, err := json.Marshal(v)
	if err != nil {
		return "" // structs of strings: cannot be
	}
	return string(text)
}

func insertAttempt(tx *db.Tx, a Attempt) {
	tx.Queue(`INSERT INTO payment_attempt (merchant_id, `+attemptColumns+`) VALUES (`+places(1, 35)+`)`,
		a.Merchant, a.ID, a.Payment, a.Kind, a.State, a.Cause, a.Stage, a.Terminal, a.Contract, a.Connector, a.Acceptor, a.Zone,
		a.Amount.Currency, a.Amount.Minor, a.Operator, a.Actor, a.Reason, a.Remark, a.PrintSlip, a.AskedAt, a.SettledAt, a.Word,
		a.Number, a.ReaderAt, a.Approval, a.Code, pack(a.Card), pack(a.Chip), a.Signed, a.Printed, a.Conflicted, a.Tries,
		a.NextTryAt, a.NotFoundAt, a.Manual)
}

// lockAttempt reads an attempt that this transaction is about to move: until it
// ends nobody else moves it, nor any of its operations.
func lockAttempt(tx *db.Tx, m id.Merchant, attempt id.Attempt) (Attempt, error) {
	return scanAttempt(tx.LockRow(`SELECT `+attemptColumns+` FROM payment_attempt WHERE merchant_id = $1 AND attempt_id = $2`, m, attempt), m)
}

func readAttempt(tx *db.Tx, m id.Merchant, attempt id.Attempt) (Attempt, error) {
	return scanAttempt(tx.QueryRow(`SELECT `+attemptColumns+` FROM payment_attempt WHERE merchant_id = $1 AND attempt_id = $2`, m, attempt), m)
}

func readAttempts(tx *db.Tx, m id.Merchant, payment id.Payment) ([]Attempt, error) {
	rows := tx.Query(`SELECT `+attemptColumns+` FROM payment_attempt WHERE merchant_id = $1 AND payment_id = $2 ORDER BY attempt_id`, m, payment)
	var all []Attempt
	for rows.Next() {
		a, err := scanAttempt(rows, m)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, rows.Err()
}

// firstAttempt is the payment's own.
func firstAttempt(tx *db.Tx, m id.Merchant, payment id.Payment) (Attempt, error) {
	return scanAttempt(tx.QueryRow(`SELECT `+attemptColumns+` FROM payment_attempt
		WHERE merchant_id = $1 AND payment_id = $2 AND kind = 'payment'`, m, payment), m)
}

// updateAttempt writes what moving changes, on condition that the row is still in the state from.
func updateAttempt(tx *db.Tx, a Attempt, from State) (moved bool, err error) {
	n, err := tx.Exec(`UPDATE payment_attempt SET state = $4, cause = $5, settled_at = $6, word = $7, reader_number = $8, reader_at = $9,
		approval = $10, code = $11, card = $12, chip = $13, signed = $14, printed = $15, conflicted = $16, tries = $17,
		next_try_at = $18, not_found_at = $19, manual = $20
		WHERE merchant_id = $1 AND attempt_id = $2 AND state = $3`,
		a.Merchant, a.ID, from, a.State, a.Cause, a.SettledAt, a.Word, a.Number, a.ReaderAt, a.Approval, a.Code, pack(a.Card),
		pack(a.Chip), a.Signed, a.Printed, a.Conflicted, a.Tries, a.NextTryAt, a.NotFoundAt, a.Manual)
	return n == 1, err
}

// updateStage notes what the reader of an open attempt is doing. db.ErrNone: there is no such attempt there.
func updateStage(tx *db.Tx, m id.Merchant, terminal id.Terminal, attempt id.Attempt, stage string) (Attempt, error) {
	return scanAttempt(tx.QueryRow(`UPDATE payment_attempt SET stage = $4
		WHERE merchant_id = $1 AND attempt_id = $2 AND terminal_id = $3 AND state IN ('prepared', 'sent', 'unknown')
		RETURNING `+attemptColumns, m, attempt, terminal, stage), m)
}

// claimAttempt takes the next try of an attempt, unless somebody else did: the
// time of the try is the guard. db.ErrNone: it is not there any more.
func claimAttempt(tx *db.Tx, m id.Merchant, attempt id.Attempt, due, until time.Time) (Attempt, error) {
	return scanAttempt(tx.QueryRow(`UPDATE payment_attempt SET next_try_at = $4
		WHERE merchant_id = $1 AND attempt_id = $2 AND next_try_at = $3 RETURNING `+attemptColumns, m, attempt, due, until), m)
}

// ticket is a row whose next try has come.
type ticket struct {
	merchant  id.Merchant
	attempt   id.Attempt
	operation id.Operation // empty: the attempt itself
	due       time.Time
}

// readDue lists what is due, oldest first.
func readDue(tx *db.Tx, now time.Time, limit int) ([]ticket, error) {
	var due []ticket
	for _, query := range []string{
		`SELECT merchant_id, attempt_id, '' AS operation_id, next_try_at FROM payment_attempt
			WHERE next_try_at IS NOT NULL AND next_try_at <= $1 ORDER BY next_try_at LIMIT $2`,
		`SELECT merchant_id, attempt_id, operation_id, next_try_at FROM payment_operation
			WHERE next_try_at IS NOT NULL AND next_try_at <= $1 ORDER BY next_try_at LIMIT $2`,
	} {
		rows := tx.Query(query, now, limit)
		for rows.Next() {
			var t ticket
			if err := rows.Scan(&t.merchant, &t.attempt, &t.operation, &t.due); err != nil {
				return nil, err
			}
			due = append(due, t)
		}
		if err := rows.Err(); err != nil {
			return nil, err
		}
	}
	return due, nil
}

// readDoubtful lists the attempts of a merchant that are in doubt.
func readDoubtful(tx *db.Tx, m id.Merchant, limit int) ([]Attempt, error) {
	rows := tx.Query(`SELECT `+attemptColumns+` FROM payment_attempt
		WHERE merchant_id = $1 AND next_try_at IS NOT NULL AND state IN ('unknown', 'abandoned')
		ORDER BY next_try_at LIMIT $2`, m, limit)
	var all []Attempt
	for rows.Next() {
		a, err := scanAttempt(rows, m)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, rows.Err()
}

// queueAttempts hands each attempt of a payment to found, in order, when the queue is sent.
func queueAttempts(tx *db.Tx, m id.Merchant, payment id.Payment, found func(Attempt)) {
	tx.QueueQuery(func(rows *db.Rows) error {
		for rows.Next() {
			t, err := scanAttempt(rows, m)
			if err != nil {
				return err
			}
			found(t)
		}
		return rows.Err()
	}, `SELECT `+attemptColumns+` FROM payment_attempt WHERE merchant_id = $1 AND payment_id = $2 ORDER BY attempt_id`, m, payment)
}

// readAttemptSpan reads the attempts of the payments from one id to another, for verification.
func readAttemptSpan(tx *db.Tx, m id.Merchant, from, to id.Payment) ([]Attempt, error) {
	rows := tx.Query(`SELECT `+attemptColumns+` FROM payment_attempt
		WHERE merchant_id = $1 AND payment_id >= $2 AND payment_id <= $3 ORDER BY payment_id, attempt_id`, m, from, to)
	var all []Attempt
	for rows.Next() {
		t, err := scanAttempt(rows, m)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, rows.Err()
}
