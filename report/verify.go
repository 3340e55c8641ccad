// Package report asks questions over everybody's tables and writes none.
package report

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/fiscal"
	"encaisse/merchant"
	"encaisse/sale"
)

// Proof is what a verification of a whole database found.
type Proof struct {
	Merchants   int
	Chains      int
	Records     int64
	Checkpoints int
	Duration    time.Duration
	Live        []id.Merchant  // who sold meanwhile: rows that belong to nothing sealed were not counted there
	Defect      *fiscal.Defect // the first discrepancy, nil when there is none
}

// Verify derives everything that was sealed again, merchant by merchant: chain,
// tree, signatures, series, tickets, VAT, closings, perpetual totals and ledger.
// The error is nil when a discrepancy was found: it is in the Proof, which then
// counts what was gone through up to it.
func Verify(ctx context.Context, d *db.DB, keys []string, checkpoints []fiscal.Checkpoint) (Proof, error) {
	var proof Proof
	err := proof.verify(ctx, d, fiscal.Verification{Keys: keys, Checkpoints: checkpoints})
	if errors.As(err, &proof.Defect) {
		err = nil
	}
	return proof, err
}

func (p *Proof) verify(ctx context.Context, d *db.DB, v fiscal.Verification) error {
	merchants, gone, err := everybody(ctx, d)
	if err != nil {
		return err
	}
	var results []fiscal.Result
	for _, m := range merchants {
		p.Merchants++
		if gone[m] {
			return &fiscal.Defect{What: fmt.Sprintf("merchant %s: its row is missing, its chains are there", m)}
		}
		result, err := p.merchant(ctx, d, m, v)
		if err != nil {
			return err
		}
		results = append(results, result)
	}
	missing, err := fiscal.Missing(v, results)
	if err == nil && missing != nil {
		err = missing
	}
	return err
}

// everybody lists the merchants that have a row or a chain, in order, and tells
// those whose row is gone: with it everything of theirs would be out of sight.
// Chains are read first, so that whoever is founded meanwhile is not taken for one.
func everybody(ctx context.Context, d *db.DB) (all []id.Merchant, gone map[id.Merchant]bool, err error) {
	gone = make(map[id.Merchant]bool)
	err = d.Read(ctx, func(tx *db.Tx) error {
		sealing, err := fiscal.Merchants(tx)
		for _, m := range sealing {
			gone[m] = true
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	if all, err = merchant.All(ctx, d); err != nil {
		return nil, nil, err
	}
	for _, m := range all {
		delete(gone, m)
	}
	all = slices.AppendSeq(all, maps.Keys(gone))
	slices.Sort(all)
	return all, gone, nil
}

// merchant verifies the chains of one merchant, and what the tables hold beside
// them where nobody sold meanwhile.
func (p *Proof) merchant(ctx context.Context, d *db.DB, m id.Merchant, v fiscal.Verification) (fiscal.Result, error) {
	audit := sale.NewAudit(d, m)
	v.Auditor = audit
	result, err := fiscal.Verify(ctx, d, m, v)
	p.Records += result.Records
	p.Chains += len(result.Chains)
	p.Checkpoints += result.Checkpoints
	if err != nil {
		return result, err
	}
	live := false
	err = d.Read(ctx, func(tx *db.Tx) error {
		now, err := fiscal.States(tx, m)
		if err != nil {
			return err
		}
		if live = !slices.Equal(now, result.Chains); live {
			return nil
		}
		records, err := fiscal.CountRecords(tx, m)
		if err == nil && records != result.Records {
			err = &fiscal.Defect{What: fmt.Sprintf("records: %d in the tables, the chains hold %d", records, result.Records)}
		}
		if err != nil {
			return err
		}
		return audit.Orphans(tx, now)
	})
	if live {
		p.Live = append(p.Live, m)
	}
	return result, err
}
