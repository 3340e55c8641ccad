package acquirertest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"encaisse/acquirer"
	"encaisse/base/card"
	"encaisse/base/id"
	"encaisse/base/money"
)

// Run holds a connector against the suite. make is called for every case.
func Run(t *testing.T, make func(t *testing.T) Harness) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, s *suite)
	}{
		{"approve", approve},
		{"decline", decline},
		{"no_answer", noAnswer},
		{"late_answer", lateAnswer},
		{"twice_answered", twiceAnswered},
		{"slow_answer", slowAnswer},
		{"link_cut_before", unreachable},
		{"link_cut_after", linkCut},
		{"unreadable_answer", unreadable},
		{"same_again", sameAgain},
		{"reversal", reversal},
		{"reversal_of_unknown", reversalOfUnknown},
		{"reversal_repeated", reversalRepeated},
		{"refund", refund},
		{"batch", batch},
		{"batch_of_nothing", batchOfNothing},
		{"batch_refused", batchRefused},
		{"batch_unknown", batchUnknown},
		{"batch_out_of_balance", batchOutOfBalance},
		{"batch_unreachable", batchUnreachable},
		{"concurrency", concurrency},
		{"cancelled", cancelled},
		{"sealed_for_another", sealedForAnother},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, begin(t, make(t))) })
	}
}

// suite is a harness in use.
type suite struct {
	Harness
	t *testing.T

	mu     sync.Mutex
	traces int64
}

func begin(t *testing.T, h Harness) *suite {
	key, err := card.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	h.Contract.Key = key
	return &suite{Harness: h, t: t}
}

// trace is a number nobody had yet.
func (s *suite) trace() acquirer.Trace {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.traces++
	return acquirer.Trace{
		Operation: id.Operation(fmt.Sprintf("op_conformance%06d", s.traces)), Terminal: s.Terminal, Number: s.traces,
		At: s.Clock.Now(), Zone: time.UTC,
	}
}

// asking is an authorisation of an amount with the card of the harness.
func (s *suite) asking(kind acquirer.Kind, minor int64) acquirer.Authorisation {
	s.t.Helper()
	const about = "att_conformance"
	key := s.Contract.Key.Public()
	whole, err := key.Seal(s.Card, about)
	if err != nil {
		s.t.Fatal(err)
	}
	kept, err := key.Seal(s.Card.Kept(), about)
	if err != nil {
		s.t.Fatal(err)
	}
	pan, err := card.ParsePAN(s.Card.PAN)
	if err != nil {
		s.t.Fatal(err)
	}
	return acquirer.Authorisation{
		Trace: s.trace(), Contract: s.Contract, Kind: kind, Amount: money.Amount{Minor: minor, Currency: money.EUR}, About: about,
		Card: card.Presented{
			Envelope: whole, Kept: kept, Masked: pan.Masked(), Scheme: card.Visa, Entry: card.Stripe, Verified: card.Signature,
		},
	}
}

// pay is a purchase of an amount.
func (s *suite) pay(minor int64) acquirer.Authorisation { return s.asking(acquirer.Purchase, minor) }

// authorise asks, and searches the answer for the card.
func (s *suite) authorise(a acquirer.Authorisation) acquirer.Outcome {
	s.t.Helper()
	out := s.Connector.Authorise(context.Background(), a)
	clean(s.t, s.Card, out)
	return out
}

// approved asks and must be told yes.
func (s *suite) approved(a acquirer.Authorisation) acquirer.Outcome {
	s.t.Helper()
	out := s.authorise(a)
	if out.Result != acquirer.Approved || out.Approval == "" {
		s.t.Fatalf("%+v, want an approval", out)
	}
	return out
}

func (s *suite) reverse(r acquirer.Reversal) acquirer.Outcome {
	s.t.Helper()
	out := s.Connector.Reverse(context.Background(), r)
	clean(s.t, s.Card, out)
	return out
}

// undo is the reversal of an authorisation; what only it had is not kept.
func (s *suite) undo(a acquirer.Authorisation, reason acquirer.Reason) acquirer.Reversal {
	a.Card.Envelope = nil
	return acquirer.Reversal{Trace: s.trace(), Contract: s.Contract, Original: a, Reason: reason}
}

func (s *suite) submit(b acquirer.Batch) acquirer.Receipt {
	s.t.Helper()
	out := s.Connector.Submit(context.Background(), b)
	clean(s.t, s.Card, out)
	return out
}

// result fails where it is another than was wanted.
func (s *suite) result(got, want acquirer.Result, detail string) {
	s.t.Helper()
	if got != want {
		s.t.Fatalf("%s (%s), want %s", got, detail, want)
	}
}

// held fails where the host holds something else.
func (s *suite) held(a acquirer.Authorisation, want Held) {
	s.t.Helper()
	h := s.Host.Held(a.Operation)
	approvals := 1
	if want == Nothing {
		approvals = 0
	}
	if h.State != want || h.Approvals != approvals || want == Reserved && h.Minor != a.Amount.Minor {
		s.t.Fatalf("the host holds %+v, want %q of %d", h, want, a.Amount.Minor)
	}
}

// arrange plans a fault, or leaves the case out.
func (s *suite) arrange(on Request, f Fault) bool {
	s.t.Helper()
	if s.Host.Arrange(on, f) {
		return true
	}
	s.t.Logf("left out: %s of %s is nothing a host of this protocol can do", f, on)
	return false
}

// expire runs a call whose request meets an arranged fault. Where nothing comes
// back that says so, it lets the connector's patience run out.
func expire[T any](s *suite, f Fault, call func() T) T {
	s.t.Helper()
	met := s.Host.Met()
	done := make(chan T, 1)
	go func() { done <- call() }()
	s.until(func() bool { return s.Host.Met() > met })
	if f == Lost || f == Silent || f == Late {
		s.Clock.Advance(s.Patience)
	}
	return <-done
}

// until waits for something the other end does.
func (s *suite) until(holds func() bool) {
	s.t.Helper()
	for !holds() {
		if s.t.Context().Err() != nil {
			s.t.Fatal("the test was ended")
		}
		waited := make(chan struct{})
		time.AfterFunc(time.Millisecond, func() { close(waited) })
		<-waited
	}
}
