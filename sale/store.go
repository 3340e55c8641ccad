package sale

import (
	"time"

	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/money"
)

const saleRow = `sale_id, register_id, number, session_id, business_date, document, sealed_at, operator, currency,
	total_minor, reduction_minor, reduction_name, external_ref, request_hash, original_id`

// saleColumns is a sale's row and the ticket number of the sale it goes back to.
const saleColumns = saleRow + `,
	(SELECT o.number FROM sale o WHERE o.merchant_id = sale.merchant_id AND o.sale_id = sale.original_id) AS original_number`

func insertSale(tx *db.Tx, s *Sale) {
	var original *id.Sale
	if s.Original != "" {
		original = &s.Original
	}
	tx.Queue(`INSERT INTO sale (merchant_id, `+saleRow+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`,
		s.Merchant, s.ID, s.Register, s.Number, s.Session, s.BusinessDate, s.Document, s.SealedAt, s.Operator, s.Currency,
		s.Total, s.Reduction, s.ReductionName, s.ExternalRef, s.requestHash, original)
	for i := range s.Lines {
		l := &s.Lines[i]
		tx.Queue(`INSERT INTO sale_line (merchant_id, sale_id, line, article, label, nature, quantity_milli, unit_minor,
			list_minor, reduction_minor, reduction_name, share_minor, vat_bp, ttc_minor, ht_minor)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
			s.Merchant, s.ID, i+1, l.Article, l.Label, l.Nature, l.Quantity, l.Unit,
			l.List, l.Reduction, l.ReductionName, l.Share, l.Rate, l.TTC, l.HT)
	}
	for _, v := range s.VAT {
		tx.Queue(`INSERT INTO sale_vat (merchant_id, sale_id, rate_bp, ttc_minor, ht_minor, vat_minor)
			VALUES ($1, $2, $3, $4, $5, $6)`, s.Merchant, s.ID, v.Rate, v.TTC, v.HT, v.VAT)
	}
	for i := range s.Tenders {
		insertTender(tx, s, i+1, &s.Tenders[i])
	}
}

func insertTender(tx *db.Tx, s *Sale, position int, t *Tender) {
	if t.plain() { // what cash at the counter needs, and no more
		tx.Queue(`INSERT INTO tender (merchant_id, sale_id, position, tender_id, means, amount_minor, received_minor, change_minor)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, s.Merchant, s.ID, position, t.ID, t.Means, t.Amount, t.Received, t.Change)
		return
	}
	tx.Queue(`INSERT INTO tender (merchant_id, sale_id, position, tender_id, means, amount_minor, received_minor, change_minor,
		payment_id, slip, reference, manual, early) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		s.Merchant, s.ID, position, t.ID, t.Means, t.Amount, t.Received, t.Change,
		t.paymentOrNone(), t.Slip, t.Reference, t.Manual, t.Early)
}

// plain tells whether a tender is cash that was taken with its ticket.
func (t *Tender) plain() bool { return t.Means == Cash && !t.Early }

func (t *Tender) paymentOrNone() *id.Payment {
	if t.Payment == "" {
		return nil
	}
	return &t.Payment
}

type scanning interface{ Scan(dest ...any) error }

func scanSale(row scanning, m id.Merchant) (s Sale, err error) {
	var original *id.Sale
	var number *int64
	s.Merchant, s.State = m, Sealed
	err = row.Scan(&s.ID, &s.Register, &s.Number, &s.Session, &s.BusinessDate, &s.Document, &s.SealedAt, &s.Operator, &s.Currency,
		&s.Total, &s.Reduction, &s.ReductionName, &s.ExternalRef, &s.requestHash, &original, &number)
	if original != nil {
		s.Original = *original
	}
	if number != nil {
		s.originalNumber = *number
	}
	s.Accepted, s.Reserved = s.Total, s.Total
	return s, err
}

// readSale reads one sale whole; db.ErrNone when there is none.
func readSale(tx *db.Tx, m id.Merchant, saleID id.Sale) (Sale, error) {
	s, err := scanSale(tx.QueryRow(`SELECT `+saleColumns+` FROM sale WHERE merchant_id = $1 AND sale_id = $2`, m, saleID), m)
	if err != nil {
		return s, err
	}
	one := map[id.Sale]*Sale{s.ID: &s}
	return s, readParts(tx, m, one, `sale_id = $2`, s.ID)
}

// queueSale reads what is under an id without its parts: the sale where it is
// sealed, else the basket; known stays nil when there is neither.
func queueSale(tx *db.Tx, m id.Merchant, saleID id.Sale, known **Sale) {
	*known = nil
	tx.QueueQuery(func(rows *db.Rows) error {
		for rows.Next() {
			s, err := scanSale(rows, m)
			if err != nil {
				return err
			}
			if s.Number == 0 {
				s.State = Opened
			}
			if *known == nil || s.Number > 0 {
				*known = &s
			}
		}
		return rows.Err()
	}, `SELECT `+saleColumns+` FROM sale WHERE merchant_id = $1 AND sale_id = $2
		UNION ALL SELECT sale_id, register_id, 0, '', '', '', opened_at, operator, currency, total_minor, 0, '', '', request_hash, NULL, NULL
		FROM basket WHERE merchant_id = $1 AND sale_id = $2`, m, saleID)
}

// readParts fills in lines, VAT and tenders of the sales that the condition names.
func readParts(tx *db.Tx, m id.Merchant, sales map[id.Sale]*Sale, condition string, args ...any) error {
	args = append([]any{m}, args...)
	var of id.Sale
	rows := tx.Query(`SELECT sale_id, article, label, nature, quantity_milli, unit_minor, list_minor, reduction_minor,
		reduction_name, share_minor, vat_bp, ttc_minor, ht_minor
		FROM sale_line WHERE merchant_id = $1 AND `+condition+` ORDER BY sale_id, line`, args...)
	for rows.Next() {
		var l Line
		if err := rows.Scan(&of, &l.Article, &l.Label, &l.Nature, &l.Quantity, &l.Unit, &l.List, &l.Reduction,
			&l.ReductionName, &l.Share, &l.Rate, &l.TTC, &l.HT); err != nil {
			return err
		}
		if s := sales[of]; s != nil {
			s.Lines = append(s.Lines, l)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	rows = tx.Query(`SELECT sale_id, rate_bp, ttc_minor, ht_minor, vat_minor FROM sale_vat
		WHERE merchant_id = $1 AND `+condition+` ORDER BY sale_id, rate_bp`, args...)
	for rows.Next() {
		var v money.VAT
		if err := rows.Scan(&of, &v.Rate, &v.TTC, &v.HT, &v.VAT); err != nil {
			return err
		}
		if s := sales[of]; s != nil {
			s.VAT = append(s.VAT, v)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	rows = tx.Query(`SELECT sale_id, `+tenderColumns+` FROM tender
		WHERE merchant_id = $1 AND `+condition+` ORDER BY sale_id, position`, args...)
	for rows.Next() {
		var t Tender
		if err := t.scan(rows, &of); err != nil {
			return err
		}
		if s := sales[of]; s != nil {
			s.Tenders = append(s.Tenders, t)
		}
	}
	return rows.Err()
}

const tenderColumns = `tender_id, means, amount_minor, received_minor, change_minor, payment_id, slip, reference, manual, early`

// scan reads the columns that first names, then tenderColumns.
func (t *Tender) scan(row scanning, first ...any) error {
	var paid *id.Payment
	err := row.Scan(append(first, &t.ID, &t.Means, &t.Amount, &t.Received, &t.Change, &paid, &t.Slip, &t.Reference, &t.Manual, &t.Early)...)
	if paid != nil {
		t.Payment = *paid
	}
	t.State = Accepted
	return err
}

// readPage reads up to limit sales of the merchant older than before (an id, or
// empty for the newest), newest first, without their parts. operator < 0 asks for everybody's.
func readPage(tx *db.Tx, m id.Merchant, before id.Sale, operator int64, limit int) ([]Sale, error) {
	rows := tx.Query(`SELECT `+saleColumns+` FROM sale
		WHERE merchant_id = $1 AND (sale_id < $2 OR $2 = '') AND (operator = $3 OR $3 < 0) ORDER BY sale_id DESC LIMIT $4`,
		m, before, operator, limit)
	sales := make([]Sale, 0, limit)
	for rows.Next() {
		s, err := scanSale(rows, m)
		if err != nil {
			return nil, err
		}
		sales = append(sales, s)
	}
	return sales, rows.Err()
}

const sessionColumns = `session_id, register_id, business_date, state, currency, float_minor, opened_at, opened_by, first_ticket, closed_at`

func scanSession(row scanning, m id.Merchant) (s Session, err error) {
	s.Merchant = m
	err = row.Scan(&s.ID, &s.Register, &s.BusinessDate, &s.state, &s.Currency, &s.Float, &s.OpenedAt, &s.OpenedBy, &s.FirstTicket, &s.ClosedAt)
	s.Open = s.state == "open"
	return s, err
}

func readOpenSession(tx *db.Tx, m id.Merchant, register id.Register) (Session, error) {
	return scanSession(tx.QueryRow(`SELECT `+sessionColumns+` FROM till_session
		WHERE merchant_id = $1 AND register_id = $2 AND state = 'open'`, m, register), m)
}

func readSession(tx *db.Tx, m id.Merchant, session id.Session) (Session, error) {
	return scanSession(tx.QueryRow(`SELECT `+sessionColumns+` FROM till_session
		WHERE merchant_id = $1 AND session_id = $2`, m, session), m)
}

// queueSession and queueOpenSession leave found nil when there is none.
func queueSession(tx *db.Tx, m id.Merchant, session id.Session, found **Session) {
	queueSessionBy(tx, m, found, `session_id = $2`, session)
}

func queueOpenSession(tx *db.Tx, m id.Merchant, register id.Register, found **Session) {
	queueSessionBy(tx, m, found, `register_id = $2 AND state = 'open'`, register)
}

func queueSessionBy(tx *db.Tx, m id.Merchant, found **Session, condition string, key any) {
	*found = nil
	tx.QueueQuery(func(rows *db.Rows) error {
		if !rows.Next() {
			return rows.Err()
		}
		s, err := scanSession(rows, m)
		*found = &s
		return err
	}, `SELECT `+sessionColumns+` FROM till_session WHERE merchant_id = $1 AND `+condition, m, key)
}

func insertSession(tx *db.Tx, s Session) {
	tx.Queue(`INSERT INTO till_session (merchant_id, `+sessionColumns+`)
		VALUES ($1, $2, $3, $4, 'open', $5, $6, $7, $8, $9, NULL)`,
		s.Merchant, s.ID, s.Register, s.BusinessDate, s.Currency, s.Float, s.OpenedAt, s.OpenedBy, s.FirstTicket)
}

func closeSessionRow(tx *db.Tx, s Session, at time.Time) {
	tx.Queue(`UPDATE till_session SET state = 'closed', closed_at = $3
		WHERE merchant_id = $1 AND session_id = $2 AND state = 'open'`, s.Merchant, s.ID, at)
}

func insertMovement(tx *db.Tx, merchant id.Merchant, m Movement) {
	direction := "out"
	if m.In {
		direction = "in"
	}
	tx.Queue(`INSERT INTO cash_movement (merchant_id, movement_id, session_id, direction, amount_minor, currency, reason, at, operator)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		merchant, m.ID, m.Session, direction, m.Amount, m.Currency, m.Reason, m.At, m.Operator)
}

func readMovement(tx *db.Tx, merchant id.Merchant, movement id.Movement) (m Movement, err error) {
	var direction string
	m.ID = movement
	err = tx.QueryRow(`SELECT session_id, direction, amount_minor, currency, reason, at, operator FROM cash_movement
		WHERE merchant_id = $1 AND movement_id = $2`, merchant, movement).
		Scan(&m.Session, &direction, &m.Amount, &m.Currency, &m.Reason, &m.At, &m.Operator)
	m.In = direction == "in"
	return m, err
}

func sumMovements(tx *db.Tx, s Session, t *Totals) error {
	return tx.QueryRow(`SELECT CAST(COALESCE(SUM(CASE WHEN direction = 'in' THEN amount_minor ELSE 0 END), 0) AS BIGINT),
		CAST(COALESCE(SUM(CASE WHEN direction = 'out' THEN amount_minor ELSE 0 END), 0) AS BIGINT)
		FROM cash_movement WHERE merchant_id = $1 AND session_id = $2`, s.Merchant, s.ID).Scan(&t.CashIn, &t.CashOut)
}

func saleExists(tx *db.Tx, m id.Merchant, saleID id.Sale) (bool, error) {
	var n int64
	err := tx.QueryRow(`SELECT COUNT(*) FROM sale WHERE merchant_id = $1 AND sale_id = $2`, m, saleID).Scan(&n)
	return n > 0, err
}
