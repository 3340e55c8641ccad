package iso8583_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"encaisse/acquirer/iso8583"
)

// torn is a connection that lets only some bytes of a write through, once armed.
type torn struct {
	net.Conn
	armed *atomic.Bool
	lets  int
}

func (c torn) Write(b []byte) (int, error) {
	if !c.armed.Load() {
		return c.Conn.Write(b)
	}
	n, _ := c.Conn.Write(b[:c.lets])
	_ = c.Conn.Close()
	return n, errors.New("the network is gone")
}

// TestLinkTornWrite: a single byte that left makes the request unknown; none, and
// the next connection carries it.
func TestLinkTornWrite(t *testing.T) {
	for name, lets := range map[string]int{"one byte": 1, "none": 0} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				var armed atomic.Bool
				w := newWire(t, nil)
				w.mu.Lock()
				w.wrap = func(c net.Conn) net.Conn { return torn{c, &armed, lets} }
				w.mu.Unlock()
				h := w.signedOn()
				synctest.Wait()
				armed.Store(true)
				waiting := w.exchange(t.Context(), asked("T0000001", 1))
				if lets > 0 {
					if _, err := h.in.ReadByte(); err != nil {
						t.Fatal(err)
					}
					if e := <-waiting; !errors.Is(e.err, iso8583.ErrNoAnswer) {
						t.Errorf("%+v", e)
					}
				}
				synctest.Wait()
				armed.Store(false)
				h = w.signedOn()
				if lets == 0 {
					h.answer(h.read(), "00")
					if e := <-waiting; e.err != nil {
						t.Error(e.err)
					}
				}
				w.close(h)
			})
		})
	}
}

// TestLinkHostDoesNotRead: a write that does not get through ends the connection.
func TestLinkHostDoesNotRead(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWire(t, nil)
		h := w.signedOn()
		synctest.Wait()
		w.refuse(errors.New("nobody there"))
		began := time.Now()
		e := <-w.exchange(t.Context(), asked("T0000001", 1))
		if !errors.Is(e.err, iso8583.ErrNotSent) || time.Since(began) < iso8583.DefaultWrite {
			t.Errorf("%v after %s", e.err, time.Since(began))
		}
		w.close(h)
	})
}

// TestLinkUnreachable: nothing is sent, and that is sure; attempts grow apart and
// never further than the greatest pause.
func TestLinkUnreachable(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWire(t, nil)
		h := w.signedOn()
		synctest.Wait()
		w.refuse(errors.New("nobody there"))
		began := time.Now()
		_ = h.conn.Close()
		if e := <-w.exchange(t.Context(), asked("T0000001", 1)); !errors.Is(e.err, iso8583.ErrNotSent) {
			t.Errorf("%+v", e)
		}
		if waited := time.Since(began); waited > time.Second {
			t.Errorf("told after %s", waited)
		}
		time.Sleep(10 * time.Minute)
		w.mu.Lock()
		times := append([]time.Time(nil), w.dialed...)
		w.mu.Unlock()
		if len(times) < 15 || len(times) > 40 {
			t.Errorf("%d attempts in ten minutes", len(times))
		}
		if last := times[len(times)-1].Sub(times[len(times)-2]); last < 30*time.Second || last > 46*time.Second {
			t.Errorf("the last pause is %s", last)
		}
		w.refuse(nil)
		waiting := w.exchange(t.Context(), asked("T0000001", 2)) // cuts the pause short
		asking := time.Now()
		h = w.signedOn()
		if since := time.Since(asking); since > time.Second {
			t.Errorf("a waiting request waits %s for an attempt", since)
		}
		h.answer(h.read(), "00")
		if e := <-waiting; e.err != nil {
			t.Error(e.err)
		}
		w.close(h)
	})
}

// TestLinkCloseWhileWaiting: whoever still waits is told that nothing is sure.
func TestLinkCloseWhileWaiting(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWire(t, nil)
		h := w.signedOn()
		waiting := w.exchange(t.Context(), asked("T0000001", 1))
		h.read()
		w.close(h)
		if e := <-waiting; !errors.Is(e.err, iso8583.ErrNoAnswer) {
			t.Errorf("%+v", e)
		}
		never := newWire(t, func(o *iso8583.LinkOptions) {
			o.Dial = func(ctx context.Context, _ string) (net.Conn, error) {
				<-ctx.Done() // a network that swallows everything
				return nil, ctx.Err()
			}
		})
		stuck := never.exchange(t.Context(), asked("T0000001", 1))
		synctest.Wait()
		never.link.Close()
		if e := <-stuck; !errors.Is(e.err, iso8583.ErrNotSent) {
			t.Errorf("%+v", e)
		}
	})
}

// TestLinkUnpackable: what cannot be packed was not sent.
func TestLinkUnpackable(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWire(t, nil)
		h := w.signedOn()
		m := asked("T0000001", 1)
		m.Set(4, "twelve euros")
		if e := <-w.exchange(t.Context(), m); !errors.Is(e.err, iso8583.ErrNotSent) {
			t.Errorf("%+v", e)
		}
		w.close(h)
	})
}
