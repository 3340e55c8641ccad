// Package clock is where time comes from. Nobody below cmd calls time.Now: the
// real clock serves the product, the manual one serves tests, the emulators and
// `encaisse replay`, which lives through two years in a minute.
package clock

import (
	"sync"
	"time"
)

// Clock tells the time and calls back later.
type Clock interface {
	// Now is the wall clock in UTC, cut to the millisecond that everything stored has.
	Now() time.Time
	// AfterFunc calls f once, in its own goroutine, when d has passed.
	AfterFunc(d time.Duration, f func()) Timer
}

// Timer can be stopped; Stop tells whether it prevented the call.
type Timer interface{ Stop() bool }

// Real is the machine's clock.
type Real struct{}

func (Real) Now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

func (Real) AfterFunc(d time.Duration, f func()) Timer { return time.AfterFunc(d, f) }

// Manual is a clock that moves only when told to. It may be set back: that is
// how a faulty clock is rehearsed.
type Manual struct {
	mu     sync.Mutex
	now    time.Time
	timers []*manualTimer
}

type manualTimer struct {
	clock *Manual
	at    time.Time
	f     func()
}

// NewManual starts a manual clock at t.
func NewManual(t time.Time) *Manual { return &Manual{now: cut(t)} }

func cut(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

func (m *Manual) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

// Set moves the clock to t and starts what became due, each in its own goroutine.
func (m *Manual) Set(t time.Time) { m.move(func(time.Time) time.Time { return cut(t) }) }

// Advance moves the clock on by d, likewise.
func (m *Manual) Advance(d time.Duration) {
	m.move(func(now time.Time) time.Time { return cut(now.Add(d)) })
}

func (m *Manual) move(to func(now time.Time) time.Time) {
	m.mu.Lock()
	m.now = to(m.now)
	var due []func()
	kept := m.timers[:0]
	for _, timer := range m.timers {
		if timer.at.After(m.now) {
			kept = append(kept, timer)
		} else {
			due = append(due, timer.f)
		}
	}
	m.timers = kept
	m.mu.Unlock()
	for _, f := range due {
		go f()
	}
}

// AfterFunc calls f when the clock has been moved by d; at once where d is not positive.
func (m *Manual) AfterFunc(d time.Duration, f func()) Timer {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := &manualTimer{clock: m, at: m.now.Add(d), f: f}
	if d <= 0 {
		go f()
		return t
	}
	m.timers = append(m.timers, t)
	return t
}

func (t *manualTimer) Stop() bool {
	m := t.clock
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, other := range m.timers {
		if other == t {
			m.timers = append(m.timers[:i], m.timers[i+1:]...)
			return true
		}
	}
	return false
}
