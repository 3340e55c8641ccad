package acquirertest

import (
	"sync"
	"time"

	"encaisse/base/clock"
)

// Clock runs as the machine's does and can be pushed on: a connector waits for
// its host in no time, and nothing hangs that waits a little.
type Clock struct {
	mu     sync.Mutex
	ahead  time.Duration
	timers map[*timer]struct{}
}

type timer struct {
	clock *Clock
	at    time.Time
	f     func()
	real  clock.Timer
}

// NewClock is a clock that nobody has pushed on yet.
func NewClock() *Clock { return &Clock{timers: make(map[*timer]struct{})} }

// Now is the machine's time and what the clock was pushed on by.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return clock.Real{}.Now().Add(c.ahead)
}

// AfterFunc calls f when d has passed, by itself or because the clock was pushed on.
func (c *Clock) AfterFunc(d time.Duration, f func()) clock.Timer {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &timer{clock: c, at: clock.Real{}.Now().Add(c.ahead + d), f: f}
	c.timers[t] = struct{}{}
	t.real = clock.Real{}.AfterFunc(d, func() {
		if t.take() {
			f()
		}
	})
	return t
}

// Advance pushes the clock on and starts what became due.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	c.ahead += d
	now := clock.Real{}.Now().Add(c.ahead)
	var due []*timer
	for t := range c.timers {
		if !t.at.After(now) {
			due = append(due, t)
		}
	}
	c.mu.Unlock()
	for _, t := range due {
		if t.Stop() {
			go t.f()
		}
	}
}

// take tells whether the timer is still to run, and that it does now.
func (t *timer) take() bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	_, waiting := t.clock.timers[t]
	delete(t.clock.timers, t)
	return waiting
}

// Stop tells whether it prevented the call.
func (t *timer) Stop() bool {
	t.real.Stop()
	return t.take()
}
