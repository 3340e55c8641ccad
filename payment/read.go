package payment

import (
	"context"
	"errors"
	"slices"

	"encaisse/access"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/problem"
	"encaisse/terminal"
)

// Filter chooses payments; empty fields choose all.
type Filter struct {
	State    State
	Owner    string // a sale
	Terminal id.Terminal
	Before   id.Payment // older than this one; empty: the newest
	Limit    int
}

func notFound() error { return problem.New(problem.NotFound, "payment.not_found") }

// mayRead tells whether a payment is the principal's to see: a user sees own
// ones only (UPM-045).
func mayRead(pr access.Principal, p Payment) bool {
	return access.Allow(pr, access.PaymentReadAll) == nil || p.Operator == pr.Operator && pr.Operator != 0
}

// Get reads one payment. Another's is payment.not_found for a user.
func (p *Payments) Get(ctx context.Context, pr access.Principal, payment id.Payment) (found Payment, err error) {
	if err := access.Allow(pr, access.PaymentRead); err != nil {
		return Payment{}, err
	}
	err = p.DB.Read(ctx, func(tx *db.Tx) (err error) {
		found, err = In(tx, pr.Merchant, payment)
		return err
	})
	if err == nil && !mayRead(pr, found) {
		return Payment{}, notFound()
	}
	return found, err
}

// In reads one payment in the caller's transaction. Problem payment.not_found.
func In(tx *db.Tx, m id.Merchant, payment id.Payment) (Payment, error) {
	found, err := readPayment(tx, m, payment)
	if errors.Is(err, db.ErrNone) {
		return Payment{}, notFound()
	}
	if err != nil {
		return Payment{}, err
	}
	return found, whole(tx, &found)
}

// List reads payments, newest first. A user sees own ones only. Problem
// payment.state for a state that payments do not have.
func (p *Payments) List(ctx context.Context, pr access.Principal, f Filter) (page []Payment, err error) {
	if err := access.Allow(pr, access.PaymentRead); err != nil {
		return nil, err
	}
	if selections[f.State] == "" {
		return nil, problem.New(problem.Invalid, "payment.state").At("state")
	}
	f.Limit = min(max(f.Limit, 1), maxPage)
	operator := int64(-1)
	if access.Allow(pr, access.PaymentReadAll) != nil {
		operator = pr.Operator
	}
	err = p.DB.Read(ctx, func(tx *db.Tx) (err error) {
		if page, err = readPage(tx, pr.Merchant, f, operator); err != nil {
			return err
		}
		for i := range page {
			queueWhole(tx, &page[i])
		}
		return tx.Flush()
	})
	return page, err
}

// whole adds to a payment what its own attempt, its capture and what is still
// owed for it say.
func whole(tx *db.Tx, p *Payment) error {
	queueWhole(tx, p)
	return tx.Flush()
}

// queueWhole is whole that travels with whatever else is queued.
func queueWhole(tx *db.Tx, p *Payment) {
	var first *Attempt
	queueAttempts(tx, p.Merchant, p.ID, func(t Attempt) {
		if t.Kind == terminal.Payment {
			first = &t
			p.fill(t, nil)
		} else if p.Doubt == nil && t.State == Unknown {
			doubt := doubtOf(t)
			p.Doubt = &doubt
		}
	})
	queueOperations(tx, p.Merchant, p.ID, func(o Operation) {
		switch {
		case o.Kind == SubjectCapture:
			p.Batch, p.BatchNumber = o.Batch, o.BatchNumber
		case p.Doubt == nil && o.Kind == SubjectReversal && o.State != Approved && first != nil:
			doubt := owedBy(o)
			p.Doubt = &doubt
		}
	})
}

// Attempts lists what was tried for a payment, in order: the payment itself,
// then its voids and refunds. Problem payment.not_found.
func (p *Payments) Attempts(ctx context.Context, pr access.Principal, payment id.Payment) (all []Attempt, err error) {
	err = p.readOf(ctx, pr, payment, func(tx *db.Tx) (err error) {
		all, err = readAttempts(tx, pr.Merchant, payment)
		return err
	})
	return all, err
}

// Operations lists what was said to the host and moved in the books for a
// payment, in order. Problem payment.not_found.
func (p *Payments) Operations(ctx context.Context, pr access.Principal, payment id.Payment) (all []Operation, err error) {
	err = p.readOf(ctx, pr, payment, func(tx *db.Tx) (err error) {
		all, err = readOperations(tx, pr.Merchant, payment)
		return err
	})
	return all, err
}

// History reads up to limit lines of what happened to a payment after the given
// one (empty: the first), in order. Problem payment.not_found.
func (p *Payments) History(ctx context.Context, pr access.Principal, payment id.Payment, after id.History, limit int) (entries []Entry, err error) {
	err = p.readOf(ctx, pr, payment, func(tx *db.Tx) (err error) {
		entries, err = readHistory(tx, pr.Merchant, payment, after, min(max(limit, 1), maxPage))
		return err
	})
	return entries, err
}

// ReversalByID reads one void or refund. Problem payment.not_found.
func (p *Payments) ReversalByID(ctx context.Context, pr access.Principal, attempt id.Attempt) (found Reversal, err error) {
	if err := access.Allow(pr, access.PaymentRead); err != nil {
		return Reversal{}, err
	}
	err = p.DB.Read(ctx, func(tx *db.Tx) error {
		t, err := readAttempt(tx, pr.Merchant, attempt)
		if errors.Is(err, db.ErrNone) || err == nil && t.Kind == terminal.Payment {
			return notFound()
		}
		if err != nil {
			return err
		}
		known, err := readPayment(tx, pr.Merchant, t.Payment)
		if err == nil && !mayRead(pr, known) {
			return notFound()
		}
		found = Reversal{Attempt: t}
		return err
	})
	return found, err
}

func (p *Payments) readOf(ctx context.Context, pr access.Principal, payment id.Payment, read func(*db.Tx) error) error {
	if err := access.Allow(pr, access.PaymentRead); err != nil {
		return err
	}
	return p.DB.Read(ctx, func(tx *db.Tx) error {
		known, err := readPayment(tx, pr.Merchant, payment)
		if errors.Is(err, db.ErrNone) || err == nil && !mayRead(pr, known) {
			return notFound()
		}
		if err != nil {
			return err
		}
		return read(tx)
	})
}

// Doubts lists what is not known yet, the next try first: attempts whose reader
// has not spoken, and authorisations whose reversal is not acknowledged. A user
// may not see it. Problem access.forbidden.
func (p *Payments) Doubts(ctx context.Context, pr access.Principal) (all []Doubt, err error) {
	if err := access.Allow(pr, access.PaymentReadAll); err != nil {
		return nil, err
	}
	err = p.DB.Read(ctx, func(tx *db.Tx) error {
		all = nil
		attempts, err := readDoubtful(tx, pr.Merchant, maxPage)
		if err != nil {
			return err
		}
		for _, t := range attempts {
			all = append(all, doubtOf(t))
		}
		reversals, err := readOwedAll(tx, pr.Merchant, maxPage)
		for _, o := range reversals {
			all = append(all, owedBy(o))
		}
		return err
	})
	slices.SortStableFunc(all, func(a, b Doubt) int { return a.NextTryAt.Compare(b.NextTryAt) })
	return all, err
}

// doubtOf is what is open about an attempt.
func doubtOf(t Attempt) Doubt {
	d := Doubt{
		Subject: SubjectAttempt, State: t.State, Payment: t.Payment, Attempt: t.ID, Terminal: t.Terminal, Since: t.AskedAt, Tries: t.Tries,
		Next: StepAsk, Manual: t.Manual,
	}
	if t.NextTryAt != nil {
		d.NextTryAt = *t.NextTryAt
	}
	return d
}

// owedBy is what is open about a reversal.
func owedBy(o Operation) Doubt {
	d := Doubt{
		Subject: o.Kind, State: o.State, Payment: o.Payment, Attempt: o.Attempt, Operation: o.ID, Terminal: o.Terminal, Since: o.CreatedAt,
		Tries: o.Tries, Next: StepReverse, Manual: o.Manual,
	}
	if o.NextTryAt != nil {
		d.NextTryAt = *o.NextTryAt
	}
	return d
}
