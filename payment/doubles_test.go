package payment_test

import (
	"context"
	"fmt"
	"sync"

	"encaisse/acquirer"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/event"
	"encaisse/payment"
	"encaisse/terminal"
)

// till is the owner of payments: it remembers what it was told, and refuses on demand.
type till struct {
	mu       sync.Mutex
	refuses  error
	captured []payment.Payment
	failed   []payment.Payment
	reversed []payment.Reversal
}

func (t *till) told(fn func()) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.refuses != nil {
		return t.refuses
	}
	fn()
	return nil
}

// mark leaves a row of what the till was told: what is undone leaves none.
func mark(tx *db.Tx, p payment.Payment, what string) {
	event.Emit(tx, p.Merchant, p.UpdatedAt, "test."+what, string(p.ID), []byte(`{}`))
}

func (t *till) Captured(tx *db.Tx, p payment.Payment) error {
	return t.told(func() { t.captured = append(t.captured, p); mark(tx, p, "captured") })
}

func (t *till) Failed(tx *db.Tx, p payment.Payment) error {
	return t.told(func() { t.failed = append(t.failed, p); mark(tx, p, "failed") })
}

func (t *till) Reversed(tx *db.Tx, p payment.Payment, r payment.Reversal) error {
	return t.told(func() { t.reversed = append(t.reversed, r); mark(tx, p, "reversed") })
}

// count is how many events of a type there are about a payment: of "test.…",
// how often the till was told, in transactions that were committed.
func (w *world) count(kind string, p id.Payment) (n int64) {
	w.t.Helper()
	w.read(func(tx *db.Tx) error {
		return tx.QueryRow(`SELECT COUNT(*) FROM event WHERE merchant_id = $1 AND type = $2 AND subject = $3`, w.m, kind, p).Scan(&n)
	})
	return n
}

// reader stands in for the hub and its reader: it remembers dialogues and final
// words, and can be out of reach.
type reader struct {
	mu      sync.Mutex
	open    map[id.Attempt]terminal.Dialogue
	reached map[id.Attempt]bool
	words   map[id.Attempt]terminal.Conclusion
	aborted map[id.Attempt]int
	sent    int
	asked   int
	sends   func(id.Attempt) (reached bool, err error) // nil: it gets there
	away    error                                      // what asking and aborting meet
}

func newReader() *reader {
	return &reader{
		open: map[id.Attempt]terminal.Dialogue{}, reached: map[id.Attempt]bool{}, words: map[id.Attempt]terminal.Conclusion{},
		aborted: map[id.Attempt]int{},
	}
}

func (r *reader) Open(_ *db.Tx, d terminal.Dialogue) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open[d.Attempt] = d
	return nil
}

func (r *reader) Close(_ *db.Tx, _ id.Merchant, a id.Attempt) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, a)
	return nil
}

func (r *reader) Send(_ context.Context, _ id.Merchant, a id.Attempt) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent++
	if r.sends != nil {
		reached, err := r.sends(a)
		r.reached[a] = r.reached[a] || reached
		return err
	}
	r.reached[a] = true
	return nil
}

func (r *reader) Abort(_ context.Context, _ id.Merchant, a id.Attempt) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.aborted[a]++
	return r.away
}

func (r *reader) Ask(_ context.Context, _ id.Merchant, a id.Attempt) (terminal.Status, *terminal.Conclusion, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	if r.away != nil {
		return "", nil, r.away
	}
	if word, spoken := r.words[a]; spoken {
		word.Repeated = true
		return terminal.StatusConcluded, &word, nil
	}
	if r.reached[a] {
		return terminal.StatusInProgress, nil, nil
	}
	return terminal.StatusNotFound, nil, nil
}

func (r *reader) says(c terminal.Conclusion) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.words[c.Attempt] = c
}

func (r *reader) outOfReach(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.away = err
}

// host is an acquirer that remembers: what it approved and what was undone, by
// the trace of the original.
type host struct {
	mu       sync.Mutex
	approved map[string]acquirer.Authorisation
	reversed map[string]bool
	seen     []acquirer.Authorisation
	undone   []acquirer.Reversal
	batches  []acquirer.Batch
	answers  func(n int, a acquirer.Authorisation) acquirer.Outcome // nil: it approves
	silent   func(n int, r acquirer.Reversal) bool                  // nil: it acknowledges
	during   func(a acquirer.Authorisation)                         // called while it thinks
	after    func(a acquirer.Authorisation)                         // called once it has decided
}

func newHost() *host {
	return &host{approved: map[string]acquirer.Authorisation{}, reversed: map[string]bool{}}
}

func key(t acquirer.Trace) string {
	return fmt.Sprintf("%s %06d %d", t.Terminal, t.Number, t.At.UnixMilli())
}

func approve() acquirer.Outcome {
	return acquirer.Outcome{Result: acquirer.Approved, Code: "00", Approval: "A12345", RRN: "000000000042"}
}

func decline(why acquirer.Decline) acquirer.Outcome {
	return acquirer.Outcome{Result: acquirer.Declined, Code: "05", Decline: why}
}

// lost is an approval whose answer does not arrive; never is a request that did not.
func lost() acquirer.Outcome  { return acquirer.Outcome{Result: acquirer.Unknown, Approval: "lost"} }
func never() acquirer.Outcome { return acquirer.Outcome{Result: acquirer.Unknown} }

func (h *host) Authorise(_ context.Context, a acquirer.Authorisation) acquirer.Outcome {
	if h.during != nil {
		h.during(a)
	}
	outcome := h.decide(a)
	if h.after != nil {
		h.after(a)
	}
	if outcome.Approval == "lost" {
		return never()
	}
	return outcome
}

func (h *host) decide(a acquirer.Authorisation) acquirer.Outcome {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen = append(h.seen, a)
	outcome := approve()
	if h.answers != nil {
		outcome = h.answers(len(h.seen), a)
	}
	if outcome.Result == acquirer.Approved || outcome.Approval == "lost" {
		h.approved[key(a.Trace)] = a
		delete(h.reversed, key(a.Trace)) // a reversal that came before it undid nothing
	}
	return outcome
}

func (h *host) Reverse(_ context.Context, r acquirer.Reversal) acquirer.Outcome {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.undone = append(h.undone, r)
	if h.silent != nil && h.silent(len(h.undone), r) {
		return acquirer.Outcome{Result: acquirer.Unknown}
	}
	h.reversed[key(r.Original.Trace)] = true
	return acquirer.Outcome{Result: acquirer.Approved, Code: "00"}
}

func (h *host) Submit(_ context.Context, b acquirer.Batch) acquirer.Receipt {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.batches = append(h.batches, b)
	return acquirer.Receipt{Result: acquirer.Approved}
}

// held adds up what the host has approved and nobody has undone: purchases less refunds.
func (h *host) held() (minor int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for k, a := range h.approved {
		if h.reversed[k] {
			continue
		}
		if a.Kind == acquirer.Refund {
			minor -= a.Amount.Minor
		} else {
			minor += a.Amount.Minor
		}
	}
	return minor
}
