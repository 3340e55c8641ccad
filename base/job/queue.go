package job

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"encaisse/base/clock"
	"encaisse/base/db"
)

// maxRewrites is how often the outcome of a job is written again when the same work
// was enqueued at that very moment.
const maxRewrites = 3

// Handler does the work of a kind. It is idempotent, calls the outside world at will,
// and returns soon after ctx ends. An error means: again, later.
type Handler func(ctx context.Context, j Job) error

// Queue claims jobs and hands them to their handlers. Any number of them, on any
// number of nodes, may share a database.
type Queue struct {
	db       *db.DB
	clock    clock.Clock
	log      *slog.Logger
	handlers map[string]Handler
	kinds    []string
	wake     chan struct{}

	mu      sync.Mutex
	running bool
}

// New makes a Queue without handlers. A nil log logs nothing.
func New(d *db.DB, c clock.Clock, log *slog.Logger) *Queue {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Queue{db: d, clock: c, log: log, handlers: make(map[string]Handler), wake: make(chan struct{}, 1)}
}

// Handle sets the handler of a kind. A Queue leaves kinds without handler to others.
// It panics when the kind has one already or the Queue runs: wiring is done once.
func (q *Queue) Handle(kind string, fn func(ctx context.Context, j Job) error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, twice := q.handlers[kind]; twice || q.running {
		panic("job: Handle of " + kind + ": twice, or after Run")
	}
	q.handlers[kind] = fn
	q.kinds = append(q.kinds, kind)
	slices.Sort(q.kinds)
}

// Wake makes the Queue look for due jobs now. It is called after the commit of a
// transaction that enqueued, and never blocks.
func (q *Queue) Wake() {
	select {
	case q.wake <- struct{}{}:
	default: // it is awake
	}
}

func (q *Queue) start() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.running = true
}

// Run works until ctx ends, then waits for the handlers, whose contexts end with it;
// what they did not finish is tried again at once by whoever comes next. It returns
// nil. A database that is away is logged and tried again after PollInterval.
func (q *Queue) Run(ctx context.Context) error {
	q.start()
	var handlers sync.WaitGroup
	defer handlers.Wait()
	freed := make(chan struct{}, Workers)
	busy := 0
	nextPrune := q.clock.Now()
	for ctx.Err() == nil {
		for busy > 0 && drained(freed) {
			busy--
		}
		if busy == Workers {
			select {
			case <-freed:
				busy--
			case <-ctx.Done():
			}
			continue
		}
		if now := q.clock.Now(); !now.Before(nextPrune) {
			nextPrune = now.Add(pruneInterval)
			q.prune(ctx)
		}
		jobs, more := q.claimDue(ctx, Workers-busy)
		for _, j := range jobs {
			busy++
			handlers.Go(func() {
				q.do(ctx, j)
				freed <- struct{}{}
			})
		}
		if !more {
			q.rest(ctx)
		}
	}
	return nil
}

func drained(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// rest waits for Wake, PollInterval or the end of ctx.
func (q *Queue) rest(ctx context.Context) {
	passed := make(chan struct{})
	timer := q.clock.AfterFunc(PollInterval, func() { close(passed) })
	defer timer.Stop()
	select {
	case <-q.wake:
	case <-passed:
	case <-ctx.Done():
	}
}

// RunDue does what is due now, one job after the other, and what these enqueue for
// now, until nothing is due or ctx ends. It tells how many handlers it called. It is
// Run for those who drive the clock themselves: tests, and replay.
func (q *Queue) RunDue(ctx context.Context) (int, error) {
	q.start()
	called := 0
	for {
		if err := ctx.Err(); err != nil {
			return called, err
		}
		jobs, more, err := q.tryClaim(ctx, 1)
		if err != nil {
			return called, err
		}
		for _, j := range jobs {
			q.do(ctx, j)
			called++
		}
		if !more {
			return called, nil
		}
	}
}

// claimDue is tryClaim for a loop that must go on: an error is logged and reads as
// nothing due.
func (q *Queue) claimDue(ctx context.Context, limit int) (jobs []Job, more bool) {
	jobs, more, err := q.tryClaim(ctx, limit)
	if err != nil && ctx.Err() == nil {
		q.log.Warn("jobs cannot be claimed", "error", err)
	}
	return jobs, more
}

// tryClaim claims at most limit due jobs. more says that something was due: whoever
// got nothing then has lost a race and looks again. Nothing is written when nothing is
// due, so that an idle Queue costs the writer no turn.
func (q *Queue) tryClaim(ctx context.Context, limit int) (jobs []Job, more bool, err error) {
	if len(q.kinds) == 0 {
		return nil, false, nil
	}
	now := q.clock.Now()
	err = q.db.Read(ctx, func(tx *db.Tx) error {
		more, err = anyDue(tx, now, q.kinds)
		return err
	})
	if err != nil || !more {
		return nil, false, err
	}
	token := rand.Text()
	err = q.db.Write(ctx, func(tx *db.Tx) error {
		jobs, err = claim(tx, now, q.kinds, token, limit)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	slices.SortFunc(jobs, func(a, b Job) int {
		if c := a.runAt.Compare(b.runAt); c != 0 {
			return c
		}
		return strings.Compare(string(a.ID), string(b.ID))
	})
	return jobs, true, nil
}

// do calls the handler of a claimed job and writes what came of it.
func (q *Queue) do(ctx context.Context, j Job) {
	if j.Attempt > MaxAttempts {
		// Each attempt before ended without an answer: it may be the job that kills the node.
		q.finish(ctx, j, errors.New("the lease of every attempt ended without an answer"))
		return
	}
	leased, cancel := context.WithCancel(ctx)
	timer := q.clock.AfterFunc(Lease, cancel)
	err := q.call(leased, j)
	timer.Stop()
	cancel()
	q.finish(ctx, j, err)
}

// call is the handler with a net under it.
func (q *Queue) call(ctx context.Context, j Job) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			q.log.Error("panic in a job", "kind", j.Kind, "job", j.ID, "panic", cause, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	return q.handlers[j.Kind](ctx, j)
}

// outcome is what an attempt came to.
type outcome string

const (
	done      outcome = "done"
	again     outcome = "again"
	dead      outcome = "dead"
	abandoned outcome = "abandoned" // this Queue is ending: no fault of the job
)

// finish writes the outcome of an attempt, also when ctx has ended meanwhile.
func (q *Queue) finish(ctx context.Context, j Job, failure error) {
	result := again
	switch {
	case failure == nil:
		result = done
	case ctx.Err() != nil:
		result = abandoned
	case j.Attempt >= MaxAttempts:
		result = dead
	}
	var kept bool
	var err error
	for range maxRewrites {
		err = q.db.Write(context.WithoutCancel(ctx), func(tx *db.Tx) error {
			kept, err = q.write(tx, j, result, failure)
			return err
		})
		if !db.IsViolation(err, db.Unique) {
			break
		}
	}
	about := []any{"kind", j.Kind, "job", j.ID, "merchant", j.Merchant, "attempt", j.Attempt}
	switch {
	case err != nil:
		// The lease will end, and the job be done again.
		q.log.Warn("the outcome of a job cannot be written", append(about, "outcome", result, "error", err)...)
	case !kept && failure == nil:
		// Complete was first, or somebody else has the job: the handler knows, we need not.
		q.log.Debug("a job was not ours to complete", about...)
	case !kept:
		q.log.Warn("a job failed after its lease was lost", append(about, "error", failure)...)
	case result == dead:
		q.log.Error("a job is dead", append(about, "error", failure)...)
	case result == again:
		q.log.Warn("a job failed", append(about, "error", failure)...)
	}
}

func (q *Queue) write(tx *db.Tx, j Job, result outcome, failure error) (kept bool, err error) {
	now := q.clock.Now()
	switch result {
	case done:
		return markDone(tx, now, j)
	case dead:
		return markDead(tx, now, j, text(failure))
	case abandoned:
		return markWaiting(tx, now, j, now, j.Attempt-1, text(failure))
	}
	return markWaiting(tx, now, j, now.Add(j.delay()), j.Attempt, text(failure))
}

// text is an error as it is kept: bounded, and valid UTF-8 for the database.
func text(err error) string {
	s := err.Error()
	if len(s) > maxErrorText {
		s = s[:maxErrorText]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\x00", "")
}

// prune deletes what has been done for long. It is not in a hurry: what fails or is
// left over is for the next time.
func (q *Queue) prune(ctx context.Context) {
	before := q.clock.Now().Add(-keepDone)
	for ctx.Err() == nil {
		var keys []jobKey
		err := q.db.Read(ctx, func(tx *db.Tx) (err error) {
			keys, err = oldDone(tx, before, pruneChunk)
			return err
		})
		if err == nil && len(keys) > 0 {
			err = q.db.Write(ctx, func(tx *db.Tx) error {
				remove(tx, keys)
				return nil
			})
		}
		if err != nil && ctx.Err() == nil {
			q.log.Warn("old jobs cannot be deleted", "error", err)
		}
		if err != nil || len(keys) < pruneChunk {
			return
		}
	}
}
