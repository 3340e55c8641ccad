package terminaltest

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"encaisse/terminal"
)

// Wire is a link without a reader: it says what it is told to.
type Wire struct {
	T        testing.TB
	Protocol terminal.Protocol
	Name     string // what it calls itself
	Conn     *websocket.Conn

	now     func() time.Time
	mu      sync.Mutex
	changed chan struct{}
	heard   []terminal.Message
	over    error
}

// Dial connects with a credential; status is the answer's where there is no link.
func (r *Room) Dial(p terminal.Protocol, credential, name string) (w *Wire, status int) {
	r.T.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	conn, answer, err := websocket.Dial(ctx, r.Link(), &websocket.DialOptions{
		Subprotocols: []string{p.Name()}, HTTPHeader: http.Header{"Authorization": {"Bearer " + credential}},
	})
	if err != nil {
		if answer == nil {
			r.T.Fatal(err)
		}
		return nil, answer.StatusCode
	}
	conn.SetReadLimit(terminal.MaxMessage)
	w = &Wire{T: r.T, Protocol: p, Name: name, Conn: conn, now: r.Clock.Now, changed: make(chan struct{})}
	go w.listen()
	r.T.Cleanup(func() { conn.CloseNow() })
	return w, http.StatusSwitchingProtocols
}

func (w *Wire) listen() {
	for {
		_, b, err := w.Conn.Read(context.Background())
		w.mu.Lock()
		if err != nil {
			w.over = err
		} else if m, err := w.Protocol.Decode(b); err != nil {
			w.T.Errorf("the hub says what nobody can read: %v", err)
		} else {
			w.heard = append(w.heard, m)
		}
		close(w.changed)
		w.changed = make(chan struct{})
		w.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Heard waits for a message of the hub that fits and takes it out of what was heard.
func (w *Wire) Heard(what string, fits func(terminal.Message) bool) terminal.Message {
	w.T.Helper()
	late := time.NewTimer(Patience)
	defer late.Stop()
	for {
		w.mu.Lock()
		for i, m := range w.heard {
			if fits(m) {
				w.heard = append(w.heard[:i:i], w.heard[i+1:]...)
				w.mu.Unlock()
				return m
			}
		}
		changed, over := w.changed, w.over
		w.mu.Unlock()
		if over != nil {
			w.T.Fatalf("the link ended before: %s: %v", what, over)
		}
		select {
		case <-changed:
		case <-late.C:
			w.T.Fatalf("waited %s for: %s", Patience, what)
		}
	}
}

// Over waits for the end of the link and says how it ended.
func (w *Wire) Over() error {
	w.T.Helper()
	Until(w.T, "the end of the link", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.over != nil
	})
	return w.over
}

// Ended tells whether the link is over.
func (w *Wire) Ended() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.over != nil
}

// Bytes says the message as it would be sent.
func (w *Wire) Bytes(m terminal.Message) []byte {
	w.T.Helper()
	if m.Reader == "" {
		m.Reader = w.Name
	}
	if m.At.IsZero() {
		m.At = w.now()
	}
	b, err := w.Protocol.Encode(m)
	if err != nil {
		w.T.Fatal(err)
	}
	return b
}

// Say sends a message.
func (w *Wire) Say(m terminal.Message) {
	w.T.Helper()
	w.Raw(websocket.MessageText, w.Bytes(m))
}

// Raw sends bytes as they are.
func (w *Wire) Raw(kind websocket.MessageType, b []byte) {
	w.T.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	if err := w.Conn.Write(ctx, kind, b); err != nil {
		w.T.Fatal(err)
	}
}

// Greet answers the hub's first word as this device would.
func (w *Wire) Greet(model, serial string, h terminal.Health) {
	w.T.Helper()
	m := w.Heard("the greeting", func(m terminal.Message) bool { return m.Greet != nil })
	w.Say(terminal.Message{Service: m.Service, At: m.At, Greeted: &terminal.Greeted{Model: model, Serial: serial, Software: "test", Health: h}})
}

// Refused waits for a refusal of a kind.
func (w *Wire) Refused(code string) terminal.Message {
	w.T.Helper()
	return w.Heard("refusal "+code, func(m terminal.Message) bool { return m.Refused != nil && m.Refused.Code == code })
}

// Join pairs a device of its own with a terminal and brings it online without
// a reader behind it.
func (r *Room) Join(p terminal.Protocol, t terminal.Terminal, model, serial string) *Wire {
	r.T.Helper()
	given, status := r.Pair(r.Code(t), model, serial)
	if status != http.StatusCreated {
		r.T.Fatalf("pairing: %d", status)
	}
	return r.Again(p, t, given, model, serial)
}

// Again brings a device online that was paired before.
func (r *Room) Again(p terminal.Protocol, t terminal.Terminal, given terminal.Pairing, model, serial string) *Wire {
	r.T.Helper()
	w, status := r.Dial(p, given.Credential, given.Reader)
	if w == nil {
		r.T.Fatalf("connecting: %d", status)
	}
	w.Greet(model, serial, terminal.Health{Battery: 80, Printer: terminal.PrinterOK})
	w.Heard("its parameters", func(m terminal.Message) bool { return m.Configure != nil })
	return w
}
