package access

import (
	"context"
	"encoding/base64"
	"fmt"
	"sync/atomic"

	"github.com/alexedwards/argon2id"

	"encaisse/base/problem"
)

// The standard Hashing: OWASP's first choice for argon2id, some 20 ms.
const (
	standardMemoryKiB   = 19 * 1024
	standardIterations  = 2
	standardParallelism = 1
	standardConcurrent  = 4 // 76 MiB at most

	saltLength = 16
	keyLength  = 32

	// maxHashWaits is how many callers may wait for a turn: at 4 × 50 a second
	// the last one waits a little over a second. One more is asked to come back.
	maxHashWaits = 256
)

// Hashing is what a code costs to hash. Zero fields have the standard value;
// tests choose smaller ones.
type Hashing struct {
	MemoryKiB   uint32
	Iterations  uint32
	Parallelism uint8
	Concurrent  int // hashes at the same time
}

// hasher hashes codes, a bounded number at a time, so that a flood of sign-ins
// costs time and not memory.
type hasher struct {
	params argon2id.Params
	turns  chan struct{}
	waits  atomic.Int64
	dummy  string // matches nothing, costs the same
}

func newHasher(h Hashing) *hasher {
	if h.MemoryKiB == 0 {
		h.MemoryKiB = standardMemoryKiB
	}
	if h.Iterations == 0 {
		h.Iterations = standardIterations
	}
	if h.Parallelism == 0 {
		h.Parallelism = standardParallelism
	}
	if h.Concurrent <= 0 {
		h.Concurrent = standardConcurrent
	}
	salt := base64.RawStdEncoding.EncodeToString(make([]byte, saltLength))
	key := base64.RawStdEncoding.EncodeToString(make([]byte, keyLength))
	return &hasher{
		params: argon2id.Params{
			Memory: h.MemoryKiB, Iterations: h.Iterations, Parallelism: h.Parallelism, SaltLength: saltLength, KeyLength: keyLength,
		},
		turns: make(chan struct{}, h.Concurrent),
		// The key is all zeros: no code hashes to it.
		dummy: fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", h.MemoryKiB, h.Iterations, h.Parallelism, salt, key),
	}
}

// enter waits for a turn to hash; leave gives it back. Problem access.busy when
// too many wait already, or ctx ends first.
func (h *hasher) enter(ctx context.Context) (leave func(), err error) {
	if h.waits.Add(1) > maxHashWaits {
		h.waits.Add(-1)
		return nil, problem.New(problem.TooMany, "access.busy")
	}
	defer h.waits.Add(-1)
	select {
	case h.turns <- struct{}{}:
		return func() { <-h.turns }, nil
	case <-ctx.Done():
		return nil, problem.New(problem.Unavailable, "access.busy").Because(context.Cause(ctx))
	}
}

// hash is for a caller that has entered.
func (h *hasher) hash(code string) (string, error) { return argon2id.CreateHash(code, &h.params) }

// matches is for a caller that has entered. An empty hash is that of nobody: it
// takes as long and never matches. stale tells that the hash was made at
// another cost than today's.
func (h *hasher) matches(code, hash string) (match, stale bool, err error) {
	if hash == "" {
		hash = h.dummy
	}
	match, params, err := argon2id.CheckHash(code, hash)
	if err != nil {
		return false, false, err
	}
	return match, *params != h.params, nil
}
