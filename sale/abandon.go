package sale

import (
	"context"
	"errors"

	"encaisse/access"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/problem"
	"encaisse/event"
	"encaisse/fiscal"
	"encaisse/ledger"
	"encaisse/merchant"
)

// Abandon gives an open basket up. Cash that was taken for it is handed back first,
// each part journaled; a card has to be voided before, because that needs the card.
// Abandoned once, it stays so, and the same call again answers with it.
//
// Problems: sale.not_found; sale.basket_sealed, sale.tender_pending,
// sale.card_to_void (both name the payment), sale.register_closed (conflict); sale.text.
func (s *Sales) Abandon(ctx context.Context, p access.Principal, saleID id.Sale, reason string) (left Sale, err error) {
	if err := access.Allow(p, access.SaleWrite); err != nil {
		return Sale{}, err
	}
	if !plainText(reason, MaxLabel) {
		return Sale{}, problem.New(problem.Invalid, "sale.text", "limit", MaxLabel).At("reason")
	}
	err = s.db.Write(ctx, func(tx *db.Tx) (err error) {
		left, err = s.abandon(tx, p, saleID, reason)
		return err
	})
	return left, err
}

func (s *Sales) abandon(tx *db.Tx, p access.Principal, saleID id.Sale, reason string) (Sale, error) {
	b, err := lockBasket(tx, p.Merchant, saleID)
	if errors.Is(err, db.ErrNone) {
		return Sale{}, whyNotTaken(tx, p.Merchant, Tendering{Sale: saleID})
	}
	if err != nil {
		return Sale{}, err
	}
	legs, err := readLegs(tx, p.Merchant, saleID)
	if err != nil {
		return Sale{}, err
	}
	if b.state == Abandoned {
		return b.sale(legs)
	}
	if err := b.mayBeLeft(legs); err != nil {
		return Sale{}, err
	}
	in, where, err := s.openFor(tx, &b)
	if err != nil {
		return Sale{}, err
	}
	for i := range legs {
		if legs[i].State != Accepted {
			continue
		}
		if err := s.giveBack(tx, p, &b, &legs[i], &in, where); err != nil {
			return Sale{}, err
		}
	}
	if err := s.journalAbandoned(tx, p, &b, reason, in, where); err != nil {
		return Sale{}, err
	}
	return b.sale(legs)
}

// mayBeLeft refuses a basket whose money nobody may hand back at the counter.
func (b *basket) mayBeLeft(legs []leg) error {
	if err := b.mustBeOpen(); err != nil {
		return err
	}
	for i := range legs {
		l := &legs[i]
		switch {
		case l.State == Processing:
			return problem.New(problem.Conflict, "sale.tender_pending", "payment", l.Payment).At("tenders")
		case l.State == Accepted && l.Payment != "" && !l.Manual:
			return problem.New(problem.Conflict, "sale.card_to_void", "payment", l.Payment).At("tenders")
		}
	}
	return nil
}

// giveBack hands an accepted leg back, there being no ticket: journaled, and booked
// the other way. Cash goes out of the drawer of a session; a card may be credited
// while the register is closed, in being nil then.
func (s *Sales) giveBack(tx *db.Tx, p access.Principal, b *basket, l *leg, in *Session, where merchant.Site) error {
	entry := fiscal.Entry{
		Merchant: b.merchant, Owner: string(b.register), Kind: fiscal.KindEvent, Subject: string(l.ID), Operator: p.Operator,
		Local: where.Location(), Body: l.moved("tender.returned", b.currency, b.total),
	}
	if in != nil {
		entry.Period, l.returnedIn = string(in.ID), &in.ID
	}
	position, err := s.journal.Append(tx, entry)
	if problem.Is(err, "fiscal.period_closed") {
		return sessionClosed(in.ID)
	}
	if err != nil {
		return err
	}
	l.State, l.returnedAt, l.returnedBy = Returned, &position.At, &p.Operator
	returnLeg(tx, l)
	settleBasket(tx, b, -l.Amount, -l.Amount)
	var list ledger.List
	l.book(&list, b.register, -l.Amount)
	ledger.Post(tx, b.merchant, l.returnSource(), b.currency, position.At, list)
	event.Emit(tx, b.merchant, position.At, event.TenderReturned, string(l.ID), tenderData(b.id, l, b.currency))
	return nil
}

// returnSource is what the ledger calls the handing back of a leg.
func (l *leg) returnSource() string { return string(l.ID) + "/returned" }

// journalAbandoned ends the basket. It is a cancelled ticket in the journal of
// technical events (JET 190), with the lines that were in it.
func (s *Sales) journalAbandoned(tx *db.Tx, p access.Principal, b *basket, reason string, in Session, where merchant.Site) error {
	priced, err := b.sale(nil)
	if err != nil {
		return err
	}
	b.reason = reason
	position, err := s.journal.Append(tx, fiscal.Entry{
		Merchant: b.merchant, Owner: string(b.register), Kind: fiscal.KindEvent, JET: fiscal.JETReturn, Subject: string(b.id),
		Operator: p.Operator, Local: where.Location(), Period: string(in.ID), Body: b.abandoned(&priced),
	})
	if problem.Is(err, "fiscal.period_closed") {
		return sessionClosed(in.ID)
	}
	if err != nil {
		return err
	}
	endBasket(tx, b, Abandoned, reason, position.At, p.Operator)
	event.Emit(tx, b.merchant, position.At, event.SaleAbandoned, string(b.id), registerData(b.register))
	return nil
}
