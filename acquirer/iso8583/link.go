package iso8583

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"encaisse/base/clock"
	"encaisse/base/problem"
)

// Limits of a link, where [LinkOptions] does not say otherwise.
const (
	DefaultConnect  = 5 * time.Second  // for the connection, and again for the sign-on
	DefaultWrite    = 5 * time.Second  // for one message to leave
	DefaultEcho     = 2 * time.Minute  // of silence until the host is asked whether it is there
	DefaultEchoWait = 10 * time.Second // for its answer
	DefaultInFlight = 256              // requests that wait for an answer at the same time
	leastPause      = 200 * time.Millisecond
	mostPause       = 30 * time.Second
)

// Network management codes (DE70).
const (
	signOn  = "001"
	signOff = "002"
	echo    = "301"
)

// ErrNotSent: no byte of the request was handed to the network.
var ErrNotSent = errors.New("iso8583: not sent")

// ErrNoAnswer: the request may have arrived, and nothing usable came back.
var ErrNoAnswer = errors.New("iso8583: no answer")

// Causes that a link gives itself.
var (
	errClosed   = errors.New("the link is closed")
	errInFlight = errors.New("the same request is waiting already")
	errSlow     = errors.New("the host does not read")
	errEcho     = errors.New("the host does not answer echoes")
	errTimeout  = errors.New("time is up")
)

// LinkOptions say which host a link goes to and how it is spoken to. Address is
// needed; what is zero takes its default.
type LinkOptions struct {
	Address string
	// Dial makes the connection; nil: plain TCP. A link through TLS gives its own.
	Dial     func(ctx context.Context, address string) (net.Conn, error)
	Spec     *Spec // nil: V1987 in ASCII
	Framing  Framing
	Clock    clock.Clock  // nil: the machine's
	Log      *slog.Logger // nil: nothing is said
	Connect  time.Duration
	Write    time.Duration
	Echo     time.Duration
	EchoWait time.Duration
	InFlight int
}

func (o *LinkOptions) complete() {
	for _, d := range []struct {
		option   *time.Duration
		standard time.Duration
	}{{&o.Connect, DefaultConnect}, {&o.Write, DefaultWrite}, {&o.Echo, DefaultEcho}, {&o.EchoWait, DefaultEchoWait}} {
		if *d.option == 0 {
			*d.option = d.standard
		}
	}
	if o.InFlight == 0 {
		o.InFlight = DefaultInFlight
	}
	if o.Spec == nil {
		o.Spec = V1987(ASCII())
	}
	if o.Clock == nil {
		o.Clock = clock.Real{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Dial == nil {
		o.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		}
	}
}

// Link keeps one connection to a host: it connects and signs on by itself, asks
// a silent host whether it is there, and connects again when the connection is
// lost, after a pause that grows. Any number of requests may be on their way.
type Link struct {
	o     LinkOptions
	slots chan struct{} // one for each request on its way
	wake  chan struct{} // a request waits: no use in pausing any longer
	quit  context.CancelFunc
	ended chan struct{}
	trace atomic.Int64 // of network messages

	connects, late, unexpected, malformed atomic.Int64

	mu       sync.Mutex
	current  *connection   // nil: not connected
	changed  chan struct{} // closed at the next change of current or failures
	failures int64         // attempts to connect that came to nothing
	why      error         // of the last one
	closed   bool
}

// NewLink begins to connect. It ends with [Link.Close].
func NewLink(o LinkOptions) *Link {
	o.complete()
	ctx, quit := context.WithCancel(context.Background())
	l := &Link{
		o: o, quit: quit, ended: make(chan struct{}), changed: make(chan struct{}),
		slots: make(chan struct{}, o.InFlight), wake: make(chan struct{}, 1),
	}
	go l.run(ctx)
	return l
}

// Stats is what became of a link so far.
type Stats struct {
	Up         bool
	InFlight   int
	Connects   int64 // connections that were signed on
	Late       int64 // answers that nobody waited for any more
	Unexpected int64 // requests of the host that are not in the profile
	Malformed  int64 // connections given up for what came over them
}

// Stats counts.
func (l *Link) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Stats{
		Up: l.current != nil, InFlight: len(l.slots), Connects: l.connects.Load(), Late: l.late.Load(),
		Unexpected: l.unexpected.Load(), Malformed: l.malformed.Load(),
	}
}

// Exchange sends a request and waits for its answer, no longer than ctx. The
// answer is the message of the answering type with the same DE11, DE41 and DE7.
// It fails with [ErrNotSent] or [ErrNoAnswer]; which of the two it is is sure.
func (l *Link) Exchange(ctx context.Context, m *Message) (*Message, error) {
	b, err := l.o.Spec.Pack(m)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotSent, err)
	}
	select {
	case l.slots <- struct{}{}:
		defer func() { <-l.slots }()
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrNotSent, context.Cause(ctx))
	}
	for again := false; ; again = true {
		c, err := l.connected(ctx)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNotSent, err)
		}
		answer, err := c.exchange(ctx, keyOf(m), b)
		if again || !errors.Is(err, ErrNotSent) || !c.over() {
			return answer, err
		}
		// The host had hung up and nobody had noticed: nothing left, the next
		// connection may carry it.
	}
}

// connected waits for a connection: for the one that is there, or for the
// outcome of the next attempt.
func (l *Link) connected(ctx context.Context) (*connection, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for failures := l.failures; ; {
		switch {
		case l.closed:
			return nil, errClosed
		case l.current != nil && !l.current.over():
			return l.current, nil
		case l.failures > failures:
			return nil, l.why
		}
		changed := l.changed
		l.mu.Unlock()
		select {
		case l.wake <- struct{}{}:
		default:
		}
		var err error
		select {
		case <-changed:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		l.mu.Lock()
		if err != nil {
			return nil, err
		}
	}
}

// change notes a new state under the lock and wakes those who wait for one.
func (l *Link) change(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
	close(l.changed)
	l.changed = make(chan struct{})
}

// run connects, keeps the connection, and begins again.
func (l *Link) run(ctx context.Context) {
	defer close(l.ended)
	for pause := leastPause; ctx.Err() == nil; {
		c, err := l.connect(ctx)
		if err != nil {
			l.o.Log.Warn("acquirer link: not connected", "address", l.o.Address, "err", err)
			l.change(func() { l.failures, l.why = l.failures+1, err })
			l.pause(ctx, pause)
			pause = min(2*pause, mostPause)
			continue
		}
		pause = leastPause
		l.connects.Add(1)
		l.o.Log.Info("acquirer link: signed on", "address", l.o.Address)
		l.change(func() { l.current = c })
		l.keep(ctx, c)
		l.change(func() { l.current = nil })
		if ctx.Err() != nil {
			c.say(l.network(signOff))
		}
		c.fail(errClosed)
		<-c.ended
		l.o.Log.Info("acquirer link: ended", "address", l.o.Address, "why", c.why)
		l.pause(ctx, pause)
	}
}

// pause waits between two attempts, up to half as long again so that a thousand
// shops do not come back in the same instant. A request that waits cuts it
// short, but for the least of pauses.
func (l *Link) pause(ctx context.Context, d time.Duration) {
	least, stop := l.after(leastPause)
	defer stop()
	select {
	case <-least:
	case <-ctx.Done():
		return
	}
	rest, stop := l.after(d - leastPause + rand.N(d/2))
	defer stop()
	select {
	case <-rest:
	case <-l.wake:
	case <-ctx.Done():
	}
}

// after is a channel that closes when d has passed.
func (l *Link) after(d time.Duration) (<-chan struct{}, func() bool) {
	passed := make(chan struct{})
	timer := l.o.Clock.AfterFunc(d, func() { close(passed) })
	return passed, timer.Stop
}

// within bounds ctx by the link's clock.
func within(ctx context.Context, c clock.Clock, d time.Duration) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := c.AfterFunc(d, func() { cancel(errTimeout) })
	return ctx, func() { timer.Stop(); cancel(nil) }
}

// connect dials and signs on.
func (l *Link) connect(ctx context.Context) (*connection, error) {
	dialing, done := within(ctx, l.o.Clock, l.o.Connect)
	conn, err := l.o.Dial(dialing, l.o.Address)
	done()
	if err != nil {
		return nil, err
	}
	c := newConnection(l, conn)
	signing, done := within(ctx, l.o.Clock, l.o.Connect)
	defer done()
	if err := c.ask(signing, l.network(signOn)); err != nil {
		c.fail(err)
		<-c.ended
		return nil, fmt.Errorf("sign-on: %w", err)
	}
	return c, nil
}

// network is a network management message.
func (l *Link) network(code string) *Message {
	m := NewMessage("0800")
	m.Set(7, l.o.Clock.Now().UTC().Format(transmission))
	m.Set(11, fmt.Sprintf("%06d", l.trace.Add(1)%999_999+1))
	m.Set(70, code)
	return m
}

// keep watches over a connection until it is lost or the link is closed.
func (l *Link) keep(ctx context.Context, c *connection) {
	for wait := l.o.Echo; ; {
		idle, stop := l.after(wait)
		select {
		case <-c.broken:
		case <-ctx.Done():
		case <-idle:
			if wait = l.o.Echo - l.o.Clock.Now().Sub(c.heard()); wait > 0 {
				continue
			}
			asking, done := within(ctx, l.o.Clock, l.o.EchoWait)
			err := c.ask(asking, l.network(echo))
			done()
			if wait = l.o.Echo; err == nil {
				continue
			}
			if ctx.Err() == nil {
				c.fail(errEcho)
			}
		}
		stop()
		return
	}
}

// Close signs off and closes the connection. What still waits for an answer
// ends with [ErrNoAnswer].
func (l *Link) Close() {
	l.change(func() { l.closed = true })
	l.quit()
	<-l.ended
}

// note logs why a connection ends, and counts when it is for what came over it.
func (l *Link) note(err error) {
	if p := problem.As(err); p != nil && (p.Code == "iso8583.malformed" || p.Code == "iso8583.frame") {
		l.malformed.Add(1)
		l.o.Log.Error("acquirer link: malformed message", "address", l.o.Address, "err", err)
	}
}
