package sale

import (
	"errors"
	"time"

	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/money"
)

// basket is the row of a basket.
type basket struct {
	merchant  id.Merchant
	id        id.Sale
	register  id.Register
	state     string
	openedAt  time.Time
	operator  int64
	currency  money.Currency
	total     int64
	reserved  int64
	accepted  int64
	cashPayer string
	priced    string
	hash      []byte
	reason    string
	endedAt   *time.Time
	endedBy   *int64
}

const basketColumns = `sale_id, register_id, state, opened_at, operator, currency, total_minor, reserved_minor, accepted_minor,
	cash_payer, priced, request_hash, reason, ended_at, ended_by`

func scanBasket(row scanning, m id.Merchant) (b basket, err error) {
	b.merchant = m
	err = row.Scan(&b.id, &b.register, &b.state, &b.openedAt, &b.operator, &b.currency, &b.total, &b.reserved, &b.accepted,
		&b.cashPayer, &b.priced, &b.hash, &b.reason, &b.endedAt, &b.endedBy)
	return b, err
}

func insertBasket(tx *db.Tx, b *basket) {
	tx.Queue(`INSERT INTO basket (merchant_id, sale_id, register_id, state, opened_at, operator, currency, total_minor,
		reserved_minor, accepted_minor, cash_payer, priced, request_hash, reason)
		VALUES ($1, $2, $3, 'open', $4, $5, $6, $7, 0, 0, $8, $9, $10, '')`,
		b.merchant, b.id, b.register, b.openedAt, b.operator, b.currency, b.total, b.cashPayer, b.priced, b.hash)
}

func readBasket(tx *db.Tx, m id.Merchant, saleID id.Sale) (basket, error) {
	return scanBasket(tx.QueryRow(`SELECT `+basketColumns+` FROM basket WHERE merchant_id = $1 AND sale_id = $2`, m, saleID), m)
}

// lockBasket keeps a basket as it is read until the transaction ends.
func lockBasket(tx *db.Tx, m id.Merchant, saleID id.Sale) (basket, error) {
	return scanBasket(tx.LockRow(`SELECT `+basketColumns+` FROM basket WHERE merchant_id = $1 AND sale_id = $2`, m, saleID), m)
}

// reserve takes a part of the due for one means; taken is false where the basket is
// not open, or has not that much left.
func reserve(tx *db.Tx, m id.Merchant, saleID id.Sale, amount int64) (b basket, taken bool, err error) {
	b, err = scanBasket(tx.QueryRow(`UPDATE basket SET reserved_minor = reserved_minor + $3
		WHERE merchant_id = $1 AND sale_id = $2 AND state = 'open' AND total_minor >= reserved_minor + $3
		RETURNING `+basketColumns, m, saleID, amount), m)
	if errors.Is(err, db.ErrNone) {
		return b, false, nil
	}
	return b, err == nil, err
}

// settleBasket adds to what is accepted and to what is reserved. A CHECK keeps both
// within the total.
func settleBasket(tx *db.Tx, b *basket, accepted, reserved int64) {
	b.accepted, b.reserved = b.accepted+accepted, b.reserved+reserved
	tx.Queue(`UPDATE basket SET accepted_minor = accepted_minor + $3, reserved_minor = reserved_minor + $4
		WHERE merchant_id = $1 AND sale_id = $2`, b.merchant, b.id, accepted, reserved)
}

func endBasket(tx *db.Tx, b *basket, state, reason string, at time.Time, by int64) {
	b.state, b.reason, b.endedAt, b.endedBy = state, reason, &at, &by
	tx.Queue(`UPDATE basket SET state = $3, reason = $4, ended_at = $5, ended_by = $6
		WHERE merchant_id = $1 AND sale_id = $2 AND state = 'open'`, b.merchant, b.id, state, reason, at, by)
}

// readBaskets reads up to limit baskets in a state that were made before the given
// one, newest first.
func readBaskets(tx *db.Tx, m id.Merchant, state string, before id.Sale, operator int64, limit int) ([]basket, error) {
	rows := tx.Query(`SELECT `+basketColumns+` FROM basket WHERE merchant_id = $1 AND state = $2
		AND (sale_id < $3 OR $3 = '') AND (operator = $4 OR $4 < 0) ORDER BY sale_id DESC LIMIT $5`, m, state, before, operator, limit)
	var list []basket
	for rows.Next() {
		b, err := scanBasket(rows, m)
		if err != nil {
			return nil, err
		}
		list = append(list, b)
	}
	return list, rows.Err()
}

// leg is one means of payment of a basket.
type leg struct {
	Tender
	merchant   id.Merchant
	sale       id.Sale
	position   int64
	operator   int64
	askedAt    time.Time
	acceptedAt *time.Time
	session    *id.Session
	returnedAt *time.Time
	returnedBy *int64
	returnedIn *id.Session
	confirmed  *time.Time // of what a person said first
}

const legColumns = `tender_id, sale_id, position, means, state, amount_minor, received_minor, change_minor, terminal_id, payment_id,
	print_slip, reference, manual, slip, early, operator, asked_at, accepted_at, session_id, returned_at, returned_by, returned_session, confirmed_at`

func scanLeg(row scanning, m id.Merchant) (l leg, err error) {
	var paid *id.Payment
	l.merchant = m
	err = row.Scan(&l.ID, &l.sale, &l.position, &l.Means, &l.State, &l.Amount, &l.Received, &l.Change, &l.Terminal, &paid,
		&l.PrintSlip, &l.Reference, &l.Manual, &l.Slip, &l.Early, &l.operator, &l.askedAt, &l.acceptedAt, &l.session,
		&l.returnedAt, &l.returnedBy, &l.returnedIn, &l.confirmed)
	if paid != nil {
		l.Payment = *paid
	}
	return l, err
}

func insertLeg(tx *db.Tx, l *leg) {
	tx.Queue(`INSERT INTO basket_tender (merchant_id, `+legColumns+`) VALUES
		($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, NULL, NULL, NULL, NULL)`,
		l.merchant, l.ID, l.sale, l.position, l.Means, l.State, l.Amount, l.Received, l.Change, l.Terminal, l.paymentOrNone(),
		l.PrintSlip, l.Reference, l.Manual, l.Slip, l.Early, l.operator, l.askedAt, l.acceptedAt, l.session)
}

// acceptLeg moves a leg that was asked for, or that failed, to accepted.
func acceptLeg(tx *db.Tx, l *leg) {
	tx.Queue(`UPDATE basket_tender SET state = 'accepted', manual = $3, slip = $4, early = $5, accepted_at = $6, session_id = $7
		WHERE merchant_id = $1 AND tender_id = $2 AND state IN ('processing', 'failed')`,
		l.merchant, l.ID, l.Manual, l.Slip, l.Early, l.acceptedAt, l.session)
}

func failLeg(tx *db.Tx, l *leg) {
	tx.Queue(`UPDATE basket_tender SET state = 'failed' WHERE merchant_id = $1 AND tender_id = $2 AND state = 'processing'`, l.merchant, l.ID)
}

func returnLeg(tx *db.Tx, l *leg) {
	tx.Queue(`UPDATE basket_tender SET state = 'returned', returned_at = $3, returned_by = $4, returned_session = $5
		WHERE merchant_id = $1 AND tender_id = $2 AND state = 'accepted'`, l.merchant, l.ID, l.returnedAt, l.returnedBy, l.returnedIn)
}

func confirmLeg(tx *db.Tx, l *leg) {
	tx.Queue(`UPDATE basket_tender SET confirmed_at = $3 WHERE merchant_id = $1 AND tender_id = $2`, l.merchant, l.ID, l.confirmed)
}

// readLeg reads one leg; db.ErrNone when there is none.
func readLeg(tx *db.Tx, m id.Merchant, tender id.Tender) (leg, error) {
	return scanLeg(tx.QueryRow(`SELECT `+legColumns+` FROM basket_tender WHERE merchant_id = $1 AND tender_id = $2`, m, tender), m)
}

// readLegs reads the legs of a basket in the order they were asked for.
func readLegs(tx *db.Tx, m id.Merchant, saleID id.Sale) ([]leg, error) {
	return queryLegs(tx, m, `sale_id = $2 ORDER BY position`, saleID)
}

func queryLegs(tx *db.Tx, m id.Merchant, condition string, args ...any) ([]leg, error) {
	rows := tx.Query(`SELECT `+legColumns+` FROM basket_tender WHERE merchant_id = $1 AND `+condition, append([]any{m}, args...)...)
	var list []leg
	for rows.Next() {
		l, err := scanLeg(rows, m)
		if err != nil {
			return nil, err
		}
		list = append(list, l)
	}
	return list, rows.Err()
}

// sumHeld adds up the cash that the session's drawer took for baskets before their
// tickets, less what went back and less what its tickets took over.
func sumHeld(tx *db.Tx, s Session) (held int64, err error) {
	var taken, back, sealed int64
	err = tx.QueryRow(`SELECT CAST(COALESCE(SUM(amount_minor), 0) AS BIGINT) FROM basket_tender
		WHERE merchant_id = $1 AND session_id = $2 AND early AND means = 'cash'`, s.Merchant, s.ID).Scan(&taken)
	if err != nil {
		return 0, err
	}
	err = tx.QueryRow(`SELECT CAST(COALESCE(SUM(amount_minor), 0) AS BIGINT) FROM basket_tender
		WHERE merchant_id = $1 AND returned_session = $2 AND means = 'cash'`, s.Merchant, s.ID).Scan(&back)
	if err != nil {
		return 0, err
	}
	err = tx.QueryRow(`SELECT CAST(COALESCE(SUM(amount_minor), 0) AS BIGINT) FROM tender
		WHERE merchant_id = $1 AND early AND means = 'cash' AND `+inSession, s.Merchant, s.Register, s.FirstTicket, s.ID).Scan(&sealed)
	return taken - back - sealed, err
}

// dueReturn is a return ticket that waits for its register to open.
type dueReturn struct {
	reversal string
	sale     id.Sale
	payment  id.Payment
	amount   int64
	operator int64
	slip     string
	at       time.Time
}

func insertDueReturn(tx *db.Tx, m id.Merchant, register id.Register, d dueReturn) {
	tx.Queue(`INSERT INTO return_due (merchant_id, reversal_id, register_id, sale_id, payment_id, amount_minor, operator, slip, at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, m, d.reversal, register, d.sale, d.payment, d.amount, d.operator, d.slip, d.at)
}

// takeDueReturns removes up to limit returns that wait for a register, and gives them, oldest first.
func takeDueReturns(tx *db.Tx, m id.Merchant, register id.Register, limit int) ([]dueReturn, error) {
	rows := tx.Query(`SELECT reversal_id, sale_id, payment_id, amount_minor, operator, slip, at FROM return_due
		WHERE merchant_id = $1 AND register_id = $2 ORDER BY at, reversal_id LIMIT $3`, m, register, limit)
	var list []dueReturn
	for rows.Next() {
		var d dueReturn
		if err := rows.Scan(&d.reversal, &d.sale, &d.payment, &d.amount, &d.operator, &d.slip, &d.at); err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for _, d := range list {
		tx.Queue(`DELETE FROM return_due WHERE merchant_id = $1 AND reversal_id = $2`, m, d.reversal)
	}
	return list, nil
}

// readReturned adds up, by rate, what went back of a sale already: positive amounts.
func readReturned(tx *db.Tx, m id.Merchant, original id.Sale) (map[money.Rate]int64, error) {
	rows := tx.Query(`SELECT rate_bp, CAST(SUM(-ttc_minor) AS BIGINT) FROM sale_vat WHERE merchant_id = $1
		AND sale_id IN (SELECT sale_id FROM sale WHERE merchant_id = $1 AND original_id = $2) GROUP BY rate_bp`, m, original)
	back := make(map[money.Rate]int64)
	for rows.Next() {
		var rate money.Rate
		var minor int64
		if err := rows.Scan(&rate, &minor); err != nil {
			return nil, err
		}
		back[rate] = minor
	}
	return back, rows.Err()
}
