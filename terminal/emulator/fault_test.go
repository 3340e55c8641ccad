package emulator_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"encaisse/base/clock"
	"encaisse/terminal"
	"encaisse/terminal/emulator"
)

// eventually moves the clock on until the hub has acknowledged an attempt's end.
func (h *hub) eventually(c *clock.Manual, e *emulator.Emulator, d terminal.Dialogue) {
	h.t.Helper()
	over := time.After(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		if s := e.State(); len(s.Recent) > 0 && s.Recent[0].Over && s.Recent[0].Told {
			return
		}
		select {
		case <-tick.C:
			c.Advance(time.Second)
		case <-over:
			h.t.Fatalf("it never came to an end: %+v", e.State())
		}
	}
}

// TestEveryFaultAtEveryPoint: whatever breaks, one end is told, again and again
// the same, and a yes of the issuer is never hidden.
func TestEveryFaultAtEveryPoint(t *testing.T) {
	for _, at := range emulator.Points() {
		for _, do := range emulator.Actions() {
			t.Run(fmt.Sprintf("%s/%s", at, do), func(t *testing.T) {
				c := clock.NewManual(morning())
				h := newHub(t, c)
				e := h.reader(emulator.Options{State: filepath.Join(t.TempDir(), "state")})
				e.Hand(by("cb"))
				e.Plan(emulator.Fault{At: at, Do: do, For: 3 * time.Second})
				d := h.payment(5_00)
				h.perform(d)
				if at == emulator.PointEnded { // strikes when all is over
					h.eventually(c, e, d)
					await(t, e, "the fault to strike", func() bool { return len(e.Struck()) == 1 })
					d = h.payment(6_00)
					h.insist(c, e, d)
				}
				h.eventually(c, e, d)
				// The acknowledgement of a word may be here before the fault that follows it.
				await(t, e, "the fault to strike", func() bool { return len(e.Planned()) == 0 })
				if n := e.Struck()[emulator.Fault{At: at, Do: do}]; n != 1 {
					t.Fatalf("the fault struck %d times", n)
				}
				h.consistent(d)
			})
		}
	}
}

// insist asks for a payment again and again until the reader has heard of it.
func (h *hub) insist(c *clock.Manual, e *emulator.Emulator, d terminal.Dialogue) {
	h.t.Helper()
	over := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for e.State().Recent[0].Amount != d.Amount {
		h.perform(d)
		select {
		case <-tick.C:
			c.Advance(time.Second)
		case <-over:
			h.t.Fatalf("it heard of no payment: %+v", e.State())
		}
	}
}

// consistent checks what was said of an attempt.
func (h *hub) consistent(d terminal.Dialogue) {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, fault := range contradictions(h.heard, d) {
		h.t.Error(fault)
	}
}

// contradictions are what may never be heard of an attempt: two different ends,
// two requests for authorisation, a success that nobody authorised, an approval
// that was given and is not told.
func contradictions(heard []terminal.Message, d terminal.Dialogue) (out []string) {
	var first *terminal.Conclusion
	exchanges := map[string]bool{}
	for _, m := range heard {
		switch {
		case m.Authorise != nil && m.Authorise.Attempt == d.Attempt:
			exchanges[m.Authorise.Exchange] = true
		case m.Concluded != nil && m.Concluded.Attempt == d.Attempt && first == nil:
			first = m.Concluded
		case m.Concluded != nil && m.Concluded.Attempt == d.Attempt:
			if w := m.Concluded; w.Success != first.Success || w.Cause != first.Cause || w.Approval != first.Approval || !w.At.Equal(first.At) || w.Transaction != first.Transaction {
				out = append(out, fmt.Sprintf("it was %+v, and then %+v", first, w))
			}
		}
	}
	switch {
	case first == nil:
		return append(out, "no end was told")
	case len(exchanges) > 1:
		out = append(out, "authorisation was asked more than once")
	case first.Success && (first.Approval == "" || len(exchanges) != 1):
		out = append(out, "a success nobody authorised")
	}
	return out
}

// TestContradictionsAreSeen plants each of them.
func TestContradictionsAreSeen(t *testing.T) {
	d := terminal.Dialogue{Attempt: "att_1"}
	word := func(success bool, approval string) terminal.Message {
		return terminal.Message{Concluded: &terminal.Conclusion{Attempt: d.Attempt, Success: success, Approval: approval}}
	}
	ask := func(exchange string) terminal.Message {
		return terminal.Message{Authorise: &terminal.Request{Attempt: d.Attempt, Exchange: exchange}}
	}
	for want, heard := range map[string][]terminal.Message{
		"":                              {ask("1"), ask("1"), word(true, "A"), word(true, "A")},
		"no end was told":               {ask("1")},
		"it was":                        {ask("1"), word(true, "A"), word(false, "A")},
		"authorisation was asked":       {ask("1"), ask("2"), word(true, "A")},
		"a success nobody authorised":   {word(true, "A")},
		"a success nobody authorised\n": {ask("1"), word(true, "")},
	} {
		found := contradictions(heard, d)
		if (want == "") != (len(found) == 0) || want != "" && !strings.HasPrefix(found[0], strings.TrimSpace(want)) {
			t.Errorf("%q: found %v", want, found)
		}
	}
}

// TestTheSameSeedIsTheSameReader draws the same numbers and the same scenarios.
func TestTheSameSeedIsTheSameReader(t *testing.T) {
	drawn := func(seed uint64) (out []string) {
		e, err := emulator.New(emulator.Options{Clock: clock.NewManual(morning()), Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e.ID())
		for range 20 {
			out = append(out, e.PlayAny())
		}
		return out
	}
	one, same, other := fmt.Sprint(drawn(7)), fmt.Sprint(drawn(7)), fmt.Sprint(drawn(8))
	if one != same || one == other {
		t.Errorf("seed 7 drew %s and %s, seed 8 %s", one, same, other)
	}
}

// TestEveryScenarioComesToAnEnd plays the whole list against an issuer that
// always agrees.
func TestEveryScenarioComesToAnEnd(t *testing.T) {
	for _, s := range emulator.Scenarios() {
		t.Run(s.Key, func(t *testing.T) {
			c := clock.NewManual(morning())
			h := newHub(t, c)
			e := h.reader(emulator.Options{})
			e.SetPace(0)
			if err := e.Play(s.Key); err != nil {
				t.Fatal(err)
			}
			if s.Group == "reader" && e.State().Scenario == "" { // it is how the reader is now
				return
			}
			d := h.payment(20_00)
			h.perform(d)
			await(t, e, "the payment to begin", func() bool { return len(e.State().Recent) == 1 })
			h.eventually(c, e, d)
			h.consistent(d)
			if left := e.Planned(); len(left) != 0 {
				t.Errorf("faults that did not strike: %v", left)
			}
		})
	}
}
