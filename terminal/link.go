package terminal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/coder/websocket"

	"encaisse/base/problem"
	"encaisse/base/web"
)

// Limits of one link.
const (
	maxDiscard  = 1 << 20 // of an oversized message: what is longer is no message, and ends the link
	maxWork     = 64      // messages that wait for their turn
	maxAsking   = 8       // requests for authorisation under way
	maxSerials  = 256     // numbers of messages remembered against replays
	numberBlock = 100     // numbers for requests drawn at once

	messageEvery = 2 * time.Millisecond // 500 messages a second, after a burst
	messageBurst = 1000
	refusalEvery = time.Second // a refusal a second, after a burst: more, and the link ends
	refusalBurst = 200
)

// Why the hub ends a link, as WebSocket says it.
const (
	leaving   = websocket.StatusServiceRestart
	policy    = websocket.StatusPolicyViolation
	silence   = websocket.StatusGoingAway
	oversized = websocket.StatusMessageTooBig
)

// ErrUnknown says that nobody knows whether a reader has a message: it was on
// its way when the link broke. Whoever sent it asks.
var ErrUnknown = errors.New("terminal: nobody knows whether the reader has it")

// link is the connection of one device.
type link struct {
	device
	hub      *Hub
	conn     *websocket.Conn
	protocol Protocol
	payments Payments
	id       string // the connection's, in the database
	reader   string

	rate    *web.Limiter
	refused *web.Limiter
	work    chan Message  // what is handled one after the other
	asking  chan struct{} // a place for each request for authorisation under way
	ended   chan struct{} // closed when the link is
	ending  sync.Once

	mu      sync.Mutex
	waiting map[string]chan Message // for the answer to each request
	next    int64                   // number for a request
	end     int64                   // and where the block ends
	heard   time.Time
	asleep  bool
	health  Health
	serials []string // of the latest messages
	stage   Progress // the latest, and when
	stageAt time.Time
}

func newLink(h *Hub, conn *websocket.Conn, protocol Protocol, d device, p Payments) *link {
	conn.SetReadLimit(-1) // we read no more than we take, and answer what is too long
	return &link{
		device: d, hub: h, conn: conn, protocol: protocol, payments: p, id: rand.Text(), reader: readerName(d.model, d.serial),
		rate: web.NewLimiter(h.clock, messageEvery, messageBurst, 1), refused: web.NewLimiter(h.clock, refusalEvery, refusalBurst, 1),
		work: make(chan Message, maxWork), asking: make(chan struct{}, maxAsking), ended: make(chan struct{}),
		waiting: map[string]chan Message{}, heard: h.clock.Now(),
	}
}

// close ends the link; the reason is a word for the reader's log.
func (l *link) close(status websocket.StatusCode, reason string) {
	l.ending.Do(func() {
		close(l.ended)
		// The reader may not answer: the goodbye is said beside.
		l.hub.running.Go(func() {
			if status == silence {
				_ = l.conn.CloseNow()
				return
			}
			_ = l.conn.Close(status, reason)
		})
	})
}

// write sends one message. An error means that it may have been sent in part,
// unless it is a problem: then nothing was.
func (l *link) write(ctx context.Context, m Message) error {
	select {
	case <-l.ended:
		return offline()
	default:
	}
	m.Reader, m.At = l.reader, l.hub.clock.Now()
	b, err := l.protocol.Encode(m)
	if err != nil {
		return err
	}
	within, cancel := l.hub.within(ctx, writeWithin)
	defer cancel()
	if err := l.conn.Write(within, websocket.MessageText, b); err != nil {
		return fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	return nil
}

func offline() error { return problem.New(problem.Unavailable, "terminal.offline") }

// receive reads one message. err: it is refused, and m says what could be read
// of it. No ok: the link is over.
func (l *link) receive(ctx context.Context) (m Message, err error, ok bool) {
	kind, from, err := l.conn.Reader(ctx)
	if err != nil {
		return Message{}, nil, false
	}
	b, err := io.ReadAll(io.LimitReader(from, MaxMessage+1))
	if err != nil {
		return Message{}, nil, false
	}
	l.hear()
	if len(b) > MaxMessage {
		if _, err := io.CopyN(io.Discard, from, maxDiscard); err != io.EOF {
			l.close(oversized, "terminal.too_large")
			return Message{}, nil, false
		}
		return Message{}, problem.New(problem.TooLarge, "terminal.too_large", "most_kib", MaxMessage>>10), true
	}
	if l.rate.Allow("") != nil {
		return Message{}, problem.New(problem.TooMany, "terminal.too_fast"), true
	}
	if kind != websocket.MessageText {
		return Message{}, problem.New(problem.Malformed, "terminal.not_text"), true
	}
	m, err = l.protocol.Decode(b)
	if err == nil && m.Reader != "" && m.Reader != l.reader {
		err = problem.New(problem.Forbidden, "terminal.other_reader")
	}
	return m, err, true
}

func (l *link) hear() {
	l.mu.Lock()
	l.heard = l.hub.clock.Now()
	l.mu.Unlock()
}

// refuse tells the reader that a message was not taken. A reader that sends
// little else is cut off.
func (l *link) refuse(ctx context.Context, m Message, cause error) {
	r := Refusal{Condition: ConditionNotAllowed, Code: "internal"}
	if e := problem.As(cause); e != nil {
		r.Code, r.Field = e.Code, e.Field
		switch e.Kind {
		case problem.Malformed, problem.Invalid, problem.TooLarge:
			r.Condition = ConditionFormat
		case problem.NotFound:
			r.Condition = ConditionNotFound
		case problem.TooMany, problem.Unavailable:
			r.Condition = ConditionBusy
		}
	}
	// The problem names fields and never what they hold: nothing of a card is logged.
	l.hub.log.Warn("terminals: message refused", "merchant", l.Merchant, "terminal", l.Terminal, "reader", l.reader, "code", r.Code, "field", r.Field)
	if l.refused.Allow("") != nil {
		l.close(policy, "terminal.too_fast")
		return
	}
	_ = l.write(ctx, Message{Service: m.Service, Serial: m.Serial, Refused: &r}) // a link that broke has no use for it
}

// number draws a number for a request, from the block this link has.
func (l *link) number(ctx context.Context) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next >= l.end {
		first, err := l.hub.drawBlock(ctx, l.From)
		if err != nil {
			return "", err
		}
		l.next, l.end = first, first+numberBlock
	}
	l.next++
	return serviceID(l.next - 1), nil
}

// serviceDigits is how long the number of a request is; it begins again after
// ten thousand million, long after the 48 hours.
const (
	serviceDigits = 10
	serviceModulo = 10_000_000_000
)

func serviceID(n int64) string { return fmt.Sprintf("%0*d", serviceDigits, n%serviceModulo) }

// ask sends a request and waits for its answer. Problem terminal.no_answer
// when none comes in time, terminal.refused when the reader does not take it;
// [ErrUnknown] when the link broke meanwhile.
func (l *link) ask(ctx context.Context, m Message, await time.Duration) (Message, error) {
	answer := make(chan Message, 1)
	l.mu.Lock()
	l.waiting[m.Service] = answer
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		delete(l.waiting, m.Service)
		l.mu.Unlock()
	}()
	within, cancel := l.hub.within(ctx, await) // from before it is sent: an answer may be fast
	defer cancel()
	if err := l.write(ctx, m); err != nil {
		return Message{}, err
	}
	select {
	case got := <-answer:
		if got.Refused != nil {
			return got, problem.New(problem.Conflict, "terminal.refused", "code", got.Refused.Code)
		}
		return got, nil
	case <-l.ended:
		return Message{}, ErrUnknown
	case <-within.Done():
		return Message{}, problem.New(problem.Unavailable, "terminal.no_answer")
	}
}

// answered hands an answer to whoever waits for it, and tells whether somebody did.
func (l *link) answered(m Message) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	waiting, there := l.waiting[m.Service]
	if there {
		delete(l.waiting, m.Service)
		waiting <- m
	}
	return there
}

// hand sends a request once the reader is known to listen, and waits for its
// answer where await says how long. A problem means that it was certainly not
// handed over, or that its answer is missing.
func (l *link) hand(ctx context.Context, m Message, await time.Duration) (Message, error) {
	if err := l.rouse(ctx, m); err != nil {
		return Message{}, err
	}
	if m.Service == "" {
		number, err := l.number(ctx)
		if err != nil {
			return Message{}, err
		}
		m.Service = number
	}
	if await > 0 {
		return l.ask(ctx, m, await)
	}
	return Message{}, l.write(ctx, m)
}

// rouse makes sure that somebody listens before an amount is sent: a reader
// that sleeps on its link is woken by a diagnosis, one that was silent for a
// while is pinged. Problems terminal.asleep, terminal.offline.
func (l *link) rouse(ctx context.Context, m Message) error {
	l.mu.Lock()
	asleep, heard := l.asleep, l.heard
	l.mu.Unlock()
	if asleep && m.Diagnose == nil {
		number, err := l.number(ctx)
		if err != nil {
			return err
		}
		got, err := l.ask(ctx, Message{Service: number, Diagnose: &Diagnosis{}}, handWithin)
		if err != nil {
			return asleepProblem()
		}
		return l.woke(ctx, got.Health)
	}
	if age := l.hub.clock.Now().Sub(heard); age >= 0 && age < freshFor {
		return nil
	}
	if err := l.ping(ctx, handWithin); err != nil {
		l.close(silence, "")
		return offline()
	}
	return nil
}

func asleepProblem() error { return problem.New(problem.Unavailable, "terminal.asleep") }

// woke notes that a sleeping reader has answered.
func (l *link) woke(ctx context.Context, health *Health) error {
	if health == nil {
		return asleepProblem()
	}
	awake := *health
	awake.Asleep = false
	l.hub.tell(ctx, l, Online, &awake)
	return nil
}

func (l *link) ping(ctx context.Context, await time.Duration) error {
	within, cancel := l.hub.within(ctx, await)
	defer cancel()
	if err := l.conn.Ping(within); err != nil {
		return err
	}
	l.hear()
	return nil
}

// heartbeat pings until the link ends, or ends it when no answer comes.
func (l *link) heartbeat(ctx context.Context) {
	for {
		again := make(chan struct{})
		timer := l.hub.clock.AfterFunc(pingEvery, func() { close(again) })
		select {
		case <-l.ended:
			timer.Stop()
			return
		case <-again:
		}
		if err := l.ping(ctx, pongWithin); err != nil {
			l.close(silence, "")
			return
		}
	}
}
