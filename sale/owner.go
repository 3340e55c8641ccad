package sale

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"encaisse/access"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/base/problem"
	"encaisse/fiscal"
	"encaisse/ledger"
	"encaisse/merchant"
	"encaisse/payment"
	"encaisse/terminal"
)

// Sales takes what comes of the payments it asked for. Each method runs in the
// transaction that records the outcome and refuses before it writes, so that an
// outcome it cannot take is recorded without it.
var _ payment.Owner = (*Sales)(nil)

// Collect names who collects by card. It is called once, at wiring.
func (s *Sales) Collect(cards *payment.Payments) { s.cards = cards }

// legFor finds the leg of a payment, and locks its basket.
func legFor(tx *db.Tx, p payment.Payment) (b basket, legs []leg, found *leg, err error) {
	l, err := readLeg(tx, p.Merchant, p.Tender)
	if err == nil {
		b, err = lockBasket(tx, p.Merchant, l.sale)
	}
	if errors.Is(err, db.ErrNone) {
		err = problem.New(problem.NotFound, "sale.not_found")
	}
	if err != nil {
		return b, nil, nil, err
	}
	if legs, err = readLegs(tx, p.Merchant, l.sale); err != nil {
		return b, nil, nil, err
	}
	for i := range legs {
		if legs[i].ID == l.ID {
			found = &legs[i]
		}
	}
	return b, legs, found, nil
}

// Captured accepts the leg of a payment, and seals the sale when it is covered. A
// late outcome takes the till session that is open now, and its business date.
//
// Problems (the payment is an orphan then): sale.basket_sealed, sale.basket_abandoned,
// sale.tender_over_due, sale.register_closed, sale.not_found.
func (s *Sales) Captured(tx *db.Tx, p payment.Payment) error {
	b, legs, l, err := legFor(tx, p)
	if err != nil {
		return err
	}
	captured := p.Captured > 0 // else a person says so (CCV-011)
	reserved := int64(0)
	switch l.State {
	case Accepted:
		if l.Manual && captured && l.confirmed == nil {
			return s.confirm(tx, &b, l)
		}
		return nil
	case Returned:
		return problem.New(problem.Conflict, "sale.basket_abandoned", "sale", b.id)
	case Failed: // its part of the due was set free
		if b.state == Opened && b.due().Minor < l.Amount {
			return b.overDue()
		}
		reserved = l.Amount
	}
	if err := b.mustBeOpen(); err != nil {
		return err
	}
	l.Manual = !captured
	if captured {
		l.Slip = Slip(p)
	}
	if _, err := s.accept(tx, operatorOf(l), &b, legs, l, reserved); err != nil {
		return err
	}
	acceptLeg(tx, l)
	return nil
}

// operatorOf acts for whoever asked for the leg.
func operatorOf(l *leg) access.Principal {
	return access.Principal{Merchant: l.merchant, Operator: l.operator, Role: access.User}
}

// confirm notes that an acquirer says what a person had said. The ticket stands as
// it was sealed; the amount leaves the account of what nobody had confirmed.
func (s *Sales) confirm(tx *db.Tx, b *basket, l *leg) error {
	_, where, err := s.registerFor(tx, b.merchant, b.register, false)
	if err != nil {
		return err
	}
	position, err := s.journal.Append(tx, fiscal.Entry{
		Merchant: b.merchant, Owner: string(b.register), Kind: fiscal.KindEvent, Subject: string(l.ID), Operator: l.operator,
		Local: where.Location(), Body: l.moved("tender.confirmed", b.currency, b.total),
	})
	if err != nil {
		return err
	}
	l.confirmed = &position.At
	confirmLeg(tx, l)
	ledger.Post(tx, b.merchant, l.confirmSource(), b.currency, position.At, l.confirmation())
	return nil
}

func (l *leg) confirmSource() string { return string(l.ID) + "/confirmed" }

func (l *leg) confirmation() []ledger.Transfer {
	var list ledger.List
	list.Add(ledger.Due, ledger.CardByHand, l.Amount)
	return list
}

// Failed sets the leg's part of the due free: the basket and its other means stay. A
// leg that is not there keeps nothing.
func (s *Sales) Failed(tx *db.Tx, p payment.Payment) error {
	b, _, l, err := legFor(tx, p)
	if problem.Is(err, "sale.not_found") {
		return nil
	}
	if err != nil || l.State != Processing {
		return err
	}
	failLeg(tx, l)
	settleBasket(tx, &b, 0, -l.Amount)
	return nil
}

// Reversed makes the return ticket of a void or refund; where there is no ticket yet
// the leg goes back from its basket. While the register is closed the return waits
// for its opening, and takes that business date.
func (s *Sales) Reversed(tx *db.Tx, p payment.Payment, r payment.Reversal) error {
	b, legs, _, err := legFor(tx, p)
	if err != nil {
		return err
	}
	_, where, err := s.registerFor(tx, b.merchant, b.register, false)
	if err != nil {
		return err
	}
	var in *Session
	queueOpenSession(tx, b.merchant, b.register, &in)
	if err := tx.Flush(); err != nil {
		return err
	}
	if b.state != Sealed {
		return s.reverseLeg(tx, &b, legs, p, r, in, where)
	}
	due := dueReturn{
		reversal: string(r.ID), sale: b.id, payment: p.ID, amount: r.Amount.Minor, operator: r.Operator, slip: slipOf(r), at: s.clock.Now(),
	}
	if in == nil {
		insertDueReturn(tx, b.merchant, b.register, due)
		return nil
	}
	return s.sealReturn(tx, *in, where, due)
}

// reverseLeg gives a card leg of an open basket back. Of one that goes back in part
// the rest is a leg of its own, accepted anew.
func (s *Sales) reverseLeg(tx *db.Tx, b *basket, legs []leg, p payment.Payment, r payment.Reversal, in *Session, where merchant.Site) error {
	var l *leg
	for i := range legs {
		if legs[i].Payment == p.ID && legs[i].State == Accepted {
			l = &legs[i]
		}
	}
	if b.state != Opened || l == nil || r.Amount.Minor > l.Amount {
		return problem.New(problem.Conflict, "sale.nothing_to_return", "sale", b.id)
	}
	left := l.Amount - r.Amount.Minor
	if left > 0 && in == nil {
		return problem.New(problem.Conflict, "sale.register_closed").At("register_id")
	}
	by := access.Principal{Merchant: b.merchant, Operator: r.Operator, Role: access.User}
	if err := s.giveBack(tx, by, b, l, in, where); err != nil || left == 0 {
		return err
	}
	rest := *l
	rest.ID, rest.position, rest.operator, rest.askedAt = id.New[id.Tender](s.clock.Now()), int64(len(legs))+1, r.Operator, s.clock.Now()
	rest.State, rest.Amount, rest.Received, rest.Early, rest.session = Accepted, left, left, true, &in.ID
	rest.returnedAt, rest.returnedBy, rest.returnedIn = nil, nil, nil
	if err := s.acceptEarly(tx, by, b, &rest, *in, where); err != nil {
		return err
	}
	insertLeg(tx, &rest)
	settleBasket(tx, b, left, left)
	return nil
}

// Slip is the digest of a payment's card slip, in hex: what a record says of it. It
// holds no id of the database.
func Slip(p payment.Payment) string {
	return slipFacts{p.Card, p.Chip, p.Approval, p.Number, p.At, p.Amount}.digest()
}

func slipOf(r payment.Reversal) string {
	back := money.Amount{Minor: -r.Amount.Minor, Currency: r.Amount.Currency}
	return slipFacts{r.Card, r.Chip, r.Approval, r.Number, r.ReaderAt, back}.digest()
}

// slipFacts are what a card slip says (DRV-02) that the ticket does not.
type slipFacts struct {
	card     *payment.Card
	chip     *terminal.Chip
	approval string
	number   string // the reader's own
	at       *time.Time
	amount   money.Amount
}

// digest is SHA-256 over the facts as canonical JSON. What is not known is empty.
func (f slipFacts) digest() string {
	var aid, masked, at string
	if f.card != nil {
		aid, masked = f.card.AID, f.card.Masked
	}
	if f.chip != nil {
		aid = f.chip.AID
	}
	if f.at != nil {
		at = f.at.UTC().Format(slipTime)
	}
	sum := sha256.Sum256(fiscal.Body(func(c *fiscal.Canon) {
		c.Str("aid", aid)
		c.Int("amount", f.amount.Minor)
		c.Str("approval", f.approval)
		c.Str("at", at)
		c.Str("currency", string(f.amount.Currency))
		c.Str("pan", masked)
		c.Str("transaction", f.number)
	}))
	return hex.EncodeToString(sum[:])
}

const slipTime = "2006-01-02T15:04:05.000Z"
