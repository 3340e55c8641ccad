package job

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/id"
	"encaisse/base/problem"
)

// run starts a queue and returns what stops it and waits for it.
func run(t *testing.T, q *Queue) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- q.Run(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestRunIsWokenOrPolls(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := setup(t, d)
		ran := make(chan id.Job, 1)
		b.q.Handle("test", func(ctx context.Context, j Job) error {
			select {
			case ran <- j.ID:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		stop := run(t, b.q)
		defer stop()
		b.enqueue(Spec{})
		b.q.Wake()
		first := <-ran
		// Without Wake the clock must bring it: it is moved until it does.
		b.enqueue(Spec{})
		for arrived := false; !arrived; {
			b.clock.Advance(PollInterval)
			select {
			case job := <-ran:
				arrived = job != first
			case <-time.After(time.Millisecond): // the queue is about to rest
			}
		}
	})
}

func TestTheEndOfRunIsNoFailureOfAJob(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := setup(t, d)
		started := make(chan bool)
		b.q.Handle("test", func(ctx context.Context, _ Job) error {
			started <- true
			<-ctx.Done()
			return ctx.Err()
		})
		b.enqueue(Spec{})
		stop := run(t, b.q)
		<-started
		stop()
		if r := b.rows()[0]; r.state != "waiting" || r.attempts != 0 || r.runAt.After(b.clock.Now()) {
			t.Errorf("%+v", r)
		}
	})
}

func TestAHandlersContextEndsWithItsLease(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := setup(t, d)
		b.q.Handle("test", func(ctx context.Context, _ Job) error {
			b.clock.Advance(Lease - time.Millisecond)
			if ctx.Err() != nil {
				t.Error("the context ended before the lease")
			}
			b.clock.Advance(time.Millisecond)
			<-ctx.Done()
			return ctx.Err()
		})
		b.enqueue(Spec{})
		b.runDue(1)
		if r := b.rows()[0]; r.state != "waiting" || r.attempts != 1 || r.lastError != context.Canceled.Error() {
			t.Errorf("%+v", r)
		}
	})
}

func TestHandleIsWiringOnly(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := setup(t, d)
		nothing := func(context.Context, Job) error { return nil }
		refuses := func(name string, fn func()) {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			fn()
		}
		b.runDue(0)
		refuses("after Run", func() { b.q.Handle("test", nothing) })
		q := New(d, b.clock, nil)
		q.Handle("test", nothing)
		refuses("twice", func() { q.Handle("test", nothing) })
	})
}

// isIdle tells whether nobody holds a job: whatever happens next, time must bring it.
func (b *bench) isIdle() bool {
	b.t.Helper()
	idle := false
	err := b.db.Read(b.t.Context(), func(tx *db.Tx) error {
		var held int64
		err := tx.QueryRow(`SELECT COUNT(*) FROM job WHERE state = 'running' AND lease_until > $1`, b.clock.Now()).Scan(&held)
		idle = held == 0
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return idle
}

// rehearsal is several queues at work on the same jobs while faults strike.
type rehearsal struct {
	*bench
	jobs int
	all  chan struct{} // closed when each job was completed

	mu        sync.Mutex
	chance    *rand.Rand
	completed map[id.Job]int
	hits      map[string]int // how often each fault struck
}

// strike draws the fault of one call, "" for none.
func (r *rehearsal) strike() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	fault := []string{"failed", "late", "", "", "", ""}[r.chance.IntN(6)]
	r.hits[fault]++
	return fault
}

func (r *rehearsal) handle(_ context.Context, j Job) error {
	switch r.strike() {
	case "failed":
		return errors.New("refused")
	case "late":
		r.clock.Advance(Lease) // ours is over, and everybody else's
	}
	err := r.complete(j)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case problem.Is(err, "job.lease_lost"):
		r.hits["lease lost"]++
		return nil // says that all is well, and must not be believed
	case err != nil:
		return err
	}
	if r.completed[j.ID]++; len(r.completed) == r.jobs {
		close(r.all)
	}
	return nil
}

// TestNoJobIsCompletedTwice has several queues work on the same jobs while leases run
// out under them: handlers fail, or finish too late. Each job must be completed once,
// by a transaction that counts.
func TestNoJobIsCompletedTwice(t *testing.T) {
	const jobs, queues = 60, 4
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		r := &rehearsal{
			bench: setup(t, d), jobs: jobs, all: make(chan struct{}), chance: rand.New(rand.NewPCG(seed, 0)),
			completed: make(map[id.Job]int), hits: make(map[string]int),
		}
		r.enqueue(make([]Spec, jobs)...)
		var stops []func()
		for range queues {
			q := New(d, r.clock, nil)
			q.Handle("test", r.handle)
			stops = append(stops, run(t, q))
		}
		for waiting := true; waiting; {
			select {
			case <-r.all:
				waiting = false
			case <-time.After(time.Millisecond):
				// Time goes by itself only while nobody works: a slow machine is no fault.
				if r.isIdle() {
					r.clock.Advance(PollInterval)
				}
			}
		}
		for _, stop := range stops {
			stop()
		}
		for job, times := range r.completed {
			if times != 1 {
				t.Errorf("%s was completed %d times", job, times)
			}
		}
		for _, row := range r.rows() {
			if row.state != "done" {
				t.Errorf("%+v", row)
			}
		}
		t.Logf("hits %v", r.hits)
		if r.hits["failed"] == 0 || r.hits["late"] == 0 {
			t.Errorf("a fault never struck: %v", r.hits)
		}
	})
}

// TestAClaimIsExclusive has many claims race for few jobs.
func TestAClaimIsExclusive(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := setup(t, d)
		b.q.Handle("test", func(context.Context, Job) error { return nil })
		b.enqueue(make([]Spec, 40)...)
		var mu sync.Mutex
		owners := make(map[id.Job]int)
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				for {
					jobs, more, err := b.q.tryClaim(t.Context(), 3)
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					for _, j := range jobs {
						owners[j.ID]++
					}
					mu.Unlock()
					if more {
						continue
					}
					// Nothing becomes due here: who is told so truly finds nothing.
					err = d.Read(t.Context(), func(tx *db.Tx) error {
						more, err = anyDue(tx, b.clock.Now(), b.q.kinds)
						return err
					})
					if err != nil || more {
						t.Errorf("an empty claim was taken for an empty queue: %v", err)
					}
					return
				}
			})
		}
		group.Wait()
		if len(owners) != 40 {
			t.Errorf("%d of 40 jobs were claimed", len(owners))
		}
		for job, n := range owners {
			if n != 1 {
				t.Errorf("%s has %d owners", job, n)
			}
		}
	})
}
