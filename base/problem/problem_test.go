package problem

import (
	"errors"
	"fmt"
	"testing"
)

func TestErrorIsForLogs(t *testing.T) {
	cause := errors.New("disk full")
	e := New(Invalid, "sale.total", "want", 100, "have", 90).At("tenders").Because(cause).
		With(New(Invalid, "sale.tender_zero").At("tenders[0]"), New(NotFound, "sale.unknown"))
	want := "sale.total at tenders have=90 want=100: disk full; sale.tender_zero at tenders[0]; sale.unknown"
	if e.Error() != want {
		t.Errorf("%q, want %q", e, want)
	}
	if !errors.Is(e, cause) {
		t.Error("the cause is lost")
	}
	if e.Kind != Invalid || e.Field != "tenders" || e.Args["want"] != 100 || len(e.Details) != 2 {
		t.Errorf("%+v", e)
	}
}

func TestAsLooksThroughWrapping(t *testing.T) {
	e := New(Conflict, "a.b")
	wrapped := fmt.Errorf("sale: %w", fmt.Errorf("seal: %w", e))
	if As(wrapped) != e || !Is(wrapped, "a.b") || Is(wrapped, "a.c") {
		t.Error("wrapped")
	}
	outer := New(Unavailable, "c.d").Because(e)
	if As(outer) != outer || !Is(outer, "c.d") || Is(outer, "a.b") {
		t.Error("the outermost problem counts")
	}
	if As(nil) != nil || As(errors.New("x")) != nil || Is(nil, "") {
		t.Error("no problem")
	}
}

func TestEveryKindHasAName(t *testing.T) {
	seen := make(map[string]bool)
	for k := Internal; k <= Unavailable; k++ {
		if k.String() == "" || seen[k.String()] {
			t.Errorf("kind %d is called %q", k, k)
		}
		seen[k.String()] = true
	}
	if (Unavailable + 1).String() != "" {
		t.Error("a kind is missing from this test")
	}
}

func TestNewWantsPairs(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("an odd number of args goes unseen")
		}
	}()
	New(Invalid, "a.b", oddArgs()...)
}

func oddArgs() []any { return []any{"name"} }
