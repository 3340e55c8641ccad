package api_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"encaisse/base/clock"
	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/event"
)

// follower reads a stream of events.
type follower struct {
	t      *testing.T
	lines  chan string // closed when the stream ends
	status int
	stop   context.CancelFunc
}

// follow opens a stream at url, which is the server's when it is empty.
func (c client) follow(t *testing.T, url, path string, header http.Header) *follower {
	t.Helper()
	if url == "" {
		url = c.server.URL
	}
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+path, nil)
	c.must(err)
	if header != nil {
		r.Header = header
	}
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("Authorization", "Bearer "+c.bearer)
	got, err := c.server.Client().Do(r)
	c.must(err)
	f := &follower{t: t, lines: make(chan string, 10_000), status: got.StatusCode, stop: stop}
	if f.status == http.StatusOK && !strings.HasPrefix(got.Header.Get("Content-Type"), "text/event-stream") {
		t.Fatalf("a stream of %s", got.Header.Get("Content-Type"))
	}
	go func() {
		defer close(f.lines)
		defer got.Body.Close()
		for lines := bufio.NewScanner(got.Body); lines.Scan(); {
			f.lines <- lines.Text()
		}
	}()
	return f
}

// next waits for a line that begins so, and gives the rest of it.
func (f *follower) next(prefix string) string {
	f.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case line, open := <-f.lines:
			if !open {
				f.t.Fatalf("the stream ended before %q", prefix)
			}
			if rest, found := strings.CutPrefix(line, prefix); found {
				return rest
			}
		case <-deadline:
			f.t.Fatalf("no %q came", prefix)
		}
	}
}

// ended waits for the stream to end.
func (f *follower) ended() {
	f.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case _, open := <-f.lines:
			if !open {
				return
			}
		case <-deadline:
			f.t.Fatal("the stream goes on")
		}
	}
}

func (w *world) number() {
	w.t.Helper()
	_, err := w.events.Number(context.Background())
	w.must(err)
}

// TestAStreamHasEveryEventOnce: from where it is told, in order, without hole, over a
// break.
func TestAStreamHasEveryEventOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		c := newWorld(t, d).bakery().till()
		c.number()
		all := c.boss.follow(t, "", "/v1/events?after=0", nil)
		later := c.boss.follow(t, "", "/v1/events", nil)
		later.next("retry: ")
		if kind := all.next("event: "); kind != "session.opened" {
			t.Errorf("first: %s", kind)
		}
		for range 3 {
			c.sell(c.boss, c.basket(1_25, object{"article_id": c.bread}))
		}
		c.number()
		for n := 2; n <= 4; n++ {
			for _, f := range []*follower{all, later} {
				if got := f.next("id: "); got != fmt.Sprint(n) {
					t.Fatalf("event %s where %d follows", got, n)
				}
			}
		}
		if data := later.next("data: "); !strings.Contains(data, `"type":"sale.sealed"`) || !strings.Contains(data, `"number":4`) {
			t.Errorf("data: %s", data)
		}
		all.stop()
		c.sell(c.boss, c.basket(1_25, object{"article_id": c.bread}))
		c.number()
		again := c.boss.follow(t, "", "/v1/events?after=0", http.Header{"Last-Event-Id": {"3"}})
		for n := 4; n <= 5; n++ {
			if got := again.next("id: "); got != fmt.Sprint(n) {
				t.Fatalf("event %s where %d follows", got, n)
			}
		}
		c.boss.send(http.MethodGet, "/v1/events", nil, http.Header{"Accept": {"text/event-stream"}, "Last-Event-Id": {"x"}}).
			refused(http.StatusUnprocessableEntity, "request.integer", "#/header/Last-Event-ID")
		c.user.send(http.MethodGet, "/v1/events", nil, http.Header{"Accept": {"text/event-stream"}}).refused(http.StatusForbidden, "access.forbidden", "")
	})
}

// TestAStreamOfAnotherMerchantIsSilent.
func TestAStreamOfAnotherMerchantIsSilent(t *testing.T) {
	d, _ := dbtest.Open(t, db.SQLite)
	w := newWorld(t, d)
	c, rival := w.bakery().till(), w.rival()
	f := rival.boss.follow(t, "", "/v1/events?after=0", nil)
	f.next("retry: ")
	c.sell(c.boss, c.basket(1_25, object{"article_id": c.bread}))
	c.number()
	rival.till()
	c.number()
	if data := f.next("data: "); !strings.Contains(data, "session.opened") {
		t.Errorf("the rival reads %s", data)
	}
}

// TestAStreamBeats every fifteen seconds, and ends there when its bearer may read no more.
func TestAStreamBeats(t *testing.T) {
	d, _ := dbtest.Open(t, db.SQLite)
	w := newWorld(t, d)
	s := w.bakery()
	f := s.manager.follow(t, "", "/v1/events", nil)
	f.next("retry: ")
	beaten := make(chan string, 1)
	go func() { beaten <- f.next(": ") }()
	for waiting := true; waiting; { // its timer is set after what we have read
		w.clock.Advance(15 * time.Second)
		select {
		case <-beaten:
			waiting = false
		case <-time.After(20 * time.Millisecond):
		}
	}
	s.boss.call(http.MethodPost, "/v1/people/"+string(s.managerID)+"/deactivate", nil).want(http.StatusOK)
	done := make(chan struct{})
	go func() { f.ended(); close(done) }()
	for waiting := true; waiting; {
		w.clock.Advance(15 * time.Second)
		select {
		case <-done:
			waiting = false
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// TestStreamsAreBounded per merchant.
func TestStreamsAreBounded(t *testing.T) {
	d, _ := dbtest.Open(t, db.SQLite)
	w := newWorld(t, d)
	s := w.bakery()
	var last *follower
	for range event.MaxWatches {
		last = s.boss.follow(t, "", "/v1/events", nil)
		last.next("retry: ")
	}
	s.boss.send(http.MethodGet, "/v1/events", nil, http.Header{"Accept": {"text/event-stream"}}).refused(http.StatusTooManyRequests, "event.too_many_watches", "")
	last.stop()
	deadline := time.Now().Add(patience)
	for one := s.boss.follow(t, "", "/v1/events", nil); one.status != http.StatusOK; one = s.boss.follow(t, "", "/v1/events", nil) {
		if time.Now().After(deadline) {
			t.Fatal("a stream that ended still counts")
		}
	}
}

// TestStreamsEndWithTheServer: a stop does not wait for those who follow.
func TestStreamsEndWithTheServer(t *testing.T) {
	d, _ := dbtest.Open(t, db.SQLite)
	w := newWorld(t, d)
	s := w.bakery()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	server := w.api.Server()
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	f := s.boss.follow(t, "http://"+listener.Addr().String(), "/v1/events", nil)
	f.next("retry: ")
	ctx, done := context.WithTimeout(context.Background(), patience)
	defer done()
	w.must(server.Shutdown(ctx))
	f.ended()
	<-served
}

// TestAnEventIsThereAtOnce: it reaches a stream as soon as it is committed, and not at
// the next round of numbering.
func TestAnEventIsThereAtOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorldWith(t, d, clock.Real{}, nil)
		ctx, stop := context.WithCancel(context.Background())
		ran := make(chan struct{})
		go func() { defer close(ran); w.events.Run(ctx, func(err error) { t.Error(err) }) }()
		defer func() { stop(); <-ran }()
		c := w.bakery().till()
		f := c.boss.follow(t, "", "/v1/events", nil)
		f.next("retry: ")
		var longest time.Duration
		for range 5 {
			sold, _ := c.sell(c.boss, c.basket(1_25, object{"article_id": c.bread}))
			since := time.Now()
			for !strings.Contains(f.next("data: "), sold) {
			}
			longest = max(longest, time.Since(since))
		}
		t.Logf("at most %v after its answer", longest)
	})
}
