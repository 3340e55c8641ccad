package sale

import (
	"bytes"
	"fmt"
	"reflect"

	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/fiscal"
	"encaisse/ledger"
)

// add counts a ticket into the running period.
func (p *period) add(s *Sale) {
	t := &p.totals
	t.LastTicket++
	t.Lines += int64(len(s.Lines))
	if s.Document == Return {
		t.Returns++
	}
	t.Net += s.Total
	t.Absolute += max(s.Total, -s.Total)
	for _, v := range s.VAT {
		sum := p.vat[v.Rate]
		if sum == nil {
			sum = &PeriodVAT{VAT: money.VAT{Rate: v.Rate}}
			p.vat[v.Rate] = sum
		}
		sum.TTC += v.TTC
		sum.HT += v.HT
		sum.VAT.VAT += v.VAT
		sum.PerpetualNet += v.TTC
		sum.PerpetualAbsolute += max(v.TTC, -v.TTC)
	}
	for _, tender := range s.Tenders {
		switch {
		case tender.Means == Card && tender.Manual:
			t.Card += tender.Amount
			t.CardManual += tender.Amount
		case tender.Means == Card:
			t.Card += tender.Amount
		default:
			t.Cash += tender.Amount
			if tender.Early {
				t.Held -= tender.Amount
			}
		}
	}
}

// vatNow lists the period's VAT by rate, perpetual turnover included.
func (p *period) vatNow() []PeriodVAT {
	byRate := make(map[money.Rate]PeriodVAT, len(p.vat))
	for rate, v := range p.vat {
		byRate[rate] = *v
	}
	return sortedByRate(byRate)
}

func (a *Audit) opening(p *period, t tables, r *fiscal.Sealed) error {
	s, there := t.sessions[r.Subject]
	if !there || s.Register != p.register {
		return differs("%s: its till session is missing from the tables", r.Subject)
	}
	body, _ := s.opened()(fiscal.Position{})
	if !bytes.Equal(body, r.Body) {
		return differs("%s: %s", r.Subject, firstDifference(r.Body, body, tablesSay))
	}
	if !s.OpenedAt.Equal(r.Header.At) || s.OpenedBy != r.Operator || s.FirstTicket != p.totals.LastTicket+1 {
		return differs("%s: opened at, by or from another ticket than sealed", r.Subject)
	}
	a.sessions++
	p.session, p.open = s, true
	p.totals = Totals{FirstTicket: s.FirstTicket, LastTicket: s.FirstTicket - 1, Float: s.Float}
	for _, v := range p.vat {
		v.TTC, v.HT, v.VAT.VAT = 0, 0, 0
	}
	return a.compareTransfers(t, r, s.Currency, s.transfers())
}

func (a *Audit) movement(p *period, t tables, r *fiscal.Sealed) error {
	m, there := t.movements[r.Subject]
	if !there || m.Session != p.session.ID {
		return differs("%s: its cash movement is missing from the tables", r.Subject)
	}
	body, _ := m.moved()(fiscal.Position{})
	if !bytes.Equal(body, r.Body) {
		return differs("%s: %s", r.Subject, firstDifference(r.Body, body, tablesSay))
	}
	if !m.At.Equal(r.Header.At) || m.Operator != r.Operator {
		return differs("%s: time or operator differ from what was sealed", r.Subject)
	}
	a.movements++
	if m.In {
		p.totals.CashIn += m.Amount
	} else {
		p.totals.CashOut += m.Amount
	}
	return a.compareTransfers(t, r, m.Currency, m.transfers(ledger.Cash(p.register)))
}

func (a *Audit) z(p *period, t tables, r *fiscal.Sealed) error {
	z, err := a.closing(p, t, r)
	if err != nil {
		return err
	}
	want := p.totals
	want.Expected = want.Float + want.Cash + want.Held + want.CashIn - want.CashOut
	want.VAT = p.vatNow()
	if z.Session != p.session.ID {
		return differs("Z %d: the tables give it to another till session", r.Number)
	}
	if p.session.state != "closed" || p.session.ClosedAt == nil || !p.session.ClosedAt.Equal(z.ClosedAt) {
		return differs("Z %d: the tables do not have its till session closed at its time", r.Number)
	}
	p.open = false
	if err := z.agrees(want); err != nil {
		return err
	}
	if z.Counted != nil && *z.Difference != *z.Counted-z.Expected {
		return differs("Z %d: counted %d less expected %d is not %d", r.Number, *z.Counted, z.Expected, *z.Difference)
	}
	p.days[z.BusinessDate] = append(p.days[z.BusinessDate], z)
	return a.compareTransfers(t, r, z.Currency, z.transfers())
}

func (a *Audit) day(p *period, t tables, r *fiscal.Sealed) error {
	z, err := a.closing(p, t, r)
	if err != nil {
		return err
	}
	if z.Session != "" {
		return differs("day %s: the tables give it a till session, %s", z.BusinessDate, z.Session)
	}
	zs := p.days[z.BusinessDate]
	delete(p.days, z.BusinessDate)
	want := Closing{Totals: Totals{FirstTicket: p.totals.LastTicket + 1, LastTicket: p.totals.LastTicket}}
	if len(zs) > 0 {
		want.FirstTicket, want.LastTicket = zs[0].FirstTicket, zs[len(zs)-1].LastTicket
	}
	if err := want.addUp(zs, p.lastDay); err != nil {
		return err
	}
	p.lastDay = want.VAT
	if !reflect.DeepEqual(z.Counted, want.Counted) {
		return differs("day %s: cash counted differs from its Z", z.BusinessDate)
	}
	return z.agrees(want.Totals)
}

// closing finds a closing's row and holds it against its record.
func (a *Audit) closing(p *period, t tables, r *fiscal.Sealed) (Closing, error) {
	z, there := t.closings[r.Subject]
	if !there || z.Register != p.register || z.Number != r.Number || z.Kind != r.Header.Kind {
		return z, differs("%s %d: its closing is missing from the tables", r.Header.Kind, r.Number)
	}
	if body := z.body(); !bytes.Equal(body, r.Body) {
		return z, differs("%s %d: %s", z.Kind, z.Number, firstDifference(r.Body, body, tablesSay))
	}
	if z.PerpetualNet != r.Net || z.PerpetualAbsolute != r.Absolute {
		return z, differs("%s %d: perpetual totals %d and %d, sealed %d and %d", z.Kind, z.Number,
			z.PerpetualNet, z.PerpetualAbsolute, r.Net, r.Absolute)
	}
	if !z.ClosedAt.Equal(r.Header.At) || z.Operator != r.Operator {
		return z, differs("%s %d: time or operator differ from what was sealed", z.Kind, z.Number)
	}
	a.closings++
	a.closingVATs += int64(len(z.VAT))
	return z, nil
}

// agrees holds a closing's totals against those added up from its tickets.
func (z *Closing) agrees(want Totals) error {
	added := *z
	added.Totals = want
	if sealed, body := z.body(), added.body(); !bytes.Equal(sealed, body) {
		return differs("%s %d: %s", z.Kind, z.Number, firstDifference(sealed, body, "its tickets give"))
	}
	return nil
}

// agreesWith holds the period that the chain's row has open, and the state of
// the session, against what the records say.
func (p *period) agreesWith(s fiscal.State) error {
	want := ""
	if p.open {
		want = string(p.session.ID)
	}
	if s.Period != want {
		return &fiscal.Defect{Origin: s.Origin, What: fmt.Sprintf("its row has till session %q open, its records %q", s.Period, want)}
	}
	if p.open && (!p.session.Open || p.session.ClosedAt != nil) {
		return &fiscal.Defect{Origin: s.Origin, What: fmt.Sprintf("%s: closed in the tables, without a Z", p.session.ID)}
	}
	return nil
}

// Orphans counts the rows of the tables against those that sealed records
// accounted for, in a transaction that sees the chains as they were audited: a
// row more belongs to nothing that was sealed.
func (a *Audit) Orphans(tx *db.Tx, chains []fiscal.State) error {
	for _, s := range chains {
		if p := a.chains[s.Owner]; p != nil {
			if err := p.agreesWith(s); err != nil {
				return err
			}
		}
	}
	for _, of := range []struct {
		name  string
		want  int64
		count func(*db.Tx, id.Merchant) (int64, error)
	}{
		{"sales", a.sales, countSales},
		{"sale lines", a.lines, countLines},
		{"VAT rows", a.vats, countVAT},
		{"tenders", a.tenders, countTenders},
		{"till sessions", a.sessions, countSessions},
		{"cash movements", a.movements, countMovements},
		{"closings", a.closings, countClosings},
		{"closing VAT rows", a.closingVATs, countClosingVAT},
		{"tenders accepted before their ticket", a.legs, countEarly},
		{"abandoned baskets", a.abandoned, countAbandoned},
		{"ledger transfers", a.transfers, countTransfers},
	} {
		have, err := of.count(tx, a.merchant)
		if err != nil {
			return err
		}
		if have != of.want {
			return &fiscal.Defect{What: fmt.Sprintf("%s: %d in the tables, what was sealed accounts for %d", of.name, have, of.want)}
		}
	}
	return nil
}
