package payment

import (
	"context"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"encaisse/acquirer"
	"encaisse/base/card"
	"encaisse/base/id"
	"encaisse/base/problem"
	"encaisse/event"
	"encaisse/terminal"
)

// kept is what a reversal needs of a card, as it is sealed.
type kept struct {
	Card  card.Presented
	About string `json:"about"`
}

// sealCard seals what may be kept of a card, bound to its operation: never the
// envelope of the authorisation itself.
func (a *act) sealCard(operation id.Operation, c card.Presented, about string) ([]byte, error) {
	c.Envelope = nil
	plain, err := json.Marshal(kept{c, about})
	if err != nil {
		return nil, problem.New(problem.Internal, "payment.stored").Because(err)
	}
	box, err := a.Vault.Open(a.tx, a.merchant)
	if err != nil {
		return nil, err
	}
	return box.Seal(plain, string(operation))
}

// authorisation is an operation as it was sent, with what is kept of its card.
// Its contract is not filled in.
func (a *act) authorisation(o Operation) (acquirer.Authorisation, error) {
	out := acquirer.Authorisation{Trace: a.trace(o), Kind: acquirer.Kind(o.Purpose), Amount: o.Amount}
	if len(o.card) == 0 {
		return out, nil
	}
	box, err := a.Vault.Open(a.tx, a.merchant)
	if err != nil {
		return out, err
	}
	plain, err := box.Open(o.card, string(o.ID))
	if err != nil {
		return out, err
	}
	var k kept
	if err := json.Unmarshal(plain, &k); err != nil {
		return out, problem.New(problem.Internal, "payment.stored").Because(err)
	}
	out.Card, out.About = k.Card, k.About
	return out, nil
}

// trace is how a host knows an operation.
func (p *Payments) trace(o Operation) acquirer.Trace {
	return acquirer.Trace{Operation: o.ID, Terminal: o.Acceptor, Number: o.Trace, At: o.TraceAt, Zone: p.zone(o.Zone)}
}

// zone finds a time zone by its name; merchants have known ones only.
func (p *Payments) zone(name string) *time.Location {
	if known, ok := p.zones.Load(name); ok {
		return known.(*time.Location)
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		zone = time.UTC
	}
	p.zones.Store(name, zone)
	return zone
}

// reasonFor is what a host is told of a failure after its approval.
func reasonFor(cause terminal.Cause) acquirer.Reason {
	switch cause {
	case terminal.CauseCancelled, terminal.CauseAborted, terminal.CauseCardRemoved, terminal.CauseExpired, CauseAbandoned, CauseOwner:
		return acquirer.ReasonCancelled
	case CauseLate, terminal.CauseLink, terminal.CauseHost, CauseNotReached:
		return acquirer.ReasonTimeout
	}
	return acquirer.ReasonUnmatched // signature, or the card itself, refused in the end
}

// release closes the authorisations of an attempt that is over: what was not
// sent is not performed, what was approved is undone. It tells how much of the
// payment's authorised amount that frees. One that is with the host right now is
// undone when its answer finds the attempt closed.
func (a *act) release(t *Attempt, reason acquirer.Reason) (released int64, err error) {
	operations, err := readOperationsOf(a.tx, a.merchant, t.ID)
	if err != nil {
		return 0, err
	}
	for i := range operations {
		if o := &operations[i]; o.Kind == SubjectAuthorise && o.State == Prepared {
			o.Cause, o.Code, o.card, o.NextTryAt = terminal.CauseAborted, codeNoHost, nil, nil
			if _, err := a.moveOperation(o, Miss, nil); err != nil {
				return 0, err
			}
		}
	}
	approved, undone := approval(operations)
	if approved == nil || undone {
		return 0, nil
	}
	if err := a.undo(approved, reason); err != nil {
		return 0, err
	}
	if t.Kind == terminal.Payment {
		released = approved.Amount.Minor
	}
	return released, nil
}

// undo leaves a reversal of an authorisation to be sent, once: it is repeated
// until the host answers.
func (a *act) undo(original *Operation, reason acquirer.Reason) error {
	operations, err := readOperationsOf(a.tx, a.merchant, original.Attempt)
	if err != nil {
		return err
	}
	for _, o := range operations {
		if o.Kind == SubjectReversal && o.Original == original.ID {
			return nil
		}
	}
	return a.owe(original, reason, original.Attempt)
}

// undoAgain leaves another reversal of an authorisation that turned out to be
// approved after the first one was acknowledged: the two may have crossed. What
// it says of the card was forgotten with the first one, and is kept again.
func (a *act) undoAgain(original *Operation) error {
	operations, err := readOperationsOf(a.tx, a.merchant, original.Attempt)
	if err != nil {
		return err
	}
	for _, o := range operations {
		if o.Kind == SubjectReversal && o.Original == original.ID && o.State != Approved {
			return nil
		}
	}
	if original.shown != nil {
		sealed, err := a.sealCard(original.ID, *original.shown, string(original.Attempt))
		if err != nil {
			return err
		}
		keepCard(a.tx, a.merchant, original.ID, sealed)
	}
	return a.owe(original, acquirer.ReasonTimeout, original.Attempt)
}

// owe writes a reversal that is due now, under a trace of its own at the
// terminal of the original.
func (a *act) owe(original *Operation, reason acquirer.Reason, attempt id.Attempt) error {
	trace, err := NextTrace(a.tx, a.merchant, original.Terminal)
	if err != nil {
		return err
	}
	o := Operation{
		Merchant: a.merchant, ID: id.New[id.Operation](a.now), Attempt: attempt, Payment: original.Payment, Kind: SubjectReversal,
		State: Prepared, Purpose: string(reason), Original: original.ID, Terminal: original.Terminal, Contract: original.Contract,
		Connector: original.Connector, Acceptor: original.Acceptor, Zone: original.Zone, Amount: original.Amount, Trace: trace,
		TraceAt: a.now, CreatedAt: a.now, NextTryAt: &a.now,
	}
	insertOperation(a.tx, o)
	a.due = true
	a.begin(Entry{Payment: o.Payment, Attempt: o.Attempt, Operation: o.ID, Subject: SubjectReversal, To: Prepared},
		detail{"reason": reason, "original": original.ID, "trace": trace})
	return nil
}

// reverse sends a reversal that is due, or with force one that is not yet, and
// tells whether the host has acknowledged it. One that is under way is waited
// for in this process, and left alone where it is another's.
func (p *Payments) reverse(ctx context.Context, m id.Merchant, reversal id.Operation, force bool) (acknowledged bool, err error) {
	land, first := p.takeOff(reversal)
	for !first {
		if !p.landed(ctx, reversal) && ctx.Err() != nil {
			return false, ctx.Err()
		}
		land, first = p.takeOff(reversal)
	}
	defer land()
	var out acquirer.Reversal
	var o Operation
	ours := false
	err = p.act(ctx, m, SourceResolver, system, func(a *act) (err error) {
		ours = false
		if o, err = readOperation(a.tx, m, reversal); err != nil {
			return err
		}
		if _, err = lockAttempt(a.tx, m, o.Attempt); err != nil {
			return err
		}
		if o, err = readOperation(a.tx, m, reversal); err != nil { // as it is once the row is ours
			return err
		}
		leased := o.State == Sent && o.NextTryAt != nil && o.NextTryAt.After(a.now)
		early := !force && o.NextTryAt != nil && o.NextTryAt.After(a.now)
		if o.State == Approved || leased || early {
			return nil
		}
		if out, err = a.reversal(o); err != nil {
			return err
		}
		lease := a.now.Add(claimLease)
		o.Tries, o.NextTryAt = o.Tries+1, &lease
		ours, err = a.moveOperation(&o, Send, detail{"try": o.Tries})
		return err
	})
	if err != nil || !ours {
		return o.State == Approved, err
	}
	return p.settleReversal(ctx, o, p.tellHost(ctx, o, out))
}

// reversal is what is sent: the original as it was, under a trace of its own
// that stays the same however often it is repeated.
func (a *act) reversal(o Operation) (acquirer.Reversal, error) {
	original, err := readOperation(a.tx, a.merchant, o.Original)
	if err != nil {
		return acquirer.Reversal{}, err
	}
	terms, err := a.Contracts.Terms(a.tx, a.merchant, o.Contract)
	if err != nil {
		return acquirer.Reversal{}, err
	}
	out := acquirer.Reversal{Trace: a.trace(o), Contract: terms, Reason: acquirer.Reason(o.Purpose), Approval: original.Approval, Repeat: o.Tries > 0}
	out.Original, err = a.authorisation(original)
	out.Original.Contract = terms
	return out, err
}

func (p *Payments) tellHost(ctx context.Context, o Operation, out acquirer.Reversal) acquirer.Outcome {
	connector := p.Connectors[o.Connector]
	if connector == nil {
		return acquirer.Outcome{Result: acquirer.NotPerformed, Detail: "no such connector"}
	}
	bounded, cancel := p.patience(ctx)
	defer cancel()
	return connector.Reverse(bounded, out)
}

// settleReversal records what the host said to a reversal. Acknowledged, the
// matter is over: the card is forgotten, and an authorisation that nobody
// answered is known not to have been performed. Anything else is repeated.
func (p *Payments) settleReversal(ctx context.Context, o Operation, outcome acquirer.Outcome) (acknowledged bool, err error) {
	acknowledged = outcome.Result == acquirer.Approved
	err = p.act(context.WithoutCancel(ctx), o.Merchant, SourceHost, o.Connector, func(a *act) error {
		t, err := lockAttempt(a.tx, o.Merchant, o.Attempt)
		if err != nil {
			return err
		}
		now, err := readOperation(a.tx, o.Merchant, o.ID)
		if err != nil {
			return err
		}
		now.Code, now.Detail = clean(outcome.Code, maxWord), clean(outcome.Detail, maxDetail)
		facts := detail{"result": outcome.Result, "code": now.Code, "detail": now.Detail, "try": now.Tries}
		if !acknowledged {
			return a.repeat(&now, facts)
		}
		now.NextTryAt, now.RRN = nil, clean(outcome.RRN, maxWord)
		moved, err := a.moveOperation(&now, Approve, facts)
		if err != nil || !moved { // acknowledged before: the same once more
			return err
		}
		a.emit(event.PaymentReversed, now.Payment, detail{"attempt_id": t.ID, "operation_id": now.ID, "reason": now.Purpose, "amount": now.Amount})
		return a.undone(now.Original)
	})
	return acknowledged && err == nil, err
}

// undone ends an authorisation whose reversal is acknowledged.
func (a *act) undone(operation id.Operation) error {
	original, err := readOperation(a.tx, a.merchant, operation)
	if err != nil {
		return err
	}
	if original.State == Unknown || original.State == Sent {
		original.card, original.NextTryAt = nil, nil
		_, err = a.moveOperation(&original, Miss, detail{"why": "reversed"})
		return err
	}
	eraseCard(a.tx, a.merchant, operation)
	return nil
}

// repeat leaves a reversal for its next try. After some it asks for somebody's
// eye, and goes on.
func (a *act) repeat(o *Operation, facts detail) error {
	again := a.now.Add(delay(o.Tries))
	o.NextTryAt = &again
	if o.Tries >= maxTries && !o.Manual {
		o.Manual = true
		a.alarm("a reversal is not acknowledged: it is repeated, and somebody has to look", "payment", o.Payment, "operation", o.ID, "tries", o.Tries)
	}
	_, err := a.moveOperation(o, Silence, facts)
	return err
}

// patience bounds one exchange with a host.
func (p *Payments) patience(ctx context.Context) (context.Context, context.CancelFunc) {
	bounded, cancel := context.WithCancel(context.WithoutCancel(ctx))
	timer := p.Clock.AfterFunc(hostPatience, cancel)
	return bounded, func() { timer.Stop(); cancel() }
}

// takeOff marks an exchange as under way in this process, and land ends that.
// first is false when it is already.
func (p *Payments) takeOff(operation id.Operation) (land func(), first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.flights[operation] != nil {
		return nil, false
	}
	done := make(chan struct{})
	p.flights[operation] = done
	return func() {
		p.mu.Lock()
		delete(p.flights, operation)
		p.mu.Unlock()
		close(done)
	}, true
}

// landed waits for an exchange that is under way here; false when none is, or ctx ends.
func (p *Payments) landed(ctx context.Context, operation id.Operation) bool {
	p.mu.Lock()
	done := p.flights[operation]
	p.mu.Unlock()
	if done == nil {
		return false
	}
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

// clean is a text from outside as a column keeps it: valid, without control
// characters, bounded. Recording an outcome never fails because of one.
func clean(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == utf8.RuneError || r == 0x7f {
			return -1
		}
		return r
	}, s)
	for len(s) > most {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return s
}
