package sale

import (
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/money"
)

// inSession is the set of a session's sales: those of its register from its
// first number on. A session is closed under the chain's lock, so the numbers
// of the next one are all above.
const inSession = `sale_id IN (SELECT sale_id FROM sale WHERE merchant_id = $1 AND register_id = $2 AND number >= $3 AND session_id = $4)`

// sumSales adds up the sealed tickets of a session.
func sumSales(tx *db.Tx, s Session, t *Totals) error {
	var tickets int64
	err := tx.QueryRow(`SELECT COUNT(*), CAST(COALESCE(SUM(CASE WHEN total_minor < 0 THEN 1 ELSE 0 END), 0) AS BIGINT),
		CAST(COALESCE(SUM(total_minor), 0) AS BIGINT), CAST(COALESCE(SUM(ABS(total_minor)), 0) AS BIGINT)
		FROM sale WHERE merchant_id = $1 AND register_id = $2 AND number >= $3 AND session_id = $4`,
		s.Merchant, s.Register, s.FirstTicket, s.ID).Scan(&tickets, &t.Returns, &t.Net, &t.Absolute)
	if err != nil {
		return err
	}
	t.LastTicket = t.FirstTicket + tickets - 1
	err = tx.QueryRow(`SELECT COUNT(*) FROM sale_line WHERE merchant_id = $1 AND `+inSession,
		s.Merchant, s.Register, s.FirstTicket, s.ID).Scan(&t.Lines)
	if err != nil {
		return err
	}
	err = tx.QueryRow(`SELECT CAST(COALESCE(SUM(CASE WHEN means = 'cash' THEN amount_minor ELSE 0 END), 0) AS BIGINT),
		CAST(COALESCE(SUM(CASE WHEN means = 'card' THEN amount_minor ELSE 0 END), 0) AS BIGINT),
		CAST(COALESCE(SUM(CASE WHEN means = 'card' AND manual THEN amount_minor ELSE 0 END), 0) AS BIGINT)
		FROM tender WHERE merchant_id = $1 AND `+inSession,
		s.Merchant, s.Register, s.FirstTicket, s.ID).Scan(&t.Cash, &t.Card, &t.CardManual)
	if err != nil {
		return err
	}
	rows := tx.Query(`SELECT rate_bp, CAST(SUM(ttc_minor) AS BIGINT), CAST(SUM(ht_minor) AS BIGINT), CAST(SUM(vat_minor) AS BIGINT)
		FROM sale_vat WHERE merchant_id = $1 AND `+inSession+` GROUP BY rate_bp ORDER BY rate_bp`,
		s.Merchant, s.Register, s.FirstTicket, s.ID)
	for rows.Next() {
		var v PeriodVAT
		if err := rows.Scan(&v.Rate, &v.TTC, &v.HT, &v.VAT.VAT); err != nil {
			return err
		}
		t.VAT = append(t.VAT, v)
	}
	return rows.Err()
}

// absoluteByRate adds up the tickets' turnover by rate with returns added instead of subtracted.
func absoluteByRate(tx *db.Tx, m id.Merchant, register id.Register, first, last int64) (map[money.Rate]int64, error) {
	rows := tx.Query(`SELECT rate_bp, CAST(SUM(ABS(ttc_minor)) AS BIGINT) FROM sale_vat
		WHERE merchant_id = $1 AND sale_id IN (SELECT sale_id FROM sale
			WHERE merchant_id = $1 AND register_id = $2 AND number BETWEEN $3 AND $4) GROUP BY rate_bp`, m, register, first, last)
	absolute := make(map[money.Rate]int64)
	for rows.Next() {
		var rate money.Rate
		var minor int64
		if err := rows.Scan(&rate, &minor); err != nil {
			return nil, err
		}
		absolute[rate] = minor
	}
	return absolute, rows.Err()
}

const closingColumns = `closing_id, register_id, kind, number, business_date, session_id, closed_at, operator, currency,
	first_ticket, last_ticket, lines, returns, net_minor, absolute_minor, perpetual_net_minor, perpetual_absolute_minor,
	float_minor, cash_minor, cash_in_minor, cash_out_minor, expected_minor, counted_minor, difference_minor,
	card_minor, card_manual_minor, held_minor`

func insertClosing(tx *db.Tx, z *Closing) {
	var session *id.Session
	if z.Session != "" {
		session = &z.Session
	}
	tx.Queue(`INSERT INTO closing (merchant_id, `+closingColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28)`,
		z.Merchant, z.ID, z.Register, z.Kind, z.Number, z.BusinessDate, session, z.ClosedAt, z.Operator, z.Currency,
		z.FirstTicket, z.LastTicket, z.Lines, z.Returns, z.Net, z.Absolute, z.PerpetualNet, z.PerpetualAbsolute,
		z.Float, z.Cash, z.CashIn, z.CashOut, z.Expected, z.Counted, z.Difference, z.Card, z.CardManual, z.Held)
	for _, v := range z.VAT {
		tx.Queue(`INSERT INTO closing_vat (merchant_id, closing_id, rate_bp, ttc_minor, ht_minor, vat_minor,
			perpetual_net_minor, perpetual_absolute_minor) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			z.Merchant, z.ID, v.Rate, v.TTC, v.HT, v.VAT.VAT, v.PerpetualNet, v.PerpetualAbsolute)
	}
}

func scanClosing(row scanning, m id.Merchant) (z Closing, err error) {
	var session *id.Session
	z.Merchant = m
	err = row.Scan(&z.ID, &z.Register, &z.Kind, &z.Number, &z.BusinessDate, &session, &z.ClosedAt, &z.Operator, &z.Currency,
		&z.FirstTicket, &z.LastTicket, &z.Lines, &z.Returns, &z.Net, &z.Absolute, &z.PerpetualNet, &z.PerpetualAbsolute,
		&z.Float, &z.Cash, &z.CashIn, &z.CashOut, &z.Expected, &z.Counted, &z.Difference, &z.Card, &z.CardManual, &z.Held)
	if session != nil {
		z.Session = *session
	}
	return z, err
}

// readClosing reads one closing whole; db.ErrNone when there is none.
func readClosing(tx *db.Tx, m id.Merchant, closing id.Closing) (Closing, error) {
	z, err := scanClosing(tx.QueryRow(`SELECT `+closingColumns+` FROM closing WHERE merchant_id = $1 AND closing_id = $2`, m, closing), m)
	if err != nil {
		return z, err
	}
	z.VAT, err = closingVAT(tx, m, z.ID)
	return z, err
}

func closingVAT(tx *db.Tx, m id.Merchant, closing id.Closing) ([]PeriodVAT, error) {
	rows := tx.Query(`SELECT rate_bp, ttc_minor, ht_minor, vat_minor, perpetual_net_minor, perpetual_absolute_minor
		FROM closing_vat WHERE merchant_id = $1 AND closing_id = $2 ORDER BY rate_bp`, m, closing)
	var list []PeriodVAT
	for rows.Next() {
		var v PeriodVAT
		if err := rows.Scan(&v.Rate, &v.TTC, &v.HT, &v.VAT.VAT, &v.PerpetualNet, &v.PerpetualAbsolute); err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

// readClosingVAT reads the VAT of a register's closing by kind and number, nothing for number 0.
func readClosingVAT(tx *db.Tx, m id.Merchant, register id.Register, kind string, number int64) ([]PeriodVAT, error) {
	if number == 0 {
		return nil, nil
	}
	var closing id.Closing
	err := tx.QueryRow(`SELECT closing_id FROM closing WHERE merchant_id = $1 AND register_id = $2 AND kind = $3 AND number = $4`,
		m, register, kind, number).Scan(&closing)
	if err != nil {
		return nil, err
	}
	return closingVAT(tx, m, closing)
}

// readClosings reads the closings that the condition names, whole, in order of number.
func readClosings(tx *db.Tx, m id.Merchant, condition string, args ...any) ([]Closing, error) {
	rows := tx.Query(`SELECT `+closingColumns+` FROM closing WHERE merchant_id = $1 AND `+condition, append([]any{m}, args...)...)
	var list []Closing
	for rows.Next() {
		z, err := scanClosing(rows, m)
		if err != nil {
			return nil, err
		}
		list = append(list, z)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for i := range list {
		var err error
		if list[i].VAT, err = closingVAT(tx, m, list[i].ID); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// readDay reads the Z of a register's business day, in order.
func readDay(tx *db.Tx, m id.Merchant, register id.Register, date string) ([]Closing, error) {
	return readClosings(tx, m, `session_id IN (SELECT session_id FROM till_session
		WHERE merchant_id = $1 AND register_id = $2 AND business_date = $3) AND kind = 'z' ORDER BY number`, register, date)
}

func dayIsClosed(tx *db.Tx, m id.Merchant, register id.Register, date string) (closed bool, err error) {
	var n int64
	err = tx.QueryRow(`SELECT COUNT(*) FROM closing WHERE merchant_id = $1 AND register_id = $2 AND business_date = $3 AND kind = 'day'`,
		m, register, date).Scan(&n)
	return n > 0, err
}

func countSales(tx *db.Tx, m id.Merchant) (n int64, err error) {
	err = tx.QueryRow(`SELECT COUNT(*) FROM sale WHERE merchant_id = $1`, m).Scan(&n)
	return n, err
}

func countLines(tx *db.Tx, m id.Merchant) (n int64, err error) {
	err = tx.QueryRow(`SELECT COUNT(*) FROM sale_line WHERE merchant_id = $1`, m).Scan(&n)
	return n, err
}

func countVAT(tx *db.Tx, m id.Merchant) (n int64, err error) {
	err = tx.QueryRow(`SELECT COUNT(*) FROM sale_vat WHERE merchant_id = $1`, m).Scan(&n)
	return n, err
}

func countTenders(tx *db.Tx, m id.Merchant) (n int64, err error) {
	err = tx.QueryRow(`SELECT COUNT(*) FROM tender WHERE merchant_id = $1`, m).Scan(&n)
	return n, err
}

func countSessions(tx *db.Tx, m id.Merchant) (n int64, err error) {
	err = tx.QueryRow(`SELECT COUNT(*) FROM till_session WHERE merchant_id = $1`, m).Scan(&n)
	return n, err
}

func countMovements(tx *db.Tx, m id.Merchant) (n int64, err error) {
	err = tx.QueryRow(`SELECT COUNT(*) FROM cash_movement WHERE merchant_id = $1`, m).Scan(&n)
	return n, err
}

func countClosings(tx *db.Tx, m id.Merchant) (n int64, err error) {
	err = tx.QueryRow(`SELECT COUNT(*) FROM closing WHERE merchant_id = $1`, m).Scan(&n)
	return n, err
}

func countClosingVAT(tx *db.Tx, m id.Merchant) (n int64, err error) {
	err = tx.QueryRow(`SELECT COUNT(*) FROM closing_vat WHERE merchant_id = $1`, m).Scan(&n)
	return n, err
}
