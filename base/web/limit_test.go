package web

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	"encaisse/base/clock"
	"encaisse/base/problem"
)

func TestLimiter(t *testing.T) {
	now := clock.NewManual(time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC))
	l := NewLimiter(now, 10*time.Second, 3, 0)
	use := func(key string) error { return l.Allow(key) }
	for i := range 3 {
		if err := use("a"); err != nil {
			t.Fatalf("use %d: %v", i, err)
		}
	}
	err := problem.As(use("a"))
	if err == nil || err.Kind != problem.TooMany || err.Code != "request.too_many" || err.Args["seconds"] != int64(10) {
		t.Fatalf("the fourth: %v", err)
	}
	if err := use("b"); err != nil {
		t.Errorf("another key: %v", err)
	}
	now.Advance(9500 * time.Millisecond)
	if err := problem.As(use("a")); err == nil || err.Args["seconds"] != int64(1) {
		t.Errorf("half a second early: %v", err)
	}
	now.Advance(500 * time.Millisecond)
	if err := use("a"); err != nil {
		t.Errorf("refusals were counted: %v", err)
	}
	if err := use("a"); err == nil {
		t.Error("one per interval")
	}
	if err := NewLimiter(now, time.Second, 0, 0).Allow("a"); !problem.Is(err, "request.too_many") {
		t.Errorf("a burst of zero: %v", err)
	}
}

func TestLimiterIsBounded(t *testing.T) {
	now := clock.NewManual(time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC))
	l := NewLimiter(now, time.Hour, 1, 100)
	for i := range 10_000 {
		if err := l.Allow(fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
		if i%10 == 0 {
			_ = l.Allow("busy")
		}
	}
	if l.size() > 100 {
		t.Errorf("%d keys are remembered, at most 100 were asked for", l.size())
	}
	if err := l.Allow("busy"); err == nil {
		t.Error("a key in use was forgotten")
	}
}

func TestLimiterCountsConcurrentUses(t *testing.T) {
	now := clock.NewManual(time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC))
	l := NewLimiter(now, time.Hour, 50, 0)
	var mu sync.Mutex
	allowed := 0
	var group sync.WaitGroup
	for range 10 {
		group.Go(func() {
			for range 20 {
				if l.Allow("a") == nil {
					mu.Lock()
					allowed++
					mu.Unlock()
				}
			}
		})
	}
	group.Wait()
	if allowed != 50 {
		t.Errorf("%d of 200 uses were allowed, want 50", allowed)
	}
}

func TestLimitAnswers429(t *testing.T) {
	now := clock.NewManual(time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC))
	f, _ := newFrame(t, Options{Clock: now})
	handler := f.Wrap(f.Limit(NewLimiter(now, 2*time.Second, 1, 0), Proxies(nil).RemoteNetwork, http.HandlerFunc(ok)))
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != 200 {
		t.Fatalf("the first: %d", w.Code)
	}
	w = httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if doc := document(t, w); w.Code != 429 || doc.Code != "request.too_many" || w.Header().Get("Retry-After") != "2" {
		t.Errorf("%+v, Retry-After %q", doc, w.Header().Get("Retry-After"))
	}
}

func TestRemoteNetwork(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.7:1234":             "192.0.2.7",
		"[2001:db8:1:2:3:4:5:6]:443": "2001:db8:1:2::/64",
		"[::ffff:192.0.2.7]:1":       "192.0.2.7",
		"[fe80::1%eth0]:1":           "fe80::/64",
		"@":                          "@",
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = address
		if got := Proxies(nil).RemoteNetwork(r); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}

// TestRemoteNetworkBehindProxies: only what our own proxies wrote is believed.
func TestRemoteNetworkBehindProxies(t *testing.T) {
	proxies := Proxies{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/8")}
	for _, c := range []struct {
		name, peer string
		forwarded  []string
		want       string
	}{
		{"a stranger's word", "192.0.2.7:1", []string{"203.0.113.9"}, "192.0.2.7"},
		{"no word", "127.0.0.1:1", nil, "127.0.0.1"},
		{"an empty word", "127.0.0.1:1", []string{""}, "127.0.0.1"},
		{"one proxy", "127.0.0.1:1", []string{"203.0.113.9"}, "203.0.113.9"},
		{"what the client made up stands left", "127.0.0.1:1", []string{"198.51.100.1, 203.0.113.9"}, "203.0.113.9"},
		{"and may pretend to be a proxy", "127.0.0.1:1", []string{"198.51.100.1, 10.1.2.3, 203.0.113.9"}, "203.0.113.9"},
		{"two proxies", "127.0.0.1:1", []string{"198.51.100.1, 203.0.113.9, 10.1.2.3"}, "203.0.113.9"},
		{"two proxies, a header each", "127.0.0.1:1", []string{"203.0.113.9", "10.1.2.3"}, "203.0.113.9"},
		{"from one of the proxies itself", "127.0.0.1:1", []string{"10.1.9.9, 10.1.2.3"}, "10.1.9.9"},
		{"no address", "127.0.0.1:1", []string{"203.0.113.9, unknown"}, "127.0.0.1"},
		{"no address behind the second", "127.0.0.1:1", []string{"203.0.113.9, _hidden, 10.1.2.3"}, "10.1.2.3"},
		{"with a port", "127.0.0.1:1", []string{"203.0.113.9:4711"}, "203.0.113.9"},
		{"IPv6", "[fd00::1]:1", []string{"2001:db8:1:2:3:4:5:6"}, "2001:db8:1:2::/64"},
		{"IPv6 with a port", "[fd00::1]:1", []string{"[2001:db8:1:2:3:4:5:6]:4711"}, "2001:db8:1:2::/64"},
		{"IPv4 written as IPv6", "[::ffff:127.0.0.1]:1", []string{"203.0.113.9, ::ffff:10.1.2.3"}, "203.0.113.9"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.peer
		r.Header["X-Forwarded-For"] = c.forwarded
		if got := proxies.RemoteNetwork(r); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
