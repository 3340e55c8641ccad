package sale

import (
	"context"
	"errors"
	"time"

	"encaisse/access"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/base/problem"
	"encaisse/event"
	"encaisse/fiscal"
	"encaisse/ledger"
	"encaisse/merchant"
	"encaisse/payment"
)

// maxLegs bounds what is tried on one basket, failures included.
const maxLegs = 100

// Tendering asks to add a means of payment to an open basket. The caller makes the
// tender's ID and keeps it before the first try; a card that was declined is tried
// again under a new one.
type Tendering struct {
	TenderRequest
	Sale      id.Sale
	Terminal  id.Terminal // of a card
	PrintSlip bool        // on the reader's own roll (SRC-011)
	Reference string      // of a card on a terminal that is not connected, typed by hand (SRC-030)
	Offline   bool        // an approval that was obtained offline: never taken (UPM-028)
}

// Tender adds a means of payment to an open basket. Cash, and a card on a terminal
// that is not connected, are accepted at once; a card on a connected one is asked
// for, and its outcome comes through [Sales.Captured] or [Sales.Failed]. What covers
// the total seals the sale in the same commit. The same request again returns the
// sale as it is by now, with created false.
//
// Problems: sale.* for what the content breaks; sale.other_content,
// sale.basket_sealed, sale.basket_abandoned, sale.tender_over_due,
// sale.register_closed, sale.offline_card_refused (conflict); sale.not_found; those
// of [payment.Payments.Collect].
func (s *Sales) Tender(ctx context.Context, p access.Principal, r Tendering) (found Sale, created bool, err error) {
	if err := access.Allow(p, access.SaleWrite); err != nil {
		return Sale{}, false, err
	}
	if err := r.checkLeg(); err != nil {
		return Sale{}, false, err
	}
	found, created, err = s.tender(ctx, p, r)
	if db.IsViolation(err, db.Unique) { // the same, at the same time: it is there now
		found, created, err = s.tender(ctx, p, r)
	}
	return found, created, err
}

func (r Tendering) checkLeg() error {
	var faults []*problem.Error
	refuse := func(field, code string, args ...any) {
		faults = append(faults, problem.New(problem.Invalid, code, args...).At(field))
	}
	card := r.Means == Card
	switch {
	case card && r.Offline:
		return problem.New(problem.Conflict, "sale.offline_card_refused").At("offline")
	case !card && r.Means != Cash:
		refuse("means", "sale.means_unknown")
	case card && (r.Terminal == "") == (r.Reference == ""):
		refuse("terminal_id", "sale.terminal_or_reference")
	case !card && (r.Terminal != "" || r.Reference != "" || r.PrintSlip || r.Offline):
		refuse("means", "sale.card_fields")
	}
	if !plainText(r.Reference, MaxReference) {
		refuse("reference", "sale.text", "limit", MaxReference)
	}
	if r.Amount.Minor <= 0 {
		refuse("amount", "sale.tender_zero")
	}
	if r.Received != nil && card {
		refuse("received", "sale.card_change")
	} else if r.Received != nil && r.Received.Minor < r.Amount.Minor {
		refuse("received", "sale.received_short")
	}
	return join(faults)
}

func (s *Sales) tender(ctx context.Context, p access.Principal, r Tendering) (found Sale, created bool, err error) {
	asked := leg{
		merchant: p.Merchant, sale: r.Sale, operator: p.Operator,
		Tender: Tender{
			ID: r.ID, Means: r.Means, Amount: r.Amount.Minor, Received: r.Amount.Minor, State: Processing,
			Terminal: r.Terminal, PrintSlip: r.PrintSlip, Reference: r.Reference, Manual: r.Reference != "",
		},
	}
	if r.Received != nil {
		asked.Received, asked.Change = r.Received.Minor, r.Received.Minor-r.Amount.Minor
	}
	if r.Terminal != "" {
		asked.Payment = id.New[id.Payment](s.clock.Now())
	}
	err = s.db.Write(ctx, func(tx *db.Tx) (err error) {
		found, created, err = s.addLeg(tx, p, r, asked)
		return err
	})
	if err == nil && created && asked.Payment != "" {
		s.cards.Start(ctx, p.Merchant, asked.Payment)
	}
	return found, created, err
}

// addLeg reserves the leg's part of the due and takes it, or asks for it.
func (s *Sales) addLeg(tx *db.Tx, p access.Principal, r Tendering, l leg) (Sale, bool, error) {
	if there, known, err := knownLeg(tx, &l); known || err != nil {
		return there, false, err
	}
	b, taken, err := reserve(tx, p.Merchant, r.Sale, l.Amount)
	if err == nil && !taken {
		if there, known, err := knownLeg(tx, &l); known || err != nil { // by now: who held the row was the same request
			return there, false, err
		}
		err = whyNotTaken(tx, p.Merchant, r)
	}
	if err != nil {
		return Sale{}, false, err
	}
	legs, err := readLegs(tx, p.Merchant, r.Sale)
	if err == nil {
		err = r.fits(&b, legs)
	}
	if err != nil {
		return Sale{}, false, err
	}
	l.position, l.askedAt = int64(len(legs))+1, s.clock.Now()
	if l.Payment != "" {
		return s.collect(tx, p, &b, legs, &l)
	}
	taking, err := s.accept(tx, p, &b, legs, &l, 0)
	if err != nil {
		return Sale{}, false, err
	}
	insertLeg(tx, &l)
	return taking, true, nil
}

// knownLeg answers a leg that is there already: the same content is the same tender.
func knownLeg(tx *db.Tx, asked *leg) (there Sale, known bool, err error) {
	l, err := readLeg(tx, asked.merchant, asked.ID)
	switch {
	case errors.Is(err, db.ErrNone):
		return Sale{}, false, nil
	case err != nil:
		return Sale{}, false, err
	case !l.same(asked):
		return Sale{}, false, problem.New(problem.Conflict, "sale.other_content", "sale", asked.ID)
	}
	there, err = readAny(tx, asked.merchant, asked.sale)
	return there, true, err
}

// same tells whether a leg that is there is the one that is asked for.
func (l *leg) same(asked *leg) bool {
	return l.sale == asked.sale && l.Means == asked.Means && l.Amount == asked.Amount && l.Received == asked.Received &&
		l.Terminal == asked.Terminal && l.PrintSlip == asked.PrintSlip && l.Reference == asked.Reference
}

// whyNotTaken says why no basket could reserve the amount.
func whyNotTaken(tx *db.Tx, m id.Merchant, r Tendering) error {
	b, err := readBasket(tx, m, r.Sale)
	if errors.Is(err, db.ErrNone) {
		there, err := saleExists(tx, m, r.Sale)
		switch {
		case err != nil:
			return err
		case there: // sealed in one request, without ever being a basket
			return problem.New(problem.Conflict, "sale.basket_sealed", "sale", r.Sale)
		}
		return problem.New(problem.NotFound, "sale.not_found")
	}
	if err != nil {
		return err
	}
	if err := b.mustBeOpen(); err != nil {
		return err
	}
	return b.overDue()
}

func (b *basket) overDue() error {
	return problem.New(problem.Conflict, "sale.tender_over_due", "due", b.due(), "total",
		money.Amount{Minor: b.total, Currency: b.currency}).At("amount")
}

func (b *basket) mustBeOpen() error {
	switch b.state {
	case Sealed:
		return problem.New(problem.Conflict, "sale.basket_sealed", "sale", b.id)
	case Abandoned:
		return problem.New(problem.Conflict, "sale.basket_abandoned", "sale", b.id)
	}
	return nil
}

// fits refuses what the basket's content refuses: another currency, more means than
// a ticket holds, more cash than the law lets change hands for one debt.
func (r Tendering) fits(b *basket, legs []leg) error {
	if r.Amount.Currency != b.currency {
		return foreign(b.currency, "amount")
	}
	if r.Received != nil && r.Received.Currency != b.currency {
		return foreign(b.currency, "received")
	}
	active := []Tender{{Means: r.Means, Amount: r.Amount.Minor}}
	for i := range legs {
		if state := legs[i].State; state == Processing || state == Accepted {
			active = append(active, legs[i].Tender)
		}
	}
	if len(active) > MaxTenders || len(legs) >= maxLegs {
		return problem.New(problem.Invalid, "sale.too_many_tenders", "limit", MaxTenders).At("id")
	}
	if err := checkCash(b.cashPayer, b.currency, active); err != nil {
		return problem.As(err).At("amount")
	}
	return nil
}

// collect asks a connected terminal for a card, in the transaction that reserved its
// part of the due.
func (s *Sales) collect(tx *db.Tx, p access.Principal, b *basket, legs []leg, l *leg) (Sale, bool, error) {
	if s.cards == nil {
		return Sale{}, false, problem.New(problem.Conflict, "sale.no_cards").At("means")
	}
	insertLeg(tx, l)
	_, err := s.cards.Collect(tx, p, payment.Collection{
		Payment: l.Payment, Owner: string(b.id), Tender: l.ID, Terminal: l.Terminal,
		Amount: money.Amount{Minor: l.Amount, Currency: b.currency}, Operator: p.Operator, Reference: string(b.id), PrintSlip: l.PrintSlip,
	})
	if err != nil {
		return Sale{}, false, err
	}
	asked, err := b.sale(append(legs, *l))
	return asked, true, err
}

// accept takes a leg whose part of the due is reserved: it seals the sale when the
// total is covered, and is journaled by itself when it is not. What refuses does so
// before the first row is written. reserved is what is still to be reserved for it;
// the leg's own row is the caller's to write.
func (s *Sales) accept(tx *db.Tx, p access.Principal, b *basket, others []leg, l *leg, reserved int64) (Sale, error) {
	in, where, err := s.openFor(tx, b)
	if err != nil {
		return Sale{}, err
	}
	l.State, l.session = Accepted, &in.ID
	l.Early = b.accepted+l.Amount < b.total
	legs := withLeg(others, l)
	priced, err := b.sale(legs)
	if err != nil {
		return Sale{}, err
	}
	if l.Early {
		err = s.acceptEarly(tx, p, b, l, in, where)
	} else {
		priced, err = s.sealBasket(tx, p, b, priced, basis{where: where, session: in})
		l.acceptedAt = &priced.SealedAt
	}
	if err != nil {
		return Sale{}, err
	}
	settleBasket(tx, b, l.Amount, reserved)
	if l.Early {
		priced.Accepted, priced.Reserved = b.accepted, b.reserved
		return priced, nil
	}
	endBasket(tx, b, Sealed, "", priced.SealedAt, p.Operator)
	return priced, nil
}

// withLeg is the legs of a basket with l as it is by now.
func withLeg(others []leg, l *leg) []leg {
	legs := make([]leg, 0, len(others)+1)
	for i := range others {
		if others[i].ID != l.ID {
			legs = append(legs, others[i])
		}
	}
	return append(legs, *l)
}

// openFor finds the till session that a basket's ticket and events join: that of its
// register which is open now.
func (s *Sales) openFor(tx *db.Tx, b *basket) (Session, merchant.Site, error) {
	_, where, err := s.registerFor(tx, b.merchant, b.register, false)
	if err != nil {
		return Session{}, where, err
	}
	in, err := openSession(tx, b.merchant, b.register)
	return in, where, err
}

// sealBasket seals a basket that is covered. What failed or went back is not on the ticket.
func (s *Sales) sealBasket(tx *db.Tx, p access.Principal, b *basket, priced Sale, in basis) (Sale, error) {
	if there, err := saleExists(tx, b.merchant, b.id); err != nil {
		return Sale{}, err
	} else if there {
		return Sale{}, problem.New(problem.Conflict, "sale.basket_sealed", "sale", b.id)
	}
	tenders := priced.Tenders
	priced.Tenders, priced.OpenedAt = nil, time.Time{}
	for _, t := range tenders {
		if t.State == Accepted { // what it was asked of is read at its payment
			t.Terminal, t.PrintSlip = "", false
			priced.Tenders = append(priced.Tenders, t)
		}
	}
	return s.seal(tx, p, priced, b.hash, in, time.Time{})
}

// acceptEarly journals a means of payment whose ticket is still to come, and books it.
func (s *Sales) acceptEarly(tx *db.Tx, p access.Principal, b *basket, l *leg, in Session, where merchant.Site) error {
	position, err := s.journal.Append(tx, fiscal.Entry{
		Merchant: b.merchant, Owner: string(b.register), Kind: fiscal.KindEvent, Subject: string(l.ID), Operator: p.Operator,
		Local: where.Location(), Period: string(in.ID), Body: l.moved("tender.accepted", b.currency, b.total),
	})
	if problem.Is(err, "fiscal.period_closed") {
		return sessionClosed(in.ID)
	}
	if err != nil {
		return err
	}
	l.acceptedAt = &position.At
	var list ledger.List
	l.book(&list, b.register, l.Amount)
	ledger.Post(tx, b.merchant, string(l.ID), b.currency, position.At, list)
	event.Emit(tx, b.merchant, position.At, event.TenderAccepted, string(l.ID), tenderData(b.id, l, b.currency))
	return nil
}

// CancelTender asks the reader to give a card leg up: it can while no card is in. What
// comes of it is the reader's word, as of any other leg.
func (s *Sales) CancelTender(ctx context.Context, p access.Principal, saleID id.Sale, tender id.Tender) (Sale, error) {
	return s.stop(ctx, p, saleID, tender, s.cards.Cancel)
}

// AbandonTender gives a card leg up whose outcome is not known, so that another means
// may take its part of the due: an approval that comes later is undone.
func (s *Sales) AbandonTender(ctx context.Context, p access.Principal, saleID id.Sale, tender id.Tender) (Sale, error) {
	return s.stop(ctx, p, saleID, tender, s.cards.Abandon)
}

func (s *Sales) stop(ctx context.Context, p access.Principal, saleID id.Sale, tender id.Tender,
	stop func(context.Context, access.Principal, id.Payment) (payment.Payment, error),
) (found Sale, err error) {
	if err := access.Allow(p, access.SaleWrite); err != nil {
		return Sale{}, err
	}
	var l leg
	err = s.db.Read(ctx, func(tx *db.Tx) (err error) {
		l, err = readLeg(tx, p.Merchant, tender)
		return err
	})
	switch {
	case errors.Is(err, db.ErrNone), err == nil && l.sale != saleID:
		return Sale{}, problem.New(problem.NotFound, "sale.tender_not_found")
	case err != nil:
		return Sale{}, err
	case l.Payment == "":
		return Sale{}, problem.New(problem.Conflict, "sale.tender_not_card").At("id")
	}
	if _, err := stop(ctx, p, l.Payment); err != nil {
		return Sale{}, err
	}
	err = s.db.Read(ctx, func(tx *db.Tx) (err error) {
		found, err = readAny(tx, p.Merchant, saleID)
		return err
	})
	return found, err
}
