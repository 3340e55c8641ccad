package simulator_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"testing"
	"time"

	"encaisse/acquirer/simulator"
	"encaisse/base/problem"
)

// TestBehaviours plays each behaviour on the wire, and looks at what was decided.
func TestBehaviours(t *testing.T) {
	for _, c := range []struct {
		step     simulator.Step
		approved int
		sees     func(t *testing.T, l *line)
	}{
		{simulator.Step{Do: simulator.DoAnswer, Code: "51"}, 0, func(t *testing.T, l *line) {
			if got := l.receive().Get(39); got != "51" {
				t.Errorf("%s", got)
			}
		}},
		{simulator.Step{Do: simulator.DoAnswer, Code: "00"}, 1, func(t *testing.T, l *line) { l.receive() }},
		{simulator.Step{Do: simulator.DoTwice}, 1, func(t *testing.T, l *line) {
			if one, two := l.receive(), l.receive(); one.Get(38) != two.Get(38) || one.Get(39) != "00" {
				t.Errorf("%s then %s", one.Get(38), two.Get(38))
			}
		}},
		{simulator.Step{Do: simulator.DoSlow}, 1, func(t *testing.T, l *line) {
			if got := l.receive().Get(39); got != "00" {
				t.Errorf("%s", got)
			}
		}},
		{simulator.Step{Do: simulator.DoSilent}, 1, nextIsTheNext},
		{simulator.Step{Do: simulator.DoLost}, 0, nextIsTheNext},
		{simulator.Step{Do: simulator.DoCloseBefore}, 0, closed},
		{simulator.Step{Do: simulator.DoCloseAfter}, 1, closed},
		{simulator.Step{Do: simulator.DoCut}, 1, func(t *testing.T, l *line) {
			if _, err := l.frame(); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%v, want half a frame", err)
			}
		}},
		{simulator.Step{Do: simulator.DoGarbage}, 1, unreadable},
		{simulator.Step{Do: simulator.DoTruncated}, 1, unreadable},
		{simulator.Step{Do: simulator.DoOversized}, 1, func(t *testing.T, l *line) {
			if _, err := l.frame(); !problem.Is(err, "iso8583.frame") {
				t.Errorf("%v, want a frame that is too long", err)
			}
		}},
	} {
		t.Run(string(c.step.Do)+c.step.Code, func(t *testing.T) {
			b := open(t, simulator.Options{})
			l, neighbour := b.dial(), b.dial()
			step := c.step
			step.Match = simulator.Match{MTI: "0100", Card: "visa"}
			b.play(step)
			p := pay(1, "visa", 1250)
			l.send(p.Message)
			c.sees(t, l)
			until(t, "the step is taken", func() bool { return len(b.Waiting()) == 0 })
			if got := len(b.approval(p)); got != c.approved {
				t.Errorf("%d approvals, want %d", got, c.approved)
			}
			if hits := b.Hits(); hits[string(step.Do)+" 0100"] != 1 || len(hits) != 1 {
				t.Errorf("%v", hits)
			}
			if got := neighbour.code(pay(2, "visa", 100).Message); got != "00" {
				t.Errorf("the neighbour: %s", got)
			}
		})
	}
}

// nextIsTheNext: nothing came back, so the next answer is that to the next message.
func nextIsTheNext(t *testing.T, l *line) {
	if got := l.ask(pay(9, "cb", 100).Message).Get(11); got != "000009" {
		t.Errorf("an answer to %s", got)
	}
}

func closed(t *testing.T, l *line) {
	if _, err := l.frame(); !errors.Is(err, io.EOF) {
		t.Errorf("%v, want the end of the link", err)
	}
}

// unreadable: a whole frame that is no message; the link goes on.
func unreadable(t *testing.T, l *line) {
	frame, err := l.frame()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.spec.Unpack(frame); err == nil {
		t.Error("it could be read")
	}
	nextIsTheNext(t, l)
}

// TestLateAnswer: it waits for the clock, and holds up nobody.
func TestLateAnswer(t *testing.T) {
	b := open(t, simulator.Options{})
	l := b.dial()
	b.play(simulator.Step{Do: simulator.DoAnswer, DelayMS: 65_000})
	late := pay(1, "visa", 1250)
	l.send(late.Message)
	until(t, "decided", func() bool { return len(b.approval(late)) == 1 })
	if got := l.ask(pay(2, "visa", 100).Message).Get(11); got != "000002" {
		t.Errorf("the one behind it waited: an answer to %s", got)
	}
	b.clock.Advance(64_999 * time.Millisecond)
	if got := l.ask(pay(3, "visa", 100).Message).Get(11); got != "000003" {
		t.Errorf("too early: an answer to %s", got)
	}
	b.clock.Advance(time.Millisecond)
	if got := l.receive(); got.Get(11) != "000001" || got.Get(39) != "00" {
		t.Errorf("%s %s", got.Get(11), got.Get(39))
	}
}

// TestSlowAnswerWaitsBetweenBytes: each byte has its time.
func TestSlowAnswerWaitsBetweenBytes(t *testing.T) {
	b := open(t, simulator.Options{})
	l := b.dial()
	b.play(simulator.Step{Do: simulator.DoSlow, GapMS: 10})
	l.send(pay(1, "visa", 1250).Message)
	arrived := make(chan int, 1)
	go func() {
		frame, err := l.frame()
		if err != nil {
			t.Error(err)
		}
		arrived <- len(frame)
	}()
	for {
		select {
		case bytes := <-arrived:
			if passed := b.clock.Now().Sub(noon()); passed < time.Duration(bytes)*10*time.Millisecond {
				t.Errorf("%d bytes in %v", bytes, passed)
			}
			return
		case <-time.After(100 * time.Microsecond):
			b.clock.Advance(10 * time.Millisecond)
		}
	}
}

// TestStepsWaitForTheirMessages: order, times, and everything a match may say.
func TestStepsWaitForTheirMessages(t *testing.T) {
	b := open(t, simulator.Options{})
	l := b.dial()
	amount := int64(700)
	refuse := func(code string, m simulator.Match) simulator.Step {
		return simulator.Step{Do: simulator.DoAnswer, Code: code, Match: m}
	}
	twice := refuse("05", simulator.Match{Card: "visa"})
	twice.Times = 2
	b.play(twice, refuse("41", simulator.Match{Amount: &amount}), refuse("43", simulator.Match{Terminal: "00000099"}),
		refuse("96", simulator.Match{MTI: "04"}), refuse("62", simulator.Match{Acceptor: "1"}))
	other := pay(4, "cb", 100).with(41, "00000099")
	first := pay(1, "visa", 700)
	for i, c := range []struct {
		m    payment
		code string
	}{
		{pay(0, "cb", 100), "00"},
		{first, "05"},
		{pay(2, "cb", 700), "41"},
		{other, "43"},
		{pay(3, "cb", 700), "00"},
		{pay(5, "visa", 1), "05"},
		{pay(6, "visa", 1), "00"},
		{first.reversal(50), "96"},
		{first.reversal(50), "00"},
	} {
		if got := l.code(c.m.Message); got != c.code {
			t.Errorf("message %d: %s, want %s", i, got, c.code)
		}
	}
	if left := b.Waiting(); len(left) != 1 || left[0].Match.Acceptor != "1" {
		t.Errorf("%+v", left)
	}
	always := refuse("91", simulator.Match{})
	always.Always = true
	b.must("DELETE", "/scenario", nil, nil)
	b.play(always)
	for i := range 5 {
		if got := l.code(pay(20+i, "visa", 1).Message); got != "91" {
			t.Errorf("always: %s", got)
		}
	}
	b.must("DELETE", "/scenario", nil, nil)
	if got := l.code(pay(30, "visa", 1).Message); got != "00" {
		t.Errorf("cleared: %s", got)
	}
}

// TestChanceIsOfTheSeed: the same seed makes the same faults, in whatever order
// the messages come; another seed makes others.
func TestChanceIsOfTheSeed(t *testing.T) {
	const messages = 200
	run := func(seed uint64, backwards bool) map[string]string {
		b := open(t, simulator.Options{Seed: seed})
		l := b.dial()
		b.play(simulator.Step{Do: simulator.DoAnswer, Code: "91", Percent: 30, Always: true})
		codes := map[string]string{}
		for i := range messages {
			if backwards {
				i = messages - 1 - i
			}
			answer := l.ask(pay(i, "visa", 100).Message)
			codes[answer.Get(11)] = answer.Get(39) + answer.Get(38)
		}
		return codes
	}
	one, again, other := run(7, false), run(7, true), run(8, false)
	if !maps.Equal(one, again) {
		t.Error("the order of messages changed what became of them")
	}
	if maps.Equal(one, other) {
		t.Error("another seed changed nothing")
	}
	refused := 0
	for _, code := range one {
		if code == "91" {
			refused++
		}
	}
	if refused < messages*20/100 || refused > messages*40/100 {
		t.Errorf("%d of %d, want about 30 %%", refused, messages)
	}
}

func TestScenarioIsRefused(t *testing.T) {
	step := func(text string) string { return `{"steps": [{"do": "answer"}, ` + text + `]}` }
	many := `{"steps": [` + strings.Repeat(`{"do":"answer"},`, 1000) + `{"do":"answer"}]}`
	for text, want := range map[string][2]string{
		``:                                      {"simulator.json", ""},
		`{}x`:                                   {"simulator.json", ""},
		`[]`:                                    {"simulator.json", ""},
		`{"step": []}`:                          {"simulator.json", ""},
		`{"steps": [{"do": "answer", "x": 1}]}`: {"simulator.json", ""},
		many:                                    {"simulator.too_many", "steps"},
		step(`{"do": "shout"}`):                 {"simulator.field", "steps[1].do"},
		step(`{}`):                              {"simulator.field", "steps[1].do"},
		step(`{"do": "answer", "code": "5"}`):   {"simulator.field", "steps[1].code"},
		step(`{"do": "refuse_batch"}`):          {"simulator.field", "steps[1].code"},
		step(`{"do": "refuse_batch", "code": "00"}`):                              {"simulator.field", "steps[1].code"},
		step(`{"do": "answer", "delay_ms": -1}`):                                  {"simulator.field", "steps[1].delay_ms"},
		step(`{"do": "answer", "delay_ms": 86400001}`):                            {"simulator.field", "steps[1].delay_ms"},
		step(`{"do": "slow", "gap_ms": -1}`):                                      {"simulator.field", "steps[1].gap_ms"},
		step(`{"do": "answer", "times": 1000001}`):                                {"simulator.field", "steps[1].times"},
		step(`{"do": "answer", "percent": 101}`):                                  {"simulator.field", "steps[1].percent"},
		step(`{"do": "answer", "match": {"mti": "01000"}}`):                       {"simulator.field", "steps[1].match.mti"},
		step(`{"do": "answer", "match": {"card": "4111111111111111 "}}`):          {"simulator.field", "steps[1].match.card"},
		step(`{"do": "answer", "match": {"amount_minor": -1}}`):                   {"simulator.field", "steps[1].match.amount_minor"},
		step(`{"do": "answer", "match": {"terminal": "123456789"}}`):              {"simulator.field", "steps[1].match.terminal"},
		step(`{"do": "answer", "match": {"acceptor": "é"}}`):                      {"simulator.field", "steps[1].match.acceptor"},
		`{"accounts": [{"name": "x"}]}`:                                           {"simulator.number", "accounts[0].number"},
		`{"accounts": [{"name": "4111 1111"}]}`:                                   {"simulator.name", "accounts[0].name"},
		`{"contracts": [{"acceptor": "1", "currency": "EUR"}, {"acceptor": ""}]}`: {"simulator.field", "contracts[1].acceptor"},
	} {
		_, err := simulator.ParseScenario([]byte(text))
		p := problem.As(err)
		if p == nil || p.Code != want[0] || p.Field != want[1] {
			t.Errorf("%.80s: %v, want %v", text, err, want)
		}
	}
}

// FuzzScenario: what is read is either refused with a problem of ours or says
// the same when it is written and read again.
func FuzzScenario(f *testing.F) {
	f.Add([]byte(`{"seed": 7, "steps": [{"match": {"mti": "01", "card": "visa", "amount_minor": 1250, "terminal": "12"}, "do": "answer", "code": "51", "delay_ms": 65000, "times": 3}]}`))
	f.Add([]byte(`{"steps": [{"do": "slow", "gap_ms": 5, "always": true, "percent": 5}, {"do": "refuse_batch", "code": "96"}]}`))
	f.Add([]byte(`{"accounts": [{"name": "visa", "number": "4111111111111111", "expiry": "3512", "schemes": ["visa"], "state": "lost", "currency": "EUR", "balance_minor": 1}]}`))
	f.Add([]byte(`{"contracts": [{"acceptor": "1999887", "currency": "EUR", "schemes": {"amex": "945"}, "terminals": ["*"]}]}`))
	f.Add([]byte(`{"steps": null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := simulator.ParseScenario(text)
		if err != nil {
			p := problem.As(err)
			if p == nil || !strings.HasPrefix(p.Code, "simulator.") {
				t.Fatalf("%v is no problem of ours", err)
			}
			return
		}
		written, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		again, err := simulator.ParseScenario(written)
		if err != nil {
			t.Fatalf("written %s: %v", written, err)
		}
		if twice, _ := json.Marshal(again); string(twice) != string(written) {
			t.Fatalf("%s became %s", written, twice)
		}
		fresh, err := simulator.New(simulator.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := fresh.Play(s); err != nil && problem.As(err) == nil {
			t.Fatal(err)
		}
	})
}

func TestQueueIsBounded(t *testing.T) {
	b := open(t, simulator.Options{})
	steps := make([]simulator.Step, 600)
	for i := range steps {
		steps[i] = simulator.Step{Do: simulator.DoLost, Match: simulator.Match{Acceptor: fmt.Sprint(i)}}
	}
	b.play(steps...)
	if status, text := b.http("POST", "/scenario", simulator.Scenario{Steps: steps}); status != 422 || len(b.Waiting()) != 600 {
		t.Errorf("%d %s, %d wait", status, text, len(b.Waiting()))
	}
}
