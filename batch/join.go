package batch

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"encaisse/acquirer"
	"encaisse/base/card"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/job"
	"encaisse/base/money"
	"encaisse/base/problem"
)

// Join puts a captured transaction into the open batch of its contract and
// terminal, or opens the next one, and returns which. The operation joins once:
// a second time is a unique violation.
func (b *Batches) Join(tx *db.Tx, e Entry) (id.Batch, int64, error) {
	for range maxOpening {
		into, number, err := add(tx, e)
		if errors.Is(err, db.ErrNone) {
			if err := b.open(tx, e); err != nil {
				return "", 0, err
			}
			continue
		}
		if err != nil {
			return "", 0, err
		}
		clearing, err := packClearing(e.Clearing)
		if err != nil {
			return "", 0, err
		}
		insertLine(tx, e, into, clearing)
		return into, number, nil
	}
	return "", 0, problem.New(problem.Unavailable, "batch.closing")
}

// open opens the next batch, unless somebody else just did, and leaves the job
// that closes it at the contract's hour.
func (b *Batches) open(tx *db.Tx, e Entry) error {
	terms, err := b.contracts.In(tx, e.Merchant, e.Contract)
	if err != nil {
		return err
	}
	now := b.clock.Now()
	next := Batch{
		Merchant: e.Merchant, ID: id.New[id.Batch](now), Contract: e.Contract, Terminal: e.Terminal, AcceptorTerminal: e.AcceptorTerminal,
		Currency: e.Amount.Currency, Zone: e.Zone, OpenedAt: now,
	}
	opened, err := insertNext(tx, next)
	if err != nil || !opened {
		return err
	}
	return job.Enqueue(tx, now, job.Spec{
		Merchant: e.Merchant, Kind: JobClose, Dedup: string(next.ID), Payload: due{next.ID}, RunAt: closingHour(now, e.Zone, terms.BatchAt),
	})
}

// due names the batch that a job is about.
type due struct {
	Batch id.Batch `json:"batch_id"`
}

// closingHour is the first time after now that clocks in the zone show the
// contract's hour. Where the hour is skipped in spring it is the hour after.
func closingHour(now time.Time, zone string, minutes int64) time.Time {
	location, err := time.LoadLocation(zone)
	if err != nil {
		location = time.UTC // the merchant package accepts known zones only
	}
	local := now.In(location)
	at := time.Date(local.Year(), local.Month(), local.Day(), 0, int(minutes), 0, 0, location)
	if !at.After(now) {
		at = time.Date(local.Year(), local.Month(), local.Day()+1, 0, int(minutes), 0, 0, location)
	}
	return at
}

// Remove takes a voided transaction out of its batch, while that is open.
// removed is false when it is closed: then there is only the refund. A line
// that was removed before stays removed.
func (b *Batches) Remove(tx *db.Tx, m id.Merchant, operation id.Operation, at time.Time) (removed bool, err error) {
	line, err := readLine(tx, m, operation)
	if errors.Is(err, db.ErrNone) {
		return false, problem.New(problem.NotFound, "batch.line_not_found")
	}
	if err != nil || line.RemovedAt != nil {
		return err == nil, err
	}
	taken, err := subtract(tx, m, line)
	if err != nil || !taken {
		return false, err
	}
	return true, removeLine(tx, m, line, at)
}

// Original reads what is kept of a transaction's authorisation until it is
// cleared, its card sealed: what undoes it says the same. Contract and zone are
// not filled in. It is empty once nothing is kept any more. Problem batch.line_not_found.
func (b *Batches) Original(tx *db.Tx, m id.Merchant, operation id.Operation) (acquirer.Authorisation, error) {
	kept, err := readClearingOf(tx, m, operation)
	if errors.Is(err, db.ErrNone) {
		err = problem.New(problem.NotFound, "batch.line_not_found")
	}
	if err != nil || len(kept) == 0 {
		return acquirer.Authorisation{}, err
	}
	line, err := unpackClearing(kept, acquirer.Contract{}, nil)
	return line.Authorisation, err
}

// StateOf tells where the transaction of an operation stands: the state of its
// batch, and whether it was removed.
func (b *Batches) StateOf(tx *db.Tx, m id.Merchant, operation id.Operation) (state State, removed bool, err error) {
	line, err := readLine(tx, m, operation)
	if errors.Is(err, db.ErrNone) {
		return "", false, problem.New(problem.NotFound, "batch.line_not_found")
	}
	if err != nil {
		return "", false, err
	}
	found, err := readBatch(tx, m, line.Batch)
	return found.State, line.RemovedAt != nil, err
}

// clearing is what is kept of an [acquirer.Line] until it is acknowledged.
type clearing struct {
	Operation id.Operation  `json:"operation"`
	Terminal  string        `json:"terminal"`
	Number    int64         `json:"number"`
	At        int64         `json:"at"` // milliseconds UTC
	Kind      acquirer.Kind `json:"kind"`
	Amount    int64         `json:"amount_minor"`
	Currency  string        `json:"currency"`
	Card      card.Presented
	About     string `json:"about"`
	Approval  string `json:"approval"`
	RRN       string `json:"rrn"`
}

// packClearing encodes it without the envelope of the authorisation, which is never stored.
func packClearing(l acquirer.Line) ([]byte, error) {
	l.Card.Envelope = nil
	encoded, err := json.Marshal(clearing{
		l.Operation, l.Terminal, l.Number, l.At.UnixMilli(), l.Kind, l.Amount.Minor, string(l.Amount.Currency), l.Card, l.About, l.Approval, l.RRN,
	})
	if err != nil {
		return nil, fmt.Errorf("batch: clearing: %w", err)
	}
	return encoded, nil
}

func unpackClearing(b []byte, terms acquirer.Contract, zone *time.Location) (acquirer.Line, error) {
	var c clearing
	if err := json.Unmarshal(b, &c); err != nil {
		return acquirer.Line{}, fmt.Errorf("batch: clearing: %w", err)
	}
	var l acquirer.Line
	l.Trace = acquirer.Trace{Operation: c.Operation, Terminal: c.Terminal, Number: c.Number, At: time.UnixMilli(c.At).UTC(), Zone: zone}
	l.Contract, l.Kind, l.Card, l.About, l.Approval, l.RRN = terms, c.Kind, c.Card, c.About, c.Approval, c.RRN
	l.Amount = money.Amount{Minor: c.Amount, Currency: money.Currency(c.Currency)}
	return l, nil
}
