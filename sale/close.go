package sale

import (
	"context"
	"errors"

	"encaisse/access"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/base/problem"
	"encaisse/event"
	"encaisse/fiscal"
	"encaisse/ledger"
	"encaisse/merchant"
)

// X reads the totals of the register's open session. It changes nothing.
// Problem sale.register_closed.
func (s *Sales) X(ctx context.Context, p access.Principal, register id.Register) (session Session, t Totals, err error) {
	if err := access.Allow(p, access.TillClose); err != nil {
		return session, t, err
	}
	err = s.db.Read(ctx, func(tx *db.Tx) (err error) {
		if _, _, err = s.merchants.RegisterIn(tx, p.Merchant, register); err != nil {
			return err
		}
		if session, err = openSession(tx, p.Merchant, register); err != nil {
			return err
		}
		t, err = sessionTotals(tx, session)
		return err
	})
	return session, t, err
}

// ClosingRequest asks for a Z (with the cash counted, or nil when nobody
// counted) or for the closing of a business day.
type ClosingRequest struct {
	ID           id.Closing
	Register     id.Register
	Kind         string // Z or Day
	Counted      *money.Amount
	BusinessDate string // of a Day; a Z takes its session's
	History      bool   // by an import, on a register made for history, and on no other
}

// Close seals a Z or a day closing. The same request again returns the closing
// as sealed, with created false.
//
// Problems: sale.register_closed (Z without session), sale.session_open (day with
// a session still open), sale.day_closed, sale.other_content
// (conflict); sale.closing_kind, sale.closing_count, sale.amount_range, sale.currency, sale.date.
func (s *Sales) Close(ctx context.Context, p access.Principal, r ClosingRequest) (z Closing, created bool, err error) {
	if err := access.Allow(p, access.TillClose); err != nil {
		return z, false, err
	}
	switch {
	case r.Kind != Z && r.Kind != Day:
		return z, false, problem.New(problem.Invalid, "sale.closing_kind").At("kind")
	case r.Kind == Day && r.Counted != nil:
		return z, false, problem.New(problem.Invalid, "sale.closing_count").At("counted")
	case r.Counted != nil:
		if err := checkDrawer(*r.Counted, "counted"); err != nil {
			return z, false, err
		}
	}
	err = s.db.Write(ctx, func(tx *db.Tx) (err error) {
		if z, err = readClosing(tx, p.Merchant, r.ID); err == nil {
			return z.sameAs(r)
		} else if !errors.Is(err, db.ErrNone) {
			return err
		}
		created = true
		if r.Kind == Z {
			z, err = s.closeSession(tx, p, r)
		} else {
			z, err = s.closeDay(tx, p, r)
		}
		return err
	})
	return z, created && err == nil, err
}

// sameAs refuses another closing under an id that is taken.
func (z *Closing) sameAs(r ClosingRequest) error {
	same := z.Kind == r.Kind && z.Register == r.Register && (z.Counted == nil) == (r.Counted == nil) &&
		(r.Kind == Z || z.BusinessDate == r.BusinessDate)
	if same && r.Counted != nil {
		same = *z.Counted == r.Counted.Minor
	}
	if !same {
		return problem.New(problem.Conflict, "sale.other_content", "sale", r.ID)
	}
	return nil
}

func (s *Sales) closeSession(tx *db.Tx, p access.Principal, r ClosingRequest) (Closing, error) {
	register, where, err := s.registerFor(tx, p.Merchant, r.Register, r.History)
	if err != nil {
		return Closing{}, err
	}
	session, err := openSession(tx, p.Merchant, r.Register)
	if err != nil {
		return Closing{}, err
	}
	if r.Counted != nil && r.Counted.Currency != session.Currency {
		return Closing{}, foreign(session.Currency, "counted")
	}
	z := Closing{
		Merchant: p.Merchant, ID: r.ID, Register: r.Register, Kind: Z, BusinessDate: session.BusinessDate,
		Session: session.ID, Operator: p.Operator, Currency: session.Currency,
	}
	closed := ""
	_, err = s.journal.Append(tx, fiscal.Entry{
		Merchant: p.Merchant, Owner: string(r.Register), Kind: fiscal.KindZ, JET: fiscal.JETClosing, Subject: string(r.ID),
		Operator: p.Operator, Local: where.Location(), Period: string(session.ID), Then: &closed,
		Body: func(at fiscal.Position) (_ []byte, err error) {
			if z.Totals, err = sessionTotals(tx, session); err != nil {
				return nil, err
			}
			z.stand(at)
			z.count(r.Counted)
			if err := perpetualVAT(tx, &z); err != nil {
				return nil, err
			}
			return z.body(), nil
		},
	})
	if problem.Is(err, "fiscal.period_closed") {
		return z, sessionClosed(session.ID)
	}
	if err != nil {
		return z, err
	}
	closeSessionRow(tx, session, z.ClosedAt)
	insertClosing(tx, &z)
	ledger.Post(tx, p.Merchant, string(z.ID), z.Currency, z.ClosedAt, z.transfers())
	if register.Kind == merchant.Till {
		if err := dueCheckpoint(tx, &z); err != nil {
			return z, err
		}
	}
	event.Emit(tx, p.Merchant, z.ClosedAt, event.SessionClosed, string(z.ID), registerData(r.Register))
	return z, nil
}

// stand takes over where the closing's record stands.
func (z *Closing) stand(at fiscal.Position) {
	z.Number, z.ClosedAt = at.Number, at.At
	z.PerpetualNet, z.PerpetualAbsolute = at.Net, at.Absolute
}

// count compares the cash counted with the cash expected.
func (z *Closing) count(counted *money.Amount) {
	if counted == nil {
		return
	}
	minor := counted.Minor
	difference := minor - z.Expected
	z.Counted, z.Difference = &minor, &difference
}

// perpetualVAT carries the perpetual turnover of each rate on from the Z before.
// Rates that sold nothing this time stay listed.
func perpetualVAT(tx *db.Tx, z *Closing) error {
	before, err := readClosingVAT(tx, z.Merchant, z.Register, Z, z.Number-1)
	if err != nil {
		return err
	}
	absolute, err := absoluteByRate(tx, z.Merchant, z.Register, z.FirstTicket, z.LastTicket)
	if err != nil {
		return err
	}
	z.VAT, err = carry(before, z.VAT, absolute)
	return err
}

func (s *Sales) closeDay(tx *db.Tx, p access.Principal, r ClosingRequest) (Closing, error) {
	_, where, err := s.registerFor(tx, p.Merchant, r.Register, r.History)
	if err != nil {
		return Closing{}, err
	}
	company, err := merchant.In(tx, p.Merchant)
	if err != nil {
		return Closing{}, err
	}
	if err := checkDate(r.BusinessDate, merchant.BusinessDate(where, s.clock.Now())); err != nil {
		return Closing{}, err
	}
	z := Closing{
		Merchant: p.Merchant, ID: r.ID, Register: r.Register, Kind: Day, BusinessDate: r.BusinessDate,
		Operator: p.Operator, Currency: company.Currency,
	}
	_, err = s.journal.Append(tx, fiscal.Entry{
		Merchant: p.Merchant, Owner: string(r.Register), Kind: fiscal.KindDay, JET: fiscal.JETClosing, Subject: string(r.ID),
		Operator: p.Operator, Local: where.Location(),
		Body: func(at fiscal.Position) (_ []byte, err error) {
			z.stand(at)
			if err := sumDay(tx, &z, at); err != nil {
				return nil, err
			}
			return z.body(), nil
		},
	})
	if err != nil {
		return z, err
	}
	insertClosing(tx, &z)
	event.Emit(tx, p.Merchant, z.ClosedAt, event.DayClosed, string(z.ID), registerData(r.Register))
	return z, nil
}

// sumDay adds up the Z of the day, once the chain is locked.
func sumDay(tx *db.Tx, z *Closing, at fiscal.Position) error {
	if closed, err := dayIsClosed(tx, z.Merchant, z.Register, z.BusinessDate); err != nil {
		return err
	} else if closed {
		return problem.New(problem.Conflict, "sale.day_closed", "date", z.BusinessDate).At("business_date")
	}
	open, err := readOpenSession(tx, z.Merchant, z.Register)
	if err == nil && open.BusinessDate <= z.BusinessDate {
		return problem.New(problem.Conflict, "sale.session_open", "date", open.BusinessDate).At("register_id")
	}
	if err != nil && !errors.Is(err, db.ErrNone) {
		return err
	}
	zs, err := readDay(tx, z.Merchant, z.Register, z.BusinessDate)
	if err != nil {
		return err
	}
	z.Totals = Totals{FirstTicket: at.Tickets + 1, LastTicket: at.Tickets}
	if len(zs) > 0 {
		z.FirstTicket, z.LastTicket = zs[0].FirstTicket, zs[len(zs)-1].LastTicket
	}
	before, err := readClosingVAT(tx, z.Merchant, z.Register, Day, z.Number-1)
	if err != nil {
		return err
	}
	return z.addUp(zs, before)
}
