package acquirertest

import (
	"context"
	"testing"
	"time"

	"encaisse/acquirer"
	"encaisse/base/id"
	"encaisse/base/money"
)

// filled is a batch of purchases and refunds that were approved.
func (s *suite) filled(number int64, purchases, refunds int) acquirer.Batch {
	s.t.Helper()
	b := acquirer.Batch{
		ID: id.Batch("bat_conformance"), Contract: s.Contract, Terminal: s.Terminal, Number: number, ClosedAt: s.Clock.Now(), Zone: time.UTC,
		Currency: money.EUR, Next: func(context.Context) (acquirer.Trace, error) { return s.trace(), nil },
	}
	add := func(kind acquirer.Kind, minor int64, sum *acquirer.Sum) {
		a := s.asking(kind, minor)
		out := s.approved(a)
		a.Card.Envelope, a.Contract = nil, acquirer.Contract{} // neither is kept
		b.Lines = append(b.Lines, acquirer.Line{Authorisation: a, Approval: out.Approval, RRN: out.RRN})
		sum.Count++
		sum.Minor += minor
	}
	for i := range purchases {
		add(acquirer.Purchase, int64(1000+i), &b.Debits)
	}
	for i := range refunds {
		add(acquirer.Refund, int64(200+i), &b.Credits)
	}
	return b
}

// booked fails where the host moved something else for the batch.
func (s *suite) booked(b acquirer.Batch, debits, credits acquirer.Sum) {
	s.t.Helper()
	d, c := s.Host.Cleared(b.Number)
	if d != debits || c != credits {
		s.t.Fatalf("the host cleared %+v and %+v, want %+v and %+v", d, c, debits, credits)
	}
}

func batch(_ *testing.T, s *suite) {
	b := s.filled(1, 40, 3)
	r := s.submit(b)
	s.result(r.Result, acquirer.Approved, r.Detail)
	s.booked(b, b.Debits, b.Credits)
	for _, line := range b.Lines {
		s.held(line.Authorisation, Booked)
	}
	b.Repeat = true // the answer was lost on our side of the link
	r = s.submit(b)
	s.result(r.Result, acquirer.Approved, r.Detail)
	s.booked(b, b.Debits, b.Credits)
	next := s.filled(2, 2, 0)
	r = s.submit(next)
	s.result(r.Result, acquirer.Approved, r.Detail)
	s.booked(next, next.Debits, next.Credits)
}

func batchOfNothing(_ *testing.T, s *suite) {
	r := s.submit(s.filled(3, 0, 0))
	s.result(r.Result, acquirer.Approved, r.Detail)
}

func batchRefused(t *testing.T, s *suite) {
	b := s.filled(4, 3, 1)
	if !s.arrange(Totals, RefuseBatch) {
		return
	}
	r := s.submit(b)
	s.result(r.Result, acquirer.Declined, r.Detail)
	if r.Code == "" {
		t.Error("refused without a code")
	}
	s.booked(b, acquirer.Sum{}, acquirer.Sum{})
	b.Repeat = true
	r = s.submit(b)
	s.result(r.Result, acquirer.Approved, r.Detail)
	s.booked(b, b.Debits, b.Credits)
}

// batchUnknown: lost on the way there or back, sent again under its number, it
// clears once.
func batchUnknown(_ *testing.T, s *suite) {
	number := int64(10)
	for _, on := range []Request{Line, Totals} {
		for _, fault := range []Fault{Lost, Silent, CutBefore, CutAfter} {
			number++
			b := s.filled(number, 5, 1)
			if !s.arrange(on, fault) {
				continue
			}
			r := expire(s, fault, func() acquirer.Receipt { return s.submit(b) })
			s.result(r.Result, acquirer.Unknown, r.Detail)
			b.Repeat = true
			r = s.submit(b)
			s.result(r.Result, acquirer.Approved, r.Detail)
			s.booked(b, b.Debits, b.Credits)
		}
	}
}

func batchOutOfBalance(t *testing.T, s *suite) {
	b := s.filled(5, 4, 2)
	if s.arrange(Totals, OffBalance) {
		r := s.submit(b)
		s.result(r.Result, acquirer.Approved, r.Detail)
		s.booked(b, b.Debits, b.Credits)
	}
	b = s.filled(6, 2, 0)
	b.Debits.Minor++ // ours are wrong: it stays out of balance
	r := s.submit(b)
	s.result(r.Result, acquirer.Declined, r.Detail)
	if r.Code == "" {
		t.Error("refused without a code")
	}
	s.booked(b, acquirer.Sum{}, acquirer.Sum{})
}

func batchUnreachable(_ *testing.T, s *suite) {
	b := s.filled(7, 2, 1)
	s.Host.Down()
	r := s.submit(b)
	s.result(r.Result, acquirer.NotPerformed, r.Detail)
	s.Host.Up()
	r = s.submit(b)
	s.result(r.Result, acquirer.Approved, r.Detail)
	s.booked(b, b.Debits, b.Credits)
}
