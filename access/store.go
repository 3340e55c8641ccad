package access

import (
	"time"

	"encaisse/base/db"
	"encaisse/base/id"
)

const personColumns = `person_id, number, name, email, role, state, created_at`

func (p *Person) fields() []any {
	return []any{&p.ID, &p.Number, &p.Name, &p.Email, &p.Role, &p.State, &p.CreatedAt}
}

// insertNextPerson draws the next number. db.ErrNone: the number or the id is
// taken, and the unique keys kept it from being given twice.
func insertNextPerson(tx *db.Tx, p Person) (number int64, err error) {
	err = tx.QueryRow(`INSERT INTO person (merchant_id, person_id, number, name, email, role, state, created_at)
		VALUES ($1, $2, (SELECT COALESCE(MAX(number), 0) + 1 FROM person WHERE merchant_id = $1), $3, $4, $5, $6, $7)
		ON CONFLICT DO NOTHING RETURNING number`,
		p.Merchant, p.ID, p.Name, p.Email, p.Role, p.State, p.CreatedAt).Scan(&number)
	return number, err
}

func readPerson(tx *db.Tx, m id.Merchant, person id.Person) (Person, error) {
	p := Person{Merchant: m}
	err := tx.QueryRow(`SELECT `+personColumns+` FROM person WHERE merchant_id = $1 AND person_id = $2`, m, person).Scan(p.fields()...)
	return p, err
}

func readPeople(tx *db.Tx, m id.Merchant) ([]Person, error) {
	rows := tx.Query(`SELECT `+personColumns+` FROM person WHERE merchant_id = $1 ORDER BY number`, m)
	defer rows.Close()
	var people []Person
	for rows.Next() {
		p := Person{Merchant: m}
		if err := rows.Scan(p.fields()...); err != nil {
			return nil, err
		}
		people = append(people, p)
	}
	return people, rows.Err()
}

// takeAdministrators locks the rows of the active administrators until the
// transaction ends. It changes nothing in them.
func takeAdministrators(tx *db.Tx, m id.Merchant) error {
	_, err := tx.Exec(`UPDATE person SET number = number
		WHERE merchant_id = $1 AND role = 'administrator' AND state = 'active'`, m)
	return err
}

// updatePerson writes after over before, on condition that the row still is
// before and, where it leaves the administrators, that one of them is left.
func updatePerson(tx *db.Tx, before, after Person, leaves bool) (written bool, err error) {
	affected, err := tx.Exec(`UPDATE person SET name = $3, role = $4, state = $5
		WHERE merchant_id = $1 AND person_id = $2 AND name = $6 AND role = $7 AND state = $8
		AND ($9 OR EXISTS (SELECT 1 FROM person other WHERE other.merchant_id = $1 AND other.person_id <> $2
			AND other.role = 'administrator' AND other.state = 'active'))`,
		after.Merchant, after.ID, after.Name, after.Role, after.State, before.Name, before.Role, before.State, !leaves)
	return affected == 1, err
}

func insertEntry(tx *db.Tx, m id.Merchant, e Entry) {
	tx.Queue(`INSERT INTO audit_entry (merchant_id, audit_id, at, actor, action, subject, before_state, after_state)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		m, e.ID, e.At, e.Actor, e.Action, e.Subject, orNull(e.Before), orNull(e.After))
}

func orNull(state []byte) *string {
	if state == nil {
		return nil
	}
	s := string(state)
	return &s
}

func readEntries(tx *db.Tx, m id.Merchant, after id.Audit, limit int) ([]Entry, error) {
	rows := tx.Query(`SELECT audit_id, at, actor, action, subject, before_state, after_state FROM audit_entry
		WHERE merchant_id = $1 AND audit_id > $2 ORDER BY audit_id LIMIT $3`, m, after, limit)
	defer rows.Close()
	var entries []Entry
	for rows.Next() {
		var e Entry
		var before, after *string
		if err := rows.Scan(&e.ID, &e.At, &e.Actor, &e.Action, &e.Subject, &before, &after); err != nil {
			return nil, err
		}
		if before != nil {
			e.Before = []byte(*before)
		}
		if after != nil {
			e.After = []byte(*after)
		}
		entries = append(entries, e)
	}
	return entries, rows.Err()
}

func insertKey(tx *db.Tx, m id.Merchant, hash []byte, k Key) (fresh bool, err error) {
	affected, err := tx.Exec(`INSERT INTO api_key (key_hash, merchant_id, key_id, name, role, hint, created_at)
		SELECT $1, $2, $3, $4, $5, $6, $7
		WHERE (SELECT COUNT(*) FROM api_key WHERE merchant_id = $2 AND revoked_at IS NULL) < $8`,
		hash, m, k.ID, k.Name, k.Role, k.Hint, k.CreatedAt, MaxKeys)
	return affected == 1, err
}

// readKey is one read by primary key, on the path of every sale made by a program.
func readKey(tx *db.Tx, hash []byte) (Principal, error) {
	var p Principal
	err := tx.QueryRow(`SELECT merchant_id, key_id, name, role FROM api_key WHERE key_hash = $1 AND revoked_at IS NULL`, hash).
		Scan(&p.Merchant, &p.Key, &p.Name, &p.Role)
	return p, err
}

const keyColumns = `key_id, name, role, hint, created_at, revoked_at`

func (k *Key) fields() []any {
	return []any{&k.ID, &k.Name, &k.Role, &k.Hint, &k.CreatedAt, &k.RevokedAt}
}

func readKeyByID(tx *db.Tx, m id.Merchant, key id.Key) (Key, error) {
	var k Key
	err := tx.QueryRow(`SELECT `+keyColumns+` FROM api_key WHERE merchant_id = $1 AND key_id = $2`, m, key).Scan(k.fields()...)
	return k, err
}

func readKeys(tx *db.Tx, m id.Merchant) ([]Key, error) {
	rows := tx.Query(`SELECT `+keyColumns+` FROM api_key WHERE merchant_id = $1 ORDER BY key_id`, m)
	defer rows.Close()
	var keys []Key
	for rows.Next() {
		var k Key
		if err := rows.Scan(k.fields()...); err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, rows.Err()
}

func revokeKey(tx *db.Tx, m id.Merchant, key id.Key, now time.Time) (revoked bool, err error) {
	affected, err := tx.Exec(`UPDATE api_key SET revoked_at = $3 WHERE merchant_id = $1 AND key_id = $2 AND revoked_at IS NULL`, m, key, now)
	return affected == 1, err
}
