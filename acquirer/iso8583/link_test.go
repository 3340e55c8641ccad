package iso8583_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"encaisse/acquirer/iso8583"
)

// wire is the other end of a link, played by hand: what the simulator, which
// keeps to the profile, never does. Time in these tests is synctest's.
type wire struct {
	t     *testing.T
	spec  *iso8583.Spec
	link  *iso8583.Link
	conns chan *hand
	log   *bytes.Buffer

	mu      sync.Mutex
	refuses error // of the next dials
	dialed  []time.Time
	wrap    func(net.Conn) net.Conn
}

// hand is one connection of a wire.
type hand struct {
	*wire
	conn net.Conn
	in   *bufio.Reader
}

func newWire(t *testing.T, change func(*iso8583.LinkOptions)) *wire {
	t.Helper()
	w := &wire{t: t, spec: iso8583.V1987(iso8583.BCD()), conns: make(chan *hand, 8), log: &bytes.Buffer{}}
	o := iso8583.LinkOptions{Address: "host", Spec: w.spec, Dial: w.dial, Log: slog.New(slog.NewTextHandler(w.log, nil))}
	if change != nil {
		change(&o)
	}
	w.link = iso8583.NewLink(o)
	return w
}

func (w *wire) dial(context.Context, string) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dialed = append(w.dialed, time.Now())
	if w.refuses != nil {
		return nil, w.refuses
	}
	ours, theirs := net.Pipe()
	w.conns <- &hand{w, theirs, bufio.NewReader(theirs)}
	if w.wrap != nil {
		return w.wrap(ours), nil
	}
	return ours, nil
}

func (w *wire) refuse(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refuses = err
}

// signedOn takes the next connection and its sign-on.
func (w *wire) signedOn() *hand {
	w.t.Helper()
	h := <-w.conns
	m := h.read()
	if m.MTI != "0800" || m.Get(70) != "001" || m.Get(7) == "" || m.Get(11) == "" {
		w.t.Fatalf("the link begins with %s %v", m.MTI, m.Fields())
	}
	h.answer(m, "00")
	return h
}

// read takes a message.
func (h *hand) read() *iso8583.Message {
	h.t.Helper()
	b, err := iso8583.Framing{}.ReadFrame(h.in)
	if err != nil {
		h.t.Fatal(err)
	}
	m, err := h.spec.Unpack(b)
	if err != nil {
		h.t.Fatal(err)
	}
	return m
}

// answer answers a message.
func (h *hand) answer(m *iso8583.Message, code string) {
	h.t.Helper()
	out := iso8583.NewMessage(iso8583.AnswerTo(m.MTI))
	for _, n := range []int{4, 7, 11, 41, 70} {
		if m.Has(n) {
			out.Set(n, m.Get(n))
		}
	}
	out.Set(39, code)
	h.say(out)
}

func (h *hand) say(m *iso8583.Message) {
	h.t.Helper()
	b, err := h.spec.Pack(m)
	if err != nil {
		h.t.Fatal(err)
	}
	if err := (iso8583.Framing{}).WriteFrame(h.conn, b); err != nil {
		h.t.Fatal(err)
	}
}

// asked is a request of a terminal.
func asked(terminal string, number int) *iso8583.Message {
	m := iso8583.NewMessage("0100")
	m.Set(2, "4111111111111111")
	m.Set(4, fmt.Sprintf("%012d", number))
	m.Set(7, "0102150405")
	m.Set(11, fmt.Sprintf("%06d", number))
	m.Set(41, terminal)
	return m
}

type exchanged struct {
	answer *iso8583.Message
	err    error
}

// exchange sends a request in the background.
func (w *wire) exchange(ctx context.Context, m *iso8583.Message) chan exchanged {
	out := make(chan exchanged, 1)
	go func() {
		answer, err := w.link.Exchange(ctx, m)
		out <- exchanged{answer, err}
	}()
	return out
}

// close ends the link; the other end reads whatever still comes.
func (w *wire) close(h *hand) (last string) {
	done := make(chan string, 1)
	go func() {
		for {
			b, err := iso8583.Framing{}.ReadFrame(h.in)
			if err != nil {
				done <- last
				return
			}
			if m, err := w.spec.Unpack(b); err == nil {
				last = m.MTI + " " + m.Get(70)
			}
		}
	}()
	w.link.Close()
	return <-done
}

func inBubble(t *testing.T, run func(t *testing.T)) { synctest.Test(t, run) }

func TestLinkSignsOnAndOff(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWire(t, nil)
		h := w.signedOn()
		synctest.Wait()
		if s := w.link.Stats(); !s.Up || s.Connects != 1 {
			t.Errorf("%+v", s)
		}
		if last := w.close(h); last != "0800 002" {
			t.Errorf("the last word is %q", last)
		}
		if _, err := w.link.Exchange(t.Context(), asked("T0000001", 1)); !errors.Is(err, iso8583.ErrNotSent) {
			t.Errorf("after the end: %v", err)
		}
	})
}

func TestLinkSignOnRefused(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWire(t, nil)
		h := <-w.conns
		waiting := w.exchange(t.Context(), asked("T0000001", 1))
		synctest.Wait()
		h.answer(h.read(), "96")
		if got := <-waiting; !errors.Is(got.err, iso8583.ErrNotSent) {
			t.Errorf("a host that refuses us: %v", got.err)
		}
		h = w.signedOn() // it tries again by itself
		w.close(h)
	})
}

// TestLinkMultiplexes: answers find their requests in whatever order they come,
// among requests of one number by several terminals.
func TestLinkMultiplexes(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWire(t, nil)
		h := w.signedOn()
		var waiting []chan exchanged
		var got []*iso8583.Message
		for i := range 10 {
			waiting = append(waiting, w.exchange(t.Context(), asked(fmt.Sprintf("T%07d", i), 7)))
			got = append(got, h.read())
		}
		for i := len(got) - 1; i >= 0; i-- {
			h.answer(got[i], fmt.Sprintf("%02d", i))
		}
		for i, one := range waiting {
			e := <-one
			if e.err != nil || e.answer.Get(41) != fmt.Sprintf("T%07d", i) {
				t.Fatalf("terminal %d got %+v", i, e)
			}
		}
		w.close(h)
	})
}

func TestLinkLateAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWire(t, nil)
		h := w.signedOn()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		first := w.exchange(ctx, asked("T0000001", 1))
		request := h.read()
		if e := <-first; !errors.Is(e.err, iso8583.ErrNoAnswer) {
			t.Fatalf("no answer: %v", e.err)
		}
		second := w.exchange(t.Context(), asked("T0000001", 2))
		other := h.read()
		h.answer(request, "00") // late
		other.Set(4, request.Get(4))
		h.answer(other, "05")
		if e := <-second; e.err != nil || e.answer.Get(39) != "05" {
			t.Errorf("the second got %+v", e)
		}
		h.answer(other, "00") // once more
		synctest.Wait()
		if s := w.link.Stats(); s.Late != 2 || s.InFlight != 0 {
			t.Errorf("%+v", s)
		}
		w.close(h)
	})
}

// TestLinkEcho: a silent host is asked whether it is there; one that does not say
// so loses the link, and the next request goes over a new one.
func TestLinkEcho(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWire(t, nil)
		h := w.signedOn()
		began := time.Now()
		m := h.read()
		if m.MTI != "0800" || m.Get(70) != "301" || time.Since(began) != iso8583.DefaultEcho {
			t.Fatalf("%s %s after %s", m.MTI, m.Get(70), time.Since(began))
		}
		h.answer(m, "00")
		h.read() // and again
		if quiet := time.Since(began); quiet != 2*iso8583.DefaultEcho {
			t.Errorf("the second echo comes after %s", quiet)
		}
		next := w.signedOn() // no answer to that one
		if gone := time.Since(began); gone < 2*iso8583.DefaultEcho+iso8583.DefaultEchoWait {
			t.Errorf("given up after %s", gone)
		}
		waiting := w.exchange(t.Context(), asked("T0000001", 1))
		next.answer(next.read(), "00")
		if e := <-waiting; e.err != nil {
			t.Error(e.err)
		}
		w.close(next)
	})
}

func TestLinkAnswersEcho(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWire(t, nil)
		h := w.signedOn()
		m := iso8583.NewMessage("0800")
		m.Set(7, "0102150405")
		m.Set(11, "000009")
		m.Set(70, "301")
		h.say(m)
		if got := h.read(); got.MTI != "0810" || got.Get(39) != "00" || got.Get(11) != "000009" || got.Get(70) != "301" {
			t.Errorf("answered %s %v", got.MTI, got.Fields())
		}
		m.Set(70, "161")
		h.say(m) // keys are not in the profile
		synctest.Wait()
		if s := w.link.Stats(); s.Unexpected != 1 || !s.Up {
			t.Errorf("%+v", s)
		}
		w.close(h)
	})
}

// TestLinkMalformed: what cannot be read ends this connection, is said without
// what was in it, and harms no other.
func TestLinkMalformed(t *testing.T) {
	for name, bad := range map[string][]byte{
		"message": append([]byte{0, 30}, "010041111111111111114111111111"...),
		"frame":   {0xFF, 0xFF, '4', '1', '1', '1'},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w, neighbour := newWire(t, nil), newWire(t, nil)
				h, other := w.signedOn(), neighbour.signedOn()
				waiting := w.exchange(t.Context(), asked("T0000001", 1))
				h.read()
				beside := neighbour.exchange(t.Context(), asked("T0000001", 1))
				request := other.read()
				if _, err := h.conn.Write(bad[:6]); err != nil {
					t.Fatal(err)
				}
				if len(bad) > 6 {
					if _, err := h.conn.Write(bad[6:]); err != nil {
						t.Fatal(err)
					}
				}
				if e := <-waiting; !errors.Is(e.err, iso8583.ErrNoAnswer) {
					t.Errorf("%+v", e)
				}
				other.answer(request, "00")
				if e := <-beside; e.err != nil {
					t.Errorf("the neighbour: %v", e.err)
				}
				h = w.signedOn()
				synctest.Wait()
				if s := w.link.Stats(); s.Malformed != 1 || s.Connects != 2 {
					t.Errorf("%+v", s)
				}
				if text := w.log.String(); !strings.Contains(text, "malformed") || strings.Contains(text, "4111") {
					t.Errorf("logged %s", text)
				}
				w.close(h)
				neighbour.close(other)
			})
		})
	}
}

// TestLinkBoundsRequests: one over the greatest number waits for its turn.
func TestLinkBoundsRequests(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWire(t, func(o *iso8583.LinkOptions) { o.InFlight = 2 })
		h := w.signedOn()
		one := w.exchange(t.Context(), asked("T0000001", 1))
		first := h.read()
		two := w.exchange(t.Context(), asked("T0000001", 2))
		second := h.read()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if e := <-w.exchange(ctx, asked("T0000001", 3)); !errors.Is(e.err, iso8583.ErrNotSent) {
			t.Errorf("the third: %v", e.err)
		}
		four := w.exchange(t.Context(), asked("T0000001", 4))
		h.answer(first, "00")
		fourth := h.read()
		h.answer(second, "00")
		h.answer(fourth, "00")
		for _, c := range []chan exchanged{one, two, four} {
			if e := <-c; e.err != nil {
				t.Error(e.err)
			}
		}
		w.close(h)
	})
}

func TestLinkSameRequestTwiceAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWire(t, nil)
		h := w.signedOn()
		one := w.exchange(t.Context(), asked("T0000001", 1))
		request := h.read()
		if e := <-w.exchange(t.Context(), asked("T0000001", 1)); !errors.Is(e.err, iso8583.ErrNoAnswer) {
			t.Errorf("the same while it waits: %v", e.err)
		}
		h.answer(request, "00")
		if e := <-one; e.err != nil {
			t.Error(e.err)
		}
		w.close(h)
	})
}
