package job

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"encaisse/base/clock"
	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/id"
	"encaisse/base/problem"
)

const shop id.Merchant = "mer_01h455vb4pex5vsknk084sn02q"

func startOfDay() time.Time { return time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC) }

// bench is what each test needs: a database, a clock that stands, a queue.
type bench struct {
	t     *testing.T
	db    *db.DB
	clock *clock.Manual
	q     *Queue
}

func setup(t *testing.T, d *db.DB) *bench {
	t.Helper()
	c := clock.NewManual(startOfDay())
	return &bench{t: t, db: d, clock: c, q: New(d, c, nil)}
}

func (b *bench) enqueue(specs ...Spec) {
	b.t.Helper()
	err := b.db.Write(b.t.Context(), func(tx *db.Tx) error {
		for _, s := range specs {
			if s.Merchant == "" {
				s.Merchant = shop
			}
			if s.Kind == "" {
				s.Kind = "test"
			}
			if err := Enqueue(tx, b.clock.Now(), s); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// runDue wants that many handlers to be called.
func (b *bench) runDue(want int) {
	b.t.Helper()
	if got, err := b.q.RunDue(b.t.Context()); err != nil || got != want {
		b.t.Fatalf("%d jobs ran, %v, want %d", got, err, want)
	}
}

// claim is what a worker does before it dies.
func (b *bench) claim() Job {
	b.t.Helper()
	jobs, _, err := b.q.tryClaim(b.t.Context(), 1)
	if err != nil || len(jobs) != 1 {
		b.t.Fatalf("claimed %v, %v", jobs, err)
	}
	return jobs[0]
}

func (b *bench) complete(j Job) error {
	return b.db.Write(b.t.Context(), func(tx *db.Tx) error { return j.Complete(tx, b.clock.Now()) })
}

type row struct {
	state, lastError string
	attempts         int64
	runAt            time.Time
}

// rows lists all jobs in the order they were made.
func (b *bench) rows() []row {
	b.t.Helper()
	var all []row
	err := b.db.Read(b.t.Context(), func(tx *db.Tx) error {
		all = nil
		rows := tx.Query(`SELECT state, last_error, attempts, run_at FROM job ORDER BY job_id`)
		defer rows.Close()
		for rows.Next() {
			var r row
			if err := rows.Scan(&r.state, &r.lastError, &r.attempts, &r.runAt); err != nil {
				return err
			}
			all = append(all, r)
		}
		return rows.Err()
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return all
}

// states is all jobs' states, "done waiting".
func (b *bench) states() string {
	b.t.Helper()
	var all []string
	for _, r := range b.rows() {
		all = append(all, r.state)
	}
	return strings.Join(all, " ")
}

func TestEnqueueJoinsTheTransaction(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := setup(t, d)
		var seen []string
		b.q.Handle("test", func(_ context.Context, j Job) error {
			var p struct{ Sale string }
			if err := j.Read(&p); err != nil {
				return err
			}
			seen = append(seen, fmt.Sprintf("%s %s %s %d", j.Merchant, j.Kind, p.Sale, j.Attempt))
			return nil
		})
		refused := errors.New("refused")
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			if err := Enqueue(tx, b.clock.Now(), Spec{Merchant: shop, Kind: "test"}); err != nil {
				return err
			}
			return refused
		})
		if !errors.Is(err, refused) {
			t.Fatal(err)
		}
		b.runDue(0)
		b.enqueue(Spec{Payload: map[string]string{"sale": "sale_1"}})
		b.runDue(1)
		b.runDue(0)
		if want := []string{string(shop) + " test sale_1 1"}; len(seen) != 1 || seen[0] != want[0] {
			t.Errorf("%q, want %q", seen, want)
		}
		if got := b.states(); got != "done" {
			t.Errorf("states %q", got)
		}
	})
}

func TestEnqueueRefusesFaultsOfTheProgram(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		for code, s := range map[string]Spec{
			"job.incomplete": {Kind: "test"},
			"job.payload":    {Merchant: shop, Kind: "test", Payload: strings.Repeat("a", MaxPayload)},
		} {
			err := d.Write(t.Context(), func(tx *db.Tx) error { return Enqueue(tx, startOfDay(), s) })
			if !problem.Is(err, code) {
				t.Errorf("%+v: %v, want %s", s.Kind, err, code)
			}
		}
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			return Enqueue(tx, startOfDay(), Spec{Merchant: shop, Kind: "test", Payload: func() {}})
		})
		if !problem.Is(err, "job.payload") {
			t.Errorf("not JSON: %v", err)
		}
		if err := (Job{payload: "{"}).Read(new(int)); !problem.Is(err, "job.payload") {
			t.Errorf("Read: %v", err)
		}
	})
}

func TestJobsRunWhenDueAndInOrder(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := setup(t, d)
		var seen []string
		b.q.Handle("test", func(_ context.Context, j Job) error {
			var name string
			seen = append(seen, name)
			return j.Read(&seen[len(seen)-1])
		})
		now := b.clock.Now()
		b.enqueue(Spec{Payload: "late", RunAt: now.Add(time.Hour)}, Spec{Payload: "second", RunAt: now.Add(time.Minute)},
			Spec{Payload: "first"}, Spec{Kind: "of another queue"})
		b.runDue(1)
		b.clock.Advance(2 * time.Hour)
		b.runDue(2)
		if got := strings.Join(seen, " "); got != "first second late" {
			t.Errorf("order %q", got)
		}
		if got := b.states(); got != "done done done waiting" {
			t.Errorf("states %q: a kind without handler is left alone", got)
		}
	})
}

func TestFailuresBackOffThenDie(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := setup(t, d)
		calls := 0
		b.q.Handle("test", func(_ context.Context, j Job) error {
			if calls++; int64(calls) != j.Attempt {
				t.Errorf("call %d is attempt %d", calls, j.Attempt)
			}
			return fmt.Errorf("refused %d\x00\xff%s", calls, strings.Repeat("e", 2000))
		})
		b.enqueue(Spec{})
		for attempt := int64(1); attempt < MaxAttempts; attempt++ {
			b.runDue(1)
			r := b.rows()[0]
			wait := r.runAt.Sub(b.clock.Now())
			least := min(firstDelay<<(attempt-1), lastDelay)
			if r.state != "waiting" || r.attempts != attempt || wait < least || wait > least+least/10 {
				t.Fatalf("after attempt %d: %+v, waits %s", attempt, r, wait)
			}
			if !strings.HasPrefix(r.lastError, fmt.Sprintf("refused %deee", attempt)) || len(r.lastError) > maxErrorText {
				t.Fatalf("last error %.20q, %d bytes", r.lastError, len(r.lastError))
			}
			b.clock.Set(r.runAt.Add(-time.Millisecond))
			b.runDue(0)
			b.clock.Set(r.runAt)
		}
		b.runDue(1)
		b.clock.Advance(1000 * time.Hour)
		b.runDue(0)
		r := b.rows()[0]
		if r.state != "dead" || r.attempts != MaxAttempts || !strings.HasPrefix(r.lastError, "refused 20") {
			t.Errorf("%+v", r)
		}
	})
}

func TestACrashedWorkersJobIsDoneByAnother(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := setup(t, d)
		var attempts []int64
		b.q.Handle("test", func(_ context.Context, j Job) error {
			attempts = append(attempts, j.Attempt)
			return nil
		})
		b.enqueue(Spec{})
		b.claim()
		b.clock.Advance(Lease - time.Millisecond)
		b.runDue(0)
		b.clock.Advance(time.Millisecond)
		b.runDue(1)
		if len(attempts) != 1 || attempts[0] != 2 || b.states() != "done" {
			t.Errorf("attempts %v, states %s", attempts, b.states())
		}
	})
}

func TestAJobThatKillsItsNodeDies(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := setup(t, d)
		called := false
		b.q.Handle("test", func(context.Context, Job) error { called = true; return nil })
		b.enqueue(Spec{})
		for range MaxAttempts {
			b.claim()
			b.clock.Advance(Lease)
		}
		b.runDue(1)
		if r := b.rows()[0]; called || r.state != "dead" || !strings.Contains(r.lastError, "without an answer") {
			t.Errorf("called %v, %+v", called, r)
		}
	})
}

func TestALostLeaseCompletesNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := setup(t, d)
		b.q.Handle("test", func(context.Context, Job) error { return nil })
		b.enqueue(Spec{})
		slow := b.claim()
		b.clock.Advance(Lease)
		owner := b.claim()
		if slow.ID != owner.ID || slow.token == owner.token {
			t.Fatalf("%+v and %+v", slow, owner)
		}

		b.q.finish(t.Context(), slow, nil)
		b.q.finish(t.Context(), slow, errors.New("late"))
		if r := b.rows()[0]; r.state != "running" || r.lastError != "" {
			t.Errorf("the slow one changed the job: %+v", r)
		}
		// Its effect goes with its completion: the job it would have enqueued is not there.
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			if err := Enqueue(tx, b.clock.Now(), Spec{Merchant: shop, Kind: "effect"}); err != nil {
				return err
			}
			return slow.Complete(tx, b.clock.Now())
		})
		if !problem.Is(err, "job.lease_lost") || b.states() != "running" {
			t.Errorf("%v, states %s", err, b.states())
		}
		// The token alone makes the difference.
		thief := slow
		thief.token = owner.token
		if err := b.complete(thief); err != nil || b.states() != "done" {
			t.Errorf("with the owner's token: %v, states %s", err, b.states())
		}
		if err := b.complete(owner); !problem.Is(err, "job.lease_lost") {
			t.Errorf("completed twice: %v", err)
		}
	})
}

func TestCompleteInTheTransactionOfTheEffect(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := setup(t, d)
		b.q.Handle("test", func(ctx context.Context, j Job) error {
			return d.Write(ctx, func(tx *db.Tx) error {
				if err := Enqueue(tx, b.clock.Now(), Spec{Merchant: shop, Kind: "effect"}); err != nil {
					return err
				}
				if err := j.Complete(tx, b.clock.Now()); err != nil {
					return err
				}
				if j.Attempt == 1 {
					return errors.New("the transaction is undone")
				}
				return nil
			})
		})
		b.enqueue(Spec{})
		b.runDue(1)
		if got := b.states(); got != "waiting" {
			t.Fatalf("states %q", got)
		}
		b.clock.Advance(time.Minute)
		b.runDue(1)
		if got := b.states(); got != "done waiting" {
			t.Errorf("states %q", got)
		}
	})
}

func TestDedup(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := setup(t, d)
		var seen []string
		fail := true
		b.q.Handle("test", func(_ context.Context, j Job) error {
			var name string
			if err := j.Read(&name); err != nil {
				return err
			}
			seen = append(seen, name)
			if name == "first" {
				b.enqueue(Spec{Dedup: "x", Payload: "while running"}, Spec{Dedup: "x", Payload: "once more"})
			}
			if fail {
				return errors.New("refused")
			}
			return nil
		})
		b.enqueue(Spec{Dedup: "x", Payload: "first"}, Spec{Dedup: "x", Payload: "the same"})
		if got := b.states(); got != "waiting" {
			t.Fatalf("states %q", got)
		}
		// The first fails while another waits for the same work: only that one goes on.
		b.runDue(2)
		rows := b.rows()
		if len(rows) != 2 || rows[0].state != "done" || rows[0].lastError != "refused" || rows[1].state != "waiting" || rows[1].attempts != 1 {
			t.Fatalf("%+v", rows)
		}
		fail = false
		b.clock.Advance(time.Hour)
		b.runDue(1)
		if got := strings.Join(seen, ", "); got != "first, while running, while running" {
			t.Errorf("ran %q", got)
		}
		b.enqueue(Spec{Dedup: "y"}, Spec{Dedup: "z"}, Spec{Merchant: shop + "x", Dedup: "y"}, Spec{Kind: "other", Dedup: "y"}, Spec{}, Spec{})
		if got := len(b.rows()); got != 2+6 {
			t.Errorf("%d jobs: other work was taken for the same", got)
		}
	})
}

func TestAPanicIsAFailure(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := setup(t, d)
		b.q.Handle("test", func(context.Context, Job) error { panic("planted") })
		b.enqueue(Spec{})
		b.runDue(1)
		if r := b.rows()[0]; r.state != "waiting" || r.lastError != "panic: planted" {
			t.Errorf("%+v", r)
		}
	})
}

func TestPruneKeepsWhatIsRecentOrNotDone(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := setup(t, d)
		b.q.Handle("test", func(context.Context, Job) error { return nil })
		doAll := func(count int) {
			b.enqueue(make([]Spec, count)...)
			jobs, _, err := b.q.tryClaim(t.Context(), count)
			if err != nil || len(jobs) != count {
				t.Fatalf("%d of %d, %v", len(jobs), count, err)
			}
			err = d.Write(t.Context(), func(tx *db.Tx) error {
				for _, j := range jobs {
					if err := j.Complete(tx, b.clock.Now()); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		doAll(pruneChunk + 10)
		b.clock.Advance(time.Minute)
		doAll(1)
		b.enqueue(Spec{})
		b.clock.Advance(keepDone - time.Second)
		b.q.prune(t.Context())
		if got := b.states(); got != "done waiting" {
			t.Errorf("left: %d jobs, %.60s", len(b.rows()), got)
		}
	})
}

func TestDelay(t *testing.T) {
	for attempt := range int64(70) {
		for range 20 {
			d := Job{ID: id.New[id.Job](startOfDay()), Attempt: attempt}.delay()
			if d < firstDelay || d > lastDelay+lastDelay/10 {
				t.Fatalf("attempt %d waits %s", attempt, d)
			}
		}
	}
}
