package sale

import (
	"fmt"

	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/base/problem"
	"encaisse/catalog"
)

// price computes a sale from its request and the articles it names. It is
// arithmetic alone: no clock, no database. Money is added with overflow checks;
// nothing a caller sent is rounded but quantity × price and percentages, half
// away from zero.
func price(r Request, currency money.Currency, articles map[id.Article]catalog.Article) (Sale, error) {
	s := Sale{ID: r.ID, Register: r.Register, ExternalRef: r.ExternalRef, Currency: currency, Document: Ticket}
	s.Lines = make([]Line, len(r.Lines))
	for i := range r.Lines {
		line, err := priceLine(r.Lines[i], currency, articles, fmt.Sprintf("lines[%d]", i))
		if err != nil {
			return s, err
		}
		s.Lines[i] = line
	}
	if err := s.reduce(r.Reduction); err != nil {
		return s, err
	}
	taxed := make([]money.Taxed, len(s.Lines))
	for i, line := range s.Lines {
		taxed[i] = money.Taxed{Rate: line.Rate, TTC: line.TTC}
	}
	vat, ht, err := money.Split(taxed)
	if err != nil {
		return s, err
	}
	for i := range s.Lines {
		s.Lines[i].HT = ht[i]
	}
	s.VAT = vat
	if s.Total, err = sum(len(vat), func(i int) int64 { return vat[i].TTC }); err != nil {
		return s, err
	}
	if s.Total < 0 {
		s.Document = Return
	}
	if r.Open { // its means of payment come later
		return s, nil
	}
	if s.Tenders, err = tenders(r.Tenders, currency, s.Total); err != nil {
		return s, err
	}
	return s, checkCash(r.CashPayer, currency, s.Tenders)
}

func priceLine(l LineRequest, currency money.Currency, articles map[id.Article]catalog.Article, at string) (Line, error) {
	line := Line{Label: l.Label, Nature: l.Nature, Quantity: l.Quantity}
	if l.Article == "" {
		line.Rate = *l.Rate
		if line.Nature == "" {
			line.Nature = catalog.Goods
		}
	} else {
		a, found := articles[l.Article]
		if !found {
			return line, problem.New(problem.Invalid, "sale.unknown_article").At(at + ".article_id")
		}
		line.Article, line.Label, line.Nature, line.Rate = a.Reference, a.Name, a.Nature, a.VAT
		if a.Price != nil {
			list := a.Price.Minor
			line.List, line.Unit = &list, list
		}
	}
	switch {
	case l.Unit != nil && l.Unit.Currency != currency:
		return line, foreign(currency, at+".unit_price")
	case l.Unit != nil:
		line.Unit = l.Unit.Minor
	case line.List == nil:
		return line, problem.New(problem.Invalid, "sale.price_missing").At(at + ".unit_price")
	}
	gross, err := line.Quantity.Times(line.Unit)
	if err != nil {
		return line, err
	}
	if line.Reduction, line.ReductionName, err = l.Reduction.on(gross, currency, at+".reduction"); err != nil {
		return line, err
	}
	line.TTC = gross - line.Reduction
	return line, nil
}

// on computes what a reduction takes off amount: it has the sign of amount and
// never goes beyond it.
func (r *Reduction) on(amount int64, currency money.Currency, at string) (int64, string, error) {
	if r == nil {
		return 0, "", nil
	}
	if r.Amount == nil {
		off, err := money.Percent(amount, r.PercentBP)
		if off == 0 { // no reduction, no name for one: nothing would vouch for it
			return 0, "", err
		}
		return off, r.Name, err
	}
	if r.Amount.Currency != currency {
		return 0, "", foreign(currency, at+".amount")
	}
	off := r.Amount.Minor
	if off > max(amount, -amount) {
		return 0, "", problem.New(problem.Invalid, "sale.reduction_exceeds").At(at + ".amount")
	}
	if amount < 0 {
		off = -off
	}
	return off, r.Name, nil
}

// reduce spreads the ticket's reduction over the lines in proportion, by largest
// remainder, so that each VAT rate bears its part (DRV-04). Where signs are mixed
// it is borne by the lines that go the way of the total: a returned article keeps
// the price it was returned at.
func (s *Sale) reduce(r *Reduction) error {
	total, err := sum(len(s.Lines), func(i int) int64 { return s.Lines[i].TTC })
	if err != nil {
		return err
	}
	if s.Reduction, s.ReductionName, err = r.on(total, s.Currency, "reduction"); err != nil || s.Reduction == 0 {
		return err
	}
	weights := make([]int64, len(s.Lines))
	for i, line := range s.Lines {
		if (line.TTC > 0) == (total > 0) {
			weights[i] = max(line.TTC, -line.TTC)
		}
	}
	shares, err := money.Allocate(s.Reduction, weights)
	if err != nil {
		return err
	}
	for i := range s.Lines {
		s.Lines[i].Share = shares[i]
		s.Lines[i].TTC -= shares[i]
	}
	return nil
}

// tenders checks that what is tendered pays the total exactly, all the same way.
func tenders(asked []TenderRequest, currency money.Currency, total int64) ([]Tender, error) {
	paid := int64(0)
	given := make([]Tender, len(asked))
	for i, t := range asked {
		at := fmt.Sprintf("tenders[%d]", i)
		if t.Amount.Currency != currency || t.Received != nil && t.Received.Currency != currency {
			return nil, foreign(currency, at+".amount")
		}
		if (t.Amount.Minor < 0) != (total < 0) {
			return nil, problem.New(problem.Invalid, "sale.cash_negative").At(at + ".amount")
		}
		given[i] = Tender{ID: t.ID, Means: t.Means, Amount: t.Amount.Minor, Received: t.Amount.Minor, State: Accepted}
		if t.Received != nil {
			given[i].Received = t.Received.Minor
		}
		given[i].Change = given[i].Received - given[i].Amount
		var err error
		if paid, err = money.Add(paid, t.Amount.Minor); err != nil {
			return nil, err
		}
	}
	if paid == total {
		return given, nil
	}
	code := "sale.tender_short"
	if max(paid, -paid) > max(total, -total) {
		code = "sale.tender_exceeds"
	}
	return nil, problem.New(problem.Invalid, code, "total", money.Amount{Minor: total, Currency: currency},
		"tendered", money.Amount{Minor: paid, Currency: currency}).At("tenders")
}

func foreign(want money.Currency, at string) error {
	return problem.New(problem.Invalid, "sale.currency", "currency", want).At(at)
}

func sum(n int, amount func(i int) int64) (total int64, err error) {
	for i := range n {
		if total, err = money.Add(total, amount(i)); err != nil {
			return 0, err
		}
	}
	return total, nil
}
