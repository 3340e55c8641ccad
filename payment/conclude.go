package payment

import (
	"context"
	"errors"
	"time"

	"encaisse/acquirer"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/problem"
	"encaisse/batch"
	"encaisse/event"
	"encaisse/ledger"
	"encaisse/terminal"
)

// What a reader's final word may be.
const (
	wordSuccess = "success"
	wordFailure = "failure"
)

// Progressed notes what a reader is doing, for whoever watches.
func (p *Payments) Progressed(ctx context.Context, from terminal.From, attempt id.Attempt, stage terminal.Stage) error {
	return p.act(ctx, from.Merchant, SourceReader, string(from.Terminal), func(a *act) error {
		t, err := updateStage(a.tx, from.Merchant, from.Terminal, attempt, clean(string(stage), maxWord))
		if errors.Is(err, db.ErrNone) {
			return nil // it is over, or not this reader's: there is nothing to show
		}
		if err != nil {
			return err
		}
		a.emit(event.PaymentProgress, t.Payment, detail{"attempt_id": t.ID, "terminal_id": t.Terminal, "kind": t.Kind, "stage": stage})
		return nil
	})
}

// Concluded takes a reader's final word, any number of times. Success captures,
// in one commit with the batch line, the ledger, the event and the owner's
// ticket. Problem payment.attempt_unknown: not one of this reader's.
func (p *Payments) Concluded(ctx context.Context, from terminal.From, c terminal.Conclusion) error {
	return p.act(ctx, from.Merchant, SourceReader, string(from.Terminal), func(a *act) error {
		t, err := lockAttempt(a.tx, from.Merchant, c.Attempt)
		if errors.Is(err, db.ErrNone) || err == nil && t.Terminal != from.Terminal {
			return problem.New(problem.NotFound, "payment.attempt_unknown")
		}
		if err != nil {
			return err
		}
		return a.hear(&t, c)
	})
}

// hear takes a final word about an attempt whose row is taken.
func (a *act) hear(t *Attempt, c terminal.Conclusion) error {
	word := wordFailure
	if c.Success {
		word = wordSuccess
	}
	spoken := detail{"word": word, "cause": c.Cause, "number": c.Transaction, "repeated": c.Repeated}
	if t.Word != "" { // it has spoken before
		if t.Word != word || c.Success && t.Number != clean(c.Transaction, maxWord) {
			a.contradict(t, nil, wordEvent(c), spoken)
		}
		return a.Readers.Close(a.tx, a.merchant, t.ID)
	}
	over := !t.open() && t.State != Abandoned
	t.take(c, word)
	if over {
		return a.hearLate(t, c, spoken)
	}
	operations, err := readOperationsOf(a.tx, a.merchant, t.ID)
	if err != nil {
		return err
	}
	approved, undone := approval(operations)
	cause := a.judge(t, c, approved, undone, operations)
	switch {
	case cause != "":
		return a.failed(t, cause, word)
	case a.refusal != nil:
		return a.orphaned(t, approved)
	case t.Kind == terminal.Refund:
		return a.credited(t, approved, c)
	}
	return a.captured(t, approved, c)
}

func wordEvent(c terminal.Conclusion) Event {
	if c.Success {
		return Succeed
	}
	return Fail
}

// take keeps what the reader says of an attempt.
func (t *Attempt) take(c terminal.Conclusion, word string) {
	t.Word, t.Chip, t.Signed, t.Printed = word, c.Chip, c.Signed, c.Printed
	t.Number, t.Approval, t.Code = clean(c.Transaction, maxWord), clean(c.Approval, maxWord), clean(c.Code, maxWord)
	if !c.At.IsZero() {
		t.ReaderAt = &c.At
	}
	if c.Card != nil {
		t.Card = shown(*c.Card)
	}
	t.NextTryAt = nil
}

// hearLate takes the first word about an attempt that was settled without one:
// a void, which the batch has decided, or one whose reader knew nothing of it.
func (a *act) hearLate(t *Attempt, c terminal.Conclusion, spoken detail) error {
	if _, err := updateAttempt(a.tx, *t, t.State); err != nil {
		return err
	}
	if t.State == Failed && c.Success {
		a.contradict(t, nil, Succeed, spoken)
	}
	return a.Readers.Close(a.tx, a.merchant, t.ID)
}

// approval finds the authorisation that the host approved, and whether it was undone.
func approval(operations []Operation) (approved *Operation, undone bool) {
	for i := range operations {
		if o := &operations[i]; o.Kind == SubjectAuthorise && o.State == Approved {
			approved = o
		}
	}
	for i := range operations {
		if o := &operations[i]; approved != nil && o.Kind == SubjectReversal && o.Original == approved.ID {
			undone = true
		}
	}
	return approved, undone
}

// judge says why a word is not a success we take; empty when it is. What does
// not fit what was asked is alarmed: the money is given back and the reader, or
// its link, is to be looked at.
func (a *act) judge(t *Attempt, c terminal.Conclusion, approved *Operation, undone bool, operations []Operation) terminal.Cause {
	switch {
	case !c.Success:
		return refusalOf(c, operations)
	case t.State == Abandoned:
		return CauseAbandoned
	case approved == nil || c.Amount != t.Amount || t.Kind == terminal.Void:
		a.alarm("a reader's final word does not fit what was asked", "payment", t.Payment, "attempt", t.ID, "authorised", approved != nil)
		return CauseDiffers
	case undone || a.saidAt(c, approved).After(t.deadline()):
		return CauseLate
	}
	return ""
}

// saidAt is when a reader had its final word: its own time, but not before the
// host's approval and not after now. A reader's clock that is wrong cannot turn
// a payment in time into a late one, nor the other way round.
func (a *act) saidAt(c terminal.Conclusion, approved *Operation) time.Time {
	at := c.At
	if approved.SettledAt != nil && at.Before(*approved.SettledAt) {
		at = *approved.SettledAt
	}
	if at.IsZero() || at.After(a.now) {
		at = a.now
	}
	return at
}

// refusalOf is the cause of a failure: the reader's, unless we know better why
// the authorisation was refused.
func refusalOf(c terminal.Conclusion, operations []Operation) terminal.Cause {
	cause := c.Cause
	if cause == "" {
		cause = terminal.CauseRefused
	}
	if cause != terminal.CauseRefused {
		return cause
	}
	for i := range operations {
		if o := &operations[i]; o.Kind == SubjectAuthorise && o.Cause != "" {
			cause = o.Cause
		}
	}
	return cause
}

// captured makes a success of a payment: it joins the batch, the ledger has it,
// and its owner takes it.
func (a *act) captured(t *Attempt, approved *Operation, c terminal.Conclusion) error {
	if err := a.succeed(t); err != nil {
		return err
	}
	p, err := lockPayment(a.tx, a.merchant, t.Payment)
	if err != nil {
		return err
	}
	p.Attempt = t.ID
	moved, err := a.movePayment(&p, Succeed, "", sums{captured: t.Amount.Minor}, nil)
	if err == nil && !moved {
		err = errMoved()
	}
	if err != nil {
		return err
	}
	capture, err := a.enter(t, approved, c, SubjectCapture)
	if err != nil {
		return err
	}
	p.fill(*t, &capture)
	said := about(p, *t)
	said["batch_id"], said["scheme"], said["masked"] = capture.Batch, p.scheme(), p.masked()
	a.emit(event.PaymentSucceeded, p.ID, said)
	return a.hand(func(o Owner) error { return o.Captured(a.tx, p) })
}

// credited makes a success of a refund, likewise.
func (a *act) credited(t *Attempt, approved *Operation, c terminal.Conclusion) error {
	if err := a.succeed(t); err != nil {
		return err
	}
	p, err := lockPayment(a.tx, a.merchant, t.Payment)
	if err != nil {
		return err
	}
	if err := a.changeSums(&p, sums{refunded: t.Amount.Minor, pending: -t.Amount.Minor}); err != nil {
		return err
	}
	refund, err := a.enter(t, approved, c, SubjectRefund)
	if err != nil {
		return err
	}
	return a.gave(p, t, detail{"batch_id": refund.Batch})
}

// gave tells that a void or refund succeeded, and lets the owner take it.
func (a *act) gave(p Payment, t *Attempt, more detail) error {
	if err := whole(a.tx, &p); err != nil {
		return err
	}
	said := about(p, *t)
	for k, v := range more {
		said[k] = v
	}
	a.emit(event.ReversalSucceeded, p.ID, said)
	return a.hand(func(o Owner) error { return o.Reversed(a.tx, p, Reversal{Attempt: *t}) })
}

// succeed moves an attempt to its end and frees its reader.
func (a *act) succeed(t *Attempt) error {
	moved, err := a.moveAttempt(t, Succeed, detail{"number": t.Number, "code": t.Code})
	if err == nil && !moved {
		err = errMoved()
	}
	if err != nil {
		return err
	}
	return a.Readers.Close(a.tx, a.merchant, t.ID)
}

// enter puts an approved authorisation into the open batch, as a debit or a
// credit, and books it. From then on the batch has what a clearing needs of the
// card: our own copy is erased.
func (a *act) enter(t *Attempt, approved *Operation, c terminal.Conclusion, kind Subject) (Operation, error) {
	authorisation, err := a.authorisation(*approved)
	if err != nil {
		return Operation{}, err
	}
	if c.Card != nil && len(c.Card.EMV) > 0 {
		authorisation.Card.EMV = c.Card.EMV // with the final cryptogram
	}
	entered := Operation{
		Merchant: a.merchant, ID: id.New[id.Operation](a.now), Attempt: t.ID, Payment: t.Payment, Kind: kind, State: Approved,
		Terminal: t.Terminal, Contract: t.Contract, Connector: t.Connector, Acceptor: t.Acceptor, Zone: t.Zone, Amount: t.Amount,
		TraceAt: a.now, CreatedAt: a.now, SettledAt: &a.now, Original: approved.ID,
	}
	entered.Batch, entered.BatchNumber, err = a.Batches.Join(a.tx, batch.Entry{
		Merchant: a.merchant, Contract: t.Contract, Terminal: t.Terminal, AcceptorTerminal: t.Acceptor, Zone: t.Zone,
		Operation: entered.ID, Payment: t.Payment, Credit: kind == SubjectRefund, Amount: t.Amount, At: a.now,
		Clearing: acquirer.Line{Authorisation: authorisation, Approval: approved.Approval, RRN: approved.RRN},
	})
	if err != nil {
		return Operation{}, err
	}
	insertOperation(a.tx, entered)
	eraseCard(a.tx, a.merchant, approved.ID)
	a.book(entered)
	a.begin(Entry{Payment: t.Payment, Attempt: t.ID, Operation: entered.ID, Subject: kind, To: Approved},
		detail{"amount": t.Amount, "batch_id": entered.Batch, "batch": entered.BatchNumber})
	return entered, nil
}

// book writes what an operation moves in the ledger.
func (a *act) book(o Operation) {
	ledger.Post(a.tx, a.merchant, string(o.ID), o.Amount.Currency, o.CreatedAt, o.transfers())
}

// transfers are what an operation moves: a capture pays what is due, a void or
// a refund makes it due again.
func (o Operation) transfers() []ledger.Transfer {
	var list ledger.List
	switch o.Kind {
	case SubjectCapture:
		list.Add(ledger.Captured(o.Contract), ledger.Due, o.Amount.Minor)
	case SubjectRefund, SubjectVoid:
		list.Add(ledger.Captured(o.Contract), ledger.Due, -o.Amount.Minor)
	}
	return list
}

// failed ends an attempt without success. An authorisation that was approved for
// it is undone; the owner hears that nothing was captured.
func (a *act) failed(t *Attempt, cause terminal.Cause, word string) error {
	if word != "" {
		t.Word = word
	}
	t.Cause, t.NextTryAt = cause, nil
	moved, err := a.moveAttempt(t, Fail, detail{"cause": cause, "word": word})
	if err != nil || !moved {
		return err
	}
	if err := a.Readers.Close(a.tx, a.merchant, t.ID); err != nil {
		return err
	}
	released, err := a.release(t, reasonFor(cause))
	if err != nil {
		return err
	}
	p, err := lockPayment(a.tx, a.merchant, t.Payment)
	if err != nil {
		return err
	}
	p.Attempt = t.ID
	if t.Kind != terminal.Payment {
		if err := a.changeSums(&p, sums{pending: -t.Amount.Minor}); err != nil {
			return err
		}
		said := about(p, *t)
		said["cause"] = cause
		a.emit(event.ReversalFailed, p.ID, said)
		return nil
	}
	return a.lost(&p, t, Fail, cause, released)
}

// lost ends a payment of which nothing is captured, unless that was said before.
func (a *act) lost(p *Payment, t *Attempt, e Event, cause terminal.Cause, released int64) error {
	moved, err := a.movePayment(p, e, cause, sums{authorised: -released}, detail{"cause": cause})
	if err != nil {
		return err
	}
	if !moved { // abandoned: its owner knows
		return a.changeSums(p, sums{authorised: -released})
	}
	p.fill(*t, nil)
	said := about(*p, *t)
	said["cause"] = cause
	if e == Orphan {
		said["why"] = reasonOf(a.refusal)
		a.emit(event.PaymentOrphaned, p.ID, said)
		a.alarm("an approved payment has no owner: it is undone", "payment", p.ID, "owner", p.Owner, "why", a.refusal)
		// What the owner keeps free for it is free again, where it is there at all.
		if a.deaf {
			return nil
		}
		if err := a.tx.Flush(); err != nil {
			return err
		}
		a.asked = true
		if err := a.owner.Failed(a.tx, *p); err != nil {
			a.alarm("the owner does not take that its payment is undone", "payment", p.ID, "owner", p.Owner, "why", err)
		}
		return a.tx.Flush()
	}
	a.emit(event.PaymentFailed, p.ID, said)
	return a.hand(func(o Owner) error { return o.Failed(a.tx, *p) })
}

// orphaned keeps an approval that the owner could not take, and undoes it.
func (a *act) orphaned(t *Attempt, approved *Operation) error {
	if t.Kind == terminal.Refund {
		return a.failed(t, CauseOwner, wordSuccess)
	}
	if err := a.succeed(t); err != nil {
		return err
	}
	if err := a.undo(approved, acquirer.ReasonCancelled); err != nil {
		return err
	}
	p, err := lockPayment(a.tx, a.merchant, t.Payment)
	if err != nil {
		return err
	}
	p.Attempt = t.ID
	return a.lost(&p, t, Orphan, CauseOwner, approved.Amount.Minor)
}

// fill adds what the payment's own attempt, and its capture, say of it.
func (p *Payment) fill(t Attempt, capture *Operation) {
	p.Attempt, p.Stage, p.Deadline = t.ID, t.Stage, t.deadline()
	p.Card, p.Chip, p.Number, p.At, p.Approval, p.Code = t.Card, t.Chip, t.Number, t.ReaderAt, t.Approval, t.Code
	p.Signed, p.Printed = t.Signed, t.Printed
	if capture != nil {
		p.Batch, p.BatchNumber = capture.Batch, capture.BatchNumber
	}
	if t.State == Unknown || t.State == Abandoned {
		doubt := doubtOf(t)
		p.Doubt = &doubt
	}
}

func (p *Payment) scheme() string {
	if p.Card == nil {
		return ""
	}
	return string(p.Card.Scheme)
}

func (p *Payment) masked() string {
	if p.Card == nil {
		return ""
	}
	return p.Card.Masked
}
