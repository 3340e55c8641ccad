package ledger

import (
	"strconv"
	"strings"
	"time"

	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/money"
)

// maxSources is how many sources one statement reads.
const maxSources = 250

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func insertTransfer(tx *db.Tx, m id.Merchant, source string, position int, t Transfer, currency money.Currency, at time.Time) {
	tx.Queue(`INSERT INTO ledger_transfer (merchant_id, source, position, debit, credit, amount_minor, currency, at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, m, source, position, t.Debit, t.Credit, t.Amount, currency, at)
}

// Of reads the transfers of the given sources, each list in order of position.
func Of(tx *db.Tx, m id.Merchant, sources []string) (map[string][]Posted, error) {
	found := make(map[string][]Posted, len(sources))
	for len(sources) > 0 {
		n := min(len(sources), maxSources)
		if err := readTransfers(tx, m, sources[:n], found); err != nil {
			return nil, err
		}
		sources = sources[n:]
	}
	return found, nil
}

func readTransfers(tx *db.Tx, m id.Merchant, sources []string, into map[string][]Posted) error {
	args := make([]any, 0, maxSources+1)
	args = append(args, m)
	var list strings.Builder
	for i := range maxSources { // always as many places, so that one prepared statement serves
		if i > 0 {
			list.WriteByte(',')
		}
		list.WriteString("$" + itoa(int64(i+2)))
		if i < len(sources) {
			args = append(args, sources[i])
		} else {
			args = append(args, "")
		}
	}
	rows := tx.Query(`SELECT source, position, debit, credit, amount_minor, currency, at FROM ledger_transfer
		WHERE merchant_id = $1 AND source IN (`+list.String()+`) ORDER BY source, position`, args...)
	for rows.Next() {
		var source string
		var t Posted
		if err := rows.Scan(&source, &t.Position, &t.Debit, &t.Credit, &t.Amount, &t.Currency, &t.At); err != nil {
			return err
		}
		into[source] = append(into[source], t)
	}
	return rows.Err()
}

// Count is how many transfers the merchant has: what verification compares with
// the number that the sealed records account for, so that none is there for nothing.
func Count(tx *db.Tx, m id.Merchant) (n int64, err error) {
	err = tx.QueryRow(`SELECT COUNT(*) FROM ledger_transfer WHERE merchant_id = $1`, m).Scan(&n)
	return n, err
}

// Balance is an account's debits less its credits, in minor units.
func Balance(tx *db.Tx, m id.Merchant, account string) (minor int64, err error) {
	err = tx.QueryRow(`SELECT CAST(COALESCE(SUM(CASE WHEN debit = $2 THEN amount_minor ELSE -amount_minor END), 0) AS BIGINT)
		FROM ledger_transfer WHERE merchant_id = $1 AND (debit = $2 OR credit = $2)`, m, account).Scan(&minor)
	return minor, err
}
