package merchant

import (
	"time"

	"encaisse/base/db"
	"encaisse/base/id"
)

func insertKey(tx *db.Tx, now time.Time, merchant id.Merchant, sealed []byte) error {
	_, err := tx.Exec(`INSERT INTO merchant_key (merchant_id, sealed, created_at) VALUES ($1, $2, $3)`, merchant, sealed, now)
	return err
}

func readKey(tx *db.Tx, merchant id.Merchant) (sealed []byte, err error) {
	err = tx.QueryRow(`SELECT sealed FROM merchant_key WHERE merchant_id = $1`, merchant).Scan(&sealed)
	return sealed, err
}

func readMerchantIDs(tx *db.Tx) ([]id.Merchant, error) {
	rows := tx.Query(`SELECT merchant_id FROM merchant ORDER BY merchant_id`)
	var list []id.Merchant
	for rows.Next() {
		var m id.Merchant
		if err := rows.Scan(&m); err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, rows.Err()
}
