package sale

import (
	"context"
	"encoding/json"
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

// maxDrawer bounds a float, a movement and a count, in minor units.
const maxDrawer = 100_000_000

// Opening asks to open a register with the cash that is in its drawer.
type Opening struct {
	ID       id.Session
	Register id.Register
	Float    money.Amount
	History  bool // by an import, on a register made for history, and on no other
}

// Open opens a till session. The same opening again returns the session, with
// created false.
//
// Problems: sale.already_open, sale.other_content, sale.day_closed (conflict);
// sale.amount_range, sale.currency.
func (s *Sales) Open(ctx context.Context, p access.Principal, o Opening) (session Session, created bool, err error) {
	if err := access.Allow(p, access.TillOpen); err != nil {
		return Session{}, false, err
	}
	if err := checkDrawer(o.Float, "float"); err != nil {
		return Session{}, false, err
	}
	err = s.db.Write(ctx, func(tx *db.Tx) (err error) {
		session, created, err = s.open(tx, p, o)
		return err
	})
	if db.IsViolation(err, db.Unique) {
		err = problem.New(problem.Conflict, "sale.already_open").At("register_id")
	}
	return session, created, err
}

func (s *Sales) open(tx *db.Tx, p access.Principal, o Opening) (Session, bool, error) {
	known, err := readSession(tx, p.Merchant, o.ID)
	if err == nil {
		if known.Register != o.Register || known.Float != o.Float.Minor {
			return known, false, problem.New(problem.Conflict, "sale.other_content", "sale", o.ID)
		}
		return known, false, nil
	}
	if !errors.Is(err, db.ErrNone) {
		return known, false, err
	}
	register, where, err := s.registerFor(tx, p.Merchant, o.Register, o.History)
	if err != nil {
		return known, false, err
	}
	company, err := merchant.In(tx, p.Merchant)
	if err != nil {
		return known, false, err
	}
	if o.Float.Currency != company.Currency {
		return known, false, foreign(company.Currency, "float")
	}
	if _, err := readOpenSession(tx, p.Merchant, o.Register); err == nil {
		return known, false, problem.New(problem.Conflict, "sale.already_open").At("register_id")
	} else if !errors.Is(err, db.ErrNone) {
		return known, false, err
	}
	now := s.clock.Now()
	session := Session{
		Merchant: p.Merchant, ID: o.ID, Register: register.ID, BusinessDate: merchant.BusinessDate(where, now), Open: true,
		Currency: company.Currency, Float: o.Float.Minor, OpenedAt: now, OpenedBy: p.Operator,
	}
	then := string(o.ID)
	position, err := s.journal.Append(tx, fiscal.Entry{
		Merchant: p.Merchant, Owner: string(o.Register), Kind: fiscal.KindEvent, JET: fiscal.JETStart, Subject: string(o.ID),
		Operator: p.Operator, Local: where.Location(), Then: &then,
		Body: func(at fiscal.Position) ([]byte, error) {
			if err := dayOpen(tx, session); err != nil {
				return nil, err
			}
			session.OpenedAt = at.At
			return session.opened()(at)
		},
	})
	if err != nil {
		return session, false, err
	}
	session.FirstTicket = position.Tickets + 1
	insertSession(tx, session)
	ledger.Post(tx, p.Merchant, string(session.ID), session.Currency, session.OpenedAt, session.transfers())
	if register.Kind == merchant.Till {
		if err := dueDay(tx, session, where); err != nil {
			return session, false, err
		}
	}
	event.Emit(tx, p.Merchant, session.OpenedAt, event.SessionOpened, string(session.ID), registerData(session.Register))
	return session, true, s.sealDueReturns(tx, session, where)
}

func registerData(register id.Register) []byte {
	data, _ := json.Marshal(map[string]string{"register_id": string(register)})
	return data
}

// registerFor reads a register that is to be used by an import, or else at the
// counter: history and tills never meet.
func (s *Sales) registerFor(tx *db.Tx, m id.Merchant, register id.Register, history bool) (merchant.Register, merchant.Site, error) {
	r, where, err := s.merchants.RegisterIn(tx, m, register)
	if err == nil {
		err = usedFor(r, history)
	}
	return r, where, err
}

func usedFor(r merchant.Register, history bool) error {
	switch {
	case r.Kind == merchant.History && !history:
		return problem.New(problem.Conflict, "sale.history_register").At("register_id")
	case r.Kind != merchant.History && history:
		return problem.New(problem.Conflict, "sale.not_history").At("register_id")
	}
	return nil
}

// dayOpen refuses a session on a business date that is closed. It is asked once
// the chain is locked, so that the closing of the day cannot pass by.
func dayOpen(tx *db.Tx, s Session) error {
	closed, err := dayIsClosed(tx, s.Merchant, s.Register, s.BusinessDate)
	if err == nil && closed {
		return problem.New(problem.Conflict, "sale.day_closed", "date", s.BusinessDate).At("register_id")
	}
	return err
}

func checkDrawer(a money.Amount, at string) error {
	if a.Minor < 0 || a.Minor > maxDrawer {
		return problem.New(problem.Invalid, "sale.amount_range",
			"limit", money.Amount{Minor: maxDrawer, Currency: a.Currency}).At(at)
	}
	return nil
}

// MovementRequest asks to note cash put into the drawer or taken out of it.
type MovementRequest struct {
	ID       id.Movement
	Register id.Register
	In       bool
	Amount   money.Amount
	Reason   string
}

// Move notes cash put into or taken out of the drawer of the open session. The
// same request again returns the same movement, with created false.
//
// Problems: sale.register_closed, sale.other_content (conflict),
// sale.amount_range, sale.currency, sale.reason_missing.
func (s *Sales) Move(ctx context.Context, p access.Principal, r MovementRequest) (m Movement, created bool, err error) {
	if err := access.Allow(p, access.CashMove); err != nil {
		return Movement{}, false, err
	}
	if err := checkDrawer(r.Amount, "amount"); err != nil {
		return Movement{}, false, err
	}
	if r.Amount.Minor == 0 {
		return Movement{}, false, problem.New(problem.Invalid, "sale.tender_zero").At("amount")
	}
	if r.Reason == "" || !plainText(r.Reason, MaxLabel) {
		return Movement{}, false, problem.New(problem.Invalid, "sale.reason_missing", "limit", MaxLabel).At("reason")
	}
	err = s.db.Write(ctx, func(tx *db.Tx) (err error) {
		m, created, err = s.move(tx, p, r)
		return err
	})
	return m, created, err
}

func (s *Sales) move(tx *db.Tx, p access.Principal, r MovementRequest) (Movement, bool, error) {
	known, err := readMovement(tx, p.Merchant, r.ID)
	if err == nil {
		session, err := readSession(tx, p.Merchant, known.Session)
		if err == nil && (session.Register != r.Register || known.In != r.In || known.Amount != r.Amount.Minor || known.Reason != r.Reason) {
			err = problem.New(problem.Conflict, "sale.other_content", "sale", r.ID)
		}
		return known, false, err
	}
	if !errors.Is(err, db.ErrNone) {
		return known, false, err
	}
	_, where, err := s.registerFor(tx, p.Merchant, r.Register, false)
	if err != nil {
		return known, false, err
	}
	session, err := openSession(tx, p.Merchant, r.Register)
	if err != nil {
		return known, false, err
	}
	if r.Amount.Currency != session.Currency {
		return known, false, foreign(session.Currency, "amount")
	}
	m := Movement{
		ID: r.ID, Session: session.ID, In: r.In, Amount: r.Amount.Minor, Currency: session.Currency,
		Reason: r.Reason, Operator: p.Operator,
	}
	position, err := s.journal.Append(tx, fiscal.Entry{
		Merchant: p.Merchant, Owner: string(r.Register), Kind: fiscal.KindEvent, Subject: string(r.ID),
		Operator: p.Operator, Local: where.Location(), Period: string(session.ID), Body: m.moved(),
	})
	if problem.Is(err, "fiscal.period_closed") {
		return m, false, sessionClosed(session.ID)
	}
	if err != nil {
		return m, false, err
	}
	m.At = position.At
	insertMovement(tx, p.Merchant, m)
	ledger.Post(tx, p.Merchant, string(m.ID), m.Currency, m.At, m.transfers(ledger.Cash(r.Register)))
	event.Emit(tx, p.Merchant, m.At, event.CashMoved, string(m.ID), registerData(r.Register))
	return m, true, nil
}
