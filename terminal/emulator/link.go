package emulator

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"encaisse/base/problem"
	"encaisse/terminal"
)

const (
	connectPath = "/v1/terminals/connect"
	dialTimeout = 5 * time.Second
	sendTimeout = 5 * time.Second
	firstPause  = 250 * time.Millisecond // after a failed dial; doubled up to longPause
	longPause   = 15 * time.Second
	maxOutbox   = 256
)

// link is the connection to the hub: dialled again whenever it ends, as long as
// the device wants one.
type link struct {
	reader   *Emulator
	protocol terminal.Protocol
	http     *http.Client
	wire     *wire

	mu       sync.Mutex
	conn     *websocket.Conn
	outbox   chan []byte
	cancel   context.CancelFunc
	greeted  bool
	poked    chan struct{}
	disturbs []Fault // strike the next message
	leaving  bool
}

func newLink(e *Emulator, o Options) *link {
	dial := o.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	w := &wire{}
	return &link{
		reader: e, protocol: o.Protocol, wire: w, poked: make(chan struct{}, 1),
		http: &http.Client{Transport: &http.Transport{DialContext: w.dialer(dial), ForceAttemptHTTP2: false}},
	}
}

// run keeps the link up until ctx ends.
func (l *link) run(ctx context.Context) {
	pause := firstPause
	for ctx.Err() == nil {
		credential, hub, wanted := l.reader.wantsLink()
		if !wanted || l.protocol == nil {
			l.wait(ctx, 0)
			continue
		}
		conn, err := l.dial(ctx, hub, credential)
		if err != nil {
			l.reader.log.Debug("hub not reached", "error", err)
			l.wait(ctx, pause)
			pause = min(2*pause, longPause)
			continue
		}
		pause = firstPause
		l.serve(ctx, conn)
	}
}

// wantsLink tells whether to dial, where, and with what.
func (e *Emulator) wantsLink() (credential, hub string, wanted bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	who := e.memory.identity
	return who.Credential, who.Hub, e.device.wanted() && who.Credential != "" && who.Hub != ""
}

// wait returns when somebody pokes, or after a pause where there is one.
func (l *link) wait(ctx context.Context, pause time.Duration) {
	over := make(chan struct{})
	if pause > 0 {
		timer := l.reader.clock.AfterFunc(pause, func() { close(over) })
		defer timer.Stop()
	}
	select {
	case <-ctx.Done():
	case <-l.poked:
	case <-over:
	}
}

// poke has the link look again at what it should be.
func (l *link) poke() {
	select {
	case l.poked <- struct{}{}:
	default:
	}
}

func (l *link) dial(ctx context.Context, hub, credential string) (*websocket.Conn, error) {
	ctx, done := context.WithTimeout(ctx, dialTimeout)
	defer done()
	conn, answer, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(hub, "http")+connectPath, &websocket.DialOptions{
		HTTPClient: l.http, Subprotocols: []string{l.protocol.Name()},
		HTTPHeader: http.Header{"Authorization": {"Bearer " + credential}},
	})
	if answer != nil && answer.StatusCode == http.StatusUnauthorized {
		l.reader.log.Warn("the hub refuses this reader's credential")
	}
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(terminal.MaxMessage)
	return conn, nil
}

// serve reads until the connection ends.
func (l *link) serve(ctx context.Context, conn *websocket.Conn) {
	ctx, cancel := context.WithCancel(ctx)
	outbox := make(chan []byte, maxOutbox)
	l.mu.Lock()
	l.conn, l.outbox, l.cancel, l.greeted, l.leaving = conn, outbox, cancel, false, false
	l.mu.Unlock()
	var writing sync.WaitGroup
	writing.Go(func() { l.write(ctx, conn, outbox) })
	if _, _, wanted := l.reader.wantsLink(); !wanted {
		cancel() // it changed its mind while it dialled
	}
	for {
		_, b, err := conn.Read(ctx)
		if err != nil {
			break
		}
		l.arrived(b)
	}
	l.mu.Lock()
	l.conn, l.outbox, l.greeted = nil, nil, false
	l.mu.Unlock()
	cancel()
	conn.CloseNow()
	writing.Wait()
	l.reader.linkChanged()
}

func (l *link) write(ctx context.Context, conn *websocket.Conn, outbox <-chan []byte) {
	for {
		select {
		case <-ctx.Done():
			return
		case b := <-outbox:
			if len(b) == 0 { // goodbye
				conn.Close(websocket.StatusNormalClosure, "")
				return
			}
			sending, done := context.WithTimeout(ctx, sendTimeout)
			err := conn.Write(sending, websocket.MessageText, b)
			done()
			if err != nil {
				conn.CloseNow()
				return
			}
		}
	}
}

// up tells whether the hub has greeted the reader on a connection that stands.
func (l *link) up() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.greeted
}

// cut ends the connection without a word.
func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cancel != nil {
		l.cancel()
	}
	l.greeted = false
}

// leave ends it once everything said before is sent.
func (l *link) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.outbox != nil {
		l.leaving = true
		l.enqueue(nil)
	}
}

// send says a message, if there is anybody to say it to: what matters is said
// again on the next connection.
func (l *link) send(m terminal.Message) error {
	if !l.open() {
		return errNoLink()
	}
	m.Reader = l.reader.ID()
	if m.At.IsZero() {
		m.At = l.reader.clock.Now()
	}
	b, err := l.protocol.Encode(m)
	if err != nil {
		l.reader.log.Error("message not encoded", "error", err)
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.outbox == nil {
		return errNoLink()
	}
	switch f, struck := l.takeDisturb(DropOut, DuplicateOut, DelayOut); {
	case !struck:
		l.enqueue(b)
	case f.Do == DuplicateOut:
		l.enqueue(b)
		l.enqueue(b)
	case f.Do == DelayOut:
		outbox := l.outbox
		l.reader.clock.AfterFunc(f.For, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			if l.outbox == outbox {
				l.enqueue(b)
			}
		})
	}
	return nil
}

func errNoLink() error { return problem.New(problem.Unavailable, "emulator.no_link") }

// open tells whether there is a connection, greeted or not.
func (l *link) open() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.outbox != nil
}

// enqueue hands bytes to the writer; a link that takes none any more is cut.
// The caller holds the lock.
func (l *link) enqueue(b []byte) {
	select {
	case l.outbox <- b:
	default:
		l.cancel()
	}
}

// arrived takes a message, unless a fault takes it first.
func (l *link) arrived(b []byte) {
	l.mu.Lock()
	f, struck := l.takeDisturb(DropIn, DuplicateIn, DelayIn)
	l.mu.Unlock()
	switch {
	case !struck:
		l.take(b)
	case f.Do == DuplicateIn:
		l.take(b)
		l.take(b)
	case f.Do == DelayIn:
		l.reader.clock.AfterFunc(f.For, func() { l.take(b) })
	}
}

// disturb has a fault strike the next message, or from now on.
func (l *link) disturb(f Fault) {
	if f.Do == SplitTCP {
		l.wire.split.Store(true)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.disturbs = append(l.disturbs, f)
}

// takeDisturb is the first fault of one of the kinds. The caller holds the lock.
func (l *link) takeDisturb(kinds ...Action) (Fault, bool) {
	for i, f := range l.disturbs {
		for _, k := range kinds {
			if f.Do == k {
				l.disturbs = append(l.disturbs[:i:i], l.disturbs[i+1:]...)
				return f, true
			}
		}
	}
	return Fault{}, false
}

// take reads a message and does what it says.
func (l *link) take(b []byte) {
	m, err := l.protocol.Decode(b)
	if err != nil {
		code, field := "", ""
		if p := problem.As(err); p != nil {
			code, field = p.Code, p.Field
		}
		l.reader.log.Warn("message from the hub not taken", "code", code, "field", field)
		refusal := terminal.Refusal{Condition: terminal.ConditionFormat, Code: code, Field: field}
		_ = l.send(terminal.Message{Service: m.Service, Serial: m.Serial, Refused: &refusal})
		return
	}
	l.reader.receive(m)
}

// greet notes that the hub spoke: from now on the link is up.
func (l *link) greet() {
	l.mu.Lock()
	l.greeted = l.outbox != nil
	l.mu.Unlock()
	l.reader.linkChanged()
}
