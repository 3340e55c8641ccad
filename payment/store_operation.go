package payment

import (
	"encaisse/base/db"
	"encaisse/base/id"
)

const operationColumns = `operation_id, attempt_id, payment_id, kind, state, purpose, original_id, exchange, terminal_id, contract_id,
	connector, acceptor_terminal, zone, currency, amount_minor, trace_number, trace_at, code, cause, approval, rrn, issuer, detail,
	card, batch_id, batch_number, conflicted, created_at, settled_at, tries, next_try_at, manual`

func scanOperation(row scanning, m id.Merchant) (Operation, error) {
	o := Operation{Merchant: m}
	err := row.Scan(&o.ID, &o.Attempt, &o.Payment, &o.Kind, &o.State, &o.Purpose, &o.Original, &o.Exchange, &o.Terminal, &o.Contract,
		&o.Connector, &o.Acceptor, &o.Zone, &o.Amount.Currency, &o.Amount.Minor, &o.Trace, &o.TraceAt, &o.Code, &o.Cause, &o.Approval,
		&o.RRN, &o.issuer, &o.Detail, &o.card, &o.Batch, &o.BatchNumber, &o.Conflicted, &o.CreatedAt, &o.SettledAt, &o.Tries,
		&o.NextTryAt, &o.Manual)
	return o, err
}

func scanOperations(rows *db.Rows, m id.Merchant) ([]Operation, error) {
	var all []Operation
	for rows.Next() {
		o, err := scanOperation(rows, m)
		if err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return all, rows.Err()
}

// blob is b, or what stands for none where a column may not be NULL.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func insertOperation(tx *db.Tx, o Operation) {
	tx.Queue(`INSERT INTO payment_operation (merchant_id, `+operationColumns+`) VALUES (`+places(1, 33)+`)`,
		o.Merchant, o.ID, o.Attempt, o.Payment, o.Kind, o.State, o.Purpose, o.Original, o.Exchange, o.Terminal, o.Contract,
		o.Connector, o.Acceptor, o.Zone, o.Amount.Currency, o.Amount.Minor, o.Trace, o.TraceAt, o.Code, o.Cause, o.Approval,
		o.RRN, blob(o.issuer), o.Detail, blob(o.card), o.Batch, o.BatchNumber, o.Conflicted, o.CreatedAt, o.SettledAt, o.Tries,
		o.NextTryAt, o.Manual)
}

func readOperation(tx *db.Tx, m id.Merchant, operation id.Operation) (Operation, error) {
	return scanOperation(tx.QueryRow(`SELECT `+operationColumns+` FROM payment_operation WHERE merchant_id = $1 AND operation_id = $2`, m, operation), m)
}

func readOperationsOf(tx *db.Tx, m id.Merchant, attempt id.Attempt) ([]Operation, error) {
	return scanOperations(tx.Query(`SELECT `+operationColumns+` FROM payment_operation
		WHERE merchant_id = $1 AND attempt_id = $2 ORDER BY operation_id`, m, attempt), m)
}

func readOperations(tx *db.Tx, m id.Merchant, payment id.Payment) ([]Operation, error) {
	return scanOperations(tx.Query(`SELECT `+operationColumns+` FROM payment_operation
		WHERE merchant_id = $1 AND payment_id = $2 ORDER BY operation_id`, m, payment), m)
}

// readSpan reads the operations of the payments from one id to another, for verification.
func readSpan(tx *db.Tx, m id.Merchant, from, to id.Payment) ([]Operation, error) {
	return scanOperations(tx.Query(`SELECT `+operationColumns+` FROM payment_operation
		WHERE merchant_id = $1 AND payment_id >= $2 AND payment_id <= $3 ORDER BY payment_id, operation_id`, m, from, to), m)
}

// readOwed lists the reversals that a terminal owes its host, oldest first.
func readOwed(tx *db.Tx, m id.Merchant, terminal id.Terminal) ([]Operation, error) {
	return scanOperations(tx.Query(`SELECT `+operationColumns+` FROM payment_operation
		WHERE merchant_id = $1 AND terminal_id = $2 AND kind = 'reversal' AND state <> 'approved' ORDER BY operation_id`, m, terminal), m)
}

// readOwedAll lists those of a merchant.
func readOwedAll(tx *db.Tx, m id.Merchant, limit int) ([]Operation, error) {
	return scanOperations(tx.Query(`SELECT `+operationColumns+` FROM payment_operation
		WHERE merchant_id = $1 AND kind = 'reversal' AND state <> 'approved' ORDER BY operation_id LIMIT $2`, m, limit), m)
}

// updateOperation writes what moving changes, on condition that the row is still in the state from.
func updateOperation(tx *db.Tx, o Operation, from State) (moved bool, err error) {
	n, err := tx.Exec(`UPDATE payment_operation SET state = $4, code = $5, cause = $6, approval = $7, rrn = $8, issuer = $9, detail = $10,
		card = $11, conflicted = $12, settled_at = $13, tries = $14, next_try_at = $15, manual = $16
		WHERE merchant_id = $1 AND operation_id = $2 AND state = $3`,
		o.Merchant, o.ID, from, o.State, o.Code, o.Cause, o.Approval, o.RRN, blob(o.issuer), o.Detail,
		blob(o.card), o.Conflicted, o.SettledAt, o.Tries, o.NextTryAt, o.Manual)
	return n == 1, err
}

// eraseCard forgets what a reversal would have needed of a card.
func eraseCard(tx *db.Tx, m id.Merchant, operation id.Operation) {
	keepCard(tx, m, operation, nil)
}

func keepCard(tx *db.Tx, m id.Merchant, operation id.Operation, sealed []byte) {
	tx.Queue(`UPDATE payment_operation SET card = $3 WHERE merchant_id = $1 AND operation_id = $2`, m, operation, blob(sealed))
}

// flagOperation and flagAttempt mark what a second, different outcome came for.
func flagOperation(tx *db.Tx, m id.Merchant, operation id.Operation) {
	tx.Queue(`UPDATE payment_operation SET conflicted = TRUE WHERE merchant_id = $1 AND operation_id = $2`, m, operation)
}

func flagAttempt(tx *db.Tx, m id.Merchant, attempt id.Attempt) {
	tx.Queue(`UPDATE payment_attempt SET conflicted = TRUE WHERE merchant_id = $1 AND attempt_id = $2`, m, attempt)
}

// queueOperations hands each operation of a payment to found, in order, when the queue is sent.
func queueOperations(tx *db.Tx, m id.Merchant, payment id.Payment, found func(Operation)) {
	tx.QueueQuery(func(rows *db.Rows) error {
		for rows.Next() {
			o, err := scanOperation(rows, m)
			if err != nil {
				return err
			}
			found(o)
		}
		return rows.Err()
	}, `SELECT `+operationColumns+` FROM payment_operation WHERE merchant_id = $1 AND payment_id = $2 ORDER BY operation_id`, m, payment)
}
