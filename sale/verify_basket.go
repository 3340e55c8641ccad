package sale

import (
	"bytes"

	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/problem"
	"encaisse/batch"
	"encaisse/fiscal"
	"encaisse/ledger"
	"encaisse/payment"
)

func (t *tables) loadLeg(tx *db.Tx, m id.Merchant, tender id.Tender) error {
	l, err := readLeg(tx, m, tender)
	if err != nil {
		return err
	}
	t.legs[string(tender)] = l
	return t.loadBasket(tx, m, l.sale)
}

func (t *tables) loadBasket(tx *db.Tx, m id.Merchant, saleID id.Sale) error {
	if _, there := t.baskets[string(saleID)]; there {
		return nil
	}
	b, err := readBasket(tx, m, saleID)
	if err == nil {
		t.baskets[string(saleID)] = b
	}
	return err
}

// leg compares an event of a means of payment that is not on a ticket yet: that it
// was accepted, handed back, or confirmed by an acquirer.
func (a *Audit) leg(p *period, t tables, r *fiscal.Sealed) error {
	l, there := t.legs[r.Subject]
	b, of := t.baskets[string(l.sale)]
	if !there || !of || b.register != p.register {
		return differs("%s: its means of payment is missing from the tables", r.Subject)
	}
	a.legs++
	is := func(name string) bool {
		body, _ := l.moved(name, b.currency, b.total)(fiscal.Position{})
		return bytes.Equal(body, r.Body)
	}
	var booked ledger.List
	switch {
	case is("tender.accepted"):
		if !l.Early || l.acceptedAt == nil || !l.acceptedAt.Equal(r.Header.At) || l.operator != r.Operator ||
			l.session == nil || *l.session != p.session.ID {
			return differs("%s: accepted at, by or in another till session than sealed", r.Subject)
		}
		if l.Means == Cash {
			p.totals.Held += l.Amount
		}
		l.book(&booked, b.register, l.Amount)
		return a.compareSource(t, r, r.Subject, b.currency, booked)
	case is("tender.returned"):
		return a.handedBack(p, t, r, &l, &b)
	case is("tender.confirmed"):
		if l.confirmed == nil || !l.confirmed.Equal(r.Header.At) || l.operator != r.Operator {
			return differs("%s: confirmed at another time than sealed", r.Subject)
		}
		return a.compareSource(t, r, l.confirmSource(), b.currency, l.confirmation())
	}
	body, _ := l.moved("tender.accepted", b.currency, b.total)(fiscal.Position{})
	return differs("%s: %s", r.Subject, firstDifference(r.Body, body, tablesSay))
}

func (a *Audit) handedBack(p *period, t tables, r *fiscal.Sealed, l *leg, b *basket) error {
	in := id.Session("")
	if l.returnedIn != nil {
		in = *l.returnedIn
	}
	switch {
	case l.State != Returned || l.returnedAt == nil || !l.returnedAt.Equal(r.Header.At),
		l.returnedBy == nil || *l.returnedBy != r.Operator, p.open && in != p.session.ID, !p.open && in != "":
		return differs("%s: handed back at, by or in another till session than sealed", r.Subject)
	}
	if l.Means == Cash {
		p.totals.Held -= l.Amount
	}
	var booked ledger.List
	l.book(&booked, b.register, -l.Amount)
	return a.compareSource(t, r, l.returnSource(), b.currency, booked)
}

// basket compares the event of a basket that was given up.
func (a *Audit) basket(p *period, t tables, r *fiscal.Sealed) error {
	b, there := t.baskets[r.Subject]
	if !there || b.register != p.register || b.state != Abandoned {
		return differs("%s: its basket is missing from the tables, or not abandoned", r.Subject)
	}
	priced, err := b.sale(nil)
	if err != nil {
		return differs("%s: what was in the basket does not read", r.Subject)
	}
	if body, _ := b.abandoned(&priced)(fiscal.Position{}); !bytes.Equal(body, r.Body) {
		return differs("%s: %s", r.Subject, firstDifference(r.Body, body, tablesSay))
	}
	if b.endedAt == nil || !b.endedAt.Equal(r.Header.At) || b.endedBy == nil || *b.endedBy != r.Operator {
		return differs("%s: abandoned at or by another than sealed", r.Subject)
	}
	a.abandoned++
	return nil
}

// paid is what a payment says of the sales it belongs to.
type paid struct {
	owner id.Sale
	slip  string // digest of its slip, as its own rows have it
}

// loadPayments reads the payments of a sale's cards.
func (t *tables) loadPayments(tx *db.Tx, m id.Merchant, s *Sale) error {
	for i := range s.Tenders {
		of := s.Tenders[i].Payment
		if _, there := t.payments[of]; there || of == "" {
			continue
		}
		p, err := payment.In(tx, m, of)
		if problem.Is(err, "payment.not_found") {
			continue // found later
		}
		if err != nil {
			return err
		}
		t.payments[of] = paid{owner: id.Sale(p.Owner), slip: Slip(p)}
	}
	return nil
}

// paidBy holds a ticket's cards against their payments: that they are of this sale, or
// of the one a return goes back to, and that the slip is theirs.
func (s *Sale) paidBy(t tables) error {
	sold := s.ID
	if s.Original != "" {
		sold = s.Original
	}
	for i := range s.Tenders {
		tender := &s.Tenders[i]
		if tender.Payment == "" {
			if tender.Means == Card && tender.Reference == "" {
				return differs("ticket %d: tender %d: a card without payment in the tables", s.Number, i+1)
			}
			continue
		}
		p, there := t.payments[tender.Payment]
		switch {
		case !there || p.owner != sold || tender.Means != Card:
			return differs("ticket %d: tender %d: its payment is not of this sale", s.Number, i+1)
		case s.Original == "" && !tender.Manual && p.slip != tender.Slip:
			return differs("ticket %d: tender %d: its slip is not what its payment says", s.Number, i+1)
		}
	}
	return nil
}

// countTransfers counts what the ledger has beside what payments and card batches
// booked, which verify themselves.
func countTransfers(tx *db.Tx, m id.Merchant) (int64, error) {
	all, err := ledger.Count(tx, m)
	if err != nil {
		return 0, err
	}
	batches, err := batch.Verify(tx, m)
	if err != nil {
		return 0, err
	}
	payments, err := payment.Verify(tx, m)
	return all - batches - payments, err
}
