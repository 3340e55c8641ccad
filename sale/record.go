package sale

import (
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/fiscal"
	"encaisse/ledger"
)

// This file says what a record holds and what the ledger books: once, for the
// sealing and for the verification that derives both again from the tables.

// body is the sealed content of a sale (LNE Ex. 3: label, quantity, unit price,
// total and rate of each line; totals by rate; means of payment; corrections).
func (s *Sale) body() []byte {
	return fiscal.Body(func(c *fiscal.Canon) {
		c.Str("business_date", s.BusinessDate)
		c.Str("currency", string(s.Currency))
		c.Str("document", s.Document)
		if s.ExternalRef != "" {
			c.Str("external_ref", s.ExternalRef)
		}
		c.List("lines", len(s.Lines), func(i int) { s.Lines[i].write(c, false) })
		if s.Original != "" {
			c.Int("original", s.originalNumber)
		}
		if s.Reduction != 0 {
			c.Object("reduction", func() {
				c.Int("amount", s.Reduction)
				c.Str("name", s.ReductionName)
			})
		}
		c.List("tenders", len(s.Tenders), func(i int) {
			t := &s.Tenders[i]
			t.write(c, t.Early, func() {})
		})
		c.Int("total", s.Total)
		c.List("vat", len(s.VAT), func(i int) {
			v := s.VAT[i]
			c.Int("ht", v.HT)
			c.Int("rate_bp", int64(v.Rate))
			c.Int("ttc", v.TTC)
			c.Int("vat", v.VAT)
		})
	})
}

// write writes a line; with its list price always where it is to be read again.
func (l *Line) write(c *fiscal.Canon, again bool) {
	if l.Article != "" {
		c.Str("article", l.Article)
	}
	c.Int("ht", l.HT)
	c.Str("label", l.Label)
	if l.List != nil && (again || *l.List != l.Unit) {
		c.Int("list", *l.List) // the price was overridden
	}
	c.Str("nature", string(l.Nature))
	c.Str("quantity", l.Quantity.String())
	if l.Reduction != 0 {
		c.Int("reduction", l.Reduction)
		c.Str("reduction_name", l.ReductionName)
	}
	if l.Share != 0 {
		c.Int("share", l.Share)
	}
	c.Int("ttc", l.TTC)
	c.Int("unit", l.Unit)
	c.Int("vat_bp", int64(l.Rate))
}

// write writes a means of payment. A card is told by its slip's digest, never by
// an id of the database. currency is called where its member belongs.
func (t *Tender) write(c *fiscal.Canon, early bool, currency func()) {
	c.Int("amount", t.Amount)
	if t.Change != 0 {
		c.Int("change", t.Change)
	}
	currency()
	if early {
		c.True("early")
	}
	if t.Manual {
		c.True("manual")
	}
	c.Str("means", t.Means)
	c.Int("received", t.Received)
	if t.Reference != "" {
		c.Str("reference", t.Reference)
	}
	if t.Slip != "" {
		c.Str("slip", t.Slip)
	}
}

// transfers is what a sale books: what it is owed, by rate, and what was paid.
// What was accepted before was booked then.
func (s *Sale) transfers() []ledger.Transfer {
	var list ledger.List
	for _, v := range s.VAT {
		list.Add(ledger.Due, ledger.Sales(v.Rate), v.HT)
		list.Add(ledger.Due, ledger.VAT(v.Rate), v.VAT)
	}
	for i := range s.Tenders {
		if t := &s.Tenders[i]; !t.Early {
			t.book(&list, s.Register, t.Amount)
		}
	}
	return list
}

// book adds what a means of payment brings. What a card brings is booked where it
// is captured; what a person says of a card stands apart until an acquirer says it.
func (t *Tender) book(list *ledger.List, register id.Register, amount int64) {
	switch {
	case t.Means == Cash:
		list.Add(ledger.Cash(register), ledger.Due, amount)
	case t.Manual:
		list.Add(ledger.CardByHand, ledger.Due, amount)
	}
}

// moved is the event of a means of payment that is accepted, or handed back,
// while there is no ticket.
func (l *leg) moved(name string, currency money.Currency, total int64) func(fiscal.Position) ([]byte, error) {
	return fiscal.Event(name, func(c *fiscal.Canon) {
		l.write(c, false, func() { c.Str("currency", string(currency)) })
		c.Int("total", total)
	})
}

// abandoned is the event of a basket that is given up: what was in it, and why.
func (b *basket) abandoned(priced *Sale) func(fiscal.Position) ([]byte, error) {
	return fiscal.Event("basket.abandoned", func(c *fiscal.Canon) {
		c.Str("currency", string(b.currency))
		c.List("lines", len(priced.Lines), func(i int) { priced.Lines[i].write(c, false) })
		if b.reason != "" {
			c.Str("reason", b.reason)
		}
		c.Int("total", b.total)
	})
}

// jet is the published code a sale carries: a return is a cancellation or credit note.
func (s *Sale) jet() int {
	if s.Document == Return {
		return fiscal.JETReturn
	}
	return 0
}

// body is the sealed content of a Z or a day closing.
func (z *Closing) body() []byte {
	return fiscal.Body(func(c *fiscal.Canon) {
		c.Int("absolute", z.Absolute)
		c.Str("business_date", z.BusinessDate)
		if z.Card != 0 {
			c.Int("card", z.Card)
		}
		if z.CardManual != 0 {
			c.Int("card_manual", z.CardManual)
		}
		c.Int("cash", z.Cash)
		c.Int("cash_in", z.CashIn)
		c.Int("cash_out", z.CashOut)
		if z.Counted != nil {
			c.Int("counted", *z.Counted)
		}
		c.Str("currency", string(z.Currency))
		if z.Difference != nil {
			c.Int("difference", *z.Difference)
		}
		c.Int("expected", z.Expected)
		c.Int("first_ticket", z.FirstTicket)
		c.Int("float", z.Float)
		if z.Held != 0 {
			c.Int("held", z.Held)
		}
		c.Int("last_ticket", z.LastTicket)
		c.Int("lines", z.Lines)
		c.Int("net", z.Net)
		c.Int("returns", z.Returns)
		c.List("vat", len(z.VAT), func(i int) {
			v := z.VAT[i]
			c.Int("ht", v.HT)
			c.Int("perpetual_absolute", v.PerpetualAbsolute)
			c.Int("perpetual_net", v.PerpetualNet)
			c.Int("rate_bp", int64(v.Rate))
			c.Int("ttc", v.TTC)
			c.Int("vat", v.VAT.VAT)
		})
	})
}

// transfers is what a Z books: the difference a count found, then the drawer goes to the safe.
func (z *Closing) transfers() []ledger.Transfer {
	var list ledger.List
	if z.Kind != Z {
		return nil
	}
	left := z.Expected
	if z.Counted != nil {
		left = *z.Counted
		list.Add(ledger.Cash(z.Register), ledger.OverShort, *z.Difference)
	}
	list.Add(ledger.Safe, ledger.Cash(z.Register), left)
	return list
}

// opened is the event of a session that begins (JET 80).
func (s *Session) opened() func(fiscal.Position) ([]byte, error) {
	return fiscal.Event("session.opened", func(c *fiscal.Canon) {
		c.Str("business_date", s.BusinessDate)
		c.Str("currency", string(s.Currency))
		c.Int("float", s.Float)
	})
}

func (s *Session) transfers() []ledger.Transfer {
	var list ledger.List
	list.Add(ledger.Cash(s.Register), ledger.Safe, s.Float)
	return list
}

// moved is the event of cash put in or taken out.
func (m *Movement) moved() func(fiscal.Position) ([]byte, error) {
	name := "cash.out"
	if m.In {
		name = "cash.in"
	}
	return fiscal.Event(name, func(c *fiscal.Canon) {
		c.Int("amount", m.Amount)
		c.Str("currency", string(m.Currency))
		c.Str("reason", m.Reason)
	})
}

func (m *Movement) transfers(drawer string) []ledger.Transfer {
	var list ledger.List
	if m.In {
		list.Add(drawer, ledger.Safe, m.Amount)
	} else {
		list.Add(ledger.Safe, drawer, m.Amount)
	}
	return list
}
