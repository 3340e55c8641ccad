package emulator_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"encaisse/base/card"
	"encaisse/base/clock"
	"encaisse/base/emv"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/terminal"
	"encaisse/terminal/emulator"
	"encaisse/terminal/nexo"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// hub is the other end of the link, as far as these tests need one. The real one
// is held against the emulator in package terminal.
type hub struct {
	t        *testing.T
	server   *httptest.Server
	protocol nexo.Protocol
	key      card.PrivateKey
	clock    clock.Clock

	mu       sync.Mutex
	conn     *websocket.Conn
	links    int
	heard    []terminal.Message
	changed  chan struct{}
	deaf     bool // acknowledges nothing
	mute     bool // answers no request for authorisation
	params   terminal.Parameters
	issuer   func(terminal.Request, card.Data) terminal.Answer
	services int
	code     string // of a pairing
}

func newHub(t *testing.T, c clock.Clock) *hub {
	t.Helper()
	key, err := card.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	h := &hub{t: t, protocol: nexo.New("test"), key: key, clock: c, changed: make(chan struct{}), code: "482913"}
	h.params = terminal.Parameters{
		Version: 1, Merchant: "Le Fournil des Halles", Address: "4 rue des Halles 69002 Lyon", SIRET: "73282932000074", Alias: "Comptoir",
		Number: 1, Acceptor: "1234567", TerminalID: "00000001", Currency: "EUR", Zone: "Europe/Paris",
		Schemes:        map[card.Scheme]string{card.CB: "", card.Visa: "", card.Mastercard: "", card.Maestro: "", card.Amex: "9876"},
		ContactlessMax: 50_00, CVMRequired: 50_00, PublicKey: key.Public().Bytes(), FingerprintKey: []byte("a merchant's own fingerprint key"),
		BudgetSeconds: 60, Batch: 7, Language: "fr",
	}
	h.issuer = h.judge
	h.server = httptest.NewServer(h)
	t.Cleanup(h.server.Close)
	return h
}

func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/v1/terminals/pair" {
		var asked struct{ Code, Serial, Model string }
		if json.NewDecoder(r.Body).Decode(&asked) != nil || asked.Code != h.code || asked.Serial == "" || asked.Model == "" {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"code":"terminal.pairing_code"}`)
			return
		}
		fmt.Fprint(w, `{"credential":"given"}`)
		return
	}
	if r.Header.Get("Authorization") != "Bearer given" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{nexo.Name}})
	if err != nil {
		return
	}
	conn.SetReadLimit(terminal.MaxMessage)
	h.mu.Lock()
	h.conn = conn
	h.links++
	params := h.params
	h.mu.Unlock()
	h.say(terminal.Message{Service: "login", Greet: &terminal.Greeting{}})
	h.say(terminal.Message{Configure: &params})
	for {
		_, b, err := conn.Read(context.Background())
		if err != nil {
			return
		}
		m, err := h.protocol.Decode(b)
		if err != nil {
			h.t.Errorf("the reader said what nobody can read: %v", err)
			continue
		}
		h.hear(m)
	}
}

func (h *hub) hear(m terminal.Message) {
	h.mu.Lock()
	h.heard = append(h.heard, m)
	deaf, mute, issuer := h.deaf, h.mute, h.issuer
	close(h.changed)
	h.changed = make(chan struct{})
	h.mu.Unlock()
	switch {
	case m.Authorise != nil && !mute:
		data, err := h.key.Open(m.Authorise.Card.Envelope, string(m.Authorise.Attempt))
		if err != nil {
			h.t.Errorf("envelope: %v", err)
		}
		h.say(terminal.Message{Answered: &terminal.Answered{
			Attempt: m.Authorise.Attempt, Exchange: m.Authorise.Exchange, Answer: issuer(*m.Authorise, data),
		}})
	case m.Concluded != nil && !deaf:
		h.say(terminal.Message{Service: m.Service, Taken: &terminal.Taken{Attempt: m.Concluded.Attempt}})
	}
}

func (h *hub) say(m terminal.Message) {
	h.mu.Lock()
	conn := h.conn
	h.mu.Unlock()
	m.Reader, m.At = "EMU1-1", h.clock.Now()
	b, err := h.protocol.Encode(m)
	if err != nil {
		h.t.Errorf("hub: %v", err)
		return
	}
	ctx, done := context.WithTimeout(context.Background(), patience)
	defer done()
	_ = conn.Write(ctx, websocket.MessageText, b)
}

// change alters the hub under its lock.
func (h *hub) change(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
}

// judge is an issuer: it checks the cryptogram and proves itself.
func (h *hub) judge(r terminal.Request, data card.Data) terminal.Answer {
	list, err := emv.Parse(r.Card.EMV)
	if err != nil {
		h.t.Errorf("chip data: %v", err)
	}
	a := terminal.Answer{Approved: true, Code: "00", Approval: "123456"}
	if r.Card.EMV == nil {
		return a
	}
	key := emv.TestIssuerKey().CardKey(data.PAN, data.Sequence)
	if !key.Proves(list) {
		h.t.Errorf("the cryptogram proves nothing: %v", r.Card.AID)
	}
	var proof emv.List
	answer := key.Answer(list.Get(emv.TagATC), emv.Cryptogram(list.Get(emv.TagCryptogram)), a.Code)
	proof.Add(emv.TagIssuerAuth, append(answer[:], a.Code...))
	a.Issuer = proof.Bytes()
	return a
}

// refuse answers with a response code.
func (h *hub) refuse(code string, cause terminal.Cause) {
	h.change(func() {
		h.issuer = func(terminal.Request, card.Data) terminal.Answer { return terminal.Answer{Code: code, Cause: cause} }
	})
}

// until waits for a message that fits.
func (h *hub) until(what string, fits func(terminal.Message) bool) terminal.Message {
	h.t.Helper()
	over := time.After(patience)
	for at := 0; ; {
		h.mu.Lock()
		heard, changed := h.heard, h.changed
		h.mu.Unlock()
		for ; at < len(heard); at++ {
			if fits(heard[at]) {
				return heard[at]
			}
		}
		select {
		case <-changed:
		case <-over:
			h.t.Fatalf("the reader did not say: %s; it said %d messages", what, len(heard))
		}
	}
}

// count is how many messages fit.
func (h *hub) count(fits func(terminal.Message) bool) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.heard {
		if fits(m) {
			n++
		}
	}
	return n
}

// perform sends a request and returns its number.
func (h *hub) perform(d terminal.Dialogue) (service string) {
	h.mu.Lock()
	h.services++
	service = fmt.Sprintf("S%d", h.services)
	h.mu.Unlock()
	h.say(terminal.Message{Service: service, Perform: &d})
	return service
}

// payment is a request to pay.
func (h *hub) payment(minor int64) terminal.Dialogue {
	return terminal.Dialogue{
		Attempt: id.New[id.Attempt](h.clock.Now()), Kind: terminal.Payment, Amount: money.Amount{Minor: minor, Currency: "EUR"},
		At: h.clock.Now(), Budget: time.Minute, Reference: "sal_1",
	}
}

// word waits for the final word on an attempt.
func (h *hub) word(a id.Attempt) terminal.Conclusion {
	h.t.Helper()
	return *h.until("the final word", func(m terminal.Message) bool { return m.Concluded != nil && m.Concluded.Attempt == a }).Concluded
}

// authorisation waits for the request of an attempt.
func (h *hub) authorisation(a id.Attempt) terminal.Request {
	h.t.Helper()
	return *h.until("a request for authorisation", func(m terminal.Message) bool { return m.Authorise != nil && m.Authorise.Attempt == a }).Authorise
}

// stages are those of an attempt, in their order, without repetition.
func (h *hub) stages(a id.Attempt) (out []terminal.Stage) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.heard {
		if m.Progress != nil && m.Progress.Attempt == a && (len(out) == 0 || out[len(out)-1] != m.Progress.Stage) {
			out = append(out, m.Progress.Stage)
		}
	}
	return out
}

// pay has a payment made and waits for its end.
func (h *hub) pay(minor int64) terminal.Conclusion {
	h.t.Helper()
	d := h.payment(minor)
	h.perform(d)
	return h.word(d.Attempt)
}

// reader is a paired reader, switched on and greeted.
func (h *hub) reader(o emulator.Options) *emulator.Emulator {
	h.t.Helper()
	e := h.off(o)
	e.Start()
	h.t.Cleanup(func() { e.Close() })
	await(h.t, e, "the link", func() bool { _, known := e.Parameters(); return known && e.Connected() })
	return e
}

// off is a paired reader that is still switched off.
func (h *hub) off(o emulator.Options) *emulator.Emulator {
	h.t.Helper()
	o.Clock, o.Protocol, o.Hub, o.Seed = h.clock, h.protocol, h.server.URL, 1
	if o.Serial == "" {
		o.Serial = "1"
	}
	if testing.Verbose() {
		o.Log = slog.New(slog.NewTextHandler(h.t.Output(), nil))
	}
	e, err := emulator.New(o)
	if err != nil {
		h.t.Fatal(err)
	}
	if !e.Paired() {
		if err := e.Pair(context.Background(), h.code); err != nil {
			h.t.Fatal(err)
		}
	}
	return e
}

// await waits for a condition that a change of the reader may bring.
func await(t *testing.T, e *emulator.Emulator, what string, holds func() bool) {
	t.Helper()
	over := time.After(patience)
	for {
		changed := e.Changed()
		if holds() {
			return
		}
		select {
		case <-changed:
		case <-over:
			t.Fatalf("waited in vain for %s; the screen says %+v", what, e.Screen())
		}
	}
}

// shows waits for what the screen says.
func shows(t *testing.T, e *emulator.Emulator, s emulator.Show) {
	t.Helper()
	await(t, e, "the screen to say "+string(s), func() bool { return e.Screen().Show == s })
}
