package web

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
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

// Proxies are the networks of the proxies in front of a server, whose word is taken for
// who asks. With none of them a client is whoever opened the connection.
type Proxies []netip.Prefix

// RemoteNetwork is a key for a Limiter: the address a request came from, or its /64 for
// IPv6, where one subscriber has them all.
func (p Proxies) RemoteNetwork(r *http.Request) string {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	address := p.client(clean(at.Addr()), r.Header.Values("X-Forwarded-For"))
	if address.Is4() {
		return address.String()
	}
	network, err := address.Prefix(64)
	if err != nil {
		return address.String()
	}
	return network.String()
}

// client is who is behind the proxies. Each of them adds on the right whom it answers:
// so the list is believed from the right, as long as it was one of ours that added to
// it. What stands further left anybody may have written.
func (p Proxies) client(peer netip.Addr, forwarded []string) netip.Addr {
	list := strings.Split(strings.Join(forwarded, ","), ",")
	for _, text := range slices.Backward(list) {
		if !p.trust(peer) {
			break
		}
		next, ok := forwardedAddress(text)
		if !ok {
			break
		}
		peer = next
	}
	return peer
}

func (p Proxies) trust(address netip.Addr) bool {
	return slices.ContainsFunc(p, func(network netip.Prefix) bool { return network.Contains(address) })
}

// forwardedAddress reads an entry of X-Forwarded-For, to which some proxies add the port.
func forwardedAddress(text string) (netip.Addr, bool) {
	text = strings.TrimSpace(text)
	if address, err := netip.ParseAddr(text); err == nil {
		return clean(address), true
	}
	at, err := netip.ParseAddrPort(text)
	return clean(at.Addr()), err == nil
}

// clean is an address as networks are compared with it.
func clean(address netip.Addr) netip.Addr { return address.Unmap().WithZone("") }
