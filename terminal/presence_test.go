package terminal_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"encaisse/base/clock"
	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/terminal"
	"encaisse/terminal/terminaltest"
)

func TestPresence(t *testing.T) {
	each(t, map[string]func(*testing.T, *terminaltest.Room){
		"SRC043_AsleepIsNotOffline":             testAsleepIsNotOffline,
		"SRC044_AsleepOnItsLinkIsWoken":         testAsleepOnItsLinkIsWoken,
		"HealthIsWrittenWhenItIsWorthIt":        testHealthIsWrittenWhenItIsWorthIt,
		"TheNewestConnectionReplacesTheFormer":  testTheNewestConnectionReplacesTheFormer,
		"WhoDoesNotSayWhoItIsIsNotOnline":       testWhoDoesNotSayWhoItIsIsNotOnline,
		"AStopEndsLinksAndSaysSo":               testAStopEndsLinksAndSaysSo,
		"AFloodEndsItsOwnLink":                  testAFloodEndsItsOwnLink,
		"OnlyAProtocolOfOursIsSpoken":           testOnlyAProtocolOfOursIsSpoken,
		"NumbersOfRequestsAreUsedOnce":          testNumbersOfRequestsAreUsedOnce,
		"AReaderThatNobodyConfiguresIsStillOne": testPrinting,
	})
}

// mute is a connection whose other side has gone quiet: nothing more is read
// or written, and nobody said goodbye.
type mute struct {
	net.Conn
	quiet atomic.Bool
	ended chan struct{}
}

func (m *mute) Read(b []byte) (int, error) {
	n, err := m.Conn.Read(b)
	if m.quiet.Load() {
		<-m.ended // what arrives is lost
		return 0, net.ErrClosed
	}
	return n, err
}

// dialMute connects over a line that can go quiet; close ended before conn.
func dialMute(t *testing.T, r *terminaltest.Room, credential string) (conn *websocket.Conn, line *mute, ended chan struct{}) {
	t.Helper()
	ended = make(chan struct{})
	conn, _, err := websocket.Dial(t.Context(), r.Link(), &websocket.DialOptions{
		Subprotocols: []string{protocol.Name()}, HTTPHeader: http.Header{"Authorization": {"Bearer " + credential}},
		HTTPClient: &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			plain, err := new(net.Dialer).DialContext(ctx, network, address)
			line = &mute{Conn: plain, ended: ended}
			return line, err
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return conn, line, ended
}

// TestSRC032_ALostLinkIsSeenWithinFiveSeconds: nobody says goodbye when a cable
// is pulled; the heartbeat finds out.
func TestSRC032_ALostLinkIsSeenWithinFiveSeconds(t *testing.T) {
	t.Log("coverage: SRC-032 partial: that the reader is offline is known in time; the till's message is its own")
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		r, c := still(t, d)
		made := r.Terminal("Comptoir")
		given, _ := r.Pair(r.Code(made), "ODD1", "1")
		conn, line, ended := dialMute(t, r, given.Credential)
		defer conn.CloseNow()
		defer close(ended)
		reader(t, conn, given.Reader)
		r.Await(made, terminal.Online)
		beats := 0
		for range 20 { // as long as it answers it stays, however long that is
			c.Advance(time.Second)
			if r.Presence(made).State == terminal.Online {
				beats++
			}
		}
		if beats != 20 {
			t.Errorf("online at %d of 20 beats", beats)
		}
		line.quiet.Store(true)
		lost := c.Now()
		terminaltest.Until(t, "offline", func() bool {
			if r.Presence(made).State == terminal.Offline {
				return true
			}
			if c.Now().Sub(lost) < 5*time.Second {
				c.Advance(100 * time.Millisecond)
			}
			return false
		})
		if took := c.Now().Sub(lost); took > 5*time.Second {
			t.Errorf("seen after %s", took)
		}
		if got := events(t, r, made); got != "terminal.online terminal.offline" {
			t.Error(got)
		}
	})
}

// reader answers the greeting, and reads on so that pings are answered.
func reader(t *testing.T, conn *websocket.Conn, name string) {
	t.Helper()
	go func() {
		for {
			_, b, err := conn.Read(context.Background())
			if err != nil {
				return
			}
			m, err := protocol.Decode(b)
			if err != nil || m.Greet == nil {
				continue
			}
			model, serial, _ := strings.Cut(name, "-")
			b, err = protocol.Encode(terminal.Message{Reader: name, Service: m.Service, At: m.At, Greeted: &terminal.Greeted{
				Model: model, Serial: serial, Software: "1", Health: terminal.Health{Battery: -1},
			}})
			if err == nil {
				_ = conn.Write(context.Background(), websocket.MessageText, b)
			}
		}
	}()
}

// TestHeartbeatsAreNotWritten: a minute of them costs the database nothing.
func TestHeartbeatsAreNotWritten(t *testing.T) {
	var writes atomic.Int64
	c := clock.NewManual(start)
	d, _ := dbtest.OpenWith(t, db.SQLite, db.Options{Trace: func(query string, _ []any) {
		if strings.Contains(query, "terminal_presence") && !strings.HasPrefix(query, "SELECT") {
			writes.Add(1)
		}
	}})
	r := terminaltest.NewRoom(t, d, c, protocol)
	made := r.Terminal("Comptoir")
	w := r.Join(protocol, made, "ODD1", "1")
	before := writes.Load()
	if before == 0 {
		t.Fatal("coming online is not counted")
	}
	for range 60 {
		c.Advance(time.Second)
	}
	if n := writes.Load() - before; n != 0 || w.Ended() {
		t.Errorf("%d writes in a minute of heartbeats", n)
	}
}

func news(w *terminaltest.Wire, r *terminaltest.Room, serial string, n terminal.News, h *terminal.Health) {
	w.Say(terminal.Message{Serial: serial, At: r.Clock.Now(), Notice: &terminal.Notice{News: n, Health: h}})
}

func testAsleepIsNotOffline(t *testing.T, r *terminaltest.Room) {
	t.Log("coverage: SRC-043 partial: told apart for the till; the words are its screen's")
	slept, lost := r.Terminal("Terrasse"), r.Terminal("Comptoir")
	given, _ := r.Pair(r.Code(slept), "ODD1", "1")
	w := r.Again(protocol, slept, given, "ODD1", "1")
	other := r.Join(protocol, lost, "ODD1", "2")
	news(w, r, "1", terminal.NewsSleep, &terminal.Health{Battery: 40})
	r.Await(slept, terminal.Asleep)
	w.Conn.Close(websocket.StatusNormalClosure, "")
	other.Conn.CloseNow()
	r.Await(lost, terminal.Offline)
	if p := r.Presence(slept); p.State != terminal.Asleep || p.Health.Battery != 40 {
		t.Errorf("%+v", p)
	}
	for of, code := range map[terminal.Terminal]string{slept: "terminal.asleep", lost: "terminal.offline"} {
		d := r.Dialogue(of, 1)
		if err := r.Open(d); err != nil {
			t.Fatal(err)
		}
		want(t, send(r, d), code)
		want(t, r.Hub.Print(t.Context(), d.Merchant, of.ID, []string{"x"}), code)
	}
	r.Again(protocol, slept, given, "ODD1", "1")
	r.Await(slept, terminal.Online)
	if got := events(t, r, slept); got != "terminal.online terminal.asleep terminal.online" {
		t.Error(got)
	}
	if got := events(t, r, lost); got != "terminal.online terminal.offline" {
		t.Error(got)
	}
}

// testAsleepOnItsLinkIsWoken: a diagnosis goes first, the amount once it is answered.
func testAsleepOnItsLinkIsWoken(t *testing.T, r *terminaltest.Room) {
	t.Log("coverage: SRC-044 partial: a reader that keeps its link is woken; the setting is the reader's")
	made := r.Terminal("Terrasse")
	w := r.Join(protocol, made, "ODD1", "1")
	news(w, r, "1", terminal.NewsSleep, nil)
	r.Await(made, terminal.Asleep)
	d := r.Dialogue(made, 1)
	if err := r.Open(d); err != nil {
		t.Fatal(err)
	}
	sent := make(chan error)
	go func() { sent <- send(r, d) }()
	first := w.Heard("something", func(m terminal.Message) bool { return m.Diagnose != nil || m.Perform != nil })
	if first.Perform != nil {
		t.Fatal("the amount went to a reader that sleeps")
	}
	w.Say(terminal.Message{Service: first.Service, Health: &terminal.Health{Battery: 80}})
	w.Heard("the amount", func(m terminal.Message) bool { return m.Perform != nil })
	if err := <-sent; err != nil {
		t.Error(err)
	}
	r.Await(made, terminal.Online)
	// One that does not wake is told from one that is lost, and has nothing.
	news(w, r, "2", terminal.NewsSleep, nil)
	r.Await(made, terminal.Asleep)
	want(t, send(r, d), "terminal.asleep")
	if got := events(t, r, made); got != "terminal.online terminal.asleep terminal.online terminal.asleep" {
		t.Error(got)
	}
}

func testHealthIsWrittenWhenItIsWorthIt(t *testing.T, r *terminaltest.Room) {
	made := r.Terminal("Comptoir")
	w := r.Join(protocol, made, "ODD1", "1") // battery 80
	said := func(serial string, h terminal.Health, battery int64) {
		t.Helper()
		news(w, r, serial, terminal.NewsHealth, &h)
		news(w, r, serial+"0", terminal.NewsHealth, &terminal.Health{Battery: h.Battery, Printer: terminal.PrinterLow, Network: serial})
		terminaltest.Until(t, "the later one", func() bool { return r.Presence(made).Health.Network == serial })
		if p := r.Presence(made); p.Health.Battery != battery {
			t.Errorf("%s: %+v", serial, p)
		}
	}
	said("1", terminal.Health{Battery: 79, Printer: terminal.PrinterOK}, 79)
	said("2", terminal.Health{Battery: 5, Printer: terminal.PrinterEmpty}, 5)
	if got := events(t, r, made); got != "terminal.online" {
		t.Error("health is no event:", got)
	}
}

func testTheNewestConnectionReplacesTheFormer(t *testing.T, r *terminaltest.Room) {
	made := r.Terminal("Comptoir")
	given, _ := r.Pair(r.Code(made), "ODD1", "1")
	former := r.Again(protocol, made, given, "ODD1", "1")
	latter := r.Again(protocol, made, given, "ODD1", "1")
	if err := former.Over(); !strings.Contains(err.Error(), "terminal.replaced") {
		t.Error(err)
	}
	d := r.Dialogue(made, 1)
	r.Send(d)
	latter.Heard("the amount", func(m terminal.Message) bool { return m.Perform != nil })
	if r.Presence(made).State != terminal.Online {
		t.Error("the end of the former took the latter along")
	}
	if got := events(t, r, made); got != "terminal.online" {
		t.Error(got)
	}
}

func testWhoDoesNotSayWhoItIsIsNotOnline(t *testing.T, r *terminaltest.Room) {
	made := r.Terminal("Comptoir")
	given, _ := r.Pair(r.Code(made), "ODD1", "1")
	w, _ := r.Dial(protocol, given.Credential, given.Reader)
	w.Say(terminal.Message{Service: "1", Health: &terminal.Health{}})
	w.Refused("terminal.not_greeted")
	if r.Presence(made).State != terminal.Offline {
		t.Error("online without a word")
	}
	w.Greet("ODD1", "1", terminal.Health{Battery: -1})
	r.Await(made, terminal.Online)
	w, _ = r.Dial(protocol, given.Credential, given.Reader)
	for range 20 {
		if w.Conn.Write(t.Context(), websocket.MessageText, w.Bytes(terminal.Message{Service: "1", Health: &terminal.Health{}})) != nil {
			break
		}
	}
	if err := w.Over(); !strings.Contains(err.Error(), "terminal.not_greeted") {
		t.Error(err)
	}
}

func testAStopEndsLinksAndSaysSo(t *testing.T, r *terminaltest.Room) {
	made := r.Terminal("Comptoir")
	given, _ := r.Pair(r.Code(made), "ODD1", "1")
	w := r.Again(protocol, made, given, "ODD1", "1")
	silent, _ := r.Dial(protocol, given.Credential, given.Reader) // and never says who it is
	silent.Heard("the greeting", func(m terminal.Message) bool { return m.Greet != nil })
	r.End()
	if err := silent.Over(); websocket.CloseStatus(err) != websocket.StatusServiceRestart {
		t.Error(err)
	}
	if err := w.Over(); websocket.CloseStatus(err) != websocket.StatusServiceRestart {
		t.Error(err)
	}
	after := r.Beside(t, protocol)
	if p := after.Presence(made); p.State != terminal.Offline {
		t.Errorf("%+v", p)
	}
	after.Again(protocol, made, given, "ODD1", "1")
	after.Await(made, terminal.Online)
	if got := events(t, after, made); got != "terminal.online terminal.offline terminal.online" {
		t.Error(got)
	}
}

func testAFloodEndsItsOwnLink(t *testing.T, r *terminaltest.Room) {
	made, neighbour := r.Terminal("Comptoir"), r.Terminal("Terrasse")
	w := r.Join(protocol, made, "ODD1", "1")
	beside := r.Join(protocol, neighbour, "ODD1", "2")
	for range 100_000 {
		if w.Conn.Write(t.Context(), websocket.MessageText, []byte("{}")) != nil {
			break
		}
	}
	w.Over()
	r.Await(made, terminal.Offline)
	if beside.Ended() || r.Presence(neighbour).State != terminal.Online {
		t.Error("the neighbour was ended too")
	}
}

func testOnlyAProtocolOfOursIsSpoken(t *testing.T, r *terminaltest.Room) {
	made := r.Terminal("Comptoir")
	given, _ := r.Pair(r.Code(made), "ODD1", "1")
	for _, offered := range [][]string{nil, {"nexo"}} {
		_, answer, err := websocket.Dial(t.Context(), r.Link(), &websocket.DialOptions{
			Subprotocols: offered, HTTPHeader: http.Header{"Authorization": {"Bearer " + given.Credential}},
		})
		if err == nil || answer.StatusCode != http.StatusBadRequest {
			t.Errorf("%v: %v", offered, err)
		}
	}
	conn, _, err := websocket.Dial(t.Context(), r.Link(), &websocket.DialOptions{
		Subprotocols: []string{"other", protocol.Name()}, HTTPHeader: http.Header{"Authorization": {"bearer " + given.Credential}},
	})
	if err != nil || conn.Subprotocol() != protocol.Name() {
		t.Fatal(err)
	}
	conn.CloseNow()
}

func testNumbersOfRequestsAreUsedOnce(t *testing.T, r *terminaltest.Room) {
	made := r.Terminal("Comptoir")
	given, _ := r.Pair(r.Code(made), "ODD1", "1")
	seen := map[string]bool{}
	note := func(m terminal.Message) {
		if seen[m.Service] || m.Service == "" {
			t.Errorf("%q twice", m.Service)
		}
		seen[m.Service] = true
	}
	for range 3 {
		w, _ := r.Dial(protocol, given.Credential, given.Reader)
		greeting := w.Heard("the greeting", func(m terminal.Message) bool { return m.Greet != nil })
		note(greeting)
		w.Say(terminal.Message{Service: greeting.Service, At: greeting.At, Greeted: &terminal.Greeted{Model: "ODD1", Serial: "1"}})
		w.Heard("parameters", func(m terminal.Message) bool { return m.Configure != nil })
		for range 60 { // more than a block together
			asked := make(chan error)
			go func() {
				_, err := r.Hub.Diagnose(context.Background(), r.Admin.Merchant, made.ID)
				asked <- err
			}()
			m := w.Heard("a diagnosis", func(m terminal.Message) bool { return m.Diagnose != nil })
			note(m)
			w.Say(terminal.Message{Service: m.Service, Health: &terminal.Health{}})
			if err := <-asked; err != nil {
				t.Fatal(err)
			}
		}
		d := r.Dialogue(made, 1)
		r.Send(d)
		note(w.Heard("the amount", func(m terminal.Message) bool { return m.Perform != nil }))
		r.Close(d)
	}
}

func testPrinting(t *testing.T, r *terminaltest.Room) {
	made := r.Terminal("Comptoir")
	w := r.Join(protocol, made, "ODD1", "1")
	printed := make(chan error)
	for _, c := range []struct {
		answer terminal.Printed
		code   string
	}{{terminal.Printed{Done: true}, ""}, {terminal.Printed{Printer: terminal.PrinterEmpty}, "terminal.not_printed"}} {
		go func() {
			printed <- r.Hub.Print(context.Background(), r.Admin.Merchant, made.ID, []string{"Boulangerie du Port", "12,50 €"})
		}()
		m := w.Heard("a page", func(m terminal.Message) bool { return m.Print != nil })
		if len(m.Print.Lines) != 2 || m.Print.Lines[1] != "12,50 €" {
			t.Errorf("%+v", m.Print)
		}
		w.Say(terminal.Message{Service: m.Service, Printed: &c.answer})
		if err := <-printed; c.code == "" && err != nil {
			t.Error(err)
		} else if c.code != "" {
			want(t, err, c.code)
		}
	}
}
