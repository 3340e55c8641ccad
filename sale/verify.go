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
	sales, lines, vats, tenders, transfers, movements, sessions, closings, closingVATs int64
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
	sales     map[int64]*Sale
	closings  map[string]Closing
	sessions  map[string]Session
	movements map[string]Movement
	transfers map[string][]ledger.Transfer
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
	}
	err = a.db.Read(ctx, func(tx *db.Tx) error {
		t = tables{
			sales: make(map[int64]*Sale), closings: make(map[string]Closing),
			sessions: make(map[string]Session), movements: make(map[string]Movement),
		}
		if first > 0 {
			sales, err := readNumbers(tx, a.merchant, id.Register(s.Owner), first, last)
			if err != nil {
				return err
			}
			for i := range sales {
				t.sales[sales[i].Number] = &sales[i]
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
		return differs("ticket %d: %s", r.Number, firstDifference(r.Body, body))
	}
	if err := s.recompute(); err != nil {
		return err
	}
	if s.Total != r.Delta {
		return differs("ticket %d: total %d, but the perpetual total moved by %d", r.Number, s.Total, r.Delta)
	}
	a.sales++
	a.lines += int64(len(s.Lines))
	a.vats += int64(len(s.VAT))
	a.tenders += int64(len(s.Tenders))
	p.add(s)
	return a.compareTransfers(t, r, s.transfers())
}

func (a *Audit) compareTransfers(t tables, r *fiscal.Sealed, want []ledger.Transfer) error {
	have := t.transfers[r.Subject]
	a.transfers += int64(len(want))
	if len(have) != len(want) {
		return differs("%s: %d ledger transfers where it causes %d", r.Subject, len(have), len(want))
	}
	for i := range want {
		if have[i] != want[i] {
			return differs("%s: ledger transfer %d: %v where it causes %v", r.Subject, i+1, have[i], want[i])
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
		return differs("ticket %d: VAT: %d rates on its lines, %d sealed", s.Number, len(vat), len(s.VAT))
	}
	var total, paid int64
	for i := range vat {
		if vat[i] != s.VAT[i] {
			return differs("ticket %d: VAT: its lines give %+v, sealed %+v", s.Number, vat[i], s.VAT[i])
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
