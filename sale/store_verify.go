package sale

import (
	"fmt"

	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/money"
)

// rowsOf is a sale as its rows have it.
type rowsOf struct {
	Sale
	misnumbered string // the first line or tender whose number does not follow, in words; empty when they count from one
}

// follows notes a row whose number does not follow those before it.
func (s *rowsOf) follows(what string, number int64, before int) {
	if number != int64(before)+1 && s.misnumbered == "" {
		s.misnumbered = fmt.Sprintf("%s %d where %d follows", what, number, before+1)
	}
}

// span is the sales of a register with numbers from first to last.
type span struct {
	merchant    id.Merchant
	register    id.Register
	first, last int64
}

// query reads rows that belong to the sales of a span.
func (s span) query(tx *db.Tx, query string) *db.Rows {
	return tx.Query(query, s.merchant, s.register, s.first, s.last)
}

// readSpan reads the sales of a span whole, by number.
func readSpan(tx *db.Tx, s span) (map[int64]*rowsOf, error) {
	sales := make(map[int64]*rowsOf, s.last-s.first+1)
	rows := s.query(tx, `SELECT `+saleColumns+` FROM sale
		WHERE merchant_id = $1 AND register_id = $2 AND number BETWEEN $3 AND $4 ORDER BY number`)
	for rows.Next() {
		one, err := scanSale(rows, s.merchant)
		if err != nil {
			return nil, err
		}
		sales[one.Number] = &rowsOf{Sale: one}
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for _, read := range []func(*db.Tx, span, map[int64]*rowsOf) error{readSpanLines, readSpanVAT, readSpanTenders} {
		if err := read(tx, s, sales); err != nil {
			return nil, err
		}
	}
	return sales, nil
}

func readSpanLines(tx *db.Tx, s span, sales map[int64]*rowsOf) error {
	rows := s.query(tx, `SELECT s.number, l.line, l.article, l.label, l.nature, l.quantity_milli, l.unit_minor, l.list_minor,
		l.reduction_minor, l.reduction_name, l.share_minor, l.vat_bp, l.ttc_minor, l.ht_minor
		FROM sale s JOIN sale_line l ON l.merchant_id = s.merchant_id AND l.sale_id = s.sale_id
		WHERE s.merchant_id = $1 AND s.register_id = $2 AND s.number BETWEEN $3 AND $4 ORDER BY s.number, l.line`)
	for rows.Next() {
		var number, line int64
		var l Line
		if err := rows.Scan(&number, &line, &l.Article, &l.Label, &l.Nature, &l.Quantity, &l.Unit, &l.List,
			&l.Reduction, &l.ReductionName, &l.Share, &l.Rate, &l.TTC, &l.HT); err != nil {
			return err
		}
		if one := sales[number]; one != nil {
			one.follows("line", line, len(one.Lines))
			one.Lines = append(one.Lines, l)
		}
	}
	return rows.Err()
}

func readSpanVAT(tx *db.Tx, s span, sales map[int64]*rowsOf) error {
	rows := s.query(tx, `SELECT s.number, v.rate_bp, v.ttc_minor, v.ht_minor, v.vat_minor
		FROM sale s JOIN sale_vat v ON v.merchant_id = s.merchant_id AND v.sale_id = s.sale_id
		WHERE s.merchant_id = $1 AND s.register_id = $2 AND s.number BETWEEN $3 AND $4 ORDER BY s.number, v.rate_bp`)
	for rows.Next() {
		var number int64
		var v money.VAT
		if err := rows.Scan(&number, &v.Rate, &v.TTC, &v.HT, &v.VAT); err != nil {
			return err
		}
		if one := sales[number]; one != nil {
			one.VAT = append(one.VAT, v)
		}
	}
	return rows.Err()
}

func readSpanTenders(tx *db.Tx, s span, sales map[int64]*rowsOf) error {
	rows := s.query(tx, `SELECT s.number, t.position, `+tenderColumns+`
		FROM sale s JOIN tender t ON t.merchant_id = s.merchant_id AND t.sale_id = s.sale_id
		WHERE s.merchant_id = $1 AND s.register_id = $2 AND s.number BETWEEN $3 AND $4 ORDER BY s.number, t.position`)
	for rows.Next() {
		var number, position int64
		var t Tender
		if err := t.scan(rows, &number, &position); err != nil {
			return err
		}
		if one := sales[number]; one != nil {
			one.follows("tender", position, len(one.Tenders))
			one.Tenders = append(one.Tenders, t)
		}
	}
	return rows.Err()
}

// countEarly counts what was journaled of means of payment apart from a ticket: what
// was accepted before it, what went back, what was confirmed.
func countEarly(tx *db.Tx, m id.Merchant) (n int64, err error) {
	err = tx.QueryRow(`SELECT CAST(COALESCE(SUM(CASE WHEN early THEN 1 ELSE 0 END), 0)
		+ COALESCE(SUM(CASE WHEN returned_at IS NOT NULL THEN 1 ELSE 0 END), 0)
		+ COALESCE(SUM(CASE WHEN confirmed_at IS NOT NULL THEN 1 ELSE 0 END), 0) AS BIGINT)
		FROM basket_tender WHERE merchant_id = $1`, m).Scan(&n)
	return n, err
}

func countAbandoned(tx *db.Tx, m id.Merchant) (n int64, err error) {
	err = tx.QueryRow(`SELECT COUNT(*) FROM basket WHERE merchant_id = $1 AND state = 'abandoned'`, m).Scan(&n)
	return n, err
}
