package iso8583

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// transmission is DE7.
const transmission = "0102150405"

// key is what an answer has in common with its request.
type key struct{ mti, stan, terminal, at string }

// keyOf is the key that the answer to a request will have.
func keyOf(m *Message) key { return key{AnswerTo(m.MTI), m.Get(11), m.Get(41), m.Get(7)} }

// connection is one connection to the host, from sign-on to its end.
type connection struct {
	link   *Link
	conn   net.Conn
	turn   chan struct{} // held by whoever writes
	broken chan struct{} // closed when the connection ends
	ended  chan struct{} // closed when nobody reads it any more
	last   atomic.Int64  // when something came, in milliseconds

	mu      sync.Mutex
	waiting map[key]chan *Message
	why     error // it ended
}

func newConnection(l *Link, conn net.Conn) *connection {
	c := &connection{
		link: l, conn: conn, turn: make(chan struct{}, 1), broken: make(chan struct{}), ended: make(chan struct{}),
		waiting: make(map[key]chan *Message),
	}
	c.last.Store(l.o.Clock.Now().UnixMilli())
	go c.read()
	return c
}

// heard is when something came last.
func (c *connection) heard() time.Time { return time.UnixMilli(c.last.Load()) }

// fail ends the connection; the first cause stands.
func (c *connection) fail(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.why != nil {
		return
	}
	c.why = why
	close(c.broken)
	_ = c.conn.Close() // nothing is left to lose on it
	c.link.note(why)
}

// read takes what comes until the connection ends. What cannot be read ends it:
// after a lost frame nothing on the stream means what it says.
func (c *connection) read() {
	defer close(c.ended)
	in := bufio.NewReader(c.conn)
	for {
		b, err := c.link.o.Framing.ReadFrame(in)
		if err != nil {
			c.fail(err)
			return
		}
		m, err := c.link.o.Spec.Unpack(b)
		if err != nil {
			c.fail(err)
			return
		}
		c.last.Store(c.link.o.Clock.Now().UnixMilli())
		c.take(m)
	}
}

// take gives an answer to whoever waits for it, and answers the host's echo.
func (c *connection) take(m *Message) {
	k := key{m.MTI, m.Get(11), m.Get(41), m.Get(7)}
	c.mu.Lock()
	answer, expected := c.waiting[k]
	delete(c.waiting, k)
	c.mu.Unlock()
	switch {
	case expected:
		answer <- m // has room for the one that is expected
	case AnswerTo(m.MTI) == "":
		c.link.late.Add(1)
		c.link.o.Log.Warn("acquirer link: an answer nobody waits for", "mti", m.MTI, "stan", m.Get(11), "terminal", m.Get(41))
	case m.MTI[1] == '8' && m.Get(70) == echo:
		answer := NewMessage(AnswerTo(m.MTI))
		for _, field := range []int{7, 11, 70} {
			answer.Set(field, m.Get(field))
		}
		answer.Set(39, codeApproved)
		c.say(answer)
	default:
		c.link.unexpected.Add(1)
		c.link.o.Log.Warn("acquirer link: the host asks what is not in the profile", "mti", m.MTI)
	}
}

// exchange sends a packed request and waits for its answer.
func (c *connection) exchange(ctx context.Context, k key, b []byte) (*Message, error) {
	answer := make(chan *Message, 1)
	c.mu.Lock()
	_, taken := c.waiting[k]
	if !taken {
		c.waiting[k] = answer
	}
	c.mu.Unlock()
	if taken {
		return nil, fmt.Errorf("%w: %w", ErrNoAnswer, errInFlight)
	}
	defer c.forget(k, answer)
	if err := c.write(ctx, b); err != nil {
		return nil, err
	}
	select {
	case m := <-answer:
		return m, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrNoAnswer, context.Cause(ctx))
	case <-c.broken:
	}
	select {
	case m := <-answer: // it came just before the end
		return m, nil
	default:
		return nil, fmt.Errorf("%w: %w", ErrNoAnswer, c.cause())
	}
}

// forget stops waiting: what comes now is late.
func (c *connection) forget(k key, answer chan *Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting[k] == answer {
		delete(c.waiting, k)
	}
}

// over tells whether the connection has ended.
func (c *connection) over() bool { return c.cause() != nil }

func (c *connection) cause() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.why
}

// write hands a message to the network, after those before it. A message that
// left in part ends the connection: the host must not read on from its middle.
func (c *connection) write(ctx context.Context, b []byte) error {
	frame, err := c.link.o.Framing.frame(b)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotSent, err)
	}
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrNotSent, context.Cause(ctx))
	case <-c.broken:
		return fmt.Errorf("%w: %w", ErrNotSent, c.cause())
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", ErrNotSent, context.Cause(ctx))
	}
	slow := c.link.o.Clock.AfterFunc(c.link.o.Write, func() { c.fail(errSlow) })
	n, err := c.conn.Write(frame)
	slow.Stop()
	if err == nil {
		return nil
	}
	c.fail(err)
	if n == 0 {
		return fmt.Errorf("%w: %w", ErrNotSent, c.cause())
	}
	return fmt.Errorf("%w: %w", ErrNoAnswer, c.cause())
}

// ask exchanges a network management message; the host must agree.
func (c *connection) ask(ctx context.Context, m *Message) error {
	b, err := c.link.o.Spec.Pack(m)
	if err != nil {
		return err
	}
	answer, err := c.exchange(ctx, keyOf(m), b)
	if err != nil {
		return err
	}
	if code := answer.Get(39); code != codeApproved {
		return fmt.Errorf("the host answers %q", code)
	}
	return nil
}

// say sends a message that is not answered, as well as may be.
func (c *connection) say(m *Message) {
	b, err := c.link.o.Spec.Pack(m)
	if err == nil {
		err = c.write(context.Background(), b)
	}
	if err != nil && !errors.Is(err, net.ErrClosed) {
		c.link.o.Log.Warn("acquirer link: not said", "mti", m.MTI, "err", err)
	}
}
