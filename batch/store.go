package batch

import (
	"errors"
	"time"

	"encaisse/acquirer"
	"encaisse/base/db"
	"encaisse/base/id"
)

func isNone(err error) bool { return errors.Is(err, db.ErrNone) }

// part is the row that a terminal's captures add up in. A reader makes one
// payment at a time, so that one row is never waited for; a channel that takes
// many at once would spread them over several.
const part = 0

// add joins the open batch: the condition is the guard. db.ErrNone when none is open.
func add(tx *db.Tx, e Entry) (into id.Batch, number int64, err error) {
	debit, credit := sides(e.Credit, e.Amount.Minor)
	err = tx.QueryRow(`UPDATE batch_part SET debit_count = debit_count + $5, debit_minor = debit_minor + $6,
		credit_count = credit_count + $7, credit_minor = credit_minor + $8
		WHERE merchant_id = $1 AND contract_id = $2 AND terminal_id = $3 AND part = $4 AND state = 'open'
		RETURNING batch_id, number`,
		e.Merchant, e.Contract, e.Terminal, part, debit.Count, debit.Minor, credit.Count, credit.Minor).Scan(&into, &number)
	return into, number, err
}

// subtract takes a line out of its part, while that is open.
func subtract(tx *db.Tx, m id.Merchant, l Line) (bool, error) {
	debit, credit := sides(l.Credit, l.Amount)
	n, err := tx.Exec(`UPDATE batch_part SET debit_count = debit_count - $4, debit_minor = debit_minor - $5,
		credit_count = credit_count - $6, credit_minor = credit_minor - $7
		WHERE merchant_id = $1 AND batch_id = $2 AND part = $3 AND state = 'open'`,
		m, l.Batch, l.part, debit.Count, debit.Minor, credit.Count, credit.Minor)
	return n == 1, err
}

func sides(isCredit bool, minor int64) (debit, credit acquirer.Sum) {
	if isCredit {
		return acquirer.Sum{}, acquirer.Sum{Count: 1, Minor: minor}
	}
	return acquirer.Sum{Count: 1, Minor: minor}, acquirer.Sum{}
}

// insertNext opens the batch after the last one. false: somebody else opened it.
func insertNext(tx *db.Tx, b Batch) (bool, error) {
	err := tx.QueryRow(`INSERT INTO batch (merchant_id, batch_id, contract_id, terminal_id, acceptor_terminal, number, currency, zone,
		state, opened_at, closed_by, debit_count, debit_minor, credit_count, credit_minor, tries, code, detail)
		SELECT $1, $2, $3, $4, $5, CAST(COALESCE(MAX(number), 0) + 1 AS BIGINT), $6, $7, 'open', $8, '', 0, 0, 0, 0, 0, '', ''
		FROM batch WHERE merchant_id = $1 AND contract_id = $3 AND terminal_id = $4
		HAVING COALESCE(MAX(CASE WHEN state = 'open' THEN 1 ELSE 0 END), 0) = 0
		ON CONFLICT (merchant_id, contract_id, terminal_id, number) DO NOTHING RETURNING number`,
		b.Merchant, b.ID, b.Contract, b.Terminal, b.AcceptorTerminal, b.Currency, b.Zone, b.OpenedAt).Scan(&b.Number)
	if isNone(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	tx.Queue(`INSERT INTO batch_part (merchant_id, batch_id, part, contract_id, terminal_id, number, state, debit_count, debit_minor, credit_count, credit_minor)
		VALUES ($1, $2, $3, $4, $5, $6, 'open', 0, 0, 0, 0)`, b.Merchant, b.ID, part, b.Contract, b.Terminal, b.Number)
	return true, nil
}

func insertLine(tx *db.Tx, e Entry, into id.Batch, clearing []byte) {
	tx.Queue(`INSERT INTO batch_line (merchant_id, operation_id, batch_id, part, payment_id, credit, amount_minor, at, clearing)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, e.Merchant, e.Operation, into, part, e.Payment, e.Credit, e.Amount.Minor, e.At, clearing)
}

const lineColumns = `operation_id, batch_id, part, payment_id, credit, amount_minor, at, removed_at`

type scanning interface{ Scan(dest ...any) error }

func scanLine(row scanning) (l Line, err error) {
	err = row.Scan(&l.Operation, &l.Batch, &l.part, &l.Payment, &l.Credit, &l.Amount, &l.At, &l.RemovedAt)
	return l, err
}

func readLine(tx *db.Tx, m id.Merchant, operation id.Operation) (Line, error) {
	return scanLine(tx.QueryRow(`SELECT `+lineColumns+` FROM batch_line WHERE merchant_id = $1 AND operation_id = $2`, m, operation))
}

func readLines(tx *db.Tx, m id.Merchant, batch id.Batch, after id.Operation, limit int) ([]Line, error) {
	rows := tx.Query(`SELECT `+lineColumns+` FROM batch_line
		WHERE merchant_id = $1 AND batch_id = $2 AND operation_id > $3 ORDER BY operation_id LIMIT $4`, m, batch, after, limit)
	var lines []Line
	for rows.Next() {
		l, err := scanLine(rows)
		if err != nil {
			return nil, err
		}
		lines = append(lines, l)
	}
	return lines, rows.Err()
}

// removeLine marks a line as voided and forgets what would have been sent of it.
func removeLine(tx *db.Tx, m id.Merchant, l Line, at time.Time) error {
	n, err := tx.Exec(`UPDATE batch_line SET removed_at = $3, clearing = $4
		WHERE merchant_id = $1 AND operation_id = $2 AND removed_at IS NULL`, m, l.Operation, at, []byte{})
	if err == nil && n == 0 { // another void of the same line came first: the part must not be reduced twice
		return errRemovedTwice
	}
	return err
}

var errRemovedTwice = errors.New("batch: the line was removed at the same moment")

func readClearingOf(tx *db.Tx, m id.Merchant, operation id.Operation) (kept []byte, err error) {
	err = tx.QueryRow(`SELECT clearing FROM batch_line WHERE merchant_id = $1 AND operation_id = $2`, m, operation).Scan(&kept)
	return kept, err
}

func readClearing(tx *db.Tx, m id.Merchant, batch id.Batch) ([][]byte, error) {
	rows := tx.Query(`SELECT clearing FROM batch_line WHERE merchant_id = $1 AND batch_id = $2 AND removed_at IS NULL ORDER BY operation_id`, m, batch)
	var all [][]byte
	for rows.Next() {
		var one []byte
		if err := rows.Scan(&one); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

func eraseClearing(tx *db.Tx, m id.Merchant, batch id.Batch) {
	tx.Queue(`UPDATE batch_line SET clearing = $3 WHERE merchant_id = $1 AND batch_id = $2`, m, batch, []byte{})
}

// closeParts closes the open parts of a batch and returns their sums. closed is
// false when none was open.
func closeParts(tx *db.Tx, m id.Merchant, batch id.Batch) (debits, credits acquirer.Sum, closed bool, err error) {
	rows := tx.Query(`UPDATE batch_part SET state = 'closed' WHERE merchant_id = $1 AND batch_id = $2 AND state = 'open'
		RETURNING debit_count, debit_minor, credit_count, credit_minor`, m, batch)
	for rows.Next() {
		var d, c acquirer.Sum
		if err := rows.Scan(&d.Count, &d.Minor, &c.Count, &c.Minor); err != nil {
			return d, c, false, err
		}
		closed = true
		debits.Count, debits.Minor = debits.Count+d.Count, debits.Minor+d.Minor
		credits.Count, credits.Minor = credits.Count+c.Count, credits.Minor+c.Minor
	}
	return debits, credits, closed, rows.Err()
}

func sumParts(tx *db.Tx, m id.Merchant, batch id.Batch) (debits, credits acquirer.Sum, err error) {
	err = tx.QueryRow(`SELECT CAST(COALESCE(SUM(debit_count), 0) AS BIGINT), CAST(COALESCE(SUM(debit_minor), 0) AS BIGINT),
		CAST(COALESCE(SUM(credit_count), 0) AS BIGINT), CAST(COALESCE(SUM(credit_minor), 0) AS BIGINT)
		FROM batch_part WHERE merchant_id = $1 AND batch_id = $2`, m, batch).Scan(&debits.Count, &debits.Minor, &credits.Count, &credits.Minor)
	return debits, credits, err
}

func freeze(tx *db.Tx, b Batch) {
	tx.Queue(`UPDATE batch SET state = 'closed', closed_at = $3, closed_by = $4, debit_count = $5, debit_minor = $6,
		credit_count = $7, credit_minor = $8, next_try_at = $3 WHERE merchant_id = $1 AND batch_id = $2 AND state = 'open'`,
		b.Merchant, b.ID, b.ClosedAt, b.ClosedBy, b.Debits.Count, b.Debits.Minor, b.Credits.Count, b.Credits.Minor)
}

// markSent takes the next try, unless somebody else did: tries is the guard.
func markSent(tx *db.Tx, b Batch, at, again time.Time) (bool, error) {
	n, err := tx.Exec(`UPDATE batch SET state = 'sent', tries = tries + 1, sent_at = $4, next_try_at = $5
		WHERE merchant_id = $1 AND batch_id = $2 AND tries = $3 AND state IN ('closed', 'sent', 'refused', 'unknown')`,
		b.Merchant, b.ID, b.Tries, at, again)
	return n == 1, err
}

// settle writes what became of a try, unless the batch was acknowledged already.
func settle(tx *db.Tx, b Batch) (bool, error) {
	n, err := tx.Exec(`UPDATE batch SET state = $3, settled_at = $4, next_try_at = $5, code = $6, detail = $7
		WHERE merchant_id = $1 AND batch_id = $2 AND state <> 'acknowledged'`,
		b.Merchant, b.ID, b.State, b.SettledAt, b.NextTryAt, b.Code, b.Detail)
	return n == 1, err
}

const columns = `batch_id, contract_id, terminal_id, acceptor_terminal, number, currency, zone, state, opened_at, closed_at, closed_by,
	debit_count, debit_minor, credit_count, credit_minor, tries, sent_at, next_try_at, settled_at, code, detail`

func scan(row scanning, m id.Merchant) (b Batch, err error) {
	b.Merchant = m
	err = row.Scan(&b.ID, &b.Contract, &b.Terminal, &b.AcceptorTerminal, &b.Number, &b.Currency, &b.Zone, &b.State, &b.OpenedAt,
		&b.ClosedAt, &b.ClosedBy, &b.Debits.Count, &b.Debits.Minor, &b.Credits.Count, &b.Credits.Minor, &b.Tries, &b.SentAt,
		&b.NextTryAt, &b.SettledAt, &b.Code, &b.Detail)
	return b, err
}

func readBatch(tx *db.Tx, m id.Merchant, batch id.Batch) (Batch, error) {
	return scan(tx.QueryRow(`SELECT `+columns+` FROM batch WHERE merchant_id = $1 AND batch_id = $2`, m, batch), m)
}

func readPage(tx *db.Tx, m id.Merchant, terminal id.Terminal, before id.Batch, limit int) ([]Batch, error) {
	return readBatches(tx, m, `(terminal_id = $2 OR $2 = '') AND (batch_id < $3 OR $3 = '') ORDER BY batch_id DESC LIMIT $4`, terminal, before, limit)
}

func readBatches(tx *db.Tx, m id.Merchant, condition string, args ...any) ([]Batch, error) {
	rows := tx.Query(`SELECT `+columns+` FROM batch WHERE merchant_id = $1 AND `+condition, append([]any{m}, args...)...)
	var list []Batch
	for rows.Next() {
		b, err := scan(rows, m)
		if err != nil {
			return nil, err
		}
		list = append(list, b)
	}
	return list, rows.Err()
}

func readOpenNumber(tx *db.Tx, m id.Merchant, c id.Contract, terminal id.Terminal) (number int64, err error) {
	err = tx.QueryRow(`SELECT CAST(COALESCE(MAX(number) + CASE WHEN MAX(CASE WHEN state = 'open' THEN number ELSE 0 END) = MAX(number) THEN 0 ELSE 1 END, 1) AS BIGINT)
		FROM batch WHERE merchant_id = $1 AND contract_id = $2 AND terminal_id = $3`, m, c, terminal).Scan(&number)
	return number, err
}

// sumLines adds up what is in a batch.
func sumLines(tx *db.Tx, m id.Merchant, batch id.Batch) (debits, credits acquirer.Sum, err error) {
	err = tx.QueryRow(`SELECT CAST(COALESCE(SUM(CASE WHEN credit THEN 0 ELSE 1 END), 0) AS BIGINT),
		CAST(COALESCE(SUM(CASE WHEN credit THEN 0 ELSE amount_minor END), 0) AS BIGINT),
		CAST(COALESCE(SUM(CASE WHEN credit THEN 1 ELSE 0 END), 0) AS BIGINT),
		CAST(COALESCE(SUM(CASE WHEN credit THEN amount_minor ELSE 0 END), 0) AS BIGINT)
		FROM batch_line WHERE merchant_id = $1 AND batch_id = $2 AND removed_at IS NULL`, m, batch).
		Scan(&debits.Count, &debits.Minor, &credits.Count, &credits.Minor)
	return debits, credits, err
}

// readHighest reads the last number by contract and terminal.
func readHighest(tx *db.Tx, m id.Merchant) (map[string]int64, error) {
	rows := tx.Query(`SELECT contract_id, terminal_id, MAX(number) FROM batch WHERE merchant_id = $1 GROUP BY contract_id, terminal_id`, m)
	highest := make(map[string]int64)
	for rows.Next() {
		var c id.Contract
		var terminal id.Terminal
		var number int64
		if err := rows.Scan(&c, &terminal, &number); err != nil {
			return nil, err
		}
		highest[string(c)+" "+string(terminal)] = number
	}
	return highest, rows.Err()
}
