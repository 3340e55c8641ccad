package batch

import (
	"fmt"
	"time"

	"encaisse/acquirer"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/fiscal"
	"encaisse/ledger"
)

// verifyChunk is how many batches are checked at a time.
const verifyChunk = 100

// Verify re-derives every batch of a merchant from its lines: running and frozen
// totals, numbers without hole, what closing and acknowledgement booked. It
// returns how many ledger transfers the batches account for, or the first
// discrepancy as a *fiscal.Defect.
func Verify(tx *db.Tx, m id.Merchant) (transfers int64, err error) {
	last := make(map[string]int64) // number by contract and terminal
	for after := id.Batch(""); ; {
		page, err := readBatches(tx, m, `batch_id > $2 ORDER BY batch_id LIMIT $3`, after, verifyChunk)
		if err != nil {
			return 0, err
		}
		for i := range page {
			n, err := verifyBatch(tx, page[i])
			if err != nil {
				return 0, err
			}
			transfers += n
			last[string(page[i].Contract)+" "+string(page[i].Terminal)]++
		}
		if len(page) < verifyChunk {
			return transfers, holes(tx, m, last)
		}
		after = page[len(page)-1].ID
	}
}

func defect(b Batch, format string, args ...any) error {
	return &fiscal.Defect{What: fmt.Sprintf("batch %s: ", b.ID) + fmt.Sprintf(format, args...)}
}

// holes checks that numbers run from 1 to as many as there are.
func holes(tx *db.Tx, m id.Merchant, counted map[string]int64) error {
	highest, err := readHighest(tx, m)
	if err != nil {
		return err
	}
	for of, number := range highest {
		if counted[of] != number {
			return &fiscal.Defect{What: fmt.Sprintf("batches of %s: the last number is %d, there are %d", of, number, counted[of])}
		}
	}
	return nil
}

func verifyBatch(tx *db.Tx, b Batch) (int64, error) {
	debits, credits, err := sumLines(tx, b.Merchant, b.ID)
	if err != nil {
		return 0, err
	}
	partDebits, partCredits, err := sumParts(tx, b.Merchant, b.ID)
	if err != nil {
		return 0, err
	}
	if partDebits != debits || partCredits != credits {
		return 0, defect(b, "its lines add up to %v and %v, its parts to %v and %v", debits, credits, partDebits, partCredits)
	}
	frozenDebits, frozenCredits := debits, credits
	if b.State == Open {
		frozenDebits, frozenCredits = acquirer.Sum{}, acquirer.Sum{}
	}
	if b.Debits != frozenDebits || b.Credits != frozenCredits {
		return 0, defect(b, "its lines add up to %v and %v, it says %v and %v", debits, credits, b.Debits, b.Credits)
	}
	if (b.State == Open) != (b.ClosedAt == nil) || (b.State == Acknowledged) != (b.SettledAt != nil) {
		return 0, defect(b, "its state %s does not fit its times", b.State)
	}
	return verifyTransfers(tx, b)
}

// verifyTransfers holds what the ledger has for a batch against what it books.
func verifyTransfers(tx *db.Tx, b Batch) (n int64, err error) {
	type booking struct {
		source    string
		at        *time.Time
		transfers []ledger.Transfer
	}
	expected := []booking{{string(b.ID), b.ClosedAt, nil}, {b.acknowledgedSource(), b.SettledAt, nil}}
	if b.State != Open {
		expected[0].transfers = b.closing()
	}
	if b.State == Acknowledged {
		expected[1].transfers = b.acknowledgement()
	}
	booked, err := ledger.Of(tx, b.Merchant, []string{expected[0].source, expected[1].source})
	if err != nil {
		return 0, err
	}
	for _, want := range expected {
		got := booked[want.source]
		if len(got) != len(want.transfers) {
			return 0, defect(b, "the ledger has %d transfers of %s, %d were due", len(got), want.source, len(want.transfers))
		}
		for i, t := range want.transfers {
			if got[i].Transfer != t || got[i].Position != i+1 || got[i].Currency != b.Currency || !got[i].At.Equal(*want.at) {
				return 0, defect(b, "the ledger has %s, due was %s", got[i], t)
			}
		}
		n += int64(len(got))
	}
	return n, nil
}
