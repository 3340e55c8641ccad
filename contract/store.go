package contract

import (
	"time"

	"encaisse/base/card"
	"encaisse/base/db"
	"encaisse/base/id"
)

const columns = `contract_id, name, connector, acceptor, mcc, city, currency, batch_at, contactless_max_minor,
	cvm_required_minor, floor_limit_minor, state, public_key, private_key, created_at, updated_at`

type scanning interface{ Scan(dest ...any) error }

func scan(row scanning, m id.Merchant) (c Contract, err error) {
	c.Merchant = m
	err = row.Scan(&c.ID, &c.Name, &c.Connector, &c.Acceptor, &c.MCC, &c.City, &c.Currency, &c.BatchAt, &c.ContactlessMax,
		&c.CVMRequired, &c.FloorLimit, &c.State, &c.PublicKey, &c.sealed, &c.CreatedAt, &c.UpdatedAt)
	return c, err
}

// read reads one contract with its schemes; db.ErrNone when there is none.
func read(tx *db.Tx, m id.Merchant, contract id.Contract) (Contract, error) {
	c, err := scan(tx.QueryRow(`SELECT `+columns+` FROM contract WHERE merchant_id = $1 AND contract_id = $2`, m, contract), m)
	if err != nil {
		return c, err
	}
	schemes, err := readSchemes(tx, m)
	c.Schemes = schemes[c.ID]
	return c, err
}

func readAll(tx *db.Tx, m id.Merchant) ([]Contract, error) {
	rows := tx.Query(`SELECT `+columns+` FROM contract WHERE merchant_id = $1 ORDER BY contract_id`, m)
	var list []Contract
	for rows.Next() {
		c, err := scan(rows, m)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	schemes, err := readSchemes(tx, m)
	for i := range list {
		list[i].Schemes = schemes[list[i].ID]
	}
	return list, err
}

// readSchemes reads the schemes of all the merchant's contracts: there are few.
func readSchemes(tx *db.Tx, m id.Merchant) (map[id.Contract]map[card.Scheme]string, error) {
	rows := tx.Query(`SELECT contract_id, scheme, affiliation FROM contract_scheme WHERE merchant_id = $1`, m)
	all := make(map[id.Contract]map[card.Scheme]string)
	for rows.Next() {
		var of id.Contract
		var scheme card.Scheme
		var affiliation string
		if err := rows.Scan(&of, &scheme, &affiliation); err != nil {
			return nil, err
		}
		if all[of] == nil {
			all[of] = make(map[card.Scheme]string)
		}
		all[of][scheme] = affiliation
	}
	return all, rows.Err()
}

func insert(tx *db.Tx, c Contract) {
	tx.Queue(`INSERT INTO contract (merchant_id, `+columns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`,
		c.Merchant, c.ID, c.Name, c.Connector, c.Acceptor, c.MCC, c.City, c.Currency, c.BatchAt, c.ContactlessMax,
		c.CVMRequired, c.FloorLimit, c.State, c.PublicKey, c.sealed, c.CreatedAt, c.UpdatedAt)
	insertSchemes(tx, c)
}

func insertSchemes(tx *db.Tx, c Contract) {
	for scheme, affiliation := range c.Schemes {
		tx.Queue(`INSERT INTO contract_scheme (merchant_id, contract_id, scheme, affiliation) VALUES ($1, $2, $3, $4)`,
			c.Merchant, c.ID, scheme, affiliation)
	}
}

// update puts after over before, unless somebody changed it meanwhile.
func update(tx *db.Tx, before, after Contract) (bool, error) {
	n, err := tx.Exec(`UPDATE contract SET name = $4, mcc = $5, city = $6, currency = $7, batch_at = $8,
		contactless_max_minor = $9, cvm_required_minor = $10, floor_limit_minor = $11, state = $12, updated_at = $13
		WHERE merchant_id = $1 AND contract_id = $2 AND updated_at = $3`,
		before.Merchant, before.ID, before.UpdatedAt, after.Name, after.MCC, after.City, after.Currency, after.BatchAt,
		after.ContactlessMax, after.CVMRequired, after.FloorLimit, after.State, after.UpdatedAt)
	if err != nil || n == 0 {
		return false, err
	}
	tx.Queue(`DELETE FROM contract_scheme WHERE merchant_id = $1 AND contract_id = $2`, before.Merchant, before.ID)
	insertSchemes(tx, after)
	return true, nil
}

func insertFingerprintKey(tx *db.Tx, m id.Merchant, sealed []byte, at time.Time) {
	tx.Queue(`INSERT INTO fingerprint_key (merchant_id, sealed, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, m, sealed, at)
}

func readFingerprintKey(tx *db.Tx, m id.Merchant) (sealed []byte, err error) {
	err = tx.QueryRow(`SELECT sealed FROM fingerprint_key WHERE merchant_id = $1`, m).Scan(&sealed)
	return sealed, err
}
