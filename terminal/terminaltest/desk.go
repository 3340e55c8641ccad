package terminaltest

import (
	"context"
	"sync"
	"testing"
	"time"

	"encaisse/base/id"
	"encaisse/base/problem"
	"encaisse/terminal"
)

// Patience is how long a test waits for what must happen.
const Patience = 30 * time.Second

// Word is a final word with who said it.
type Word struct {
	From terminal.From
	terminal.Conclusion
}

// Asked is a request for authorisation with who made it.
type Asked struct {
	From terminal.From
	terminal.Request
}

// Step is a stage with who reached it.
type Step struct {
	From    terminal.From
	Attempt id.Attempt
	Stage   terminal.Stage
}

// Desk stands in the place of payment: it keeps what readers say. Safe for use
// by many goroutines.
type Desk struct {
	mu      sync.Mutex
	changed chan struct{}
	asked   []Asked
	steps   []Step
	words   []Word
	answer  func(terminal.Request) (terminal.Answer, error)
	take    func(terminal.Conclusion) error
}

// NewDesk approves everything.
func NewDesk() *Desk {
	return &Desk{
		changed: make(chan struct{}),
		answer: func(terminal.Request) (terminal.Answer, error) {
			return terminal.Answer{Approved: true, Code: "00", Approval: "A1B2C3"}, nil
		},
		take: func(terminal.Conclusion) error { return nil },
	}
}

// Answer says how requests for authorisation are answered from now on.
func (d *Desk) Answer(fn func(terminal.Request) (terminal.Answer, error)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answer = fn
}

// Take says how final words are taken from now on.
func (d *Desk) Take(fn func(terminal.Conclusion) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.take = fn
}

// Once fails the first call with a passing problem.
func Once() func() error {
	var once sync.Once
	return func() (err error) {
		once.Do(func() { err = problem.New(problem.Unavailable, "db.unavailable") })
		return err
	}
}

func (d *Desk) note(fn func()) {
	d.mu.Lock()
	fn()
	close(d.changed)
	d.changed = make(chan struct{})
	d.mu.Unlock()
}

// Authorise implements terminal.Payments.
func (d *Desk) Authorise(_ context.Context, from terminal.From, r terminal.Request) (terminal.Answer, error) {
	var answer func(terminal.Request) (terminal.Answer, error)
	d.note(func() { d.asked, answer = append(d.asked, Asked{from, r}), d.answer })
	return answer(r)
}

// Progressed implements terminal.Payments.
func (d *Desk) Progressed(_ context.Context, from terminal.From, attempt id.Attempt, stage terminal.Stage) error {
	d.note(func() { d.steps = append(d.steps, Step{from, attempt, stage}) })
	return nil
}

// Concluded implements terminal.Payments.
func (d *Desk) Concluded(_ context.Context, from terminal.From, c terminal.Conclusion) error {
	var take func(terminal.Conclusion) error
	d.note(func() { d.words, take = append(d.words, Word{from, c}), d.take })
	return take(c)
}

// Words are the final words on an attempt so far, repetitions among them.
func (d *Desk) Words(attempt id.Attempt) (out []Word) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range d.words {
		if w.Attempt == attempt {
			out = append(out, w)
		}
	}
	return out
}

// Asked are the requests for authorisation of an attempt so far.
func (d *Desk) Asked(attempt id.Attempt) (out []Asked) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, a := range d.asked {
		if a.Attempt == attempt {
			out = append(out, a)
		}
	}
	return out
}

// Steps are the stages of an attempt so far.
func (d *Desk) Steps(attempt id.Attempt) (out []terminal.Stage) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.steps {
		if s.Attempt == attempt {
			out = append(out, s.Stage)
		}
	}
	return out
}

// Until waits until something holds, looking again at whatever is said.
func (d *Desk) Until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	late := time.NewTimer(Patience)
	defer late.Stop()
	for {
		d.mu.Lock()
		changed := d.changed
		d.mu.Unlock()
		if holds() {
			return
		}
		select {
		case <-changed:
		case <-late.C:
			t.Fatalf("waited %s for: %s", Patience, what)
		}
	}
}

// Word waits for the final word on an attempt.
func (d *Desk) Word(t testing.TB, attempt id.Attempt) terminal.Conclusion {
	t.Helper()
	d.Until(t, "the final word", func() bool { return len(d.Words(attempt)) > 0 })
	return d.Words(attempt)[0].Conclusion
}
