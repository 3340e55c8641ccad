package payment

import (
	"context"
	"errors"
	"strings"

	"encaisse/access"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/base/problem"
	"encaisse/contract"
	"encaisse/event"
	"encaisse/terminal"
)

// Collection asks to be paid on a reader. The caller makes the payment's id and
// keeps it before the first try.
type Collection struct {
	Payment   id.Payment
	Owner     string // the sale
	Tender    id.Tender
	Terminal  id.Terminal
	Amount    money.Amount
	Operator  int64
	Reference string // for the slip
	PrintSlip bool   // on the reader's own roll (SRC-011)
}

// Collect writes a payment and its attempt, and opens the reader's dialogue, in
// the caller's transaction. Once that is committed, [Payments.Start] hands it to
// the reader. The same again is the same payment.
//
// Problems: access.forbidden; payment.amount, payment.currency; those of the
// reader's dialogue (terminal.busy, …); payment.contract_closed,
// payment.other_content (conflict); payment.connector_missing.
func (p *Payments) Collect(tx *db.Tx, pr access.Principal, c Collection) (Payment, error) {
	if err := access.Allow(pr, access.PaymentWrite); err != nil {
		return Payment{}, err
	}
	if _, err := id.Parse[id.Payment](string(c.Payment)); err != nil {
		return Payment{}, err
	}
	if c.Amount.Minor <= 0 {
		return Payment{}, problem.New(problem.Invalid, "payment.amount").At("amount")
	}
	known, err := readPayment(tx, pr.Merchant, c.Payment)
	if err == nil {
		return p.sameAs(tx, known, c)
	}
	if !errors.Is(err, db.ErrNone) {
		return Payment{}, err
	}
	a := p.join(tx, pr.Merchant, SourceTill, pr.Actor())
	wanted := Payment{
		Merchant: pr.Merchant, ID: c.Payment, Owner: c.Owner, Tender: c.Tender, Terminal: c.Terminal, Operator: c.Operator,
		Reference: c.Reference, Amount: c.Amount, State: Processing, CreatedAt: a.now, UpdatedAt: a.now,
	}
	t := Attempt{
		Merchant: pr.Merchant, ID: id.New[id.Attempt](a.now), Payment: c.Payment, Kind: terminal.Payment, State: Prepared,
		Terminal: c.Terminal, Amount: c.Amount, Operator: c.Operator, Actor: pr.Actor(), PrintSlip: c.PrintSlip,
	}
	if err := a.locate(&t); err != nil {
		return Payment{}, err
	}
	wanted.Contract = t.Contract
	fresh, err := insertPayment(tx, wanted)
	if err != nil {
		return Payment{}, err
	}
	if !fresh { // by somebody else, since we looked
		if known, err = readPayment(tx, pr.Merchant, c.Payment); err != nil {
			return Payment{}, err
		}
		return p.sameAs(tx, known, c)
	}
	a.begin(Entry{Payment: wanted.ID, Subject: SubjectPayment, To: wanted.State}, detail{"sale_id": c.Owner, "amount": c.Amount})
	return wanted, a.ask(&wanted, &t, nil)
}

// sameAs answers a payment that is there already: the same content is the same payment.
func (p *Payments) sameAs(tx *db.Tx, known Payment, c Collection) (Payment, error) {
	if known.Owner != c.Owner || known.Tender != c.Tender || known.Terminal != c.Terminal || known.Amount != c.Amount ||
		known.Operator != c.Operator || known.Reference != c.Reference {
		return Payment{}, problem.New(problem.Conflict, "payment.other_content", "payment", c.Payment)
	}
	return known, whole(tx, &known)
}

// locate fills in where an attempt's reader stands and under which terms it
// works, and refuses terms that cannot be used.
func (a *act) locate(t *Attempt) error {
	reader, err := terminal.In(a.tx, a.merchant, t.Terminal)
	if err != nil {
		return err
	}
	site, err := a.Merchants.SiteIn(a.tx, a.merchant, reader.Site)
	if err != nil {
		return err
	}
	terms, err := a.Contracts.In(a.tx, a.merchant, reader.Contract)
	switch {
	case err != nil:
		return err
	case terms.State != contract.Active:
		return problem.New(problem.Conflict, "payment.contract_closed").At("terminal_id")
	case terms.Currency != t.Amount.Currency:
		return problem.New(problem.Invalid, "payment.currency", "currency", terms.Currency).At("amount")
	case a.Connectors[terms.Connector] == nil:
		return problem.New(problem.Unavailable, "payment.connector_missing", "connector", terms.Connector)
	}
	t.Contract, t.Connector, t.Acceptor, t.Zone = reader.Contract, terms.Connector, reader.Acceptor, site.Zone
	return nil
}

// ask writes an attempt and opens its reader's dialogue.
func (a *act) ask(p *Payment, t *Attempt, original *terminal.Original) error {
	t.AskedAt = a.now
	next := a.now.Add(startGrace) // by then it was handed over, or its process is dead
	t.NextTryAt = &next
	insertAttempt(a.tx, *t)
	a.begin(Entry{Payment: p.ID, Attempt: t.ID, Subject: SubjectAttempt, To: t.State},
		detail{"kind": t.Kind, "terminal_id": t.Terminal, "amount": t.Amount})
	if t.Kind == terminal.Payment {
		p.Attempt, p.Deadline = t.ID, t.deadline()
	}
	return a.Readers.Open(a.tx, terminal.Dialogue{
		Merchant: a.merchant, Terminal: t.Terminal, Attempt: t.ID, Kind: t.Kind, Amount: t.Amount, Reference: p.Reference,
		Operator: t.Operator, Original: original, PrintSlip: t.PrintSlip, At: t.AskedAt, Budget: Budget,
	})
}

// Start hands a payment to its reader, in the background: what comes of it is
// events. A process that dies before it did so is found by the resolver.
func (p *Payments) Start(ctx context.Context, m id.Merchant, payment id.Payment) {
	p.work.Go(func() {
		var first Attempt
		err := p.DB.Read(context.WithoutCancel(ctx), func(tx *db.Tx) (err error) {
			first, err = firstAttempt(tx, m, payment)
			return err
		})
		if err == nil {
			err = p.start(context.WithoutCancel(ctx), m, first.ID)
		}
		if err != nil {
			p.Log.Warn("a payment could not be handed to its reader: the resolver will", "merchant", m, "payment", payment, "error", err)
		}
	})
}

// start hands a prepared attempt to its reader: sent is committed first.
func (p *Payments) start(ctx context.Context, m id.Merchant, attempt id.Attempt) error {
	ours := false
	err := p.act(ctx, m, SourceResolver, system, func(a *act) error {
		t, err := lockAttempt(a.tx, m, attempt)
		if err != nil {
			return err
		}
		poll := a.now.Add(firstPoll)
		t.NextTryAt = &poll
		ours, err = a.moveAttempt(&t, Send, nil)
		return err
	})
	if err != nil || !ours {
		return err
	}
	refused := p.Readers.Send(ctx, m, attempt)
	if refused == nil {
		return nil
	}
	if cause, certain := notHandedOver(refused); certain {
		return p.fail(ctx, m, attempt, cause, SourceReader)
	}
	return p.doubt(ctx, m, attempt, refused)
}

// system is the actor of what nobody asked for.
const system = "system"

// notHandedOver reads the hub's refusals: a problem of its own says that the
// reader certainly has nothing, unless it says that an answer is missing.
func notHandedOver(err error) (terminal.Cause, bool) {
	e := problem.As(err)
	if e == nil || !strings.HasPrefix(e.Code, "terminal.") {
		return "", false
	}
	switch e.Code {
	case "terminal.no_answer":
		return "", false
	case "terminal.offline":
		return terminal.CauseOffline, true
	case "terminal.asleep":
		return terminal.CauseAsleep, true
	case "terminal.busy":
		return terminal.CauseBusy, true
	}
	return terminal.CauseDevice, true
}

// fail ends an attempt that was certainly not performed.
func (p *Payments) fail(ctx context.Context, m id.Merchant, attempt id.Attempt, cause terminal.Cause, source Source) error {
	return p.act(ctx, m, source, system, func(a *act) error {
		t, err := lockAttempt(a.tx, m, attempt)
		if err != nil || !t.open() {
			return err
		}
		return a.failed(&t, cause, "")
	})
}

// doubt notes that nobody knows what became of an attempt: the resolver asks.
func (p *Payments) doubt(ctx context.Context, m id.Merchant, attempt id.Attempt, why error) error {
	return p.act(ctx, m, SourceResolver, system, func(a *act) error {
		t, err := lockAttempt(a.tx, m, attempt)
		if err != nil {
			return err
		}
		return a.doubted(&t, why)
	})
}

// doubted moves an attempt to unknown, and its payment with it.
func (a *act) doubted(t *Attempt, why error) error {
	if t.State != Sent {
		return nil
	}
	t.Tries = 0
	soon := a.now.Add(delay(0))
	t.NextTryAt = &soon
	if moved, err := a.moveAttempt(t, Silence, detail{"why": reasonOf(why)}); err != nil || !moved {
		return err
	}
	p, err := lockPayment(a.tx, a.merchant, t.Payment)
	if err != nil {
		return err
	}
	p.Attempt = t.ID
	if t.Kind != terminal.Payment {
		a.emit(event.ReversalUnknown, p.ID, about(p, *t))
		return nil
	}
	moved, err := a.movePayment(&p, Silence, "", sums{}, nil)
	if moved {
		a.emit(event.PaymentUnknown, p.ID, about(p, *t))
	}
	return err
}

// reasonOf is an error's code, or that it has none: what a history may show.
func reasonOf(err error) string {
	switch e := problem.As(err); {
	case err == nil:
		return ""
	case e != nil:
		return e.Code
	}
	return "link"
}
