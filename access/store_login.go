package access

import (
	"errors"
	"time"

	"encaisse/base/db"
	"encaisse/base/id"
)

// takeTry counts a try of the address, and locks it with the last one it has.
// No tries: it is locked already, until then. The row is the guard: those who
// try at once come one after the other.
func takeTry(tx *db.Tx, email []byte, now, lockUntil time.Time) (tries int64, lockedUntil time.Time, err error) {
	err = tx.QueryRow(`INSERT INTO login_try (email_hash, tries, locked_until, last_at) VALUES ($1, 1, 0, $2)
		ON CONFLICT (email_hash) DO UPDATE SET
			tries = CASE WHEN login_try.tries >= CAST($4 AS BIGINT) THEN 1 ELSE login_try.tries + 1 END,
			locked_until = CASE WHEN login_try.tries + 1 = CAST($4 AS BIGINT) THEN CAST($3 AS BIGINT) ELSE 0 END,
			last_at = $2
		WHERE login_try.locked_until <= $2
		RETURNING tries`, email, now, lockUntil, MaxTries).Scan(&tries)
	if !errors.Is(err, db.ErrNone) {
		return tries, lockedUntil, err
	}
	err = tx.QueryRow(`SELECT locked_until FROM login_try WHERE email_hash = $1`, email).Scan(&lockedUntil)
	return 0, lockedUntil, err
}

func forgetTries(tx *db.Tx, email []byte) {
	tx.Queue(`DELETE FROM login_try WHERE email_hash = $1`, email)
}

func pruneTries(tx *db.Tx, before, now time.Time, limit int) (removed int64, err error) {
	return tx.Exec(`DELETE FROM login_try WHERE email_hash IN
		(SELECT email_hash FROM login_try WHERE last_at < $1 AND locked_until <= $2 LIMIT $3)`, before, now, limit)
}

// insertLogin reports whether the address was free, over all merchants.
func insertLogin(tx *db.Tx, p Person, hash string) (fresh bool, err error) {
	affected, err := tx.Exec(`INSERT INTO login (email, merchant_id, person_id, code_hash)
		VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`, p.Email, p.Merchant, p.ID, hash)
	return affected == 1, err
}

// readAccount fills in whose address it is; nobody's leaves it empty.
func readAccount(tx *db.Tx, a *account) error {
	err := tx.QueryRow(`SELECT merchant_id, person_id, code_hash FROM login WHERE email = $1`, a.email).
		Scan(&a.merchant, &a.person, &a.hash)
	if errors.Is(err, db.ErrNone) {
		return nil
	}
	return err
}

// replaceHash writes another hash over the one that was checked, and reports
// whether it was still there. It also takes the row, so that a sign-in and a
// change of the code come one after the other.
func replaceHash(tx *db.Tx, email, old, hash string) (same bool, err error) {
	affected, err := tx.Exec(`UPDATE login SET code_hash = $3 WHERE email = $1 AND code_hash = $2`, email, old, hash)
	return affected == 1, err
}

func setHash(tx *db.Tx, p Person, hash string) {
	tx.Queue(`UPDATE login SET code_hash = $3 WHERE merchant_id = $1 AND person_id = $2`, p.Merchant, p.ID, hash)
}

// insertSession reports whether the person is active.
func insertSession(tx *db.Tx, hash []byte, a account, now, idleUntil, expiresAt time.Time) (active bool, err error) {
	affected, err := tx.Exec(`INSERT INTO session (token_hash, merchant_id, person_id, created_at, idle_until, expires_at)
		SELECT $1, merchant_id, person_id, $4, $5, $6 FROM person WHERE merchant_id = $2 AND person_id = $3 AND state = 'active'`,
		hash, a.merchant, a.person, now, idleUntil, expiresAt)
	return affected == 1, err
}

// readSession is one read by primary keys, on the path of every sale made by a person.
func readSession(tx *db.Tx, hash []byte, now time.Time) (p Principal, idleUntil time.Time, err error) {
	err = tx.QueryRow(`SELECT s.merchant_id, s.person_id, p.number, p.name, p.role, s.idle_until
		FROM session s JOIN person p ON p.merchant_id = s.merchant_id AND p.person_id = s.person_id
		WHERE s.token_hash = $1 AND s.idle_until > $2 AND p.state = 'active'`, hash, now).
		Scan(&p.Merchant, &p.Person, &p.Operator, &p.Name, &p.Role, &idleUntil)
	p.session = string(hash)
	return p, idleUntil, err
}

// extendSession moves the idle end on, never back and never past the absolute one.
func extendSession(tx *db.Tx, hash []byte, idleUntil time.Time) {
	tx.Queue(`UPDATE session SET idle_until = CASE WHEN expires_at < $2 THEN expires_at ELSE $2 END
		WHERE token_hash = $1 AND idle_until < $2`, hash, idleUntil)
}

func deleteSession(tx *db.Tx, hash []byte) {
	tx.Queue(`DELETE FROM session WHERE token_hash = $1`, hash)
}

// deleteSessions ends a person's sessions but the spared one.
func deleteSessions(tx *db.Tx, m id.Merchant, person id.Person, spared []byte) (ended int64, err error) {
	if spared == nil {
		spared = []byte{}
	}
	return tx.Exec(`DELETE FROM session WHERE merchant_id = $1 AND person_id = $2 AND token_hash <> $3`, m, person, spared)
}

// dropOldSessions ends what has expired and all but the newest ones.
func dropOldSessions(tx *db.Tx, m id.Merchant, person id.Person, now time.Time) {
	tx.Queue(`DELETE FROM session WHERE merchant_id = $1 AND person_id = $2 AND (idle_until <= $3 OR token_hash NOT IN
		(SELECT token_hash FROM session WHERE merchant_id = $1 AND person_id = $2 ORDER BY created_at DESC, token_hash LIMIT $4))`,
		m, person, now, maxSessions)
}

func readSessions(tx *db.Tx, p Principal, now time.Time) ([]OpenSession, error) {
	rows := tx.Query(`SELECT created_at, idle_until, expires_at, token_hash FROM session
		WHERE merchant_id = $1 AND person_id = $2 AND idle_until > $3 ORDER BY created_at DESC, token_hash`,
		p.Merchant, p.Person, now)
	defer rows.Close()
	var sessions []OpenSession
	for rows.Next() {
		var s OpenSession
		var hash []byte
		if err := rows.Scan(&s.CreatedAt, &s.IdleUntil, &s.ExpiresAt, &hash); err != nil {
			return nil, err
		}
		s.Current = string(hash) == p.session
		sessions = append(sessions, s)
	}
	return sessions, rows.Err()
}

func pruneSessions(tx *db.Tx, now time.Time, limit int) (removed int64, err error) {
	return tx.Exec(`DELETE FROM session WHERE token_hash IN
		(SELECT token_hash FROM session WHERE idle_until <= $1 LIMIT $2)`, now, limit)
}
