package payment

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/problem"
	"encaisse/event"
	"encaisse/terminal"
)

// Source is who a word comes from.
type Source string

// Sources.
const (
	SourceTill     Source = "till"     // a person or a program, through our API
	SourceReader   Source = "reader"   // told by the reader
	SourceHost     Source = "host"     // answered by the acquirer
	SourceResolver Source = "resolver" // asked for by ourselves
)

// Entry is one line of a payment's history: a transition, a try, or what came
// too late or contradicts.
type Entry struct {
	ID        id.History
	Payment   id.Payment
	Attempt   id.Attempt
	Operation id.Operation
	Subject   Subject
	Event     Event
	From, To  State // the same: it changed nothing
	Source    Source
	Actor     string
	Detail    json.RawMessage
	At        time.Time
}

// detail is what an entry says beside the transition. It never holds card data.
type detail map[string]any

// act is one transaction that moves something, and the only way to.
type act struct {
	*Payments
	tx       *db.Tx
	merchant id.Merchant
	now      time.Time
	source   Source
	actor    string

	asked   bool  // the owner was asked: what goes wrong from here on is the owner's
	refusal error // the owner has refused before: it is recorded without
	deaf    bool  // not even that can be told it
	due     bool  // something is due at once
	alarms  []alarm
}

// alarm is what the log says once the transaction is committed.
type alarm struct {
	what string
	args []any
}

// act runs fn in a transaction. Where the owner cannot take what fn hands it,
// that transaction is undone and fn runs once more with the refusal: recording
// an outcome never fails because of its owner. What nobody could help (the
// database is away) is returned, and the same word comes again.
func (p *Payments) act(ctx context.Context, m id.Merchant, source Source, actor string, fn func(*act) error) error {
	var done *act
	run := func(refusal error, deaf bool) error {
		return p.DB.Write(ctx, func(tx *db.Tx) error {
			done = p.join(tx, m, source, actor)
			done.refusal, done.deaf = refusal, deaf
			return fn(done)
		})
	}
	cannot := func(err error) bool { return err != nil && done != nil && done.asked && !passing(err) }
	err := run(nil, false)
	if refusal := err; cannot(err) {
		p.Log.Error("the owner of a payment cannot take its outcome", "merchant", m, "error", err)
		if err = run(refusal, false); cannot(err) {
			p.Log.Error("the owner of a payment cannot even hear that it is undone", "merchant", m, "error", err)
			err = run(refusal, true)
		}
	}
	if err == nil {
		done.committed()
	}
	return err
}

// join is the act of a transaction that is somebody else's.
func (p *Payments) join(tx *db.Tx, m id.Merchant, source Source, actor string) *act {
	return &act{Payments: p, tx: tx, merchant: m, now: p.Clock.Now(), source: source, actor: actor}
}

// passing tells whether an error says nothing about who caused it: the database
// is away, or did not tell whether it committed.
func passing(err error) bool {
	return errors.Is(err, db.ErrUnknown) || problem.Is(err, "db.unavailable")
}

// committed says what could only be said now.
func (a *act) committed() {
	for _, alarm := range a.alarms {
		a.Log.Error(alarm.what, append([]any{"merchant", a.merchant}, alarm.args...)...)
	}
	if a.due {
		a.Wake()
	}
}

// hand lets the owner take an outcome, as the last thing of the transaction. Our
// own statements are sent first, so that what fails from here on is the owner's.
func (a *act) hand(to func(Owner) error) error {
	if a.refusal != nil {
		return nil
	}
	if err := a.tx.Flush(); err != nil {
		return err
	}
	a.asked = true
	if err := to(a.owner); err != nil {
		return err
	}
	return a.tx.Flush()
}

// errMoved says that a row is not in the state it was read in: whoever moved it
// did not take the attempt's row first, or ours was read before somebody else's
// commit. The word is not taken; it comes again.
func errMoved() error { return problem.New(problem.Unavailable, "payment.changed_meanwhile") }

// moveAttempt applies an event to an attempt, with what the caller has changed
// in it. False: the graph has no such step, and nothing was written.
func (a *act) moveAttempt(t *Attempt, e Event, d detail) (bool, error) {
	from := t.State
	to, legal := next(SubjectAttempt, from, e)
	if !legal {
		return false, nil
	}
	t.State = to
	if to == Succeeded || to == Failed {
		t.SettledAt = &a.now
	}
	moved, err := updateAttempt(a.tx, *t, from)
	if err == nil && !moved {
		err = errMoved()
	}
	if err != nil {
		return false, err
	}
	a.note(Entry{Payment: t.Payment, Attempt: t.ID, Subject: SubjectAttempt, Event: e, From: from, To: to}, d)
	return true, nil
}

// moveOperation applies an event to an operation, likewise.
func (a *act) moveOperation(o *Operation, e Event, d detail) (bool, error) {
	from := o.State
	to, legal := next(o.Kind, from, e)
	if !legal {
		return false, nil
	}
	o.State = to
	if to == Approved || to == Declined || to == NotPerformed {
		o.SettledAt = &a.now
	}
	moved, err := updateOperation(a.tx, *o, from)
	if err == nil && !moved {
		err = errMoved()
	}
	if err != nil {
		return false, err
	}
	a.note(Entry{Payment: o.Payment, Attempt: o.Attempt, Operation: o.ID, Subject: o.Kind, Event: e, From: from, To: to}, d)
	return true, nil
}

// movePayment applies an event to a payment and changes its amounts, likewise.
func (a *act) movePayment(p *Payment, e Event, cause terminal.Cause, by sums, d detail) (bool, error) {
	from := p.State
	to, legal := next(SubjectPayment, from, e)
	if !legal {
		return false, nil
	}
	want := *p
	want.State, want.Cause = to, cause
	if err := a.writePayment(p, want, from, by); err != nil {
		return false, err
	}
	a.note(Entry{Payment: p.ID, Attempt: p.Attempt, Subject: SubjectPayment, Event: e, From: from, To: to}, d)
	return true, nil
}

// changeSums changes the amounts of a payment and leaves it where it is.
func (a *act) changeSums(p *Payment, by sums) error { return a.writePayment(p, *p, p.State, by) }

func (a *act) writePayment(p *Payment, want Payment, from State, by sums) error {
	updated, err := updatePayment(a.tx, want, from, by, a.now)
	if errors.Is(err, db.ErrNone) {
		return errMoved()
	}
	if err != nil {
		return err
	}
	p.State, p.Cause, p.UpdatedAt = updated.State, updated.Cause, updated.UpdatedAt
	p.Authorised, p.Captured, p.Voided, p.Refunded, p.Pending = updated.Authorised, updated.Captured, updated.Voided, updated.Refunded, updated.Pending
	return nil
}

// note writes a line of history.
func (a *act) note(e Entry, d detail) {
	e.ID, e.Source, e.Actor, e.At = id.New[id.History](a.now), a.source, a.actor, a.now
	if len(d) > 0 {
		text, err := json.Marshal(d)
		if err != nil {
			text = []byte(`{"detail":"unreadable"}`) // strings and numbers alone: cannot be
		}
		e.Detail = text
	}
	insertHistory(a.tx, a.merchant, e)
}

// begin writes the first line of a subject.
func (a *act) begin(e Entry, d detail) {
	e.Event, e.From = Begin, ""
	a.note(e, d)
}

// contradict keeps a second, different outcome beside the first, and alarms. It
// changes nothing that was settled.
func (a *act) contradict(t *Attempt, o *Operation, e Event, d detail) {
	entry := Entry{Payment: t.Payment, Attempt: t.ID, Subject: SubjectAttempt, Event: e, From: t.State, To: t.State}
	args := []any{"payment", t.Payment, "attempt", t.ID, "had", t.State, "got", e}
	if o != nil {
		entry.Operation, entry.Subject, entry.From, entry.To = o.ID, o.Kind, o.State, o.State
		args = []any{"payment", t.Payment, "operation", o.ID, "had", o.State, "got", e}
		o.Conflicted = true
		flagOperation(a.tx, a.merchant, o.ID)
	} else {
		t.Conflicted = true
		flagAttempt(a.tx, a.merchant, t.ID)
	}
	if d == nil {
		d = detail{}
	}
	d["conflict"] = true
	a.note(entry, d)
	markConflicted(a.tx, a.merchant, t.Payment)
	a.emit(event.PaymentConflicted, t.Payment, detail{"attempt_id": t.ID, "subject": entry.Subject, "had": entry.From, "got": e})
	a.alarm("a second, different outcome: the first one stands", args...)
}

func (a *act) alarm(what string, args ...any) { a.alarms = append(a.alarms, alarm{what, args}) }

// emit writes an event about a payment.
func (a *act) emit(kind string, payment id.Payment, d detail) {
	data, err := json.Marshal(d)
	if err != nil {
		data = []byte(`{}`) // strings and numbers alone: cannot be
	}
	event.Emit(a.tx, a.merchant, a.now, kind, string(payment), data)
}

// about is what every event of an attempt says.
func about(p Payment, t Attempt) detail {
	return detail{
		"sale_id": p.Owner, "tender_id": p.Tender, "attempt_id": t.ID, "terminal_id": t.Terminal, "kind": t.Kind, "amount": t.Amount,
	}
}
