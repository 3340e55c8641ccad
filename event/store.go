package event

import (
	"errors"

	"encaisse/base/db"
	"encaisse/base/id"
)

func insert(tx *db.Tx, m id.Merchant, e Event) {
	tx.Queue(`INSERT INTO event (merchant_id, event_id, type, subject, data, at) VALUES ($1, $2, $3, $4, $5, $6)`,
		m, e.ID, e.Type, e.Subject, string(e.Data), e.At)
}

func unnumberedMerchants(tx *db.Tx) ([]id.Merchant, error) {
	rows := tx.Query(`SELECT DISTINCT merchant_id FROM event WHERE number IS NULL`)
	var merchants []id.Merchant
	for rows.Next() {
		var m id.Merchant
		if err := rows.Scan(&m); err != nil {
			return nil, err
		}
		merchants = append(merchants, m)
	}
	return merchants, rows.Err()
}

// number takes the merchant's cursor row, so that no other run numbers it
// meanwhile, then numbers the oldest unnumbered events one after another.
func number(tx *db.Tx, m id.Merchant, limit int) (int, error) {
	if _, err := tx.Exec(`INSERT INTO event_cursor (merchant_id, last_number) VALUES ($1, 0) ON CONFLICT DO NOTHING`, m); err != nil {
		return 0, err
	}
	var last int64
	if err := tx.QueryRow(`UPDATE event_cursor SET last_number = last_number WHERE merchant_id = $1 RETURNING last_number`, m).Scan(&last); err != nil {
		return 0, err
	}
	rows := tx.Query(`SELECT event_id FROM event WHERE merchant_id = $1 AND number IS NULL ORDER BY event_id LIMIT $2`, m, limit)
	var ids []id.Event
	for rows.Next() {
		var e id.Event
		if err := rows.Scan(&e); err != nil {
			return 0, err
		}
		ids = append(ids, e)
	}
	if err := rows.Err(); err != nil || len(ids) == 0 {
		return 0, err
	}
	for i, e := range ids {
		tx.Queue(`UPDATE event SET number = $3 WHERE merchant_id = $1 AND event_id = $2`, m, e, last+int64(i)+1)
	}
	tx.Queue(`UPDATE event_cursor SET last_number = $2 WHERE merchant_id = $1`, m, last+int64(len(ids)))
	return len(ids), nil
}

func read(tx *db.Tx, m id.Merchant, after int64, limit int) ([]Event, error) {
	rows := tx.Query(`SELECT event_id, number, type, subject, data, at FROM event
		WHERE merchant_id = $1 AND number > $2 ORDER BY number LIMIT $3`, m, after, limit)
	var events []Event
	for rows.Next() {
		var e Event
		var data string
		if err := rows.Scan(&e.ID, &e.Number, &e.Type, &e.Subject, &data, &e.At); err != nil {
			return nil, err
		}
		e.Data = []byte(data)
		events = append(events, e)
	}
	return events, rows.Err()
}

// lastNumber is the number of the merchant's last numbered event, 0 when there is none.
func lastNumber(tx *db.Tx, m id.Merchant) (last int64, err error) {
	err = tx.QueryRow(`SELECT last_number FROM event_cursor WHERE merchant_id = $1`, m).Scan(&last)
	if errors.Is(err, db.ErrNone) {
		return 0, nil
	}
	return last, err
}
