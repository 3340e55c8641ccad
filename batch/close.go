package batch

import (
	"context"
	"fmt"
	"time"

	"encaisse/access"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/job"
	"encaisse/base/problem"
	"encaisse/event"
	"encaisse/ledger"
)

// Close closes an open batch by hand and leaves it to be sent. A closed one is
// returned as it is. Problem batch.not_found.
func (b *Batches) Close(ctx context.Context, p access.Principal, batch id.Batch) (closed Batch, err error) {
	if err := access.Allow(p, access.BatchClose); err != nil {
		return Batch{}, err
	}
	err = b.db.Write(ctx, func(tx *db.Tx) (err error) {
		closed, err = b.close(tx, p, batch)
		return err
	})
	if err == nil {
		b.closed(ctx, closed)
	}
	return closed, err
}

// RunClose closes the batch a JobClose names, at the contract's hour.
func (b *Batches) RunClose(ctx context.Context, j job.Job) error {
	var d due
	if err := j.Read(&d); err != nil {
		return err
	}
	_, err := b.Close(ctx, access.System(j.Merchant), d.Batch)
	return err
}

// close freezes the totals: one UPDATE of the parts, whose sums are what the
// batch is from now on. It books them, and leaves the job that sends it.
func (b *Batches) close(tx *db.Tx, p access.Principal, batch id.Batch) (Batch, error) {
	found, err := get(tx, p.Merchant, batch)
	if err != nil || found.State != Open {
		return found, err
	}
	now := b.clock.Now()
	debits, credits, closed, err := closeParts(tx, p.Merchant, batch)
	if err != nil {
		return Batch{}, err
	}
	if !closed { // by somebody else, between our read and our write
		return get(tx, p.Merchant, batch)
	}
	found.State, found.ClosedAt, found.ClosedBy, found.Debits, found.Credits = Closed, &now, p.Actor(), debits, credits
	freeze(tx, found)
	ledger.Post(tx, p.Merchant, string(batch), found.Currency, now, found.closing())
	event.Emit(tx, p.Merchant, now, event.BatchClosed, string(batch), found.eventData())
	return found, job.Enqueue(tx, now, job.Spec{Merchant: p.Merchant, Kind: JobSend, Dedup: string(batch), Payload: due{batch}})
}

// closing is what a batch books when it closes: what was captured is now in it.
func (b Batch) closing() []ledger.Transfer {
	var list ledger.List
	list.Add(ledger.CardBatch(b.Contract, b.ID), ledger.Captured(b.Contract), b.Net())
	return list
}

// acknowledgedSource is the source of what an acknowledgement books, beside the closing's own.
func (b Batch) acknowledgedSource() string { return string(b.ID) + " acknowledged" }

// acknowledgement is what a batch books when the acquirer has it: it owes us the net.
func (b Batch) acknowledgement() []ledger.Transfer {
	var list ledger.List
	list.Add(ledger.Receivable(b.Contract), ledger.CardBatch(b.Contract, b.ID), b.Net())
	return list
}

func (b Batch) eventData() []byte {
	return fmt.Appendf(nil, `{"contract_id":%q,"terminal_id":%q,"number":%d,"debits":{"count":%d,"amount":%d},"credits":{"count":%d,"amount":%d},"currency":%q}`,
		b.Contract, b.Terminal, b.Number, b.Debits.Count, b.Debits.Minor, b.Credits.Count, b.Credits.Minor, b.Currency)
}

// get reads a batch with its running sums while it is open. Problem batch.not_found.
func get(tx *db.Tx, m id.Merchant, batch id.Batch) (Batch, error) {
	found, err := readBatch(tx, m, batch)
	if err != nil {
		return Batch{}, none(err)
	}
	if found.State == Open {
		found.Debits, found.Credits, err = sumParts(tx, m, batch)
	}
	return found, err
}

// Get reads one batch. The sums of an open one are those of this moment. Problem batch.not_found.
func (b *Batches) Get(ctx context.Context, p access.Principal, batch id.Batch) (found Batch, err error) {
	if err := access.Allow(p, access.BatchRead); err != nil {
		return Batch{}, err
	}
	err = b.db.Read(ctx, func(tx *db.Tx) (err error) {
		found, err = get(tx, p.Merchant, batch)
		return err
	})
	return found, err
}

// List reads up to limit batches older than before (empty: the newest), newest
// first, of one terminal or with terminal empty of all.
func (b *Batches) List(ctx context.Context, p access.Principal, terminal id.Terminal, before id.Batch, limit int) (page []Batch, err error) {
	if err := access.Allow(p, access.BatchRead); err != nil {
		return nil, err
	}
	err = b.db.Read(ctx, func(tx *db.Tx) (err error) {
		if page, err = readPage(tx, p.Merchant, terminal, before, min(max(limit, 1), maxPage)); err != nil {
			return err
		}
		for i := range page {
			if page[i].State == Open {
				if page[i].Debits, page[i].Credits, err = sumParts(tx, p.Merchant, page[i].ID); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return page, err
}

// Lines reads up to limit transactions of a batch after the given operation
// (empty: the first), in the order of their ids, the removed ones too.
func (b *Batches) Lines(ctx context.Context, p access.Principal, batch id.Batch, after id.Operation, limit int) (lines []Line, err error) {
	if err := access.Allow(p, access.BatchRead); err != nil {
		return nil, err
	}
	err = b.db.Read(ctx, func(tx *db.Tx) (err error) {
		lines, err = readLines(tx, p.Merchant, batch, after, min(max(limit, 1), maxPage))
		return err
	})
	return lines, err
}

// OpenNumber is the number of the open batch of a contract and terminal, or the
// number the next one will have: what slips show (DRV-02).
func (b *Batches) OpenNumber(tx *db.Tx, m id.Merchant, c id.Contract, terminal id.Terminal) (int64, error) {
	return readOpenNumber(tx, m, c, terminal)
}

func none(err error) error {
	if err == nil || !isNone(err) {
		return err
	}
	return problem.New(problem.NotFound, "batch.not_found")
}

// backoff is how long after the given number of tries the next one waits.
func backoff(tries int64) time.Duration {
	wait := firstRetry
	for ; tries > 1 && wait < lastRetry; tries-- {
		wait *= 2
	}
	return min(wait, lastRetry)
}
