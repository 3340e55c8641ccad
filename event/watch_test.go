package event_test

import (
	"context"
	"testing"
	"time"

	"encaisse/base/clock"
	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/id"
	"encaisse/base/problem"
	"encaisse/event"
)

const (
	ours   id.Merchant = "mer_01k9zq0w5tfk8v3q8h2m7c4x9d"
	theirs id.Merchant = "mer_01k9zq0w5tfk8v3q8h2m7c4x9e"
)

var morning = time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)

func emit(t *testing.T, d *db.DB, m id.Merchant, n int) {
	t.Helper()
	err := d.Write(context.Background(), func(tx *db.Tx) error {
		for range n {
			event.Emit(tx, m, morning, event.CashMoved, "mov", []byte("{}"))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func number(t *testing.T, l *event.Log) {
	t.Helper()
	if _, err := l.Number(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// TestWatch: who watches is handed what is numbered; who is slow, or new, is told to
// read on instead of missing something.
func TestWatch(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		l := event.New(d, clock.NewManual(morning))
		emit(t, d, ours, 1)
		number(t, l)
		w, err := l.Watch(ours)
		if err != nil {
			t.Fatal(err)
		}
		emit(t, d, ours, 1)
		emit(t, d, theirs, 1)
		number(t, l)
		if batch := <-w.Batches(); len(batch) != 0 { // it has just begun: what it has is its own affair
			t.Fatalf("first: %+v", batch)
		}
		emit(t, d, ours, 2)
		number(t, l)
		if batch := <-w.Batches(); len(batch) != 2 || batch[0].Number != 3 || batch[1].Number != 4 {
			t.Fatalf("second: %+v", batch)
		}
		emit(t, d, ours, 1)
		number(t, l)
		emit(t, d, ours, 1)
		number(t, l)
		if batch := <-w.Batches(); len(batch) != 0 { // it was slow: one was dropped
			t.Fatalf("third: %+v", batch)
		}
		number(t, l)
		select {
		case batch := <-w.Batches():
			t.Fatalf("nothing happened, and it is told %+v", batch)
		default:
		}
		w.Stop()
		w.Stop()
	})
}

// TestWatchesAreBounded per merchant, and those that stopped do not count.
func TestWatchesAreBounded(t *testing.T) {
	d, _ := dbtest.Open(t, db.SQLite)
	l := event.New(d, clock.NewManual(morning))
	var last *event.Watch
	for range event.MaxWatches {
		w, err := l.Watch(ours)
		if err != nil {
			t.Fatal(err)
		}
		last = w
	}
	if _, err := l.Watch(ours); !problem.Is(err, "event.too_many_watches") {
		t.Errorf("one more: %v", err)
	}
	if _, err := l.Watch(theirs); err != nil {
		t.Errorf("another merchant: %v", err)
	}
	last.Stop()
	if _, err := l.Watch(ours); err != nil {
		t.Errorf("after one stopped: %v", err)
	}
}
