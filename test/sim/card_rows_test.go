package sim_test

import (
	"context"
	"strings"

	"encaisse/base/db"
)

// rules are what holds at every moment, each a query that finds what breaks it.
// They are written against the rows alone: what checks the product does not ask it.
var rules = [...]struct{ name, query string }{
	{
		"a sale has more captured than it costs",
		`SELECT b.sale_id FROM basket b WHERE b.total_minor < (SELECT COALESCE(SUM(p.captured_minor - p.voided_minor), 0) FROM payment p
			WHERE p.merchant_id = b.merchant_id AND p.owner = b.sale_id)`,
	},
	{
		"a tender has more than one payment captured for it",
		`SELECT tender_id FROM payment WHERE captured_minor > 0 GROUP BY tender_id HAVING COUNT(*) > 1`,
	},
	{
		"a payment was captured and its tender is not accepted",
		`SELECT p.payment_id FROM payment p JOIN basket_tender t ON t.merchant_id = p.merchant_id AND t.tender_id = p.tender_id
			WHERE p.captured_minor > 0 AND t.state NOT IN ('accepted', 'returned')`,
	},
	{
		"an attempt is in doubt without a next try",
		`SELECT attempt_id FROM payment_attempt WHERE next_try_at IS NULL AND state NOT IN ('succeeded', 'failed')`,
	},
	{
		"an operation is in doubt without a next try",
		`SELECT o.operation_id FROM payment_operation o WHERE o.next_try_at IS NULL AND (o.state IN ('prepared', 'sent') OR o.kind = 'reversal' AND o.state <> 'approved'
			OR o.state = 'unknown' AND NOT EXISTS (SELECT 1 FROM payment_operation r WHERE r.merchant_id = o.merchant_id AND r.original_id = o.operation_id AND r.kind = 'reversal'))`,
	},
	{
		"a batch waits without a next try",
		`SELECT batch_id FROM batch b WHERE state IN ('sent', 'refused', 'unknown') AND next_try_at IS NULL`,
	},
	{
		"a sealed basket is not covered",
		`SELECT sale_id FROM basket WHERE state = 'sealed' AND (accepted_minor <> total_minor OR reserved_minor <> total_minor)`,
	},
	{
		"an abandoned basket keeps money",
		`SELECT sale_id FROM basket WHERE state = 'abandoned' AND reserved_minor <> 0`,
	},
	{
		"a basket's means do not add up",
		`SELECT b.sale_id FROM basket b WHERE b.accepted_minor <> (SELECT COALESCE(SUM(t.amount_minor), 0) FROM basket_tender t
			WHERE t.merchant_id = b.merchant_id AND t.sale_id = b.sale_id AND t.state = 'accepted')
			OR b.reserved_minor <> (SELECT COALESCE(SUM(t.amount_minor), 0) FROM basket_tender t
			WHERE t.merchant_id = b.merchant_id AND t.sale_id = b.sale_id AND t.state IN ('accepted', 'processing'))`,
	},
	{
		"a ticket is not paid to the cent",
		`SELECT s.sale_id FROM sale s WHERE s.total_minor <> (SELECT COALESCE(SUM(t.amount_minor), 0) FROM tender t
			WHERE t.merchant_id = s.merchant_id AND t.sale_id = s.sale_id)`,
	},
	{
		"what is due does not add up",
		`SELECT 'due' FROM merchant m WHERE
			(SELECT COALESCE(SUM(CASE WHEN debit = 'due' THEN amount_minor ELSE -amount_minor END), 0) FROM ledger_transfer WHERE debit = 'due' OR credit = 'due')
			+ (SELECT COALESCE(SUM(accepted_minor), 0) FROM basket WHERE state = 'open')
			- (SELECT COALESCE(SUM(amount_minor), 0) FROM return_due) <> 0`,
	},
	{
		"a reader has two dialogues",
		`SELECT terminal_id FROM terminal_dialogue WHERE state = 'open' GROUP BY terminal_id HAVING COUNT(*) > 1`,
	},
	{
		"an open batch does not add up",
		`SELECT p.batch_id FROM batch_part p WHERE p.debit_minor <> (SELECT COALESCE(SUM(l.amount_minor), 0) FROM batch_line l
			WHERE l.merchant_id = p.merchant_id AND l.batch_id = p.batch_id AND l.part = p.part AND NOT l.credit AND l.removed_at IS NULL)`,
	},
	{
		"a card is kept longer than anybody needs it",
		`SELECT o.operation_id FROM payment_operation o WHERE LENGTH(o.card) > 0 AND o.state IN ('declined', 'not_performed')
			AND NOT EXISTS (SELECT 1 FROM payment_operation r WHERE r.merchant_id = o.merchant_id AND r.original_id = o.operation_id AND r.kind = 'reversal' AND r.state <> 'approved')`,
	},
	{
		"a line of an acknowledged batch still holds a card",
		`SELECT l.operation_id FROM batch_line l JOIN batch b ON b.merchant_id = l.merchant_id AND b.batch_id = l.batch_id
			WHERE b.state = 'acknowledged' AND LENGTH(l.clearing) > 0`,
	},
}

// allRules is one query for all of them.
func allRules() string {
	parts := make([]string, len(rules))
	for i, r := range rules {
		parts[i] = "SELECT '" + strings.ReplaceAll(r.name, "'", "''") + "' AS rule, x.* FROM (" + r.query + ") AS x"
	}
	return strings.Join(parts, " UNION ALL ")
}

// brokenRules finds what breaks them.
func brokenRules(tx *db.Tx) (broken []string, err error) {
	rows := tx.Query(rulesQuery)
	for rows.Next() {
		var rule, row string
		if err := rows.Scan(&rule, &row); err != nil {
			return nil, err
		}
		broken = append(broken, rule+": "+row)
	}
	return broken, rows.Err()
}

// rulesQuery is made once.
var rulesQuery = allRules()

// rowsAreSound checks the rules.
func (w *cardWorld) rowsAreSound(where string) {
	var broken []string
	err := w.watch.Read(context.Background(), func(tx *db.Tx) (err error) {
		broken, err = brokenRules(tx)
		return err
	})
	if err != nil {
		w.fault("at %s: the rows cannot be read: %v", where, err)
	}
	for _, b := range broken {
		w.fault("at %s: %s", where, b)
	}
}
