package simulator

import (
	"fmt"
	"testing"
	"time"

	"encaisse/base/money"
)

func TestMemoryForgetsTheOldest(t *testing.T) {
	m := newMemory[int](3)
	for i := range 100 {
		m.put(fmt.Sprint(i), i)
		m.put(fmt.Sprint(i), -i) // known: takes no place
	}
	var left []int
	m.each(func(_ string, v int) { left = append(left, v) })
	if fmt.Sprint(left) != "[-97 -98 -99]" || len(m.values) != 3 || len(m.order) > 2*3+2 {
		t.Errorf("%v, %d values, a list of %d", left, len(m.values), len(m.order))
	}
	if _, known := m.get("96"); known {
		t.Error("96 was forgotten")
	}
}

// TestOpenApprovalsAreNeverForgotten: finished ones make room, and when there are
// none no more are given.
func TestOpenApprovalsAreNeverForgotten(t *testing.T) {
	h := newHost()
	h.approvals = newMemory[*Approval](10)
	h.accounts["a"] = &Account{Name: "a", Balance: 1000}
	next := 0
	approve := func() (*Approval, bool) {
		next++
		a := &Approval{Key: fmt.Sprint(next), RRN: fmt.Sprint(next), State: Approved, Account: "a", Amount: money.Amount{Minor: 1}}
		return a, h.approve(a)
	}
	var open []*Approval
	for i := range 200 {
		a, ok := approve()
		if !ok {
			t.Fatalf("%d: no room with %d open", i, h.live)
		}
		if i%25 == 0 {
			open = append(open, a)
		} else {
			h.end(a, Reversed, time.Time{})
		}
	}
	for _, a := range open {
		if kept, known := h.approvals.get(a.Key); !known || kept != a || h.byRRN[a.RRN] != a {
			t.Errorf("%s was forgotten", a.Key)
		}
	}
	if len(h.byRRN) != len(h.approvals.values) || h.live != len(open) {
		t.Errorf("%d references, %d approvals, %d open", len(h.byRRN), len(h.approvals.values), h.live)
	}
	for h.live < 10 {
		if _, ok := approve(); !ok {
			t.Fatalf("no room with %d open", h.live)
		}
	}
	if _, ok := approve(); ok || h.accounts["a"].Used.Held != 10 {
		t.Errorf("one too many: %+v", h.accounts["a"].Used)
	}
}

// TestNoiseIsNoMessage: as long as what it stands for, the same for the same seed.
func TestNoiseIsNoMessage(t *testing.T) {
	for _, n := range []int{0, 1, 2, 31, 32, 33, 500} {
		instead := make([]byte, n)
		one := noise(1, instead)
		if len(one) != max(1, n) || one[0] != 0xFF || string(one) != string(noise(1, instead)) {
			t.Errorf("%d: %x", n, one)
		}
		if n > 2 && string(one) == string(noise(2, instead)) {
			t.Error("another seed, the same noise")
		}
	}
}
