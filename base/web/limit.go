package web

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"encaisse/base/clock"
	"encaisse/base/problem"
)

// DefaultMaxKeys is how many keys a Limiter remembers.
const DefaultMaxKeys = 100_000

// Limiter bounds how often something may be done per key: an address, a login, an API
// key. It remembers a bounded number of keys; whoever makes more than that many within
// the time it takes to fill a bucket makes it forget old ones, so what must hold
// against many addresses has a limit of its own in the database. Safe for use by many
// goroutines.
type Limiter struct {
	clock clock.Clock
	every time.Duration
	burst int
	half  int

	mu sync.Mutex
	// Two generations: what is used moves to the young one, and when that is full the
	// old one is dropped whole.
	young, old map[string]*rate.Limiter
}

// NewLimiter allows burst at once and then one per every, for each key. maxKeys is how
// many keys are remembered; 0: DefaultMaxKeys.
func NewLimiter(c clock.Clock, every time.Duration, burst, maxKeys int) *Limiter {
	if maxKeys <= 0 {
		maxKeys = DefaultMaxKeys
	}
	return &Limiter{clock: c, every: every, burst: burst, half: max(maxKeys/2, 1), young: make(map[string]*rate.Limiter)}
}

// Allow counts one use of key. Error: request.too_many (TooMany), with the whole
// seconds to wait.
func (l *Limiter) Allow(key string) error {
	now := l.clock.Now()
	reservation := l.bucket(key).ReserveN(now, 1)
	wait := reservation.DelayFrom(now)
	if reservation.OK() && wait == 0 {
		return nil
	}
	reservation.CancelAt(now)
	seconds := int64((wait + time.Second - 1) / time.Second)
	if !reservation.OK() { // a burst of zero: never
		seconds = int64(l.every/time.Second) + 1
	}
	return problem.New(problem.TooMany, "request.too_many", "seconds", seconds)
}

func (l *Limiter) bucket(key string) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b, known := l.young[key]; known {
		return b
	}
	b, known := l.old[key]
	if !known {
		b = rate.NewLimiter(rate.Every(l.every), l.burst)
	}
	if len(l.young) >= l.half {
		l.old, l.young = l.young, make(map[string]*rate.Limiter)
	}
	l.young[key] = b
	return b
}

// size is how many keys are remembered.
func (l *Limiter) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.young) + len(l.old)
}

// Limit refuses what l does not allow for the key of a request.
func (f *Frame) Limit(l *Limiter, key func(*http.Request) string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := l.Allow(key(r)); err != nil {
			f.WriteProblem(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// RemoteNetwork is a key for a Limiter: the address a request came from, or its /64 for
// IPv6, where one subscriber has them all. Behind a proxy that is the proxy's.
func RemoteNetwork(r *http.Request) string {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	address := at.Addr().Unmap().WithZone("")
	if address.Is4() {
		return address.String()
	}
	network, err := address.Prefix(64)
	if err != nil {
		return address.String()
	}
	return network.String()
}
