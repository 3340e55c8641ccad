package nexo

import (
	"sync"
	"time"

	"encaisse/base/problem"
)

// Limits of what is remembered against replays.
const (
	// ReplayWindow is how long a ServiceID is unique for a reader.
	ReplayWindow = 48 * time.Hour
	maxSeen      = 200_000
)

// Seen remembers the requests a reader has taken, so that a recorded one is not
// taken again. It keeps [ReplayWindow], or the last 200,000 requests where a
// till is busier than one a second for two days. Safe for use by many goroutines.
type Seen struct {
	mu    sync.Mutex
	taken map[seenKey]time.Time
	order []seenKey // oldest first
}

type seenKey struct{ sale, service string }

// NewSeen makes an empty memory.
func NewSeen() *Seen { return &Seen{taken: map[seenKey]time.Time{}} }

// Take notes a request. Problem nexo.replayed when it was taken before.
func (s *Seen) Take(h MessageHeader, now time.Time) error {
	number := h.ServiceID
	if number == "" {
		number = h.DeviceID
	}
	key := seenKey{h.SaleID, number}
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.order) > 0 && (len(s.order) >= maxSeen || now.Sub(s.taken[s.order[0]]) > ReplayWindow) {
		delete(s.taken, s.order[0])
		s.order = s.order[1:]
	}
	if _, replayed := s.taken[key]; replayed {
		return problem.New(problem.Conflict, "nexo.replayed")
	}
	s.taken[key] = now
	s.order = append(s.order, key)
	return nil
}
