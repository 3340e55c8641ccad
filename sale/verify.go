package sale

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/fiscal"
	"encaisse/ledger"
)

// Audit holds a merchant's sealed records against the tables of this package and
// of the ledger: every ticket, closing, session and movement is derived again
// from its rows and must give the very bytes that were sealed, and every sum is
// computed again from line to perpetual total. It is a fiscal.Auditor.
type Audit struct {
	db       *db.DB
	merchant id.Merchant
	chains   map[string]*period

	// rows accounted for
	sales, lines, vats, tenders, transfers, movements, sessions, closings, closingVATs, legs, abandoned int64
}

var _ fiscal.Auditor = (*Audit)(nil)

// NewAudit makes the auditor of one merchant.
func NewAudit(d *db.DB, m id.Merchant) *Audit {
	return &Audit{db: d, merchant: m, chains: make(map[string]*period)}
}

// period adds up what a chain sealed since its last Z.
type period struct {
	register id.Register
	session  Session
	open     bool // its Z has not come yet
	totals   Totals
	vat      map[money.Rate]*PeriodVAT
	days     map[string][]Closing // Z of the business days not closed yet
	lastDay  []PeriodVAT
}

// Audit compares a run of records with the tables.
func (a *Audit) Audit(ctx context.Context, s fiscal.State, records []fiscal.Sealed) error {
	rows, err := a.load(ctx, s, records)
	if err != nil {
		return err
	}
	p := a.chains[s.Owner]
	if p == nil {
		p = &period{
			register: id.Register(s.Owner), totals: Totals{FirstTicket: 1},
			vat: make(map[money.Rate]*PeriodVAT), days: make(map[string][]Closing),
		}
		a.chains[s.Owner] = p
	}
	for i := range records {
		if err := a.one(p, rows, &records[i]); err != nil {
			return found(s, records[i].Header.Seq, err)
		}
	}
	return nil
}

// found names the record a discrepancy belongs to.
func found(s fiscal.State, seq int64, err error) error {
	var what mismatch
	if errors.As(err, &what) {
		return &fiscal.Defect{Origin: s.Origin, Seq: seq, What: string(what)}
	}
	return err
}

// mismatch is a discrepancy in plain words.
type mismatch string

func (m mismatch) Error() string { return string(m) }

func differs(format string, args ...any) error { return mismatch(fmt.Sprintf(format, args...)) }

// tables is what the tables hold about a run of records.
type tables struct {
	sales     map[int64]*rowsOf
	closings  map[string]Closing
	sessions  map[string]Session
	movements map[string]Movement
	payments  map[id.Payment]paid
	legs      map[string]leg
	baskets   map[string]basket
	transfers map[string][]ledger.Posted
}

func (a *Audit) load(ctx context.Context, s fiscal.State, records []fiscal.Sealed) (t tables, err error) {
	var first, last int64
	sources := make([]string, 0, len(records))
	for i := range records {
		if records[i].Header.Kind == fiscal.KindTicket {
			if first == 0 {
				first = records[i].Number
			}
			last = records[i].Number
		}
		sources = append(sources, records[i].Subject)
		if hasPrefix[id.Tender](records[i].Subject) {
			l := leg{Tender: Tender{ID: id.Tender(records[i].Subject)}}
			sources = append(sources, l.returnSource(), l.confirmSource())
		}
	}
	err = a.db.Read(ctx, func(tx *db.Tx) (err error) {
		t = tables{
			closings: make(map[string]Closing), sessions: make(map[string]Session), movements: make(map[string]Movement),
			legs: make(map[string]leg), baskets: make(map[string]basket), payments: make(map[id.Payment]paid),
		}
		if first > 0 {
			if t.sales, err = readSpan(tx, span{a.merchant, id.Register(s.Owner), first, last}); err != nil {
				return err
			}
		}
		for _, s := range t.sales {
			if err := t.loadPayments(tx, a.merchant, &s.Sale); err != nil {
				return err
			}
		}
		for i := range records {
			if err := t.loadOther(tx, a.merchant, &records[i]); err != nil {
				return err
			}
		}
		t.transfers, err = ledger.Of(tx, a.merchant, sources)
		return err
	})
	return t, err
}

// loadOther reads the row of a record that is not a ticket; a missing one is found later.
func (t *tables) loadOther(tx *db.Tx, m id.Merchant, r *fiscal.Sealed) error {
	var err error
	switch {
	case r.Header.Kind == fiscal.KindTicket:
	case r.Header.Kind == fiscal.KindZ, r.Header.Kind == fiscal.KindDay:
		var z Closing
		if z, err = readClosing(tx, m, id.Closing(r.Subject)); err == nil {
			t.closings[r.Subject] = z
		}
	case hasPrefix[id.Session](r.Subject):
		var s Session
		if s, err = readSession(tx, m, id.Session(r.Subject)); err == nil {
			t.sessions[r.Subject] = s
		}
	case hasPrefix[id.Movement](r.Subject):
		var v Movement
		if v, err = readMovement(tx, m, id.Movement(r.Subject)); err == nil {
			t.movements[r.Subject] = v
		}
	case hasPrefix[id.Tender](r.Subject):
		err = t.loadLeg(tx, m, id.Tender(r.Subject))
	case hasPrefix[id.Sale](r.Subject):
		err = t.loadBasket(tx, m, id.Sale(r.Subject))
	}
	if errors.Is(err, db.ErrNone) {
		return nil
	}
	return err
}

func hasPrefix[K id.Kind](subject string) bool {
	_, err := id.Parse[K](subject)
	return err == nil
}

// one compares one record.
func (a *Audit) one(p *period, t tables, r *fiscal.Sealed) error {
	switch {
	case r.Header.Kind == fiscal.KindTicket:
		return a.ticket(p, t, r)
	case r.Header.Kind == fiscal.KindZ:
		return a.z(p, t, r)
	case r.Header.Kind == fiscal.KindDay:
		return a.day(p, t, r)
	case hasPrefix[id.Session](r.Subject):
		return a.opening(p, t, r)
	case hasPrefix[id.Movement](r.Subject):
		return a.movement(p, t, r)
	case hasPrefix[id.Tender](r.Subject):
		return a.leg(p, t, r)
	case hasPrefix[id.Sale](r.Subject):
		return a.basket(p, t, r)
	}
	return nil
}

func (a *Audit) ticket(p *period, t tables, r *fiscal.Sealed) error {
	s := t.sales[r.Number]
	switch {
	case s == nil:
		return differs("ticket %d: its sale is missing from the tables", r.Number)
	case string(s.ID) != r.Subject:
		return differs("ticket %d: the tables give it to %s, the record to %s", r.Number, s.ID, r.Subject)
	case s.Session != p.session.ID:
		return differs("ticket %d: the tables put it in another till session", r.Number)
	case s.Operator != r.Operator:
		return differs("ticket %d: operator: sealed %d, tables say %d", r.Number, r.Operator, s.Operator)
	case !s.SealedAt.Equal(r.Header.At):
		return differs("ticket %d: time: sealed %s, tables say %s", r.Number, r.Header.At, s.SealedAt)
	case s.jet() != r.JET:
		return differs("ticket %d: event code: sealed %d, tables give %d", r.Number, r.JET, s.jet())
	}
	if body := s.body(); !bytes.Equal(body, r.Body) {
		return differs("ticket %d: %s", r.Number, firstDifference(r.Body, body, tablesSay))
	}
	if s.misnumbered != "" {
		return differs("ticket %d: the tables have %s", r.Number, s.misnumbered)
	}
	if err := s.nameless(); err != nil {
		return err
	}
	if err := s.recompute(); err != nil {
		return err
	}
	if err := s.paidBy(t); err != nil {
		return err
	}
	if s.Total != r.Delta {
		return differs("ticket %d: total %d, but the perpetual total moved by %d", r.Number, s.Total, r.Delta)
	}
	a.sales++
	a.lines += int64(len(s.Lines))
	a.vats += int64(len(s.VAT))
	a.tenders += int64(len(s.Tenders))
	p.add(&s.Sale)
	return a.compareTransfers(t, r, s.Currency, s.transfers())
}

// compareTransfers holds what the ledger has of a record's subject against what
// it causes, in order, at the record's time.
func (a *Audit) compareTransfers(t tables, r *fiscal.Sealed, currency money.Currency, want []ledger.Transfer) error {
	return a.compareSource(t, r, r.Subject, currency, want)
}

// compareSource is compareTransfers for a record whose transfers are under another name.
func (a *Audit) compareSource(t tables, r *fiscal.Sealed, source string, currency money.Currency, want []ledger.Transfer) error {
	have := t.transfers[source]
	a.transfers += int64(len(want))
	if len(have) != len(want) {
		return differs("%s: number of ledger transfers: it causes %d, the ledger has %d", r.Subject, len(want), len(have))
	}
	for i, transfer := range want {
		posted := have[i]
		switch {
		case posted.Position != i+1:
			return differs("%s: the ledger has transfer %d where %d follows", r.Subject, posted.Position, i+1)
		case posted.Transfer != transfer:
			return differs("%s: ledger transfer %d: it causes %v, the ledger has %v", r.Subject, i+1, transfer, posted.Transfer)
		case posted.Currency != currency:
			return differs("%s: ledger transfer %d: currency: sealed %s, the ledger has %s", r.Subject, i+1, currency, posted.Currency)
		case !posted.At.Equal(r.Header.At):
			return differs("%s: ledger transfer %d: time: sealed %s, the ledger has %s", r.Subject, i+1, r.Header.At, posted.At)
		}
	}
	return nil
}

// nameless refuses the name of a reduction that there is not: nothing sealed it.
func (s *Sale) nameless() error {
	if s.Reduction == 0 && s.ReductionName != "" {
		return differs("ticket %d: the tables name a reduction, none was sealed", s.Number)
	}
	for i, l := range s.Lines {
		if l.Reduction == 0 && l.ReductionName != "" {
			return differs("ticket %d: line %d: the tables name a reduction, none was sealed", s.Number, i+1)
		}
	}
	return nil
}

// recompute derives every sum of a sale again from its lines.
func (s *Sale) recompute() error {
	taxed := make([]money.Taxed, len(s.Lines))
	var shares int64
	for i, l := range s.Lines {
		gross, err := l.Quantity.Times(l.Unit)
		if err != nil || gross-l.Reduction-l.Share != l.TTC {
			return differs("ticket %d: line %d: %s × %d less reductions is not %d", s.Number, i+1, l.Quantity, l.Unit, l.TTC)
		}
		shares += l.Share
		taxed[i] = money.Taxed{Rate: l.Rate, TTC: l.TTC}
	}
	if shares != s.Reduction {
		return differs("ticket %d: the lines bear %d of a reduction of %d", s.Number, shares, s.Reduction)
	}
	vat, ht, err := money.Split(taxed)
	if err != nil || len(vat) != len(s.VAT) {
		return differs("ticket %d: number of VAT rates: sealed %d, its lines give %d", s.Number, len(s.VAT), len(vat))
	}
	var total, paid int64
	for i := range vat {
		if vat[i] != s.VAT[i] {
			return differs("ticket %d: VAT: sealed %s, its lines give %s", s.Number, inWords(s.VAT[i]), inWords(vat[i]))
		}
		total += vat[i].TTC
	}
	for i := range ht {
		if ht[i] != s.Lines[i].HT {
			return differs("ticket %d: line %d: HT %d, its share is %d", s.Number, i+1, s.Lines[i].HT, ht[i])
		}
	}
	for _, t := range s.Tenders {
		paid += t.Amount
	}
	if total != s.Total || paid != s.Total || (s.Document == Return) != (s.Total < 0) {
		return differs("ticket %d: lines give %d, tenders %d, total %d, document %s", s.Number, total, paid, s.Total, s.Document)
	}
	return nil
}

func inWords(v money.VAT) string {
	return fmt.Sprintf("%d at %d bp: %d + %d", v.TTC, v.Rate, v.HT, v.VAT)
}
