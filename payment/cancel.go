package payment

import (
	"context"
	"errors"

	"encaisse/access"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/problem"
	"encaisse/terminal"
)

// Cancel asks the reader to give a payment up, while no card is in. What comes
// of it is the reader's word: a payment that was approved meanwhile is told as
// that. Problems access.forbidden, payment.not_found, payment.card_in, payment.over.
func (p *Payments) Cancel(ctx context.Context, pr access.Principal, payment id.Payment) (Payment, error) {
	if err := access.Allow(pr, access.PaymentWrite); err != nil {
		return Payment{}, err
	}
	var t Attempt
	ended := false
	err := p.act(ctx, pr.Merchant, SourceTill, pr.Actor(), func(a *act) (err error) {
		ended = false
		if t, err = a.own(pr, payment); err != nil {
			return err
		}
		switch {
		case !t.open():
			return problem.New(problem.Conflict, "payment.over", "state", t.State)
		case t.State == Prepared: // it has not left
			ended = true
			return a.failed(&t, terminal.CauseAborted, "")
		case t.Stage == terminal.StageCardIn || t.Stage == terminal.StageAuthorising || t.Stage == terminal.StageRemoveCard || t.Stage == terminal.StageSignature:
			return problem.New(problem.Conflict, "payment.card_in")
		}
		a.note(Entry{Payment: t.Payment, Attempt: t.ID, Subject: SubjectAttempt, Event: Cancel, From: t.State, To: t.State}, nil)
		return nil
	})
	if err != nil {
		return Payment{}, err
	}
	if !ended {
		if err := p.Readers.Abort(ctx, pr.Merchant, t.ID); err != nil {
			if err := p.doubt(ctx, pr.Merchant, t.ID, err); err != nil {
				return Payment{}, err
			}
		}
	}
	return p.Get(ctx, pr, payment)
}

// own takes the row of a payment's own attempt. Problem payment.not_found, also
// for one that the principal may not see.
func (a *act) own(pr access.Principal, payment id.Payment) (Attempt, error) {
	p, err := readPayment(a.tx, pr.Merchant, payment)
	if errors.Is(err, db.ErrNone) || err == nil && !mayRead(pr, p) {
		return Attempt{}, notFound()
	}
	if err != nil {
		return Attempt{}, err
	}
	first, err := firstAttempt(a.tx, pr.Merchant, payment)
	if err != nil {
		return Attempt{}, err
	}
	return lockAttempt(a.tx, pr.Merchant, first.ID)
}

// Abandon gives up a payment that is in doubt, so that another means may be
// taken: it has failed for its owner from now on, and an approval that turns up
// is undone. Its reader is asked on. Problems access.forbidden,
// payment.not_found, payment.not_in_doubt.
func (p *Payments) Abandon(ctx context.Context, pr access.Principal, payment id.Payment) (Payment, error) {
	if err := access.Allow(pr, access.PaymentWrite); err != nil {
		return Payment{}, err
	}
	var t Attempt
	err := p.act(ctx, pr.Merchant, SourceTill, pr.Actor(), func(a *act) (err error) {
		if t, err = a.own(pr, payment); err != nil {
			return err
		}
		moved, err := a.moveAttempt(&t, Abandon, nil)
		if err == nil && !moved {
			err = problem.New(problem.Conflict, "payment.not_in_doubt", "state", t.State)
		}
		if err != nil {
			return err
		}
		released, err := a.release(&t, reasonFor(CauseAbandoned))
		if err != nil {
			return err
		}
		known, err := lockPayment(a.tx, a.merchant, payment)
		if err != nil {
			return err
		}
		known.Attempt = t.ID
		return a.lost(&known, &t, Fail, CauseAbandoned, released)
	})
	if err != nil {
		return Payment{}, err
	}
	if err := p.Readers.Abort(ctx, pr.Merchant, t.ID); err != nil {
		p.Log.Info("the reader of an abandoned payment could not be told: it is asked on", "merchant", pr.Merchant, "attempt", t.ID, "error", reasonOf(err))
	}
	return p.Get(ctx, pr, payment)
}

// Enquire asks now what became of a payment and of all that was said about it
// (« Vérifier »), and tells how it stands. Problems access.forbidden, payment.not_found.
func (p *Payments) Enquire(ctx context.Context, pr access.Principal, payment id.Payment) (Payment, error) {
	if err := access.Allow(pr, access.PaymentWrite); err != nil {
		return Payment{}, err
	}
	found, err := p.Get(ctx, pr, payment)
	if err != nil {
		return Payment{}, err
	}
	var open []ticket
	err = p.DB.Read(ctx, func(tx *db.Tx) error {
		open = nil
		attempts, err := readAttempts(tx, pr.Merchant, payment)
		if err != nil {
			return err
		}
		for _, t := range attempts {
			if t.NextTryAt != nil {
				open = append(open, ticket{merchant: pr.Merchant, attempt: t.ID, due: *t.NextTryAt})
			}
		}
		operations, err := readOperations(tx, pr.Merchant, payment)
		for _, o := range operations {
			if o.NextTryAt != nil {
				open = append(open, ticket{merchant: pr.Merchant, attempt: o.Attempt, operation: o.ID, due: *o.NextTryAt})
			}
		}
		return err
	})
	if err != nil || len(open) == 0 {
		return found, err
	}
	for _, t := range open {
		if err := p.resolve(ctx, t, true); err != nil {
			return Payment{}, err
		}
	}
	return p.Get(ctx, pr, payment)
}
