package sale

import (
	"crypto/sha256"
	"fmt"
	"time"

	"encaisse/access"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/catalog"
	"encaisse/merchant"
)

// maxDueReturns is how many returns that waited for a register are sealed when it
// opens; those beyond wait for the next opening.
const maxDueReturns = 40

// partialReturn is the label of a line that gives back a part of a ticket. It is
// sealed, so it is in the language of the journal.
const partialReturn = "Remboursement partiel du ticket n° %d"

const oneBack money.Quantity = -1000 // one piece, returned

// sealDueReturns seals the returns of cards that were credited while the register was closed.
func (s *Sales) sealDueReturns(tx *db.Tx, in Session, where merchant.Site) error {
	due, err := takeDueReturns(tx, in.Merchant, in.Register, maxDueReturns)
	for i := range due {
		if err := s.sealReturn(tx, in, where, due[i]); err != nil {
			return err
		}
	}
	return err
}

// sealReturn seals the return ticket of a void or refund. The basket of the original
// is locked, so that two returns of one sale come one after the other.
func (s *Sales) sealReturn(tx *db.Tx, in Session, where merchant.Site, d dueReturn) error {
	if _, err := lockBasket(tx, in.Merchant, d.sale); err != nil {
		return err
	}
	original, err := readSale(tx, in.Merchant, d.sale)
	if err != nil {
		return err
	}
	back, err := readReturned(tx, in.Merchant, d.sale)
	if err != nil {
		return err
	}
	r, err := original.returned(d.amount, back)
	if err != nil {
		return err
	}
	now := s.clock.Now()
	r.ID = id.New[id.Sale](now)
	r.Tenders = []Tender{{
		ID: id.New[id.Tender](now), Means: Card, Amount: -d.amount, Received: -d.amount, State: Accepted, Payment: d.payment, Slip: d.slip,
	}}
	hash := sha256.Sum256([]byte(d.reversal))
	by := access.Principal{Merchant: in.Merchant, Operator: d.operator, Role: access.User}
	_, err = s.seal(tx, by, r, hash[:], basis{where: where, session: in}, time.Time{})
	return err
}

// returned is the return of an amount of a sale, of which back went back by rate
// before. The whole sale goes back line by line; a part goes back as one line per
// VAT rate, shared over what is left of each, so that parts that add up to the sale
// add up to its VAT.
func (s *Sale) returned(amount int64, back map[money.Rate]int64) (Sale, error) {
	r := Sale{
		Register: s.Register, Document: Return, Currency: s.Currency, Total: -amount, Original: s.ID, originalNumber: s.Number,
	}
	if amount == s.Total && len(back) == 0 {
		r.Reduction, r.ReductionName = -s.Reduction, s.ReductionName
		r.Lines = make([]Line, len(s.Lines))
		for i, l := range s.Lines {
			l.Quantity, l.Reduction, l.Share, l.TTC = -l.Quantity, -l.Reduction, -l.Share, -l.TTC
			r.Lines[i] = l
		}
	} else if err := r.takePart(s, amount, back); err != nil {
		return r, err
	}
	taxed := make([]money.Taxed, len(r.Lines))
	for i, l := range r.Lines {
		taxed[i] = money.Taxed{Rate: l.Rate, TTC: l.TTC}
	}
	vat, ht, err := money.Split(taxed)
	if err != nil {
		return r, err
	}
	for i := range r.Lines {
		r.Lines[i].HT = ht[i]
	}
	r.VAT = vat
	return r, nil
}

// takePart makes the lines of a return of a part of a sale.
func (s *Sale) takePart(original *Sale, amount int64, back map[money.Rate]int64) error {
	weights := make([]int64, len(original.VAT))
	for i, v := range original.VAT {
		weights[i] = max(0, v.TTC-back[v.Rate])
	}
	shares, err := money.Allocate(amount, weights)
	if err != nil {
		return err
	}
	for i, v := range original.VAT {
		if shares[i] == 0 {
			continue
		}
		s.Lines = append(s.Lines, Line{
			Label: fmt.Sprintf(partialReturn, original.Number), Nature: original.natureAt(v.Rate), Quantity: oneBack,
			Unit: shares[i], Rate: v.Rate, TTC: -shares[i],
		})
	}
	return nil
}

// natureAt is what was sold at a rate: that of its first line.
func (s *Sale) natureAt(rate money.Rate) catalog.Nature {
	for i := range s.Lines {
		if s.Lines[i].Rate == rate {
			return s.Lines[i].Nature
		}
	}
	return catalog.Goods
}
