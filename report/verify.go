// Package report asks questions over everybody's tables and writes none.
package report

import (
	"context"
	"errors"
	"fmt"
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
// The error is nil when a discrepancy was found: it is in the Proof.
func Verify(ctx context.Context, d *db.DB, keys []string, checkpoints []fiscal.Checkpoint) (Proof, error) {
	var proof Proof
	merchants, err := merchant.All(ctx, d)
	if err != nil {
		return proof, err
	}
	known := make(map[string]bool)
	for _, m := range merchants {
		proof.Merchants++
		err := verifyMerchant(ctx, d, m, keys, checkpoints, &proof, known)
		if errors.As(err, &proof.Defect) {
			return proof, nil
		}
		if err != nil {
			return proof, err
		}
	}
	proof.Defect = fiscal.Missing(checkpoints, known)
	return proof, nil
}

func verifyMerchant(ctx context.Context, d *db.DB, m id.Merchant, keys []string, checkpoints []fiscal.Checkpoint, proof *Proof, known map[string]bool) error {
	audit := sale.NewAudit(d, m)
	result, err := fiscal.Verify(ctx, d, m, fiscal.Verification{Keys: keys, Checkpoints: checkpoints, Auditor: audit})
	proof.Records += result.Records
	proof.Chains += len(result.Chains)
	proof.Checkpoints += result.Checkpoints
	for _, c := range result.Chains {
		known[c.Origin] = true
	}
	if err != nil {
		return err
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
			err = &fiscal.Defect{What: fmt.Sprintf("%d records in the tables, the chains hold %d", records, result.Records)}
		}
		if err != nil {
			return err
		}
		return audit.Orphans(tx, now)
	})
	if live {
		proof.Live = append(proof.Live, m)
	}
	return err
}
