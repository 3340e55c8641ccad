package emulator

import (
	"slices"
	"sync"

	"encaisse/terminal"
)

// maxKeys is how many keys may wait to be taken: a person does not type ahead further.
const maxKeys = 32

// inputKind sorts what can happen to a dialogue.
type inputKind int

const (
	inCard inputKind = 1 << iota
	inKey
	inAnswer
	inUnanswered // too long without an answer
	inHeld       // the time a scenario holds the answer back is over
	inRemoved
	inAbort
	inExpired
	inDead // the reader was switched off
)

// input is one thing that happens to a dialogue.
type input struct {
	what     inputKind
	plastic  *plastic
	gesture  Gesture
	key      Key
	exchange string
	answer   terminal.Answer
}

// queue holds inputs in the order in which they happened.
type queue struct {
	mu     sync.Mutex
	items  []input
	signal chan struct{} // holds one token where there is something
}

func newQueue() *queue { return &queue{signal: make(chan struct{}, 1)} }

func (q *queue) push(in input) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if in.what == inKey && len(q.items) >= maxKeys {
		return
	}
	q.items = append(q.items, in)
	select {
	case q.signal <- struct{}{}:
	default:
	}
}

// pop waits for the next input.
func (q *queue) pop() input {
	for {
		q.mu.Lock()
		if len(q.items) > 0 {
			in := q.items[0]
			q.items = q.items[1:]
			q.mu.Unlock()
			return in
		}
		q.mu.Unlock()
		<-q.signal
	}
}

// forgetDigits drops keys that answer a prompt, but for the red one.
func (q *queue) forgetDigits() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.items = slices.DeleteFunc(q.items, func(in input) bool {
		return in.what == inKey && in.key != KeyCancel && in.key != KeyApplication
	})
}

// has tells whether an input of the kind waits.
func (q *queue) has(what inputKind) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.find(what) >= 0
}

// take removes the first input of the kind and tells whether there was one.
func (q *queue) take(what inputKind) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := q.find(what)
	if i >= 0 {
		q.items = slices.Delete(q.items, i, i+1)
	}
	return i >= 0
}

func (q *queue) find(what inputKind) int {
	return slices.IndexFunc(q.items, func(in input) bool { return in.what == what })
}
