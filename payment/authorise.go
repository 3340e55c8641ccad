package payment

import (
	"context"
	"errors"

	"encaisse/acquirer"
	"encaisse/base/card"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/problem"
	"encaisse/contract"
	"encaisse/terminal"
)

// Response codes we make ourselves (EMV 4.3 Book 4 annex A6).
const (
	codeApproved = "00"
	codeDeclined = "05"
	codeOurs     = "Z1" // declined here, the host was not asked
	codeNoHost   = "Z3" // the host could not be asked, or did not answer
)

// Authorise answers a reader's request. The operation is committed with its
// trace before the host is asked, what the terminal still owes the host goes
// first, and the outcome is committed before the reader hears of it. The same
// exchange again is answered from its row.
//
// Problems: payment.attempt_unknown, payment.request_differs (with its field),
// payment.in_progress while the same exchange is under way elsewhere.
func (p *Payments) Authorise(ctx context.Context, from terminal.From, r terminal.Request) (terminal.Answer, error) {
	var o Operation
	var answer *terminal.Answer
	var owed []id.Operation
	err := p.act(ctx, from.Merchant, SourceReader, string(from.Terminal), func(a *act) (err error) {
		o, owed, answer, err = a.request(from, r)
		return err
	})
	if err != nil {
		return terminal.Answer{}, err
	}
	if answer != nil {
		return *answer, nil
	}
	if o.fresh {
		return p.consult(context.WithoutCancel(ctx), o, r.Card, owed)
	}
	return p.again(ctx, o)
}

// consult lets what the terminal owes go first, asks the host and records what it said.
func (p *Payments) consult(ctx context.Context, o Operation, presented card.Presented, owed []id.Operation) (terminal.Answer, error) {
	if land, first := p.takeOff(o.ID); first { // it is new: nobody else has it
		defer land()
	}
	if o.State == Prepared {
		gone, err := p.drain(ctx, &o, owed)
		if err != nil || !gone {
			return answerOf(o), err
		}
	}
	outcome, err := p.askHost(ctx, o, presented)
	if err != nil {
		return terminal.Answer{}, err
	}
	return p.settle(ctx, o, presented, outcome)
}

// again answers an exchange that was asked before. One that is under way in this
// process is waited for.
func (p *Payments) again(ctx context.Context, o Operation) (terminal.Answer, error) {
	if o.State == Prepared || o.State == Sent {
		if !p.landed(ctx, o.ID) {
			return terminal.Answer{}, inProgress()
		}
	}
	var answer terminal.Answer
	err := p.DB.Read(ctx, func(tx *db.Tx) error {
		operations, err := readOperationsOf(tx, o.Merchant, o.Attempt)
		if err != nil {
			return err
		}
		answer, err = stored(operations, o.ID)
		return err
	})
	return answer, err
}

// stored is the answer that an exchange was given before, unless its approval
// was undone since.
func stored(operations []Operation, exchange id.Operation) (terminal.Answer, error) {
	approved, undone := approval(operations)
	for _, o := range operations {
		switch {
		case o.ID != exchange:
		case o.State == Prepared || o.State == Sent:
			return terminal.Answer{}, inProgress()
		case undone && o.ID == approved.ID:
			return terminal.Answer{Code: codeNoHost, Cause: terminal.CauseAborted}, nil
		default:
			return answerOf(o), nil
		}
	}
	return terminal.Answer{}, inProgress()
}

func inProgress() error { return problem.New(problem.Unavailable, "payment.in_progress") }

// request writes the operation of a request. With an answer, that is all there
// is to say; with an operation that is not fresh, it was asked before.
func (a *act) request(from terminal.From, r terminal.Request) (o Operation, owed []id.Operation, answer *terminal.Answer, err error) {
	t, err := lockAttempt(a.tx, from.Merchant, r.Attempt)
	if errors.Is(err, db.ErrNone) || err == nil && t.Terminal != from.Terminal {
		return o, nil, nil, problem.New(problem.NotFound, "payment.attempt_unknown")
	}
	if err != nil {
		return o, nil, nil, err
	}
	if err := fits(t, r); err != nil {
		return o, nil, nil, err
	}
	operations, err := readOperationsOf(a.tx, a.merchant, t.ID)
	if err != nil {
		return o, nil, nil, err
	}
	for _, known := range operations {
		if known.Exchange == r.Exchange {
			return known, nil, nil, nil
		}
	}
	if why := closedTo(a, t, operations); why != "" {
		a.note(Entry{Payment: t.Payment, Attempt: t.ID, Subject: SubjectAttempt, Event: Decline, From: t.State, To: t.State}, detail{"why": why})
		return o, nil, &terminal.Answer{Code: codeNoHost, Cause: terminal.CauseAborted}, nil
	}
	cause, err := a.refuses(t, r)
	if err == nil && cause == "" && t.Kind == terminal.Void {
		answer, cause, err = a.void(&t, r)
	}
	if err != nil || answer != nil {
		return o, nil, answer, err
	}
	if o, err = a.prepare(t, r); err != nil {
		return o, nil, nil, err
	}
	if cause != "" {
		answer, err = a.refuse(&o, cause)
		return o, nil, answer, err
	}
	o.fresh = true
	owed, err = a.dispatch(&o)
	return o, owed, nil, err
}

// fits refuses a request that is not what was asked of the reader.
func fits(t Attempt, r terminal.Request) error {
	differs := problem.New(problem.Invalid, "payment.request_differs")
	switch {
	case r.Kind != t.Kind:
		return differs.At("kind")
	case r.Amount != t.Amount:
		return differs.At("amount")
	case r.Exchange == "" || clean(r.Exchange, maxExchange) != r.Exchange:
		return differs.At("exchange")
	}
	return nil
}

// closedTo says why an attempt asks in vain: it is over, its time is, or it has
// its authorisation already.
func closedTo(a *act, t Attempt, operations []Operation) string {
	if !t.open() {
		return "closed"
	}
	if a.now.After(t.deadline()) {
		return "late"
	}
	for _, o := range operations {
		if o.Kind == SubjectAuthorise && o.State != Declined && o.State != NotPerformed {
			return "asked_already"
		}
	}
	return ""
}

// prepare writes the operation, with a trace of its own and what a reversal
// would need of the card.
func (a *act) prepare(t Attempt, r terminal.Request) (Operation, error) {
	purpose := acquirer.Purchase
	if t.Kind == terminal.Refund {
		purpose = acquirer.Refund
	}
	lease := a.now.Add(claimLease)
	o := Operation{
		Merchant: a.merchant, ID: id.New[id.Operation](a.now), Attempt: t.ID, Payment: t.Payment, Kind: SubjectAuthorise, State: Prepared,
		Purpose: string(purpose), Exchange: r.Exchange, Terminal: t.Terminal, Contract: t.Contract, Connector: t.Connector,
		Acceptor: t.Acceptor, Zone: t.Zone, Amount: t.Amount, TraceAt: a.now, CreatedAt: a.now, NextTryAt: &lease,
	}
	var err error
	if o.Trace, err = NextTrace(a.tx, a.merchant, t.Terminal); err != nil {
		return o, err
	}
	if o.card, err = a.sealCard(o.ID, r.Card, string(t.ID)); err != nil {
		return o, err
	}
	insertOperation(a.tx, o)
	a.begin(Entry{Payment: t.Payment, Attempt: t.ID, Operation: o.ID, Subject: SubjectAuthorise, To: Prepared},
		detail{"exchange": r.Exchange, "trace": o.Trace, "scheme": r.Card.Scheme, "entry": r.Card.Entry, "masked": r.Card.Masked})
	return o, nil
}

// refuses says why the host is not even asked: the contract does not accept the
// scheme (UPM-030), an affiliation is missing (UPM-031), or it is not the card
// that paid (UPM-083).
func (a *act) refuses(t Attempt, r terminal.Request) (terminal.Cause, error) {
	if t.Kind != terminal.Payment {
		paid, err := firstAttempt(a.tx, a.merchant, t.Payment)
		if err != nil {
			return "", err
		}
		if paid.Card == nil || !paid.Card.same(*shown(r.Card)) {
			return terminal.CauseOtherCard, nil
		}
	}
	if t.Kind != terminal.Payment {
		return "", nil // what was taken may be given back, whatever the contract says today
	}
	terms, err := a.Contracts.In(a.tx, a.merchant, t.Contract)
	if err != nil {
		return "", err
	}
	switch err := terms.Accepts(r.Card.Scheme); {
	case problem.Is(err, "contract.affiliation_required"):
		return terminal.CauseAffiliation, nil
	case err != nil:
		return terminal.CauseScheme, nil
	case terms.State != contract.Active:
		return terminal.CauseRefused, nil
	}
	return "", nil
}

// refuse declines by ourselves.
func (a *act) refuse(o *Operation, cause terminal.Cause) (*terminal.Answer, error) {
	o.Cause, o.Code, o.card, o.NextTryAt = cause, codeOurs, nil, nil
	if _, err := a.moveOperation(o, Decline, detail{"cause": cause}); err != nil {
		return nil, err
	}
	answer := answerOf(*o)
	return &answer, nil
}

// dispatch commits that it may be sent, unless the terminal owes its host
// reversals: they go first.
func (a *act) dispatch(o *Operation) (owed []id.Operation, err error) {
	reversals, err := readOwed(a.tx, a.merchant, o.Terminal)
	if err != nil {
		return nil, err
	}
	for _, r := range reversals {
		if !r.Manual { // somebody looks at that one; it does not stop the shop
			owed = append(owed, r.ID)
		}
	}
	if len(owed) > 0 {
		return owed, nil
	}
	_, err = a.moveOperation(o, Send, nil)
	return nil, err
}

// drain lets the reversals of a terminal go to the host before its next
// authorisation. gone is false where one would not: then the authorisation has
// not been performed, and is not.
func (p *Payments) drain(ctx context.Context, o *Operation, owed []id.Operation) (gone bool, err error) {
	through := true
	for i := 0; i < len(owed) && through; i++ {
		if through, err = p.reverse(ctx, o.Merchant, owed[i], true); err != nil {
			p.Log.Warn("a reversal could not be sent before an authorisation", "merchant", o.Merchant, "operation", owed[i], "error", err)
		}
	}
	err = p.act(ctx, o.Merchant, SourceResolver, system, func(a *act) error {
		t, err := lockAttempt(a.tx, o.Merchant, o.Attempt)
		if err != nil {
			return err
		}
		if *o, err = readOperation(a.tx, o.Merchant, o.ID); err != nil {
			return err
		}
		if gone = through && t.open(); gone {
			lease := a.now.Add(claimLease)
			o.NextTryAt = &lease
			gone, err = a.moveOperation(o, Send, nil)
			return err
		}
		o.Cause, o.Code, o.card, o.NextTryAt = terminal.CauseHost, codeNoHost, nil, nil
		_, err = a.moveOperation(o, Miss, detail{"why": "reversals_owed"})
		return err
	})
	return gone && err == nil, err
}

// askHost asks the host, outside any transaction.
func (p *Payments) askHost(ctx context.Context, o Operation, presented card.Presented) (acquirer.Outcome, error) {
	connector := p.Connectors[o.Connector]
	if connector == nil {
		return acquirer.Outcome{Result: acquirer.NotPerformed, Detail: "no such connector"}, nil
	}
	request := acquirer.Authorisation{Trace: p.trace(o), Kind: acquirer.Kind(o.Purpose), Amount: o.Amount, Card: presented, About: string(o.Attempt)}
	err := p.DB.Read(ctx, func(tx *db.Tx) (err error) {
		request.Contract, err = p.Contracts.Terms(tx, o.Merchant, o.Contract)
		return err
	})
	if err != nil { // nothing has gone out
		return acquirer.Outcome{Result: acquirer.NotPerformed, Detail: reasonOf(err)}, nil
	}
	bounded, cancel := p.patience(ctx)
	defer cancel()
	return connector.Authorise(bounded, request), nil
}

// settle records what the host said: the one door for it. Silence leaves a
// reversal behind, and so does an approval that finds its attempt closed.
func (p *Payments) settle(ctx context.Context, o Operation, presented card.Presented, outcome acquirer.Outcome) (terminal.Answer, error) {
	var answer terminal.Answer
	err := p.act(ctx, o.Merchant, SourceHost, o.Connector, func(a *act) error {
		t, err := lockAttempt(a.tx, o.Merchant, o.Attempt)
		if err != nil {
			return err
		}
		now, err := readOperation(a.tx, o.Merchant, o.ID)
		if err != nil {
			return err
		}
		now.shown = &presented
		answer, err = a.hostSaid(&t, now, outcome)
		return err
	})
	return answer, err
}

// eventOf is what a result does to an operation.
func eventOf(r acquirer.Result) Event {
	switch r {
	case acquirer.Approved:
		return Approve
	case acquirer.Declined:
		return Decline
	case acquirer.NotPerformed:
		return Miss
	}
	return Silence
}

// hostSaid applies a result to an authorisation whose attempt's row is taken.
func (a *act) hostSaid(t *Attempt, o Operation, outcome acquirer.Outcome) (terminal.Answer, error) {
	said := eventOf(outcome.Result)
	outcome = cleaned(outcome)
	facts := detail{"code": outcome.Code, "approval": outcome.Approval, "rrn": outcome.RRN, "detail": outcome.Detail}
	late := o.State == Unknown && said == Approve // its reversal stands
	from := o.State
	if !late && from == Sent {
		o.Code, o.Approval, o.RRN, o.issuer, o.Detail = outcome.Code, outcome.Approval, outcome.RRN, outcome.Issuer, outcome.Detail
		o.Cause, o.NextTryAt = causeOf(outcome), nil
		if said == Decline || said == Miss {
			o.card = nil
		}
	}
	moved, err := a.moveOperation(&o, said, facts)
	switch {
	case err != nil:
		return terminal.Answer{}, err
	case !moved:
		return a.hostSaidAgain(t, &o, said, facts)
	case late:
		a.alarm("an approval came after its reversal was due: the reversal stands", "payment", o.Payment, "operation", o.ID)
		return answerOf(o), nil
	case said == Silence:
		return answerOf(o), a.undo(&o, acquirer.ReasonTimeout)
	case said == Approve:
		return a.approved(t, &o)
	}
	return answerOf(o), nil
}

func cleaned(o acquirer.Outcome) acquirer.Outcome {
	o.Code, o.Approval, o.RRN = clean(o.Code, maxWord), clean(o.Approval, maxWord), clean(o.RRN, maxWord)
	o.Detail = clean(o.Detail, maxDetail)
	return o
}

// approved counts an approval, or undoes it where its attempt is over.
func (a *act) approved(t *Attempt, o *Operation) (terminal.Answer, error) {
	if !t.open() || a.now.After(t.deadline()) {
		answer := terminal.Answer{Code: codeNoHost, Cause: terminal.CauseAborted}
		return answer, a.undo(o, acquirer.ReasonTimeout)
	}
	if t.Kind != terminal.Payment {
		return answerOf(*o), nil
	}
	p, err := lockPayment(a.tx, a.merchant, t.Payment)
	if err != nil {
		return terminal.Answer{}, err
	}
	return answerOf(*o), a.changeSums(&p, sums{authorised: o.Amount.Minor})
}

// hostSaidAgain takes a result for an operation that has one. The same changes
// nothing. Another is kept beside it; where it says that money is held after
// all, that is undone once more.
func (a *act) hostSaidAgain(t *Attempt, o *Operation, said Event, facts detail) (terminal.Answer, error) {
	same := said == Silence || said == Approve && o.State == Approved && facts["approval"] == o.Approval ||
		said == Decline && o.State == Declined || said == Miss && (o.State == NotPerformed || o.State == Declined)
	if same {
		return answerOf(*o), nil
	}
	a.contradict(t, o, said, facts)
	if said == Approve && o.State != Approved {
		return answerOf(*o), a.undoAgain(o)
	}
	return answerOf(*o), nil
}

// answerOf is what a reader is told of an authorisation.
func answerOf(o Operation) terminal.Answer {
	answer := terminal.Answer{Code: o.Code, Cause: o.Cause, Issuer: o.issuer}
	switch o.State {
	case Approved:
		answer.Approved, answer.Approval, answer.Cause = true, o.Approval, ""
		if len(answer.Code) != len(codeApproved) {
			answer.Code = codeApproved
		}
	case Declined:
		if len(answer.Code) != len(codeDeclined) {
			answer.Code = codeDeclined
		}
		if answer.Cause == "" {
			answer.Cause = terminal.CauseRefused
		}
	default:
		answer.Code, answer.Cause = codeNoHost, terminal.CauseHost
	}
	return answer
}

// causeOf sorts a host's refusal by what the holder can do.
func causeOf(o acquirer.Outcome) terminal.Cause {
	switch o.Result {
	case acquirer.Approved:
		return ""
	case acquirer.Declined:
	default:
		return terminal.CauseHost
	}
	switch o.Decline {
	case acquirer.DeclineInsert:
		return terminal.CauseInsert
	case acquirer.DeclinePIN, acquirer.DeclinePINTries:
		return terminal.CausePIN
	case acquirer.DeclineExpired:
		return terminal.CauseCardInvalid
	case acquirer.DeclineScheme:
		return terminal.CauseScheme
	case acquirer.DeclineAffiliation:
		return terminal.CauseAffiliation
	}
	return terminal.CauseRefused
}

// silence is the outcome of an exchange that nobody can tell about any more.
func silence() acquirer.Outcome {
	return acquirer.Outcome{Result: acquirer.Unknown, Detail: "its process is gone"}
}
