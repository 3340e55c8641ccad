package acquirertest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"encaisse/acquirer"
	"encaisse/base/card"
)

func approve(t *testing.T, s *suite) {
	a := s.pay(1250)
	out := s.approved(a)
	if out.Code == "" || out.Decline != "" {
		t.Errorf("%+v", out)
	}
	s.held(a, Reserved)
	if h := s.Host.Held(a.Operation); h.Credit || h.Code != out.Approval {
		t.Errorf("the host holds %+v, we were told %q", h, out.Approval)
	}
}

func decline(t *testing.T, s *suite) {
	for _, d := range []acquirer.Decline{
		acquirer.DeclineIssuer, acquirer.DeclineFunds, acquirer.DeclineExpired, acquirer.DeclineStolen, acquirer.DeclinePIN,
		acquirer.DeclinePINTries, acquirer.DeclineInsert, acquirer.DeclineReferral, acquirer.DeclineScheme, acquirer.DeclineAffiliation,
		acquirer.DeclineLimit, acquirer.DeclineLater, acquirer.DeclineTechnical,
	} {
		if !s.Host.Refuse(d) {
			t.Logf("left out: a host of this protocol does not refuse for %s", d)
			continue
		}
		a := s.pay(700)
		out := s.authorise(a)
		if out.Result != acquirer.Declined || out.Decline != d || out.Code == "" || out.Approval != "" {
			t.Errorf("refused for %s: %+v", d, out)
		}
		s.held(a, Nothing)
	}
}

func noAnswer(_ *testing.T, s *suite) {
	for fault, want := range map[Fault]Held{Lost: Nothing, Silent: Reserved} {
		if !s.arrange(Authorisation, fault) {
			continue
		}
		a := s.pay(900)
		out := expire(s, fault, func() acquirer.Outcome { return s.authorise(a) })
		s.result(out.Result, acquirer.Unknown, out.Detail)
		s.held(a, want)
		out = s.reverse(s.undo(a, acquirer.ReasonTimeout))
		s.result(out.Result, acquirer.Approved, out.Detail)
		if want == Reserved {
			want = Withdrawn
		}
		s.held(a, want)
	}
}

// lateAnswer: what comes too late is nobody's, least of all the next customer's.
func lateAnswer(t *testing.T, s *suite) {
	if !s.arrange(Authorisation, Late) {
		return
	}
	first := s.pay(1100)
	out := expire(s, Late, func() acquirer.Outcome { return s.authorise(first) })
	s.result(out.Result, acquirer.Unknown, out.Detail)
	s.Clock.Advance(2 * s.Patience) // now it comes
	second := s.pay(2200)
	out = s.approved(second)
	if h := s.Host.Held(second.Operation); h.Code != out.Approval {
		t.Errorf("told %q, the host holds %+v", out.Approval, h)
	}
	out = s.reverse(s.undo(first, acquirer.ReasonTimeout))
	s.result(out.Result, acquirer.Approved, out.Detail)
	s.held(first, Withdrawn)
	s.held(second, Reserved)
}

func twiceAnswered(t *testing.T, s *suite) {
	if !s.arrange(Authorisation, Twice) {
		return
	}
	first := s.pay(300)
	one := s.approved(first)
	second := s.pay(400)
	two := s.approved(second)
	if one.Approval == two.Approval {
		t.Error("the second answer to the first became the answer to the second")
	}
	s.held(first, Reserved)
	s.held(second, Reserved)
}

func slowAnswer(_ *testing.T, s *suite) {
	if s.arrange(Authorisation, Slow) {
		a := s.pay(500)
		s.approved(a)
		s.held(a, Reserved)
	}
}

// unreachable: what never left certainly did not happen.
func unreachable(_ *testing.T, s *suite) {
	s.approved(s.pay(100))
	s.Host.Down()
	a := s.pay(600)
	out := s.authorise(a)
	s.result(out.Result, acquirer.NotPerformed, out.Detail)
	reversed := s.reverse(s.undo(a, acquirer.ReasonCancelled))
	s.result(reversed.Result, acquirer.NotPerformed, reversed.Detail)
	s.Host.Up()
	s.held(a, Nothing)
	s.approved(s.pay(601))
}

func linkCut(_ *testing.T, s *suite) {
	for fault, want := range map[Fault]Held{CutBefore: Nothing, CutAfter: Reserved, CutInside: Reserved} {
		if !s.arrange(Authorisation, fault) {
			continue
		}
		a := s.pay(800)
		out := s.authorise(a)
		s.result(out.Result, acquirer.Unknown, out.Detail)
		s.held(a, want)
		out = s.reverse(s.undo(a, acquirer.ReasonTimeout)) // over a new link
		s.result(out.Result, acquirer.Approved, out.Detail)
	}
}

func unreadable(_ *testing.T, s *suite) {
	for _, fault := range []Fault{Garbage, Truncated, Oversized} {
		if !s.arrange(Authorisation, fault) {
			continue
		}
		a := s.pay(850)
		out := s.authorise(a)
		s.result(out.Result, acquirer.Unknown, out.Detail)
		s.held(a, Reserved)
		out = s.reverse(s.undo(a, acquirer.ReasonInvalid))
		s.result(out.Result, acquirer.Approved, out.Detail)
		s.held(a, Withdrawn)
	}
}

// sameAgain: the same request is the same thing, however often it comes.
func sameAgain(t *testing.T, s *suite) {
	a := s.pay(1300)
	one, two := s.approved(a), s.approved(a)
	if one.Approval != two.Approval {
		t.Errorf("approved as %q and as %q", one.Approval, two.Approval)
	}
	s.held(a, Reserved)
}

func reversal(_ *testing.T, s *suite) {
	for _, reason := range []acquirer.Reason{
		acquirer.ReasonTimeout, acquirer.ReasonCancelled, acquirer.ReasonInvalid, acquirer.ReasonVoid, acquirer.ReasonUnmatched,
	} {
		a := s.pay(1400)
		r := s.undo(a, reason)
		r.Approval = s.approved(a).Approval
		out := s.reverse(r)
		s.result(out.Result, acquirer.Approved, out.Detail)
		s.held(a, Withdrawn)
	}
}

// reversalOfUnknown ends the matter, even when the original comes afterwards.
func reversalOfUnknown(t *testing.T, s *suite) {
	a := s.pay(1500)
	out := s.reverse(s.undo(a, acquirer.ReasonTimeout))
	s.result(out.Result, acquirer.Approved, out.Detail)
	if out := s.authorise(a); out.Result == acquirer.Approved {
		t.Errorf("approved after its reversal: %+v", out)
	}
	s.held(a, Nothing)
}

func reversalRepeated(_ *testing.T, s *suite) {
	for _, fault := range []Fault{Lost, Silent, CutBefore, CutAfter} {
		a := s.pay(1600)
		s.approved(a)
		if !s.arrange(Reversal, fault) {
			continue
		}
		r := s.undo(a, acquirer.ReasonVoid)
		out := expire(s, fault, func() acquirer.Outcome { return s.reverse(r) })
		s.result(out.Result, acquirer.Unknown, out.Detail)
		r.Repeat = true
		for range 2 {
			out = s.reverse(r)
			s.result(out.Result, acquirer.Approved, out.Detail)
		}
		s.held(a, Withdrawn)
	}
}

func refund(t *testing.T, s *suite) {
	a := s.asking(acquirer.Refund, 1700)
	s.approved(a)
	s.held(a, Reserved)
	if !s.Host.Held(a.Operation).Credit {
		t.Error("the host took a refund for a purchase")
	}
}

// concurrency: everybody gets an answer of their own.
func concurrency(t *testing.T, s *suite) {
	const customers = 64
	asked := make([]acquirer.Authorisation, customers)
	outcomes := make([]acquirer.Outcome, customers)
	for i := range asked {
		asked[i] = s.pay(int64(1000 + i))
	}
	var all sync.WaitGroup
	for i := range asked {
		all.Go(func() { outcomes[i] = s.Connector.Authorise(context.Background(), asked[i]) })
	}
	all.Wait()
	for i, out := range outcomes {
		clean(t, s.Card, out)
		h := s.Host.Held(asked[i].Operation)
		if out.Result != acquirer.Approved || h.Approvals != 1 || h.Code != out.Approval || h.Minor != asked[i].Amount.Minor {
			t.Errorf("customer %d was told %+v, the host holds %+v", i, out, h)
		}
	}
}

func cancelled(t *testing.T, s *suite) {
	before, cancel := context.WithCancel(context.Background())
	cancel()
	a := s.pay(1800)
	out := s.Connector.Authorise(before, a)
	clean(t, s.Card, out)
	s.result(out.Result, acquirer.NotPerformed, out.Detail)
	s.held(a, Nothing)

	if !s.arrange(Authorisation, Silent) {
		return
	}
	a = s.pay(1900)
	during, cancel := context.WithCancel(context.Background())
	defer cancel()
	met := s.Host.Met()
	done := make(chan acquirer.Outcome, 1)
	go func() { done <- s.Connector.Authorise(during, a) }()
	s.until(func() bool { return s.Host.Met() > met })
	cancel()
	out = <-done
	clean(t, s.Card, out)
	s.result(out.Result, acquirer.Unknown, out.Detail)
}

// sealedForAnother: an envelope that does not open leaves nothing to send.
func sealedForAnother(_ *testing.T, s *suite) {
	a := s.pay(2000)
	a.About = "att_another"
	out := s.authorise(a)
	s.result(out.Result, acquirer.NotPerformed, out.Detail)
	r := s.undo(a, acquirer.ReasonVoid)
	out = s.reverse(r)
	s.result(out.Result, acquirer.NotPerformed, out.Detail)
	a = s.pay(2001)
	other, err := card.NewKey()
	if err != nil {
		s.t.Fatal(err)
	}
	a.Contract.Key = other
	out = s.authorise(a)
	s.result(out.Result, acquirer.NotPerformed, out.Detail)
	if clear := fmt.Sprint(a.Card.Masked); leaked(s.Card, clear) != "" {
		s.t.Error("the mask shows the number")
	}
}
