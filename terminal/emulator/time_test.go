package emulator_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"encaisse/base/clock"
	"encaisse/base/id"
	"encaisse/terminal"
	"encaisse/terminal/emulator"
)

// quiet waits until the reader shows something and the clock may be moved.
func (h *hub) begin(e *emulator.Emulator, minor int64, s emulator.Show) terminal.Dialogue {
	h.t.Helper()
	d := h.payment(minor)
	h.perform(d)
	shows(h.t, e, s)
	return d
}

// TestUPM024_TheReaderKeepsIts60Seconds: nobody comes, and nobody types.
func TestUPM024_TheReaderKeepsIts60Seconds(t *testing.T) {
	c := clock.NewManual(morning())
	h := newHub(t, c)
	e := h.reader(emulator.Options{})
	d := h.begin(e, 5_00, emulator.ShowInsert)
	c.Advance(59*time.Second + 999*time.Millisecond)
	if s := e.Screen(); s.Show != emulator.ShowInsert {
		t.Errorf("before its time: %+v", s)
	}
	c.Advance(time.Millisecond)
	if w := h.word(d.Attempt); w.Success || w.Cause != terminal.CauseExpired {
		t.Errorf("%+v", w)
	}
	shows(t, e, emulator.ShowExpired)
	c.Advance(5 * time.Second)
	shows(t, e, emulator.ShowReady) // back to idle
	d = h.begin(e, 5_00, emulator.ShowInsert)
	e.Present("cb", emulator.Insert)
	shows(t, e, emulator.ShowCode)
	c.Advance(time.Minute)
	if w := h.word(d.Attempt); w.Cause != terminal.CauseExpired {
		t.Errorf("with a card in: %+v", w)
	}
	d = h.payment(5_00)
	d.Budget = 10 * time.Second // the request says how long
	h.perform(d)
	e.Remove()
	shows(t, e, emulator.ShowInsert)
	c.Advance(10 * time.Second)
	if w := h.word(d.Attempt); w.Cause != terminal.CauseExpired {
		t.Errorf("%+v", w)
	}
	t.Log("coverage: UPM-024 partial: the reader's side; the register shows the cause")
}

// TestSRC031_AnswersAt59And61And65Seconds: the answer is taken within the 60 s;
// after them the reader has said that they are over, and whether the issuer had
// agreed; a reader with a slow clock says yes at 65 s, and the till must notice.
func TestSRC031_AnswersAt59And61And65Seconds(t *testing.T) {
	for key, want := range map[string]struct {
		at      time.Duration
		success bool
		cause   terminal.Cause
	}{
		"answer_59": {59 * time.Second, true, ""},
		"answer_61": {60 * time.Second, false, terminal.CauseExpired},
		"answer_65": {65 * time.Second, true, ""},
	} {
		c := clock.NewManual(morning())
		h := newHub(t, c)
		e := h.reader(emulator.Options{})
		e.SetPace(0)
		if err := e.Play(key); err != nil {
			t.Fatal(err)
		}
		d := h.begin(e, 5_00, emulator.ShowWait)
		h.authorisation(d.Attempt)
		await(t, e, "the approval to be remembered", func() bool { return e.Approved(d.Attempt) })
		c.Advance(want.at - time.Millisecond)
		if n := h.count(func(m terminal.Message) bool { return m.Concluded != nil }); n != 0 {
			t.Errorf("%s: concluded before its time", key)
		}
		c.Advance(time.Millisecond)
		w := h.word(d.Attempt)
		if w.Success != want.success || w.Cause != want.cause || w.Approval != "123456" || w.At.Sub(d.At) != want.at {
			t.Errorf("%s: %+v", key, w)
		}
	}
	t.Log("coverage: SRC-031 partial: the reader's side; payment reverses what came too late")
}

// TestLinkLostBeforeTheAnswer: without an answer the reader gives up by itself,
// refused (Z3), inside its 60 s; it never approves alone (UPM-028).
func TestLinkLostBeforeTheAnswer(t *testing.T) {
	c := clock.NewManual(morning())
	h := newHub(t, c)
	h.mute = true
	e := h.reader(emulator.Options{})
	e.Hand(by("cb"))
	d := h.begin(e, 5_00, emulator.ShowWait)
	h.authorisation(d.Attempt)
	c.Advance(34 * time.Second)
	asked := func(m terminal.Message) bool { return m.Authorise != nil && m.Authorise.Attempt == d.Attempt }
	again := h.until("the same request again", func(m terminal.Message) bool { return asked(m) && h.count(asked) > 1 })
	if again.Authorise.Exchange != h.authorisation(d.Attempt).Exchange {
		t.Error("it was another request")
	}
	c.Advance(time.Second)
	if w := h.word(d.Attempt); w.Success || w.Code != "Z3" || w.Chip.CID != "00" || w.Cause != terminal.CauseHost {
		t.Errorf("%+v %+v", w, w.Chip)
	}
	e.SetNetwork(emulator.NetworkNone)
	await(t, e, "the loss of the link", func() bool { return !e.Connected() })
	shows(t, e, emulator.ShowNoLink)
}

// TestCancelAndAbort: the red key and the till, while there is no card; with one
// in, the till gets the real outcome.
func TestCancelAndAbort(t *testing.T) {
	h := newHub(t, clock.NewManual(morning()))
	e := h.reader(emulator.Options{})
	d := h.begin(e, 5_00, emulator.ShowInsert)
	e.Press(emulator.KeyCancel)
	if w := h.word(d.Attempt); w.Cause != terminal.CauseCancelled {
		t.Errorf("the red key: %+v", w)
	}
	shows(t, e, emulator.ShowAbandoned)
	abort := func(service string) {
		h.say(terminal.Message{Service: "abort", Abort: &terminal.Reference{Service: service, Kind: terminal.Payment}})
	}
	d = h.payment(5_00)
	service := h.perform(d)
	shows(t, e, emulator.ShowInsert)
	abort("another")
	abort(service)
	if w := h.word(d.Attempt); w.Cause != terminal.CauseAborted {
		t.Errorf("the till: %+v", w)
	}
	d = h.payment(5_00)
	service = h.perform(d)
	shows(t, e, emulator.ShowInsert)
	e.Present("cb", emulator.Insert)
	shows(t, e, emulator.ShowCode)
	abort(service)
	for _, k := range []emulator.Key{"1", "2", "3", "4", emulator.KeyOK} {
		e.Press(k)
	}
	if w := h.word(d.Attempt); !w.Success {
		t.Errorf("with a card in: %+v", w)
	}
	e.Remove()
	d = h.begin(e, 5_00, emulator.ShowInsert)
	e.Present("cb", emulator.Insert)
	shows(t, e, emulator.ShowCode)
	e.Press(emulator.KeyCancel)
	if w := h.word(d.Attempt); w.Cause != terminal.CauseCancelled {
		t.Errorf("the red key instead of a code: %+v", w)
	}
}

// TestUPM022_CardPulled before and after authorisation: in the second case the
// word says that the issuer had agreed, and the host is told to forget it.
func TestUPM022_CardPulled(t *testing.T) {
	h := newHub(t, clock.NewManual(morning()))
	e := h.reader(emulator.Options{})
	e.SetPace(0)
	for key, approval := range map[string]string{"pulled_before": "", "pulled_after": "123456"} {
		if err := e.Play(key); err != nil {
			t.Fatal(err)
		}
		if w := h.pay(5_00); w.Success || w.Cause != terminal.CauseCardRemoved || w.Approval != approval {
			t.Errorf("%s: %+v", key, w)
		}
		shows(t, e, emulator.ShowTorn)
	}
	d := h.begin(e, 5_00, emulator.ShowInsert) // while the answer is awaited
	h.change(func() { h.mute = true })
	e.Present("cb", emulator.Insert)
	for _, k := range []emulator.Key{"1", "2", "3", "4", emulator.KeyOK} {
		e.Press(k)
	}
	shows(t, e, emulator.ShowCode) // keys pressed before the prompt are lost
	for _, k := range []emulator.Key{"1", "2", "3", "4", emulator.KeyOK} {
		e.Press(k)
	}
	shows(t, e, emulator.ShowWait)
	e.Remove()
	if w := h.word(d.Attempt); w.Cause != terminal.CauseCardRemoved {
		t.Errorf("%+v", w)
	}
	t.Log("coverage: UPM-022 partial: the reader's side; payment records the reversal")
}

// TestItRemembersAcrossARestart: a reader switched off and on with its state file
// tells again what it did, and ends what it had not finished.
func TestItRemembersAcrossARestart(t *testing.T) {
	c := clock.NewManual(morning())
	h := newHub(t, c)
	h.deaf = true // nothing is acknowledged
	state := filepath.Join(t.TempDir(), "reader.json")
	e := h.reader(emulator.Options{State: state})
	e.Hand(by("cb"))
	d := h.payment(5_00)
	service := h.perform(d)
	paid := h.word(d.Attempt)
	shows(t, e, emulator.ShowAccepted)
	e.Hand(nil)
	second := h.begin(e, 7_00, emulator.ShowInsert)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(state)
	if err != nil || strings.Contains(string(text), "4970100000000055") || !strings.Contains(string(text), "497010******0055") {
		t.Errorf("the state file holds a number, or no payment: %v", err)
	}
	if info, err := os.Stat(state); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the state file: %v %v", info.Mode(), err)
	}
	h.change(func() { h.heard, h.deaf = nil, false })
	e = h.reader(emulator.Options{State: state})
	if again := h.word(d.Attempt); again.Success != paid.Success || again.Transaction != paid.Transaction || !again.At.Equal(paid.At) || again.Chip.Cryptogram != paid.Chip.Cryptogram {
		t.Errorf("told again: %+v", again)
	}
	if w := h.word(second.Attempt); w.Success || w.Cause != terminal.CauseDevice || w.Approval != "" {
		t.Errorf("what it had not finished: %+v", w)
	}
	c.Advance(47 * time.Hour)
	status := h.ask(service)
	if status.Status != terminal.StatusConcluded || status.Conclusion == nil || !status.Conclusion.Success || status.Conclusion.Transaction != paid.Transaction {
		t.Errorf("asked after two days: %+v", status)
	}
	if status := h.ask("unheard"); status.Status != terminal.StatusNotFound {
		t.Errorf("asked for what it never had: %+v", status)
	}
	// The same request again, and the same attempt under another number, are the same payment.
	for range 2 {
		h.change(func() { h.heard = nil })
		if h.perform(d); h.word(d.Attempt).Transaction != paid.Transaction {
			t.Error("it was paid twice")
		}
		if n := h.count(func(m terminal.Message) bool { return m.Authorise != nil }); n != 0 {
			t.Error("it was authorised again")
		}
	}
	e.Hand(by("cb"))
	if next := h.pay(5_00); next.Transaction != "000003" || next.Chip.ATC != "0002" {
		t.Errorf("numbers go on: %+v %+v", next, next.Chip)
	}
	e.Close()
	c.Advance(49 * time.Hour)
	h.reader(emulator.Options{State: state})
	if status := h.ask(service); status.Status != terminal.StatusNotFound {
		t.Errorf("after 48 hours: %+v", status)
	}
}

// ask sends a status request and waits for its answer.
func (h *hub) ask(service string) terminal.Told {
	h.t.Helper()
	number := string(id.New[id.Event](h.clock.Now()))[20:]
	h.say(terminal.Message{Service: number, Ask: &terminal.Reference{Service: service, Kind: terminal.Payment}})
	return *h.until("the status", func(m terminal.Message) bool { return m.Told != nil && m.Service == number }).Told
}

// TestACutLineIsNoState: a power failure may cut the last line of the file, and
// that line alone.
func TestACutLineIsNoState(t *testing.T) {
	state := filepath.Join(t.TempDir(), "reader.json")
	e, err := emulator.New(emulator.Options{State: state, Serial: "7"})
	if err != nil {
		t.Fatal(err)
	}
	e.Close()
	text, err := os.ReadFile(state)
	if err != nil {
		t.Fatal(err)
	}
	for cut, fine := range map[string]bool{
		string(text) + `{"number":3,"dia`:                  true,
		string(text) + "{\"numb\n" + `{"number":3}` + "\n": false,
	} {
		if err := os.WriteFile(state, []byte(cut), 0o600); err != nil {
			t.Fatal(err)
		}
		e, err := emulator.New(emulator.Options{State: state})
		if (err == nil) != fine {
			t.Errorf("%q: %v", cut, err)
		}
		if err == nil {
			if e.Serial() != "7" {
				t.Error("it forgot who it is")
			}
			e.Close()
		}
	}
}
