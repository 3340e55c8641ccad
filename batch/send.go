package batch

import (
	"context"
	"time"

	"encaisse/access"
	"encaisse/acquirer"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/job"
	"encaisse/base/problem"
	"encaisse/event"
	"encaisse/ledger"
)

// SendAgain sends a closed batch now, under its number. Problems
// batch.not_found, batch.open, batch.sending (conflict) while another try is
// under way.
func (b *Batches) SendAgain(ctx context.Context, p access.Principal, batch id.Batch) (Batch, error) {
	if err := access.Allow(p, access.BatchClose); err != nil {
		return Batch{}, err
	}
	if err := b.send(ctx, p.Merchant, batch); err != nil {
		return Batch{}, err
	}
	return b.Get(ctx, access.System(p.Merchant), batch)
}

// RunSend sends the batch a JobSend names. What the acquirer does not
// acknowledge leaves the job of the next try, for as long as it takes.
func (b *Batches) RunSend(ctx context.Context, j job.Job) error {
	var d due
	if err := j.Read(&d); err != nil {
		return err
	}
	err := b.send(ctx, j.Merchant, d.Batch)
	if problem.Is(err, "batch.sending") {
		return nil // whoever sends it leaves the next try
	}
	return err
}

// send marks the batch as sent and commits that, sends it, and records what
// became of it.
func (b *Batches) send(ctx context.Context, m id.Merchant, batch id.Batch) error {
	var sent Batch
	var out acquirer.Batch
	var connector acquirer.Connector
	err := b.db.Write(ctx, func(tx *db.Tx) (err error) {
		if sent, err = get(tx, m, batch); err != nil {
			return err
		}
		switch sent.State {
		case Open:
			return problem.New(problem.Conflict, "batch.open")
		case Acknowledged:
			return nil
		}
		if out, connector, err = b.prepare(tx, sent); err != nil {
			return err
		}
		now := b.clock.Now()
		marked, err := markSent(tx, sent, now, now.Add(backoff(sent.Tries+1)))
		if err == nil && !marked {
			err = problem.New(problem.Conflict, "batch.sending")
		}
		sent.State, sent.Tries, sent.SentAt = Sent, sent.Tries+1, &now
		return err
	})
	if err != nil || sent.State == Acknowledged {
		return err
	}
	return b.record(ctx, sent, connector.Submit(ctx, out))
}

// prepare reads what is sent.
func (b *Batches) prepare(tx *db.Tx, sent Batch) (acquirer.Batch, acquirer.Connector, error) {
	found, err := b.contracts.In(tx, sent.Merchant, sent.Contract)
	if err != nil {
		return acquirer.Batch{}, nil, err
	}
	connector := b.connectors[found.Connector]
	if connector == nil {
		return acquirer.Batch{}, nil, problem.New(problem.Unavailable, "batch.connector_missing", "connector", found.Connector)
	}
	terms, err := b.contracts.Terms(tx, sent.Merchant, sent.Contract)
	if err != nil {
		return acquirer.Batch{}, nil, err
	}
	zone, err := time.LoadLocation(sent.Zone)
	if err != nil {
		zone = time.UTC
	}
	out := acquirer.Batch{
		ID: sent.ID, Contract: terms, Terminal: sent.AcceptorTerminal, Number: sent.Number, ClosedAt: *sent.ClosedAt, Zone: zone,
		Currency: sent.Currency, Debits: sent.Debits, Credits: sent.Credits, Repeat: sent.Tries > 0, Next: b.next(sent, zone),
	}
	stored, err := readClearing(tx, sent.Merchant, sent.ID)
	if err != nil {
		return acquirer.Batch{}, nil, err
	}
	for _, one := range stored {
		line, err := unpackClearing(one, terms, zone)
		if err != nil {
			return acquirer.Batch{}, nil, err
		}
		out.Lines = append(out.Lines, line)
	}
	return out, connector, nil
}

// next draws the traces of a submission's messages.
func (b *Batches) next(sent Batch, zone *time.Location) func(context.Context) (acquirer.Trace, error) {
	return func(ctx context.Context) (trace acquirer.Trace, err error) {
		trace = acquirer.Trace{Terminal: sent.AcceptorTerminal, At: b.clock.Now(), Zone: zone}
		err = b.db.Write(ctx, func(tx *db.Tx) (err error) {
			trace.Number, err = b.traces(tx, sent.Merchant, sent.Terminal)
			return err
		})
		return trace, err
	}
}

// record writes what became of a try: the one door for it. It is not bound to
// the caller's patience, since the acquirer has spoken.
func (b *Batches) record(ctx context.Context, sent Batch, r acquirer.Receipt) error {
	err := b.db.Write(context.WithoutCancel(ctx), func(tx *db.Tx) error {
		now := b.clock.Now()
		after := sent
		after.Code, after.Detail, after.NextTryAt = r.Code, short(r.Detail), nil
		kind := event.BatchUnknown
		switch r.Result {
		case acquirer.Approved:
			after.State, after.SettledAt, kind = Acknowledged, &now, event.BatchAcknowledged
		case acquirer.Declined:
			after.State, kind = Refused, event.BatchRefused
		case acquirer.NotPerformed:
			after.State = Closed
		default:
			after.State = Unknown
		}
		if after.State != Acknowledged {
			again := now.Add(backoff(sent.Tries))
			after.NextTryAt = &again
		}
		settled, err := settle(tx, after)
		if err != nil || !settled { // an earlier try was acknowledged meanwhile: nothing undoes that
			return err
		}
		event.Emit(tx, sent.Merchant, now, kind, string(sent.ID), after.eventData())
		if after.State == Acknowledged {
			eraseClearing(tx, sent.Merchant, sent.ID)
			ledger.Post(tx, sent.Merchant, after.acknowledgedSource(), sent.Currency, now, after.acknowledgement())
			return nil
		}
		return job.Enqueue(tx, now, job.Spec{
			Merchant: sent.Merchant, Kind: JobSend, Dedup: string(sent.ID), Payload: due{sent.ID}, RunAt: *after.NextTryAt,
		})
	})
	if r.Result != acquirer.Approved {
		b.log.Warn("a card batch was not acknowledged", "batch", sent.ID, "number", sent.Number, "tries", sent.Tries, "result", r.Result, "code", r.Code, "detail", r.Detail)
	}
	return err
}

func short(s string) string {
	if len(s) > maxDetail {
		return s[:maxDetail]
	}
	return s
}
