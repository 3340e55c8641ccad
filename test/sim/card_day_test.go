package sim_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"encaisse/base/db"
	"encaisse/terminal/emulator"
	"encaisse/test/sim"
)

const (
	// daysCI and daysSoak are how many days are lived, and twoNodesEvery which of
	// them on two nodes with one PostgreSQL.
	daysCI        = 200
	daysSoak      = 10_000
	twoNodesEvery = 16
	daysAtOnce    = 8

	// envDays and envDay say how many days, or which one alone.
	envDays = "ENCAISSE_SIM_DAYS"
	envDay  = "ENCAISSE_SIM_DAY"
)

// live lives a day and returns what was wrong with it.
func (w *cardWorld) live() []string {
	w.openTill()
	var cashiers sync.WaitGroup
	for i, visits := range w.day.visits {
		cashiers.Go(func() { w.serve(i, visits) })
	}
	cashiers.Wait()
	w.evening()
	if w.ctx.Err() == nil {
		w.balanced()
	}
	for f, n := range w.struck() {
		w.table.hit(f, n)
	}
	return w.faultsFound()
}

// struck is what the readers and the host count themselves.
func (w *cardWorld) struck() map[cell]int {
	hits := make(map[cell]int)
	for _, r := range w.readers {
		for f, n := range r.Struck() {
			hits[cell{groupReader, string(f.Do), string(f.At)}] += n
		}
	}
	for key, n := range w.host.Hits() {
		do, mti, _ := strings.Cut(key, " ")
		for _, m := range hostMessages {
			if strings.HasPrefix(mti, m.mti) {
				hits[cell{groupHost, do, m.name}] += int(n)
			}
		}
	}
	return hits
}

// cardDays is what came of many days.
type cardDays struct {
	t    *testing.T
	hits *table

	mu     sync.Mutex
	failed []uint64
}

// dayTB is the test of one day among many at a time: it ends its own goroutine
// and what it cleans up ends with its day.
type dayTB struct {
	testing.TB
	cleanups []func()
}

func (t *dayTB) Cleanup(fn func()) { t.cleanups = append(t.cleanups, fn) }

func (t *dayTB) Fatalf(format string, args ...any) {
	t.TB.Errorf(format, args...)
	runtime.Goexit()
}

func (t *dayTB) Fatal(args ...any) {
	t.TB.Error(args...)
	runtime.Goexit()
}

func (t *dayTB) TempDir() string {
	dir, err := os.MkdirTemp("", "encaisse-day")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func (t *dayTB) end() {
	for i := len(t.cleanups) - 1; i >= 0; i-- {
		t.cleanups[i]()
	}
}

// engineOf is where a day is lived: every so many on two nodes.
func engineOf(seed uint64) worldOptions {
	if seed%twoNodesEvery == 0 {
		return worldOptions{engine: db.PostgreSQL, nodes: 2}
	}
	return worldOptions{engine: db.SQLite}
}

// day lives one day and fails the test with how to live it again.
func (d *cardDays) day(seed uint64, o worldOptions) {
	t := &dayTB{TB: d.t}
	defer t.end()
	if os.Getenv(envDay) != "" {
		o.level = slog.LevelDebug
	}
	w := newCardWorld(t, drawDay(seed), o)
	faults := w.live()
	w.close()
	d.hits.merge(w.table)
	if len(faults) == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failed = append(d.failed, seed)
	d.t.Errorf("day %d on %s (again alone: %s=%d go test ./test/sim -run 'TestCardDays$'):\n%s\n%s\nlog:\n%s", seed, o.engine, envDay, seed,
		strings.Join(faults, "\n"), w.story(), lastLines(string(w.logged.Bytes())))
}

// story is what the host was asked and what the books say of it, for whoever
// looks into a day that failed.
func (w *cardWorld) story() string {
	const most = 60
	var out strings.Builder
	messages := w.host.Log(most, false)
	for i := len(messages) - 1; i >= 0; i-- {
		m := messages[i]
		fmt.Fprintf(&out, "host %s %s %s/%s %s code %s %s %s\n", m.At.Format("15:04:05.000"), m.MTI, m.Terminal, m.Trace, m.Account, m.Code, m.Why, m.Do)
	}
	err := w.watch.Read(context.Background(), func(tx *db.Tx) error {
		return queryAll(tx, `SELECT operation_id, payment_id, kind, state, original_id, purpose, acceptor_terminal, trace_number, code, detail, tries FROM payment_operation
			WHERE next_try_at IS NOT NULL OR state IN ('prepared', 'sent', 'unknown')`, func(rows *db.Rows) error {
			var id, payment, kind, state, original, purpose, terminal, code, detail string
			var trace, tries int64
			err := rows.Scan(&id, &payment, &kind, &state, &original, &purpose, &terminal, &trace, &code, &detail, &tries)
			fmt.Fprintf(&out, "open %s %s %s %s of %s (%s) %s/%06d code %s %s, %d tries\n", payment, kind, id, state, original, purpose, terminal, trace, code, detail, tries)
			return err
		})
	})
	if err == nil {
		err = w.watch.Read(context.Background(), func(tx *db.Tx) error { return tellOpen(tx, &out) })
	}
	if err != nil {
		fmt.Fprintln(&out, err)
	}
	return out.String()
}

// tellOpen tells what happened to the payments that are still open.
func tellOpen(tx *db.Tx, out *strings.Builder) error {
	return queryAll(tx, `SELECT h.payment_id, h.subject, h.event, h.from_state, h.to_state, h.source, h.detail, h.at FROM payment_history h
		WHERE EXISTS (SELECT 1 FROM payment_attempt a WHERE a.merchant_id = h.merchant_id AND a.payment_id = h.payment_id AND a.state NOT IN ('succeeded', 'failed'))
		OR EXISTS (SELECT 1 FROM payment_operation o WHERE o.merchant_id = h.merchant_id AND o.payment_id = h.payment_id AND o.next_try_at IS NOT NULL)
		ORDER BY h.history_id LIMIT 60`, func(rows *db.Rows) error {
		var payment, subject, event, from, to, source, detail string
		var at time.Time
		err := rows.Scan(&payment, &subject, &event, &from, &to, &source, &detail, &at)
		fmt.Fprintf(out, "history %s %s %s %s: %s → %s by %s %s\n", at.Format("15:04:05.000"), payment, subject, event, from, to, source, detail)
		return err
	})
}

func lastLines(log string) string {
	const most = 12_000
	if len(log) > most {
		log = "…" + log[len(log)-most:]
	}
	return log
}

// mostFailed is how many failed days end the test: more would say the same.
const mostFailed = 5

func (d *cardDays) enough() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.failed) >= mostFailed
}

// live lives days, several at a time: most of one is waiting.
func (d *cardDays) live(days int) {
	var next atomic.Uint64
	var all sync.WaitGroup
	for range daysAtOnce {
		all.Go(func() {
			for n := next.Add(1); n <= uint64(days) && !d.enough(); n = next.Add(1) {
				d.lone(n)
			}
		})
	}
	all.Wait()
}

// lone lives a day on a goroutine that may end with it.
func (d *cardDays) lone(seed uint64) {
	over := make(chan struct{})
	go func() {
		defer close(over)
		d.day(seed, engineOf(seed))
	}()
	<-over
}

// number reads a number from the environment.
func number(t *testing.T, name string) (n uint64, given bool) {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return 0, false
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n, true
}

// TestCardDays lives days in a shop that takes cards, with faults at every step
// of the card path, and holds its books against the bank's when all has come to
// rest. What it must come to is in rules and defects.
func TestCardDays(t *testing.T) {
	soakOnly(t)
	d := &cardDays{t: t, hits: newTable()}
	if seed, given := number(t, envDay); given {
		d.lone(seed)
		t.Log(d.hits)
		return
	}
	days := daysCI
	if sim.Soak() {
		days = daysSoak
	}
	if n, given := number(t, envDays); given {
		days = int(n)
	}
	t.Parallel()
	began := time.Now()
	d.live(days)
	t.Logf("%d days in %.0f s%s", days, time.Since(began).Seconds(), d.hits)
	if missed := d.hits.missed(); days >= daysCI && len(missed) > 0 {
		t.Errorf("never hit: %v", missed)
	}
}

// TestCardDayQuiet lives a day on which nothing goes wrong: everything that is
// asked for by card is paid by card.
func TestCardDayQuiet(t *testing.T) {
	soakOnly(t)
	for _, o := range []worldOptions{{engine: db.SQLite}, {engine: db.PostgreSQL, nodes: 2}} {
		t.Run(o.engine.String(), func(t *testing.T) {
			t.Parallel()
			day := drawDay(1)
			for i := range day.visits {
				for _, v := range day.visits[i] {
					v.plans, v.impatience = nil, ""
					v.customer = customer{name: "pays", hand: emulator.Hand{Card: []string{"cb", "mastercard"}[i]}} // a card is in one place
				}
				day.midday[i] = mischief{}
			}
			day.evening = mischief{}
			w := newCardWorld(t, day, o)
			for _, f := range w.live() {
				t.Error(f)
			}
			b, err := w.readBooks()
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range b.payments {
				if p.captured != p.amount {
					t.Errorf("payment %s is %s", p.id, p.state)
				}
			}
			t.Logf("%d payments, %d batches", len(b.payments), len(b.batches))
			if t.Failed() {
				t.Log(string(w.logged.Bytes()))
			}
		})
	}
}
