package terminal_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/id"
	"encaisse/base/problem"
	"encaisse/terminal"
	"encaisse/terminal/terminaltest"
)

func TestDialogues(t *testing.T) {
	each(t, map[string]func(*testing.T, *terminaltest.Room){
		"OneAtATime":                          testOneAtATime,
		"OneOfSixteenAtOnce":                  testOneOfSixteenAtOnce,
		"WithoutADeviceThereIsNone":           testWithoutADeviceThereIsNone,
		"AnotherDeviceKnowsNothing":           testAnotherDeviceKnowsNothing,
		"ARefusalForEverAndOneForNow":         testARefusalForEverAndOneForNow,
		"EnvelopesStayWithAuthorise":          testEnvelopesStayWithAuthorise,
		"AnswersOfAnotherDialogueAreNone":     testAnswersOfAnotherDialogueAreNone,
		"AuthorisationsUnderWayAreBounded":    testAuthorisationsUnderWayAreBounded,
		"WhatIsOverIsPrunedAndItsNumberIsNot": testPruned,
		"ALinkThatBreaksWhileItAsksIsUnknown": testALinkThatBreaksWhileItAsks,
	})
}

func testOneAtATime(t *testing.T, r *terminaltest.Room) {
	made := r.Terminal("Comptoir")
	r.Join(protocol, made, "ODD1", "1")
	first, second := r.Dialogue(made, 1), r.Dialogue(made, 2)
	if err := r.Open(first); err != nil {
		t.Fatal(err)
	}
	if err := r.Open(first); err != nil {
		t.Error("the same attempt again:", err)
	}
	err := r.Open(second)
	want(t, err, "terminal.busy")
	if problem.As(err).Args["attempt"] != string(first.Attempt) {
		t.Error(err)
	}
	if all, err := r.Hub.List(t.Context(), r.Admin); err != nil || !all[0].Presence.Busy {
		t.Error(all, err)
	}
	r.Close(first)
	r.Close(first)
	if err := r.Open(second); err != nil {
		t.Error(err)
	}
	want(t, r.Open(first), "terminal.busy")
	r.Close(second)
	want(t, r.Open(first), "terminal.dialogue_closed")
	want(t, send(r, first), "terminal.dialogue_closed")
	want(t, send(r, r.Dialogue(made, 3)), "terminal.dialogue_not_found")
}

func opened(errs []error) (n int) {
	for _, err := range errs {
		if err == nil {
			n++
		}
	}
	return n
}

func testOneOfSixteenAtOnce(t *testing.T, r *terminaltest.Room) {
	made := r.Terminal("Comptoir")
	r.Join(protocol, made, "ODD1", "1")
	errs := atOnce(16, func(int) error { return r.Open(r.Dialogue(made, 1)) })
	for _, err := range errs {
		if err != nil {
			want(t, err, "terminal.busy")
		}
	}
	if n := opened(errs); n != 1 {
		t.Errorf("%d dialogues are open", n)
	}
}

// TestOneOfSixteenCanFail: it is the index that keeps them out.
func TestOneOfSixteenCanFail(t *testing.T) {
	d, _ := dbtest.Open(t, db.SQLite)
	r, _ := still(t, d)
	made := r.Terminal("Comptoir")
	r.Join(protocol, made, "ODD1", "1")
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`DROP INDEX terminal_dialogue_open`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := opened(atOnce(16, func(int) error { return r.Open(r.Dialogue(made, 1)) })); n < 2 {
		t.Errorf("%d dialogues are open without the guard", n)
	}
}

func testWithoutADeviceThereIsNone(t *testing.T, r *terminaltest.Room) {
	want(t, r.Open(r.Dialogue(r.Terminal("Comptoir"), 1)), "terminal.not_paired")
	nowhere := r.Dialogue(r.Terminal("Bar"), 1)
	nowhere.Terminal = id.New[id.Terminal](r.Clock.Now())
	want(t, r.Open(nowhere), "terminal.not_found")
}

// TestCertainlyNotHandedOver: the link looks alive and is not. The till learns
// it within two seconds, before an amount leaves.
func TestCertainlyNotHandedOver(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		r, c := still(t, d)
		made := r.Terminal("Comptoir")
		given, _ := r.Pair(r.Code(made), "ODD1", "1")
		conn, line, ended := dialMute(t, r, given.Credential)
		defer conn.CloseNow()
		defer close(ended)
		reader(t, conn, given.Reader)
		r.Await(made, terminal.Online)
		line.quiet.Store(true)
		c.Advance(1500 * time.Millisecond) // heard a while ago, and no heartbeat since
		asked := r.Dialogue(made, 1)
		if err := r.Open(asked); err != nil {
			t.Fatal(err)
		}
		before := c.Now()
		answer := make(chan error, 1)
		go func() { answer <- send(r, asked) }()
		var err error
		terminaltest.Until(t, "an answer", func() bool {
			select {
			case err = <-answer:
				return true
			default:
				c.Advance(50 * time.Millisecond)
				return false
			}
		})
		want(t, err, "terminal.offline")
		if errors.Is(err, terminal.ErrUnknown) {
			t.Error(err)
		}
		if took := c.Now().Sub(before); took < 2*time.Second {
			t.Errorf("it gave up after %s", took)
		}
		r.Await(made, terminal.Offline)
	})
}

func testAnotherDeviceKnowsNothing(t *testing.T, r *terminaltest.Room) {
	made := r.Terminal("Comptoir")
	r.Join(protocol, made, "ODD1", "1")
	d := r.Dialogue(made, 1)
	r.Send(d)
	w := r.Join(protocol, made, "ODD1", "2")
	_, _, err := r.Hub.Ask(t.Context(), d.Merchant, d.Attempt)
	want(t, err, "terminal.other_device")
	want(t, send(r, d), "terminal.other_device")
	want(t, r.Hub.Abort(t.Context(), d.Merchant, d.Attempt), "terminal.other_device")
	want(t, r.Open(r.Dialogue(made, 2)), "terminal.busy") // until somebody decides what became of it
	r.Close(d)
	next := r.Dialogue(made, 2)
	r.Send(next)
	w.Heard("the next amount", func(m terminal.Message) bool { return m.Perform != nil && m.Perform.Attempt == next.Attempt })
}

// testARefusalForEverAndOneForNow: a passing one is not answered, so the reader
// says it again; one for ever is rejected, so that it stops.
func testARefusalForEverAndOneForNow(t *testing.T, r *terminaltest.Room) {
	made := r.Terminal("Comptoir")
	w := r.Join(protocol, made, "ODD1", "1")
	d := r.Dialogue(made, 1)
	word := terminal.Message{Service: "7", Kind: terminal.Payment, Concluded: &terminal.Conclusion{
		Attempt: d.Attempt, Cause: terminal.CauseCancelled, At: r.Clock.Now(), Transaction: "000001",
	}}
	r.Desk.Take(func(terminal.Conclusion) error { return problem.New(problem.Unavailable, "db.unavailable") })
	w.Say(word)
	r.Desk.Until(t, "the word", func() bool { return len(r.Desk.Words(d.Attempt)) == 1 })
	r.Desk.Take(func(terminal.Conclusion) error { return problem.New(problem.NotFound, "payment.attempt_not_found") })
	w.Say(word)
	refused := w.Heard("an answer", func(m terminal.Message) bool { return m.Refused != nil || m.Taken != nil })
	if refused.Taken != nil || refused.Service != "7" || refused.Refused.Code != "payment.attempt_not_found" ||
		refused.Refused.Condition != terminal.ConditionNotFound {
		t.Errorf("%+v", refused)
	}
	ask := terminal.Message{Authorise: &terminal.Request{Attempt: d.Attempt, Exchange: "x", Kind: terminal.Payment, Amount: d.Amount, At: r.Clock.Now()}}
	r.Desk.Answer(func(terminal.Request) (terminal.Answer, error) {
		return terminal.Answer{Approved: true}, problem.New(problem.Conflict, "payment.attempt_closed")
	})
	w.Say(ask)
	m := w.Heard("a decline", func(m terminal.Message) bool { return m.Answered != nil })
	if m.Answered.Answer.Approved || m.Answered.Answer.Code != "Z3" || m.Answered.Answer.Cause != terminal.CauseHost || m.Answered.Exchange != "x" {
		t.Errorf("%+v", m.Answered)
	}
}

func testEnvelopesStayWithAuthorise(t *testing.T, r *terminaltest.Room) {
	made := r.Terminal("Comptoir")
	s := newScripted(t, r.URL, r.Code(made))
	r.Await(made, terminal.Online)
	d := r.Dialogue(made, 1)
	r.Send(d)
	if c := r.Desk.Word(t, d.Attempt); c.Card == nil || len(c.Card.Envelope)+len(c.Card.Kept) > 0 {
		t.Errorf("%+v", c.Card)
	}
	s.mu.Lock()
	for _, run := range s.done {
		run.word.Card.Envelope = []byte{1} // a reader that puts one where none belongs
	}
	s.mu.Unlock()
	_, c, err := r.Hub.Ask(t.Context(), d.Merchant, d.Attempt)
	if err != nil || c.Card == nil || len(c.Card.Envelope) > 0 {
		t.Errorf("%+v, %v", c, err)
	}
	err = r.DB.Read(t.Context(), func(tx *db.Tx) error {
		var content string
		err := tx.QueryRow(`SELECT content FROM terminal_dialogue WHERE merchant_id = $1 AND attempt_id = $2`, d.Merchant, d.Attempt).Scan(&content)
		if strings.Contains(content, testPAN) || !strings.Contains(content, string(d.Attempt)) {
			t.Error(content)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func testAnswersOfAnotherDialogueAreNone(t *testing.T, r *terminaltest.Room) {
	made := r.Terminal("Comptoir")
	w := r.Join(protocol, made, "ODD1", "1")
	d := r.Dialogue(made, 1)
	r.Send(d)
	for _, told := range []terminal.Told{
		{Of: terminal.Reference{Service: "999", Kind: terminal.Payment}, Status: terminal.StatusInProgress},
		{Of: terminal.Reference{Kind: terminal.Payment}, Status: terminal.StatusConcluded, Conclusion: &terminal.Conclusion{
			Attempt: r.Dialogue(made, 2).Attempt, Success: true, Amount: d.Amount, At: r.Clock.Now(), Transaction: "000001",
		}},
	} {
		answered := make(chan error)
		go func() {
			_, c, err := r.Hub.Ask(context.Background(), d.Merchant, d.Attempt)
			if c != nil {
				t.Error("a final word on another attempt was taken for this one's")
			}
			answered <- err
		}()
		m := w.Heard("a question", func(m terminal.Message) bool { return m.Ask != nil })
		w.Say(terminal.Message{Service: m.Service, Told: &told})
		want(t, <-answered, "terminal.no_answer")
	}
	refused := make(chan error)
	go func() {
		_, _, err := r.Hub.Ask(context.Background(), d.Merchant, d.Attempt)
		refused <- err
	}()
	m := w.Heard("a question", func(m terminal.Message) bool { return m.Ask != nil })
	w.Say(terminal.Message{Service: m.Service, Refused: &terminal.Refusal{Condition: terminal.ConditionFormat, Code: "x"}})
	want(t, <-refused, "terminal.refused")
}

func testAuthorisationsUnderWayAreBounded(t *testing.T, r *terminaltest.Room) {
	made := r.Terminal("Comptoir")
	w := r.Join(protocol, made, "ODD1", "1")
	hold := make(chan struct{})
	r.Desk.Answer(func(terminal.Request) (terminal.Answer, error) {
		<-hold
		return terminal.Answer{Approved: true, Code: "00"}, nil
	})
	d := r.Dialogue(made, 1)
	for i := range 9 {
		w.Say(terminal.Message{Authorise: &terminal.Request{
			Attempt: d.Attempt, Exchange: string(rune('a' + i)), Kind: terminal.Payment, Amount: d.Amount, At: r.Clock.Now(),
		}})
	}
	if m := w.Refused("terminal.too_fast"); m.Refused.Condition != terminal.ConditionBusy {
		t.Errorf("%+v", m)
	}
	w.Say(terminal.Message{Serial: "1", At: r.Clock.Now(), Progress: &terminal.Progress{Attempt: d.Attempt, Stage: terminal.StageAuthorising}})
	r.Desk.Until(t, "what else it says is heard meanwhile", func() bool { return len(r.Desk.Steps(d.Attempt)) == 1 })
	close(hold)
	for range 8 {
		w.Heard("an answer", func(m terminal.Message) bool { return m.Answered != nil })
	}
}

func testPruned(t *testing.T, r *terminaltest.Room) {
	made := r.Terminal("Comptoir")
	r.Join(protocol, made, "ODD1", "1")
	over, open := r.Dialogue(made, 1), r.Dialogue(made, 2)
	for _, d := range []terminal.Dialogue{over, open} {
		if err := r.Open(d); err != nil {
			t.Fatal(err)
		}
		if d.Attempt == over.Attempt {
			r.Close(d)
		}
	}
	err := r.DB.Write(t.Context(), func(tx *db.Tx) error { // a week and a day ago
		_, err := tx.Exec(`UPDATE terminal_dialogue SET opened_at = opened_at - 700000000, closed_at = closed_at - 700000000 WHERE merchant_id = $1`, r.Admin.Merchant)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Hub.Prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(t, send(r, over), "terminal.dialogue_not_found")
	if err := send(r, open); err != nil {
		t.Error("one that is open is kept however old:", err)
	}
}

func testALinkThatBreaksWhileItAsks(t *testing.T, r *terminaltest.Room) {
	made := r.Terminal("Comptoir")
	w := r.Join(protocol, made, "ODD1", "1")
	d := r.Dialogue(made, 1)
	r.Send(d)
	asked := make(chan error)
	go func() {
		_, _, err := r.Hub.Ask(context.Background(), d.Merchant, d.Attempt)
		asked <- err
	}()
	w.Heard("a question", func(m terminal.Message) bool { return m.Ask != nil })
	w.Conn.CloseNow()
	if err := <-asked; !errors.Is(err, terminal.ErrUnknown) || problem.As(err) != nil {
		t.Error(err)
	}
}

// TestAReaderThatDoesNotAnswerIsNotWaitedOn: whoever asks has five seconds, and
// an answer that comes later is nobody's.
func TestAReaderThatDoesNotAnswerIsNotWaitedOn(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		r, c := still(t, d)
		made := r.Terminal("Comptoir")
		w := r.Join(protocol, made, "ODD1", "1")
		asked := r.Dialogue(made, 1)
		r.Send(asked)
		answer := make(chan error, 1)
		go func() {
			_, _, err := r.Hub.Ask(context.Background(), asked.Merchant, asked.Attempt)
			answer <- err
		}()
		late := w.Heard("the question", func(m terminal.Message) bool { return m.Ask != nil })
		var err error
		terminaltest.Until(t, "an end to it", func() bool {
			select {
			case err = <-answer:
				return true
			default:
				c.Advance(500 * time.Millisecond)
				return false
			}
		})
		want(t, err, "terminal.no_answer")
		w.Say(terminal.Message{Service: late.Service, Told: &terminal.Told{Of: *late.Ask, Status: terminal.StatusInProgress}})
		w.Refused("terminal.unexpected")
	})
}
