package fiscal

import (
	"context"

	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/problem"
)

// maxPage bounds a page of records.
const maxPage = 200

// Overview is a chain as a reader sees it.
type Overview struct {
	State
	History   bool
	Net       int64
	Absolute  int64
	PublicKey string
}

// Reader reads the journal for those who may not open a transaction.
type Reader struct{ db *db.DB }

// NewReader makes a Reader over d.
func NewReader(d *db.DB) Reader { return Reader{db: d} }

// Chains lists the merchant's chains by their public names.
func (r Reader) Chains(ctx context.Context, m id.Merchant) (list []Overview, err error) {
	err = r.db.Read(ctx, func(tx *db.Tx) error {
		list = nil
		keys, err := readPublicKeys(tx, m)
		if err != nil {
			return err
		}
		chains, err := readChains(tx, m)
		for _, c := range chains {
			w := walk{chain: c}
			list = append(list, Overview{State: w.state(), History: c.history, Net: c.net, Absolute: c.absolute, PublicKey: keys[c.signer]})
		}
		return err
	})
	return list, err
}

// States reads where the merchant's chains stand, by their public names.
func States(tx *db.Tx, m id.Merchant) (list []State, err error) {
	chains, err := readChains(tx, m)
	for _, c := range chains {
		w := walk{chain: c}
		list = append(list, w.state())
	}
	return list, err
}

// Records reads up to limit records of a chain after seq, in order. Problem
// fiscal.no_chain.
func (r Reader) Records(ctx context.Context, m id.Merchant, chainID id.Chain, after int64, limit int) (list []Record, err error) {
	err = r.db.Read(ctx, func(tx *db.Tx) (err error) {
		list, err = readRecords(tx, m, chainID, after, min(max(limit, 1), maxPage))
		if err != nil || len(list) > 0 {
			return err
		}
		chains, err := readChains(tx, m)
		for _, c := range chains {
			if c.id == chainID {
				return nil
			}
		}
		if err == nil {
			err = problem.New(problem.NotFound, "fiscal.no_chain")
		}
		return err
	})
	return list, err
}
