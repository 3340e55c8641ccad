package db

import (
	"context"
	"sync"
	"sync/atomic"
)

// maxWaiting is how many writes wait for their turn; one more is refused.
const maxWaiting = 10_000

// word is what the holder of the turn tells a waiting caller.
type word int

const (
	wordRun    word = iota // it is your turn: run fn
	wordHooks              // it is your turn again: run the hooks
	wordAnswer             // the commit is done, or never will be: return
)

// The states of a request. Only the one who moves it away from waiting may
// answer it.
const (
	waiting int32 = iota
	taken
	abandoned
)

// request is one Write on its way through the writer.
type request struct {
	fn    func(*Tx) error
	state atomic.Int32
	words chan word // never more than one on its way
	next  *request  // in the queue
	tx    *Tx
	err   error
	gone  bool // its goroutine panicked and waits for no answer
}

// queue is where writes wait, first come, first served.
type queue struct {
	mu     sync.Mutex
	head   *request
	tail   *request
	length int
	closed bool
	wake   chan struct{} // tells the writer that the queue is not empty, or closed
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

func (q *queue) push(r *request) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return unavailable(errClosed)
	}
	if q.length >= maxWaiting {
		return unavailable(errQueue)
	}
	if q.tail == nil {
		q.head = r
		q.signal()
	} else {
		q.tail.next = r
	}
	q.tail = r
	q.length++
	return nil
}

// signal wakes the writer; it may be called when the writer is awake.
func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// pop takes the first request that is still wanted, or nil.
func (q *queue) pop() *request {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.head != nil {
		r := q.head
		q.head, r.next = r.next, nil
		if q.head == nil {
			q.tail = nil
		}
		q.length--
		if r.state.CompareAndSwap(waiting, taken) {
			return r
		}
	}
	return nil
}

// close refuses further requests; the writer serves those that wait.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.signal()
}

func (q *queue) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

// wait blocks until the request is told something, or gives it up when ctx ends
// before its turn has come.
func (r *request) wait(ctx context.Context) (word, error) {
	done := ctx.Done()
	if done == nil || r.state.Load() != waiting {
		return <-r.words, nil
	}
	select {
	case s := <-r.words:
		return s, nil
	case <-done:
		if r.state.CompareAndSwap(waiting, abandoned) {
			return 0, interrupted(ctx)
		}
		return <-r.words, nil
	}
}
