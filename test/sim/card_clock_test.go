package sim_test

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"encaisse/base/clock"
)

const (
	// lookEvery is how often the machine is looked at for signs of life, and
	// looksSQLite and looksPostgres how many looks must find none before time
	// passes: on PostgreSQL a commit is a while on its way.
	lookEvery     = time.Millisecond
	looksSQLite   = 1
	looksPostgres = 5
	patientLooks  = 10 // where a second matters
	// tooLate is how late a look may come: later, and the machine is busy with
	// something else, so that nothing seen to happen means nothing.
	tooLate = 4 * time.Millisecond
	// longestLeap is how far time goes at once where nobody waits for any, and
	// grain what it goes in: who waits for nearly the same moment is called at once.
	longestLeap = 500 * time.Millisecond
	grain       = 50 * time.Millisecond
)

// cardClock is a manual clock that moves by itself, to the next moment somebody
// waits for, as soon as nobody does anything: not a byte on a socket, not a look
// at the clock. An hour of waiting costs a second, and what a busy machine takes
// long for takes no time at all.
type cardClock struct {
	manual *clock.Manual
	stirs  atomic.Uint64
	looks  atomic.Int64

	mu      sync.Mutex
	pending map[*cardTimer]time.Time
}

type cardTimer struct {
	clock *cardClock
	inner clock.Timer
}

func newCardClock(at time.Time, looks int64) *cardClock {
	c := &cardClock{manual: clock.NewManual(at), pending: make(map[*cardTimer]time.Time)}
	c.looks.Store(looks)
	return c
}

// Now is the clock's time. Asking for it is a sign of life.
func (c *cardClock) Now() time.Time {
	c.stirs.Add(1)
	return c.manual.Now()
}

// AfterFunc calls f when the clock has moved by d.
func (c *cardClock) AfterFunc(d time.Duration, f func()) clock.Timer {
	c.stirs.Add(1)
	t := &cardTimer{clock: c}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending[t] = c.manual.Now().Add(d)
	t.inner = c.manual.AfterFunc(d, func() {
		c.forget(t)
		f()
	})
	return t
}

// Stop prevents the call and tells whether it did.
func (t *cardTimer) Stop() bool {
	t.clock.stirs.Add(1)
	t.clock.forget(t)
	return t.inner.Stop()
}

func (c *cardClock) forget(t *cardTimer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pending, t)
}

// run lets time pass until ctx ends.
func (c *cardClock) run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	before, quiet, last := c.stirs.Load(), int64(0), time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now, stirs := time.Now(), c.stirs.Load()
		if stirs != before || now.Sub(last) > tooLate {
			before, quiet, last = stirs, 0, now
			continue
		}
		last = now
		if quiet++; quiet >= c.looks.Load() {
			c.leap()
			before, quiet = c.stirs.Load(), 0
		}
	}
}

// leap moves to the next moment somebody waits for.
func (c *cardClock) leap() {
	c.mu.Lock()
	now := c.manual.Now()
	next := now.Add(longestLeap)
	for _, at := range c.pending {
		if at.Before(next) {
			next = at
		}
	}
	c.mu.Unlock()
	if !next.After(now) { // it was asked for while time passed
		next = now.Add(grain)
	}
	c.manual.Set(next.Add(grain - 1).Truncate(grain))
	c.stirs.Add(1)
}

// wait returns when d has passed, or ctx is over.
func (c *cardClock) wait(ctx context.Context, d time.Duration) {
	passed := make(chan struct{})
	timer := c.AfterFunc(d, func() { close(passed) })
	defer timer.Stop()
	select {
	case <-passed:
	case <-ctx.Done():
	}
}

// lines are connections that can all be cut at once, as a network does, and that
// stir the clock whenever a byte moves on one.
type lines struct {
	clock *cardClock

	mu   sync.Mutex
	open map[*cardLine]struct{}
}

func newLines(c *cardClock) *lines { return &lines{clock: c, open: make(map[*cardLine]struct{})} }

type cardLine struct {
	net.Conn
	all *lines
}

func (l *lines) join(conn net.Conn) net.Conn {
	made := &cardLine{conn, l}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[made] = struct{}{}
	return made
}

// cut ends every connection without a word.
func (l *lines) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		_ = c.Conn.Close() // what it had to say is lost: that is the point
		delete(l.open, c)
	}
}

func (c *cardLine) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.all.clock.stirs.Add(1)
	return n, err
}

func (c *cardLine) Write(b []byte) (int, error) {
	c.all.clock.stirs.Add(1)
	return c.Conn.Write(b)
}

func (c *cardLine) Close() error {
	c.all.mu.Lock()
	delete(c.all.open, c)
	c.all.mu.Unlock()
	return c.Conn.Close()
}

// lineListener joins what it accepts to lines.
type lineListener struct {
	net.Listener
	all *lines
}

func (l lineListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.all.join(conn), nil
}
