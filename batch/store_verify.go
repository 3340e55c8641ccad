package batch

import (
	"strconv"
	"strings"

	"encaisse/base/db"
	"encaisse/base/id"
)

// maxLookups is how many lines one statement looks for.
const maxLookups = 250

// LinesOf reads the lines of the given operations, for who verifies them. One
// that is in no batch is missing from the result.
func LinesOf(tx *db.Tx, m id.Merchant, operations []id.Operation) (map[id.Operation]Line, error) {
	found := make(map[id.Operation]Line, len(operations))
	for len(operations) > 0 {
		n := min(len(operations), maxLookups)
		if err := readLinesOf(tx, m, operations[:n], found); err != nil {
			return nil, err
		}
		operations = operations[n:]
	}
	return found, nil
}

func readLinesOf(tx *db.Tx, m id.Merchant, operations []id.Operation, into map[id.Operation]Line) error {
	args := append(make([]any, 0, maxLookups+1), m)
	var list strings.Builder
	for i := range maxLookups { // always as many places, so that one prepared statement serves
		if i > 0 {
			list.WriteByte(',')
		}
		list.WriteString("$" + strconv.Itoa(i+2))
		if i < len(operations) {
			args = append(args, operations[i])
		} else {
			args = append(args, "")
		}
	}
	rows := tx.Query(`SELECT `+lineColumns+` FROM batch_line WHERE merchant_id = $1 AND operation_id IN (`+list.String()+`)`, args...)
	for rows.Next() {
		l, err := scanLine(rows)
		if err != nil {
			return err
		}
		into[l.Operation] = l
	}
	return rows.Err()
}

// CountLines is how many lines the batches of a merchant have, removed ones
// too: what verification compares with the captures and refunds there are.
func CountLines(tx *db.Tx, m id.Merchant) (n int64, err error) {
	err = tx.QueryRow(`SELECT COUNT(*) FROM batch_line WHERE merchant_id = $1`, m).Scan(&n)
	return n, err
}
