package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"encaisse/base/clock"
	"encaisse/base/web"
	"encaisse/event"
)

const (
	heartbeat   = 15 * time.Second // also how soon a stream notices that its bearer may no longer read
	streamPage  = 500              // events read at once by a stream that is behind
	writeWithin = 10 * time.Second // or the reader is taken for gone
	reconnectIn = 2_000            // milliseconds a client waits before it comes back
)

// stream is one client that follows the events of its merchant.
type stream struct {
	api   *API
	call  *call
	watch *event.Watch
	sent  int64 // number of the last event it was sent
}

// serve answers until the client leaves, its bearer ends or the server stops.
func (s *stream) serve(ctx context.Context) error {
	if err := web.KeepOpen(s.call.w); err != nil {
		return err
	}
	s.call.answered = true // what huma would write after it is dropped
	h := s.call.w.Header()
	h.Set("Content-Type", streamType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // a proxy must not wait for more
	s.call.w.WriteHeader(http.StatusOK)
	if s.write([]byte("retry: "+strconv.Itoa(reconnectIn)+"\n\n")) != nil || s.readOn(ctx) != nil {
		return nil
	}
	beat := make(chan struct{}, 1)
	for {
		timer := s.api.doors.Clock.AfterFunc(heartbeat, func() {
			select {
			case beat <- struct{}{}:
			default:
			}
		})
		goOn := s.next(ctx, beat)
		timer.Stop()
		if !goOn {
			return nil
		}
	}
}

// next waits for what comes first, and sends it; false when the stream ends.
func (s *stream) next(ctx context.Context, beat <-chan struct{}) bool {
	select {
	case <-ctx.Done():
		return false
	case <-s.api.stopping:
		return false
	case <-beat:
		if _, err := s.api.doors.Gate.Authenticate(ctx, bearerOf(s.call.r)); err != nil {
			return false
		}
		return s.write([]byte(": still here\n\n")) == nil
	case batch := <-s.watch.Batches():
		if len(batch) == 0 || batch[0].Number > s.sent+1 {
			return s.readOn(ctx) == nil
		}
		return s.send(batch) == nil
	}
}

// readOn reads what it has missed from the log.
func (s *stream) readOn(ctx context.Context) error {
	for {
		batch, err := s.api.doors.Events.After(ctx, s.call.principal.Merchant, s.sent, streamPage)
		if err != nil || len(batch) == 0 {
			return err
		}
		if err := s.send(batch); err != nil || len(batch) < streamPage {
			return err
		}
	}
}

// send writes the events it has not sent yet.
func (s *stream) send(batch []event.Event) error {
	var out []byte
	for i := range batch {
		e := &batch[i]
		if e.Number <= s.sent {
			continue
		}
		data, err := json.Marshal(eventOf(e))
		if err != nil {
			return err
		}
		out = append(out, "id: "...)
		out = strconv.AppendInt(out, e.Number, 10)
		out = append(out, "\nevent: "...)
		out = append(out, e.Type...)
		out = append(out, "\ndata: "...)
		out = append(out, data...)
		out = append(out, "\n\n"...)
		s.sent = e.Number
	}
	if out == nil {
		return nil
	}
	return s.write(out)
}

// write writes and flushes, or fails when the client does not read.
func (s *stream) write(out []byte) error {
	controller := http.NewResponseController(s.call.w)
	if err := controller.SetWriteDeadline(clock.Real{}.Now().Add(writeWithin)); err != nil {
		return err
	}
	if _, err := s.call.w.Write(out); err != nil {
		return err
	}
	return controller.Flush()
}
