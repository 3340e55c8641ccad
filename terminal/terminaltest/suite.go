package terminaltest

import (
	"context"
	"errors"
	"testing"
	"time"

	"encaisse/base/clock"
	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/id"
	"encaisse/base/problem"
	"encaisse/terminal"
)

// Play is what the holder does at the next dialogue of a reader.
type Play int

// Plays.
const (
	Tap   Play = iota // shows the same good card at once, contactless
	Wait              // shows it when Show says so
	Press             // presses the cancel key
)

// Reader is a reader of the implementation under test.
type Reader interface {
	// Next says what the holder does at the dialogues that begin from now on.
	Next(Play)
	// Show shows the card that Wait kept back.
	Show()
	// Cut ends its link without a word, and lets it rest.
	Cut()
	// Join lets it connect again.
	Join()
}

// Kit makes the readers of one implementation.
type Kit struct {
	Protocol terminal.Protocol
	// Start makes a reader, pairs it with the hub at an address and connects it.
	// It ends with the test.
	Start func(t testing.TB, hub, code string) Reader
}

// stage is a room with one reader of the kit online.
type stage struct {
	*Room
	t      *testing.T
	kit    Kit
	at     terminal.Terminal
	reader Reader
}

// Run takes the readers of a kit through everything, on both engines.
func Run(t *testing.T, kit Kit) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		for _, c := range []struct {
			name string
			test func(*stage)
		}{
			{"Approved", approved},
			{"Declined", declined},
			{"Aborted", aborted},
			{"Cancelled", cancelled},
			{"UPM024_Expired", expired},
			{"StatusInProgressAndConcluded", status},
			{"StatusNotFound", notFound},
			{"BusyWithTheRequestInProgress", busy},
			{"CutWhileItWaitsForACard", cutWaiting},
			{"CutBeforeItsFinalWordIsTaken", cutConcluded},
			{"AFinalWordIsRepeatedUntilItIsTaken", repeated},
			{"AnAuthorisationIsAskedForAgain", askedAgain},
			{"TheSameRequestTwiceIsOne", sentTwice},
			{"VoidAndRefund", back},
			{"NeighboursAreLeftAlone", neighbours},
			{"HostileTrafficHarmsNobody", hostile},
			{"ReplayedAndReordered", replayed},
			{"AnothersCredential", another},
		} {
			t.Run(c.name, func(t *testing.T) { c.test(enter(t, d, kit)) })
		}
	})
}

func enter(t *testing.T, d *db.DB, kit Kit) *stage {
	s := &stage{Room: NewRoom(t, d, clock.Real{}, kit.Protocol), t: t, kit: kit}
	s.at = s.Terminal("Comptoir")
	s.reader = kit.Start(t, s.URL, s.Code(s.at))
	s.Await(s.at, terminal.Online)
	return s
}

func (s *stage) from() terminal.From {
	return terminal.From{Merchant: s.Admin.Merchant, Terminal: s.at.ID}
}

// once checks that no second attempt was made of the same thing, and who said it.
func (s *stage) once(d terminal.Dialogue) {
	s.t.Helper()
	for _, w := range s.Desk.Words(d.Attempt) {
		first := s.Desk.Words(d.Attempt)[0]
		if w.Success != first.Success || w.Cause != first.Cause || w.Transaction != first.Transaction || w.From != s.from() {
			s.t.Errorf("the final word was %+v and then %+v", first, w)
		}
	}
	exchanges := map[string]bool{}
	for _, a := range s.Desk.Asked(d.Attempt) {
		exchanges[a.Exchange] = true
	}
	if len(exchanges) > 1 {
		s.t.Errorf("the card was asked for %d times", len(exchanges))
	}
}

func approved(s *stage) {
	d := s.Dialogue(s.at, 12_50)
	s.Send(d)
	c := s.Desk.Word(s.t, d.Attempt)
	if !c.Success || c.Amount != d.Amount || c.Approval != "A1B2C3" || c.Cause != "" || c.Transaction == "" || c.At.IsZero() {
		s.t.Errorf("%+v", c)
	}
	if c.Card == nil || c.Card.Masked == "" || c.Card.Fingerprint == "" || c.Card.Scheme == "" || len(c.Card.Envelope)+len(c.Card.Kept) > 0 {
		s.t.Errorf("%+v", c.Card)
	}
	asked := s.Desk.Asked(d.Attempt)
	if len(asked) == 0 || asked[0].From != s.from() || asked[0].Amount != d.Amount || asked[0].Kind != terminal.Payment {
		s.t.Fatalf("%+v", asked)
	}
	data, err := s.Key.Open(asked[0].Card.Envelope, string(d.Attempt))
	if err != nil || data.PAN == "" {
		s.t.Error("the envelope:", err)
	}
	s.Desk.Until(s.t, "it waits for a card", func() bool {
		steps := s.Desk.Steps(d.Attempt)
		return len(steps) > 0 && steps[0] == terminal.StageWaitingCard
	})
	s.once(d)
}

func declined(s *stage) {
	s.Desk.Answer(func(terminal.Request) (terminal.Answer, error) {
		return terminal.Answer{Code: "05", Cause: terminal.CauseRefused}, nil
	})
	if c := s.Pay(s.at, 12_50); c.Success || c.Cause != terminal.CauseRefused {
		s.t.Errorf("%+v", c)
	}
}

func aborted(s *stage) {
	s.reader.Next(Wait)
	d := s.Dialogue(s.at, 12_50)
	s.Send(d)
	s.waiting(d)
	if err := s.Hub.Abort(context.Background(), d.Merchant, d.Attempt); err != nil {
		s.t.Fatal(err)
	}
	if c := s.Desk.Word(s.t, d.Attempt); c.Success || c.Cause != terminal.CauseAborted {
		s.t.Errorf("%+v", c)
	}
	s.Close(d)
	s.reader.Next(Tap)
	if c := s.Pay(s.at, 8_00); !c.Success {
		s.t.Errorf("the next payment: %+v", c)
	}
}

// waiting waits until the reader wants a card.
func (s *stage) waiting(d terminal.Dialogue) {
	s.t.Helper()
	s.Desk.Until(s.t, "it waits for a card", func() bool { return len(s.Desk.Steps(d.Attempt)) > 0 })
}

func cancelled(s *stage) {
	s.reader.Next(Press)
	if c := s.Pay(s.at, 12_50); c.Success || c.Cause != terminal.CauseCancelled {
		s.t.Errorf("%+v", c)
	}
}

// expired: the time is the reader's own to keep, and short here.
func expired(s *stage) {
	s.t.Log("coverage: UPM-024 partial: the cause, and the reader back to idle; the message is the till's")
	s.reader.Next(Wait)
	d := s.Dialogue(s.at, 12_50)
	d.Budget = 300 * time.Millisecond
	s.Send(d)
	if c := s.Desk.Word(s.t, d.Attempt); c.Success || c.Cause != terminal.CauseExpired {
		s.t.Errorf("%+v", c)
	}
	s.Close(d)
	s.reader.Next(Tap)
	if c := s.Pay(s.at, 8_00); !c.Success {
		s.t.Errorf("and back to idle: %+v", c)
	}
}

func (s *stage) ask(d terminal.Dialogue) (terminal.Status, *terminal.Conclusion) {
	s.t.Helper()
	status, c, err := s.Hub.Ask(context.Background(), d.Merchant, d.Attempt)
	if err != nil {
		s.t.Fatal(err)
	}
	return status, c
}

func status(s *stage) {
	s.reader.Next(Wait)
	d := s.Dialogue(s.at, 12_50)
	s.Send(d)
	s.waiting(d)
	if status, c := s.ask(d); status != terminal.StatusInProgress || c != nil {
		s.t.Error(status, c)
	}
	s.reader.Show()
	first := s.Desk.Word(s.t, d.Attempt)
	for range 2 { // as often as it is asked
		status, c := s.ask(d)
		if status != terminal.StatusConcluded || c == nil || !c.Success || !c.Repeated || c.Attempt != d.Attempt ||
			c.Transaction != first.Transaction || c.Amount != first.Amount {
			s.t.Errorf("%s %+v", status, c)
		}
	}
}

func notFound(s *stage) {
	d := s.Dialogue(s.at, 12_50)
	if err := s.Open(d); err != nil { // and never sent
		s.t.Fatal(err)
	}
	if status, c := s.ask(d); status != terminal.StatusNotFound || c != nil {
		s.t.Error(status, c)
	}
}

// busy: the hub thinks the first dialogue is over, the reader knows better.
func busy(s *stage) {
	s.reader.Next(Wait)
	first, second := s.Dialogue(s.at, 12_50), s.Dialogue(s.at, 8_00)
	s.Send(first)
	s.waiting(first)
	if err := s.Open(second); !problem.Is(err, "terminal.busy") || problem.As(err).Args["attempt"] != string(first.Attempt) {
		s.t.Errorf("the row keeps a second dialogue out: %v", err)
	}
	s.Close(first)
	s.Send(second)
	if c := s.Desk.Word(s.t, second.Attempt); c.Success || c.Cause != terminal.CauseBusy || c.BusyWith == "" {
		s.t.Errorf("%+v", c)
	}
	s.reader.Show()
	if c := s.Desk.Word(s.t, first.Attempt); !c.Success {
		s.t.Errorf("the one in progress: %+v", c)
	}
}

func cutWaiting(s *stage) {
	s.reader.Next(Wait)
	d := s.Dialogue(s.at, 12_50)
	s.Send(d)
	s.waiting(d)
	s.reader.Cut()
	s.Await(s.at, terminal.Offline)
	if _, _, err := s.Hub.Ask(context.Background(), d.Merchant, d.Attempt); !problem.Is(err, "terminal.offline") {
		s.t.Error(err)
	}
	s.reader.Join()
	s.Await(s.at, terminal.Online)
	if status, _ := s.ask(d); status != terminal.StatusInProgress {
		s.t.Error(status)
	}
	s.reader.Show()
	if c := s.Desk.Word(s.t, d.Attempt); !c.Success {
		s.t.Errorf("%+v", c)
	}
	s.once(d)
}

func cutConcluded(s *stage) {
	lost := make(chan struct{})
	s.Desk.Take(func(terminal.Conclusion) error {
		select {
		case <-lost:
			return nil
		default:
			return problem.New(problem.Unavailable, "db.unavailable")
		}
	})
	d := s.Dialogue(s.at, 12_50)
	s.Send(d)
	s.Desk.Word(s.t, d.Attempt)
	s.reader.Cut()
	s.Await(s.at, terminal.Offline)
	close(lost)
	before := len(s.Desk.Words(d.Attempt))
	s.reader.Join()
	s.Desk.Until(s.t, "it says it again on the new link", func() bool { return len(s.Desk.Words(d.Attempt)) > before })
	s.once(d)
}

func repeated(s *stage) {
	passing := Once()
	s.Desk.Take(func(terminal.Conclusion) error { return passing() })
	d := s.Dialogue(s.at, 12_50)
	s.Send(d)
	s.Desk.Until(s.t, "the final word a second time", func() bool { return len(s.Desk.Words(d.Attempt)) == 2 })
	s.once(d)
}

func askedAgain(s *stage) {
	passing := Once()
	s.Desk.Answer(func(terminal.Request) (terminal.Answer, error) {
		return terminal.Answer{Approved: true, Code: "00", Approval: "A1B2C3"}, passing()
	})
	d := s.Dialogue(s.at, 12_50)
	s.Send(d)
	if c := s.Desk.Word(s.t, d.Attempt); !c.Success {
		s.t.Errorf("%+v", c)
	}
	if n := len(s.Desk.Asked(d.Attempt)); n < 2 {
		s.t.Errorf("asked %d times", n)
	}
	s.once(d)
}

func sentTwice(s *stage) {
	s.reader.Next(Wait)
	d := s.Dialogue(s.at, 12_50)
	s.Send(d)
	s.waiting(d)
	if err := s.Hub.Send(context.Background(), d.Merchant, d.Attempt); err != nil {
		s.t.Fatal(err)
	}
	if status, _ := s.ask(d); status != terminal.StatusInProgress { // and by then it has read the second
		s.t.Error(status)
	}
	s.reader.Show()
	if c := s.Desk.Word(s.t, d.Attempt); !c.Success {
		s.t.Errorf("%+v", c)
	}
	s.once(d)
}

// back: a void and a refund want the same card, and know another one.
func back(s *stage) {
	paid := s.Dialogue(s.at, 12_50)
	s.Send(paid)
	c := s.Desk.Word(s.t, paid.Attempt)
	s.Close(paid)
	if c.Card == nil {
		s.t.Fatalf("%+v", c)
	}
	for _, kind := range []terminal.Kind{terminal.Void, terminal.Refund} {
		for fingerprint, cause := range map[string]terminal.Cause{c.Card.Fingerprint: "", "0123456789abcdef0123456789abcdef": terminal.CauseOtherCard} {
			d := s.Dialogue(s.at, 12_50)
			d.Kind = kind
			d.Original = &terminal.Original{
				Attempt: paid.Attempt, Transaction: c.Transaction, At: c.At, Fingerprint: fingerprint, Masked: c.Card.Masked,
			}
			s.Send(d)
			got := s.Desk.Word(s.t, d.Attempt)
			s.Close(d)
			if got.Success != (cause == "") || got.Cause != cause {
				s.t.Errorf("%s, %q: %+v", kind, cause, got)
			}
			asked := s.Desk.Asked(d.Attempt)
			if cause == "" && (len(asked) == 0 || asked[0].Kind != kind) || cause != "" && len(asked) > 0 {
				s.t.Errorf("%s, %q: asked %+v", kind, cause, asked)
			}
		}
	}
}

func neighbours(s *stage) {
	other := s.Terminal("Terrasse")
	beside := s.kit.Start(s.t, s.URL, s.Code(other))
	s.Await(other, terminal.Online)
	s.reader.Next(Wait)
	mine, theirs := s.Dialogue(s.at, 12_50), s.Dialogue(other, 8_00)
	s.Send(mine)
	s.waiting(mine)
	s.Send(theirs)
	if c := s.Desk.Word(s.t, theirs.Attempt); !c.Success || c.Amount != theirs.Amount {
		s.t.Errorf("%+v", c)
	}
	beside.Cut()
	s.Await(other, terminal.Offline)
	s.Close(theirs)
	next := s.Dialogue(other, 5_00)
	if err := s.Open(next); err != nil {
		s.t.Fatal(err)
	}
	if err := s.Hub.Send(context.Background(), next.Merchant, next.Attempt); !problem.Is(err, "terminal.offline") || errors.Is(err, terminal.ErrUnknown) {
		s.t.Error(err)
	}
	s.reader.Show()
	if c := s.Desk.Word(s.t, mine.Attempt); !c.Success || c.Amount != mine.Amount {
		s.t.Errorf("%+v", c)
	}
	if len(s.Desk.Words(id.Attempt(next.Attempt))) > 0 {
		s.t.Error("a payment that was not handed over has a final word")
	}
}
