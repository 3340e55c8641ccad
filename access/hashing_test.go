package access

import (
	"context"
	"sync"
	"testing"

	"github.com/alexedwards/argon2id"

	"encaisse/base/problem"
)

// TestNobodysCodeCostsTheSame: the hash that stands in for an unknown address
// is computed at the very cost of a real one, and matches nothing.
func TestNobodysCodeCostsTheSame(t *testing.T) {
	for _, h := range []*hasher{newHasher(Hashing{}), newHasher(Hashing{MemoryKiB: 64, Iterations: 3})} {
		real, err := h.hash("735194")
		if err != nil {
			t.Fatal(err)
		}
		ours, salt, key, err := argon2id.DecodeHash(real)
		if err != nil {
			t.Fatal(err)
		}
		dummy, dummySalt, dummyKey, err := argon2id.DecodeHash(h.dummy)
		if err != nil || *dummy != *ours || len(dummySalt) != len(salt) || len(dummyKey) != len(key) {
			t.Errorf("%v, %+v, want %+v", err, dummy, ours)
		}
		if match, stale, err := h.matches("735194", ""); match || stale || err != nil {
			t.Error(match, stale, err)
		}
		if match, stale, err := h.matches("735194", real); !match || stale || err != nil {
			t.Error(match, stale, err)
		}
	}
}

func TestStandardCostIsOWASPs(t *testing.T) {
	h := newHasher(Hashing{})
	if h.params.Memory != 19*1024 || h.params.Iterations != 2 || h.params.Parallelism != 1 || cap(h.turns) != 4 {
		t.Errorf("%+v, %d at once", h.params, cap(h.turns))
	}
}

// TestAFloodOfSignInsIsBounded: a few hash, some wait, the rest is sent away.
func TestAFloodOfSignInsIsBounded(t *testing.T) {
	h := newHasher(Hashing{MemoryKiB: 64, Concurrent: 2})
	var leaves []func()
	for range 2 {
		leave, err := h.enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, leave)
	}
	gone, cancel := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	for range maxHashWaits {
		waiting.Go(func() {
			if _, err := h.enter(gone); !problem.Is(err, "access.busy") || problem.As(err).Kind != problem.Unavailable {
				t.Error(err)
			}
		})
	}
	for h.waits.Load() < maxHashWaits { // until they all wait
		select {
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		default:
		}
	}
	if _, err := h.enter(t.Context()); !problem.Is(err, "access.busy") || problem.As(err).Kind != problem.TooMany {
		t.Error(err)
	}
	cancel()
	waiting.Wait()
	for _, leave := range leaves {
		leave()
	}
	if leave, err := h.enter(t.Context()); err != nil {
		t.Error(err)
	} else {
		leave()
	}
}

func TestStatesInTheTrailAreBounded(t *testing.T) {
	if _, err := state(make([]int, maxTrailState)); !problem.Is(err, "access.state_too_large") {
		t.Error(err)
	}
}
