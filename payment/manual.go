package payment

import (
	"context"
	"errors"
	"strings"

	"encaisse/access"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/problem"
	"encaisse/event"
)

// Statement is a status said by hand: what the reader's own slip shows (CCV-011).
type Statement struct {
	Payment id.Payment
	Success bool
	Reason  string
}

// SetManualStatus keeps a status said by hand beside the automatic one of a
// payment that failed or is in doubt, with its author, time and reason. It moves
// no money, enters no batch and stops nobody from finding out: what the reader
// says in the end still counts. A success is handed to the owner, who may close
// its sale with a means of payment that is marked as said by hand; where it
// cannot, the status is refused with the owner's problem. Saying it again
// replaces it, and the history keeps both.
//
// Problems: access.forbidden, access.not_a_person, payment.not_found,
// payment.reason, payment.text, payment.manual_not_offered (conflict).
func (p *Payments) SetManualStatus(ctx context.Context, pr access.Principal, s Statement) (Payment, error) {
	if err := access.Allow(pr, access.PaymentManual); err != nil {
		return Payment{}, err
	}
	s.Reason = strings.TrimSpace(s.Reason)
	switch {
	case pr.Person == "":
		return Payment{}, problem.New(problem.Forbidden, "access.not_a_person")
	case s.Reason == "":
		return Payment{}, problem.New(problem.Invalid, "payment.reason").At("reason")
	case !written(s.Reason):
		return Payment{}, problem.New(problem.Invalid, "payment.text", "limit", maxReason).At("reason")
	}
	err := p.DB.Write(ctx, func(tx *db.Tx) error {
		return p.join(tx, pr.Merchant, SourceTill, pr.Actor()).state(pr, s)
	})
	if err != nil {
		return Payment{}, err
	}
	return p.Get(ctx, pr, s.Payment)
}

func (a *act) state(pr access.Principal, s Statement) error {
	known, err := lockPayment(a.tx, a.merchant, s.Payment)
	if errors.Is(err, db.ErrNone) || err == nil && !mayRead(pr, known) {
		return notFound()
	}
	if err != nil {
		return err
	}
	status := manualFailure
	if s.Success {
		status = manualSuccess
	}
	said, err := setManual(a.tx, known, status, Manual{By: a.actor, At: a.now, Reason: s.Reason})
	if errors.Is(err, db.ErrNone) {
		return problem.New(problem.Conflict, "payment.manual_not_offered", "state", known.State)
	}
	if err != nil {
		return err
	}
	before := ""
	if known.Manual != nil {
		before = manualFailure
		if known.Manual.Success {
			before = manualSuccess
		}
	}
	a.note(Entry{Payment: s.Payment, Subject: SubjectPayment, Event: spokenByHand, From: known.State, To: known.State},
		detail{"status": status, "before": before, "reason": s.Reason})
	a.emit(event.PaymentManual, s.Payment, detail{"sale_id": known.Owner, "tender_id": known.Tender, "status": status, "state": known.State})
	if !s.Success {
		return nil
	}
	if err := whole(a.tx, &said); err != nil {
		return err
	}
	return a.owner.Captured(a.tx, said)
}

// spokenByHand is an entry of history, and no step of a graph.
const spokenByHand Event = "manual"
