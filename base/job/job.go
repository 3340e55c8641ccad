// Package job does later what must not be forgotten: send a receipt, ask a bank what
// became of an operation, tell a shop. A job is a row written in the transaction of
// what caused it, so that either both are there or neither.
//
// Life of a job. Enqueue writes it waiting. A Queue claims what is due: the row is
// running, counts one attempt more, and carries a token and the end of a lease. The
// handler of its kind is called outside any transaction. Its success makes the job
// done; its failure makes it wait again, longer each time, and dead after MaxAttempts
// with the last error kept for somebody to read. A node that dies completes nothing:
// when the lease ends another one claims the job.
//
// Each change matches the token of the claim. Who lost the lease — a pause, a slow
// handler — is refused, and the job is done by its next owner. A handler may therefore
// run more than once, and twice at the same time: it is idempotent. One whose effect
// is in the database completes the job in the transaction of the effect
// (Job.Complete), and then only one of the two takes place.
//
// A claim that comes back empty may only have lost a race, so a Queue rests when
// nothing is due, never because it got nothing.
package job

import (
	"encoding/json"
	"time"

	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/problem"
)

const (
	// MaxAttempts is how many times a job is tried before it is dead: with the delays
	// below, for about half a day.
	MaxAttempts = 20
	// Lease is how long a handler has; its context ends with it.
	Lease = 2 * time.Minute
	// PollInterval is how long a Queue rests when nothing is due, unless woken.
	PollInterval = time.Second
	// Workers is how many handlers run at the same time in a Queue.
	Workers = 8
	// MaxPayload is how many bytes of JSON a job may carry: it names what it is about,
	// the rest is read where it is kept.
	MaxPayload = 16 << 10

	firstDelay = 5 * time.Second
	lastDelay  = time.Hour
	// maxDoublings of firstDelay are more than lastDelay and far from overflow.
	maxDoublings = 16

	maxErrorText = 1000 // bytes of an error that are kept

	keepDone      = 24 * time.Hour // how long a job that is done can be looked at
	pruneInterval = time.Hour
	pruneChunk    = 500 // rows deleted in one transaction
)

// Spec is a job to be.
type Spec struct {
	Merchant id.Merchant
	Kind     string // which handler: "receipt.mail"

	// Dedup, when not empty, says which work this is: of two waiting jobs with the same
	// merchant, kind and Dedup there is only one, the first. One that is running does not
	// count, since it may have looked too early.
	Dedup string

	Payload any       // becomes JSON; names things, holds no card data and no secret
	RunAt   time.Time // not before; zero: now
}

// Enqueue writes a job in the caller's transaction. Once that is committed, Queue.Wake
// saves the wait for the next poll. Errors: job.incomplete without merchant or kind,
// job.payload when it is not JSON or longer than MaxPayload; all are faults of the
// program.
//
// On PostgreSQL two transactions that enqueue the same Dedup wait for each other until
// one is there to see: what every sale enqueues has no Dedup.
func Enqueue(tx *db.Tx, now time.Time, s Spec) error {
	if s.Merchant == "" || s.Kind == "" {
		return problem.New(problem.Internal, "job.incomplete")
	}
	payload, err := json.Marshal(s.Payload)
	if err != nil {
		return badPayload(err)
	}
	if len(payload) > MaxPayload {
		return badPayload(nil)
	}
	if s.RunAt.IsZero() {
		s.RunAt = now
	}
	job := id.New[id.Job](now)
	if s.Dedup == "" {
		s.Dedup = string(job) // its own, so that it meets no other
	}
	insert(tx, job, s, string(payload))
	return nil
}

// Job is one that was claimed, in the hands of its handler.
type Job struct {
	ID       id.Job
	Merchant id.Merchant
	Kind     string
	Attempt  int64 // 1 the first time
	payload  string
	token    string
	runAt    time.Time
	dedup    string
}

// Read decodes the payload into what v points to. Error: job.payload.
func (j Job) Read(v any) error {
	if err := json.Unmarshal([]byte(j.payload), v); err != nil {
		return badPayload(err)
	}
	return nil
}

// Complete makes the job done in the transaction of its effect, so that the effect
// takes place once. Error: job.lease_lost (Conflict), on which the caller returns so
// that its transaction is undone: the job belongs to somebody else by now.
func (j Job) Complete(tx *db.Tx, now time.Time) error {
	done, err := markDone(tx, now, j)
	if err != nil {
		return err
	}
	if !done {
		return problem.New(problem.Conflict, "job.lease_lost")
	}
	return nil
}

// delay is how long the job waits after its attempt failed: twice as long each time
// between firstDelay and lastDelay, and up to a tenth more that depends on its id, so
// that what failed together does not come back together.
func (j Job) delay() time.Duration {
	d := lastDelay
	if doublings := j.Attempt - 1; doublings < maxDoublings {
		d = min(firstDelay<<max(doublings, 0), lastDelay)
	}
	var mix uint32
	for i := range len(j.ID) {
		mix = mix*31 + uint32(j.ID[i])
	}
	return (d + d/10*time.Duration(mix%1000)/1000).Truncate(time.Millisecond)
}

func badPayload(cause error) error {
	return problem.New(problem.Internal, "job.payload", "most", MaxPayload).Because(cause)
}
