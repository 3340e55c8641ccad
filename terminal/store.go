package terminal

import (
	"errors"
	"time"

	"encaisse/base/db"
	"encaisse/base/id"
)

const terminalColumns = `t.terminal_id, t.number, t.site_id, t.register_id, t.contract_id, t.acceptor, t.alias, t.model, t.serial, t.state,
	t.created_at, t.updated_at`

type scanning interface{ Scan(dest ...any) error }

func scanTerminal(row scanning, m id.Merchant, more ...any) (Terminal, error) {
	t := Terminal{Merchant: m, Presence: Presence{State: Offline, Health: Health{Battery: -1}}}
	var register *id.Register
	err := row.Scan(append([]any{
		&t.ID, &t.Number, &t.Site, &register, &t.Contract, &t.Acceptor, &t.Alias, &t.Model, &t.Serial, &t.State, &t.CreatedAt, &t.UpdatedAt,
	}, more...)...)
	if register != nil {
		t.Register = *register
	}
	return t, err
}

func readTerminal(tx *db.Tx, m id.Merchant, terminal id.Terminal) (Terminal, error) {
	return scanTerminal(tx.QueryRow(`SELECT `+terminalColumns+` FROM terminal t WHERE t.merchant_id = $1 AND t.terminal_id = $2`, m, terminal), m)
}

func lockTerminal(tx *db.Tx, m id.Merchant, terminal id.Terminal) (Terminal, error) {
	return scanTerminal(tx.LockRow(`SELECT `+terminalColumns+` FROM terminal t WHERE t.merchant_id = $1 AND t.terminal_id = $2`, m, terminal), m)
}

// presented is a terminal with what its presence depends on.
type presented struct {
	Terminal
	row      presenceRow
	nodeSeen *time.Time
}

// readTerminals reads one terminal, or all, with presence.
func readTerminals(tx *db.Tx, m id.Merchant, terminal id.Terminal) ([]presented, error) {
	rows := tx.Query(`SELECT `+terminalColumns+`, `+presenceColumns+`, n.seen_at, d.attempt_id
		FROM terminal t
		LEFT JOIN terminal_presence p ON p.merchant_id = t.merchant_id AND p.terminal_id = t.terminal_id
		LEFT JOIN terminal_node n ON n.node_id = p.node_id
		LEFT JOIN terminal_dialogue d ON d.merchant_id = t.merchant_id AND d.terminal_id = t.terminal_id AND d.state = 'open'
		WHERE t.merchant_id = $1 AND ($2 = '' OR t.terminal_id = $2) ORDER BY t.number`, m, terminal)
	defer rows.Close()
	var out []presented
	for rows.Next() {
		var p presented
		var attempt *string
		var err error
		var null nullPresence
		p.Terminal, err = scanTerminal(rows, m, append(null.fields(), &p.nodeSeen, &attempt)...)
		if err != nil {
			return nil, err
		}
		p.row = null.row()
		p.Presence.Busy = attempt != nil
		out = append(out, p)
	}
	return out, rows.Err()
}

func orNull[S ~string](s S) *S {
	if s == "" {
		return nil
	}
	return &s
}

// insertTerminal reports whether id, number and acceptor were all free.
func insertTerminal(tx *db.Tx, t Terminal) (fresh bool, err error) {
	affected, err := tx.Exec(`INSERT INTO terminal (merchant_id, terminal_id, number, site_id, register_id, contract_id, acceptor, alias,
			model, serial, state, service_number, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, $12, $13) ON CONFLICT DO NOTHING`,
		t.Merchant, t.ID, t.Number, t.Site, orNull(t.Register), t.Contract, t.Acceptor, t.Alias, t.Model, t.Serial, t.State,
		t.CreatedAt, t.UpdatedAt)
	return affected == 1, err
}

func lastNumber(tx *db.Tx, m id.Merchant) (last int64, err error) {
	err = tx.QueryRow(`SELECT COALESCE(MAX(number), 0) FROM terminal WHERE merchant_id = $1`, m).Scan(&last)
	return last, err
}

type takenKeys struct{ number, acceptor bool }

func whatIsTaken(tx *db.Tx, t Terminal) (taken takenKeys, err error) {
	rows := tx.Query(`SELECT number, acceptor FROM terminal WHERE merchant_id = $1 AND (number = $2 OR acceptor = $3)`, t.Merchant, t.Number, t.Acceptor)
	defer rows.Close()
	for rows.Next() {
		var number int64
		var acceptor string
		if err := rows.Scan(&number, &acceptor); err != nil {
			return taken, err
		}
		taken.number = taken.number || number == t.Number
		taken.acceptor = taken.acceptor || acceptor == t.Acceptor
	}
	return taken, rows.Err()
}

func updateTerminal(tx *db.Tx, t Terminal) {
	tx.Queue(`UPDATE terminal SET site_id = $3, register_id = $4, contract_id = $5, alias = $6, model = $7, serial = $8, state = $9, updated_at = $10
		WHERE merchant_id = $1 AND terminal_id = $2`,
		t.Merchant, t.ID, t.Site, orNull(t.Register), t.Contract, t.Alias, t.Model, t.Serial, t.State, t.UpdatedAt)
}

// drawNumbers draws n numbers for requests to an active terminal and returns
// the first.
func drawNumbers(tx *db.Tx, m id.Merchant, terminal id.Terminal, n int64) (first int64, err error) {
	err = tx.QueryRow(`UPDATE terminal SET service_number = service_number + $3
		WHERE merchant_id = $1 AND terminal_id = $2 AND state = 'active' RETURNING service_number`, m, terminal, n).Scan(&first)
	return first - n + 1, err
}

// insertPairing replaces the terminal's former code.
func insertPairing(tx *db.Tx, hash []byte, t Terminal, actor string, now, expires time.Time) {
	dropPairing(tx, t.Merchant, t.ID)
	tx.Queue(`INSERT INTO terminal_pairing (code_hash, merchant_id, terminal_id, actor, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		hash, t.Merchant, t.ID, actor, now, expires)
}

func dropPairing(tx *db.Tx, m id.Merchant, terminal id.Terminal) {
	tx.Queue(`DELETE FROM terminal_pairing WHERE merchant_id = $1 AND terminal_id = $2`, m, terminal)
}

// pairing is a code that was taken.
type pairing struct {
	merchant id.Merchant
	terminal id.Terminal
	actor    string
}

// takePairing uses a code up; db.ErrNone: there is none that is still good.
// The row is the guard: of two that bring the same code one gets it.
func takePairing(tx *db.Tx, hash []byte, now time.Time) (p pairing, err error) {
	err = tx.QueryRow(`DELETE FROM terminal_pairing WHERE code_hash = $1 AND expires_at > $2 RETURNING merchant_id, terminal_id, actor`, hash, now).
		Scan(&p.merchant, &p.terminal, &p.actor)
	return p, err
}

// device is one physical reader, as its credential shows it.
type device struct {
	From
	id            id.Device
	model, serial string
	revoked       bool
	deactivated   bool // the terminal is
}

func insertDevice(tx *db.Tx, hash []byte, d device, now time.Time) {
	tx.Queue(`INSERT INTO terminal_device (credential_hash, merchant_id, terminal_id, device_id, model, serial, paired_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`, hash, d.Merchant, d.Terminal, d.id, d.model, d.serial, now)
}

func revokeDevice(tx *db.Tx, m id.Merchant, terminal id.Terminal, now time.Time) {
	tx.Queue(`UPDATE terminal_device SET revoked_at = $3 WHERE merchant_id = $1 AND terminal_id = $2 AND revoked_at IS NULL`, m, terminal, now)
}

func readDevice(tx *db.Tx, hash []byte) (d device, err error) {
	var revoked *time.Time
	var state State
	err = tx.QueryRow(`SELECT d.merchant_id, d.terminal_id, d.device_id, d.model, d.serial, d.revoked_at, t.state
		FROM terminal_device d JOIN terminal t ON t.merchant_id = d.merchant_id AND t.terminal_id = d.terminal_id
		WHERE d.credential_hash = $1`, hash).
		Scan(&d.Merchant, &d.Terminal, &d.id, &d.model, &d.serial, &revoked, &state)
	d.revoked, d.deactivated = revoked != nil, state == Deactivated
	return d, err
}

// liveDevice is the device of a terminal today; db.ErrNone: it has none.
func liveDevice(tx *db.Tx, m id.Merchant, terminal id.Terminal) (d id.Device, err error) {
	err = tx.QueryRow(`SELECT device_id FROM terminal_device WHERE merchant_id = $1 AND terminal_id = $2 AND revoked_at IS NULL`, m, terminal).Scan(&d)
	return d, err
}

func prunePairings(tx *db.Tx, now time.Time, limit int) (removed int64, err error) {
	return tx.Exec(`DELETE FROM terminal_pairing WHERE code_hash IN
		(SELECT code_hash FROM terminal_pairing WHERE expires_at <= $1 LIMIT $2)`, now, limit)
}

func none(err error) bool { return errors.Is(err, db.ErrNone) }
