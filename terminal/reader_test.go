package terminal_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"encaisse/base/card"
	"encaisse/terminal"
	"encaisse/terminal/nexo"
	"encaisse/terminal/terminaltest"
)

const (
	testPAN  = "4970100000000055" // published
	again    = 50 * time.Millisecond
	testName = "EMU1-1"
)

// scripted is the least a reader can be: it speaks nexo over a real WebSocket
// and plays what it is told to.
type scripted struct {
	t          testing.TB
	protocol   terminal.Protocol
	hub        string
	credential string

	mu      sync.Mutex
	wanted  bool
	changed chan struct{}
	conn    *websocket.Conn
	play    terminaltest.Play
	with    terminal.Parameters
	health  terminal.Health
	serial  int
	current *run
	done    map[string]*run // by the number of the request
	ended   chan struct{}
}

// run is one dialogue.
type run struct {
	request terminal.Message
	show    chan struct{}
	abort   chan struct{}
	answers chan terminal.Answer
	asked   *terminal.Message // until it is answered
	word    *terminal.Conclusion
	told    bool
}

func startScripted(t testing.TB, hub, code string) terminaltest.Reader {
	return newScripted(t, hub, code)
}

func newScripted(t testing.TB, hub, code string) *scripted {
	t.Helper()
	body, _ := json.Marshal(map[string]string{"code": code, "model": "EMU1", "serial": "1"})
	answer, err := http.Post(hub+"/v1/terminals/pair", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var given terminal.Pairing
	if err := json.NewDecoder(answer.Body).Decode(&given); err != nil || given.Reader != testName {
		t.Fatalf("pairing: %d %v", answer.StatusCode, err)
	}
	s := &scripted{
		t: t, protocol: nexo.New("test"), hub: hub, credential: given.Credential, wanted: true, changed: make(chan struct{}),
		done: map[string]*run{}, ended: make(chan struct{}), health: terminal.Health{Battery: 80, Network: "wifi", Printer: terminal.PrinterOK},
	}
	var life sync.WaitGroup
	life.Go(s.live)
	t.Cleanup(func() {
		close(s.ended)
		s.Cut()
		life.Wait()
	})
	return s
}

func (s *scripted) set(fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fn()
	close(s.changed)
	s.changed = make(chan struct{})
}

// live keeps the link up as long as it is wanted, and says again what nobody took.
func (s *scripted) live() {
	for {
		s.mu.Lock()
		wanted, changed := s.wanted, s.changed
		s.mu.Unlock()
		if wanted {
			s.session()
		}
		retry := time.NewTimer(again)
		select {
		case <-s.ended:
			return
		case <-changed:
		case <-retry.C:
		}
	}
}

func (s *scripted) session() {
	conn, _, err := websocket.Dial(context.Background(), "ws"+strings.TrimPrefix(s.hub, "http")+"/v1/terminals/connect", &websocket.DialOptions{
		Subprotocols: []string{nexo.Name}, HTTPHeader: http.Header{"Authorization": {"Bearer " + s.credential}},
	})
	if err != nil {
		return
	}
	conn.SetReadLimit(terminal.MaxMessage)
	s.set(func() { s.conn = conn })
	defer s.set(func() { s.conn = nil })
	stop := make(chan struct{})
	defer close(stop)
	greeted := make(chan struct{})
	go s.repeat(stop, greeted)
	for {
		_, b, err := conn.Read(context.Background())
		if err != nil {
			return
		}
		m, err := s.protocol.Decode(b)
		if err != nil {
			s.t.Errorf("the hub says what nobody can read: %v", err)
			continue
		}
		s.hear(m)
		if m.Greet != nil {
			close(greeted)
		}
	}
}

// repeat says what was not acknowledged, at once and then again and again.
func (s *scripted) repeat(stop, greeted chan struct{}) {
	select {
	case <-stop:
		return
	case <-greeted:
	}
	for {
		var untold []terminal.Message
		s.mu.Lock()
		for _, r := range s.done {
			if r.word != nil && !r.told {
				untold = append(untold, terminal.Message{Service: r.request.Service, Kind: r.request.Perform.Kind, Concluded: r.word})
			}
		}
		if s.current != nil && s.current.asked != nil {
			untold = append(untold, *s.current.asked)
		}
		s.mu.Unlock()
		for _, m := range untold {
			s.say(m)
		}
		timer := time.NewTimer(4 * again)
		select {
		case <-stop:
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

func (s *scripted) say(m terminal.Message) {
	m.Reader = testName
	if m.At.IsZero() {
		m.At = time.Now()
	}
	b, err := s.protocol.Encode(m)
	if err != nil {
		s.t.Errorf("the reader says what nobody can write: %v", err)
		return
	}
	s.mu.Lock()
	conn := s.conn
	s.mu.Unlock()
	if conn != nil {
		_ = conn.Write(context.Background(), websocket.MessageText, b) // it is said again
	}
}

func (s *scripted) hear(m terminal.Message) {
	switch {
	case m.Greet != nil:
		s.mu.Lock()
		h := s.health
		s.mu.Unlock()
		s.say(terminal.Message{Service: m.Service, Greeted: &terminal.Greeted{Model: "EMU1", Serial: "1", Software: "scripted", Health: h}})
	case m.Configure != nil:
		s.set(func() { s.with = *m.Configure })
	case m.Perform != nil:
		s.begin(m)
	case m.Abort != nil:
		s.mu.Lock()
		if r := s.current; r != nil && r.request.Service == m.Abort.Service {
			close(r.abort)
		}
		s.mu.Unlock()
	case m.Ask != nil:
		s.say(terminal.Message{Service: m.Service, Told: s.tell(*m.Ask)})
	case m.Diagnose != nil:
		s.mu.Lock()
		s.health.Asleep = false
		h := s.health
		s.mu.Unlock()
		s.say(terminal.Message{Service: m.Service, Health: &h})
	case m.Print != nil:
		s.mu.Lock()
		printer := s.health.Printer
		s.mu.Unlock()
		s.say(terminal.Message{Service: m.Service, Printed: &terminal.Printed{Done: printer == terminal.PrinterOK, Printer: printer}})
	case m.Answered != nil:
		s.mu.Lock()
		if r := s.current; r != nil && r.asked != nil && r.asked.Authorise.Exchange == m.Answered.Exchange {
			r.asked = nil
			r.answers <- m.Answered.Answer
		}
		s.mu.Unlock()
	case m.Taken != nil:
		s.mu.Lock()
		if r := s.done[m.Service]; r != nil {
			r.told = true
		}
		s.mu.Unlock()
	}
}

func (s *scripted) tell(of terminal.Reference) *terminal.Told {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.done[of.Service]
	switch {
	case r == nil:
		return &terminal.Told{Of: of, Status: terminal.StatusNotFound}
	case r.word == nil:
		return &terminal.Told{Of: of, Status: terminal.StatusInProgress}
	}
	return &terminal.Told{Of: of, Status: terminal.StatusConcluded, Conclusion: r.word}
}

func (s *scripted) begin(m terminal.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done[m.Service] != nil {
		return // the same request
	}
	r := &run{request: m, show: make(chan struct{}), abort: make(chan struct{}), answers: make(chan terminal.Answer, 1)}
	s.done[m.Service] = r
	if s.current != nil {
		r.word = &terminal.Conclusion{
			Attempt: m.Perform.Attempt, Cause: terminal.CauseBusy, BusyWith: s.current.request.Service, At: time.Now(),
		}
		go s.say(terminal.Message{Service: m.Service, Kind: m.Perform.Kind, Concluded: r.word})
		return
	}
	s.current = r
	go s.perform(r, s.play)
}

func (s *scripted) perform(r *run, play terminaltest.Play) {
	d := *r.request.Perform
	c := terminal.Conclusion{Attempt: d.Attempt, Amount: d.Amount}
	s.progress(r, terminal.StageWaitingCard)
	expiry := time.NewTimer(d.Budget)
	defer expiry.Stop()
	if play == terminaltest.Tap {
		close(r.show)
	}
	switch {
	case play == terminaltest.Press:
		c.Cause = terminal.CauseCancelled
	default:
		select {
		case <-r.show:
			s.authorise(r, &c)
		case <-r.abort:
			c.Cause = terminal.CauseAborted
		case <-expiry.C:
			c.Cause = terminal.CauseExpired
		case <-s.ended:
			return
		}
	}
	s.mu.Lock()
	s.serial++
	c.Transaction, c.At = "000001", time.Now()
	r.word, s.current = &c, nil
	s.mu.Unlock()
	s.say(terminal.Message{Service: r.request.Service, Kind: d.Kind, Concluded: &c})
}

func (s *scripted) progress(r *run, stage terminal.Stage) {
	s.mu.Lock()
	s.serial++
	serial := s.serial
	s.mu.Unlock()
	s.say(terminal.Message{Serial: "D" + string(rune('0'+serial/10%10)) + string(rune('0'+serial%10)), Progress: &terminal.Progress{
		Attempt: r.request.Perform.Attempt, Stage: stage,
	}})
}

// authorise shows the card and asks.
func (s *scripted) authorise(r *run, c *terminal.Conclusion) {
	d := *r.request.Perform
	s.mu.Lock()
	with := s.with
	s.mu.Unlock()
	pan, err := card.ParsePAN(testPAN)
	if err != nil {
		s.t.Error(err)
	}
	key, err := card.ParsePublicKey(with.PublicKey)
	if err != nil {
		s.t.Error("no key among the parameters:", err)
		c.Cause = terminal.CauseDevice
		return
	}
	data := card.Data{PAN: testPAN, Expiry: "3012"}
	p := card.Presented{
		Masked: pan.Masked(), Fingerprint: card.Fingerprint(with.FingerprintKey, pan), Scheme: card.CB, Entry: card.Contactless, Verified: card.NoCVM,
	}
	shown := p
	c.Card = &shown
	if d.Original != nil && d.Original.Fingerprint != p.Fingerprint {
		c.Cause = terminal.CauseOtherCard
		return
	}
	if p.Envelope, err = key.Seal(data, string(d.Attempt)); err != nil {
		s.t.Error(err)
	}
	if p.Kept, err = key.Seal(data.Kept(), string(d.Attempt)); err != nil {
		s.t.Error(err)
	}
	ask := terminal.Message{Authorise: &terminal.Request{
		Attempt: d.Attempt, Exchange: r.request.Service + "-1", Kind: d.Kind, Amount: d.Amount, Card: p, At: time.Now(),
	}}
	s.mu.Lock()
	r.asked = &ask
	s.mu.Unlock()
	s.say(ask)
	select {
	case a := <-r.answers:
		c.Success, c.Approval, c.Code, c.Cause = a.Approved, a.Approval, a.Code, a.Cause
	case <-s.ended:
	}
}

// Next implements terminaltest.Reader.
func (s *scripted) Next(p terminaltest.Play) { s.set(func() { s.play = p }) }

// Show implements terminaltest.Reader.
func (s *scripted) Show() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil {
		close(s.current.show)
	}
}

// Cut implements terminaltest.Reader.
func (s *scripted) Cut() {
	s.set(func() {
		s.wanted = false
		if s.conn != nil {
			s.conn.CloseNow()
		}
	})
}

// Join implements terminaltest.Reader.
func (s *scripted) Join() { s.set(func() { s.wanted = true }) }

func TestReaders(t *testing.T) {
	terminaltest.Run(t, terminaltest.Kit{Protocol: nexo.New("test"), Start: startScripted})
}
