package fiscal

import (
	"errors"
	"time"

	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/problem"
)

// chain is the row of a chain, locked by the transaction that read it.
type chain struct {
	merchant id.Merchant
	id       id.Chain
	owner    string
	origin   string
	history  bool
	signer   id.Signer
	seq      int64
	head     Hash
	stored   []byte // the edge as the row keeps it
	edge     edge   // read from it where the chain goes on
	lastAt   time.Time
	period   string
	tickets  int64
	zs       int64
	days     int64
	net      int64
	absolute int64
	software string
}

const chainColumns = `chain_id, owner_id, origin, history, signer_id, seq, head, edge, last_at, period, tickets, zs, days, net_minor, absolute_minor, software`

type scanning interface{ Scan(dest ...any) error }

func scanChain(row scanning, m id.Merchant) (*chain, error) {
	c := &chain{merchant: m}
	var head []byte
	err := row.Scan(&c.id, &c.owner, &c.origin, &c.history, &c.signer, &c.seq, &head, &c.stored, &c.lastAt, &c.period,
		&c.tickets, &c.zs, &c.days, &c.net, &c.absolute, &c.software)
	if err != nil {
		return nil, err
	}
	c.head = hashFrom(head)
	return c, nil
}

// hashFrom reads a stored hash. What is not as long as one is no hash: it reads
// as the zero hash, which no record has.
func hashFrom(stored []byte) (h Hash) {
	if len(stored) == len(h) {
		copy(h[:], stored)
	}
	return h
}

// lockChain takes the chain row for this transaction. Naming the period is the
// guard: once the row is locked, a session that was closed meanwhile matches none.
func lockChain(tx *db.Tx, e Entry) (*chain, error) {
	row := tx.LockRow(`SELECT `+chainColumns+` FROM fiscal_chain
		WHERE merchant_id = $1 AND owner_id = $2 AND (period = $3 OR $3 = '')`, e.Merchant, e.Owner, e.Period)
	c, err := scanChain(row, e.Merchant)
	if errors.Is(err, db.ErrNone) {
		return nil, problem.New(problem.Conflict, "fiscal.period_closed")
	}
	if err != nil {
		return nil, err
	}
	c.edge, err = readEdge(c.stored, c.seq)
	return c, err
}

func saveChain(tx *db.Tx, c *chain) {
	tx.Queue(`UPDATE fiscal_chain SET seq = $3, head = $4, edge = $5, last_at = $6, period = $7, tickets = $8, zs = $9,
		days = $10, net_minor = $11, absolute_minor = $12, software = $13 WHERE merchant_id = $1 AND chain_id = $2`,
		c.merchant, c.id, c.seq, c.head[:], c.edge.bytes(), c.lastAt, c.period, c.tickets, c.zs, c.days,
		c.net, c.absolute, c.software)
}

func insertChain(tx *db.Tx, chainID id.Chain, o Owner, by id.Signer, software string) error {
	_, err := tx.Exec(`INSERT INTO fiscal_chain (merchant_id, `+chainColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8, 0, '', 0, 0, 0, 0, 0, $9)`,
		o.Merchant, chainID, o.ID, o.Origin, o.History, by, make([]byte, len(Hash{})), []byte{}, software)
	return err
}

func insertRecord(tx *db.Tx, r Record) {
	tx.Queue(`INSERT INTO fiscal_record (merchant_id, chain_id, seq, kind, subject, at, payload, hash, signature)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		r.Merchant, r.Chain, r.Seq, r.Kind, r.Subject, r.At, r.Payload, r.Hash[:], r.Signature)
}

func insertSigner(tx *db.Tx, now time.Time, m id.Merchant, s id.Signer, name, public string, sealed []byte) error {
	_, err := tx.Exec(`INSERT INTO fiscal_signer (merchant_id, signer_id, name, public_key, private_key, created_at)
		VALUES ($1, $2, $3, $4, $5, $6)`, m, s, name, public, sealed, now)
	return err
}

func readSigner(tx *db.Tx, m id.Merchant, s id.Signer) (name string, sealed []byte, err error) {
	err = tx.QueryRow(`SELECT name, private_key FROM fiscal_signer WHERE merchant_id = $1 AND signer_id = $2`, m, s).
		Scan(&name, &sealed)
	return name, sealed, err
}

func readPublicKeys(tx *db.Tx, m id.Merchant) (map[id.Signer]string, error) {
	rows := tx.Query(`SELECT signer_id, public_key FROM fiscal_signer WHERE merchant_id = $1`, m)
	keys := make(map[id.Signer]string)
	for rows.Next() {
		var signerID id.Signer
		var public string
		if err := rows.Scan(&signerID, &public); err != nil {
			return nil, err
		}
		keys[signerID] = public
	}
	return keys, rows.Err()
}

func readChains(tx *db.Tx, m id.Merchant) ([]*chain, error) {
	rows := tx.Query(`SELECT `+chainColumns+` FROM fiscal_chain WHERE merchant_id = $1 ORDER BY origin`, m)
	var chains []*chain
	for rows.Next() {
		c, err := scanChain(rows, m)
		if err != nil {
			return nil, err
		}
		chains = append(chains, c)
	}
	return chains, rows.Err()
}

// Merchants lists whoever has a chain, in order.
func Merchants(tx *db.Tx) (list []id.Merchant, err error) {
	rows := tx.Query(`SELECT DISTINCT merchant_id FROM fiscal_chain ORDER BY merchant_id`)
	for rows.Next() {
		var m id.Merchant
		if err := rows.Scan(&m); err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, rows.Err()
}

// CountRecords is how many records the merchant has, in whatever chain.
func CountRecords(tx *db.Tx, m id.Merchant) (n int64, err error) {
	err = tx.QueryRow(`SELECT COUNT(*) FROM fiscal_record WHERE merchant_id = $1`, m).Scan(&n)
	return n, err
}

// readRecords reads up to limit records of a chain after seq, in order.
func readRecords(tx *db.Tx, m id.Merchant, chainID id.Chain, after int64, limit int) ([]Record, error) {
	rows := tx.Query(`SELECT seq, kind, subject, at, payload, hash, signature FROM fiscal_record
		WHERE merchant_id = $1 AND chain_id = $2 AND seq > $3 ORDER BY seq LIMIT $4`, m, chainID, after, limit)
	records := make([]Record, 0, limit)
	for rows.Next() {
		r := Record{Merchant: m, Chain: chainID}
		var hash []byte
		if err := rows.Scan(&r.Seq, &r.Kind, &r.Subject, &r.At, &r.Payload, &hash, &r.Signature); err != nil {
			return nil, err
		}
		r.Hash = hashFrom(hash)
		records = append(records, r)
	}
	return records, rows.Err()
}

// readLast reads the last record of a chain; db.ErrNone when there is none.
func readLast(tx *db.Tx, m id.Merchant, chainID id.Chain) (Record, error) {
	r := Record{Merchant: m, Chain: chainID}
	err := tx.QueryRow(`SELECT seq, kind, subject, at, payload, signature FROM fiscal_record
		WHERE merchant_id = $1 AND chain_id = $2 ORDER BY seq DESC LIMIT 1`, m, chainID).
		Scan(&r.Seq, &r.Kind, &r.Subject, &r.At, &r.Payload, &r.Signature)
	return r, err
}
