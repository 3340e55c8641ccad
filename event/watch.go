package event

import (
	"context"
	"time"

	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/problem"
)

// Limits of watching.
const (
	MaxWatches    = 50    // of one merchant
	maxAllWatches = 2_000 // of all

	numberEvery = 200 * time.Millisecond // when nobody watches, or another node wrote
	wakeSpacing = 20 * time.Millisecond  // between two runs that a commit asked for: what is written meanwhile shares the next
)

// feed is what those who watch one merchant have been told.
type feed struct {
	last    int64 // number of the last event told, -1: none yet
	watches map[*Watch]struct{}
}

// Watch receives the events of one merchant from now on.
type Watch struct {
	log      *Log
	merchant id.Merchant
	batches  chan []Event
}

// Watch begins to watch a merchant's events. Problem event.too_many_watches.
func (l *Log) Watch(m id.Merchant) (*Watch, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.feeds[m]
	if f == nil {
		f = &feed{last: -1, watches: make(map[*Watch]struct{})}
	}
	if len(f.watches) >= MaxWatches || l.watches >= maxAllWatches {
		return nil, problem.New(problem.TooMany, "event.too_many_watches", "limit", MaxWatches)
	}
	w := &Watch{log: l, merchant: m, batches: make(chan []Event, 1)}
	l.feeds[m] = f
	f.watches[w] = struct{}{}
	l.watches++
	select {
	case l.begun <- struct{}{}:
	default:
	}
	return w, nil
}

// Batches gives what was numbered, in order. Whoever is slow, or has just begun, is
// given an empty batch instead of what it missed: it reads on with [Log.After] from
// the last number it has. Numbers have no hole, so a gap shows.
func (w *Watch) Batches() <-chan []Event { return w.batches }

// Stop ends the watch. It may be called again.
func (w *Watch) Stop() {
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	f := w.log.feeds[w.merchant]
	if f == nil {
		return
	}
	if _, watching := f.watches[w]; !watching {
		return
	}
	delete(f.watches, w)
	w.log.watches--
	if len(f.watches) == 0 {
		delete(w.log.feeds, w.merchant)
	}
}

// tell gives a batch to the watch, or, where the last one is still there, says that
// something was missed. Only the publisher sends.
func (w *Watch) tell(batch []Event) {
	select {
	case w.batches <- batch:
		return
	default:
	}
	select {
	case <-w.batches:
	default:
	}
	w.batches <- nil
}

// Last is the number of the merchant's last event.
func (l *Log) Last(ctx context.Context, m id.Merchant) (last int64, err error) {
	err = l.db.Read(ctx, func(tx *db.Tx) (err error) {
		last, err = lastNumber(tx, m)
		return err
	})
	return last, err
}

// publish reads what was numbered since the last time, once for all who watch a
// merchant, here or by another node.
func (l *Log) publish(ctx context.Context) error {
	l.publishing.Lock()
	defer l.publishing.Unlock()
	for m, last := range l.watched() {
		var events []Event
		var now int64
		err := l.db.Read(ctx, func(tx *db.Tx) (err error) {
			if now, err = lastNumber(tx, m); err != nil || now == last || last < 0 {
				return err
			}
			events, err = read(tx, m, last, maxPage)
			return err
		})
		if err != nil {
			return err
		}
		if n := len(events); n > 0 && events[n-1].Number < now {
			events = nil // too many to hand out: each reads on for itself
		}
		if now != last {
			l.tellAll(m, now, events)
		}
	}
	return nil
}

// watched is who is watched, and what was told of each.
func (l *Log) watched() map[id.Merchant]int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make(map[id.Merchant]int64, len(l.feeds))
	for m, f := range l.feeds {
		all[m] = f.last
	}
	return all
}

func (l *Log) tellAll(m id.Merchant, now int64, events []Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.feeds[m]
	if f == nil {
		return
	}
	f.last = now
	for w := range f.watches {
		w.tell(events)
	}
}

// Run numbers events until ctx ends: as soon as something is committed while
// somebody watches, and every so often when nobody does. Errors go to failed.
func (l *Log) Run(ctx context.Context, failed func(error)) {
	for {
		if _, err := l.Number(ctx); err != nil && ctx.Err() == nil {
			failed(err)
		}
		if !l.wait(ctx, wakeSpacing, nil) {
			return
		}
		var written <-chan struct{}
		if len(l.watched()) > 0 {
			written = l.db.Written()
		}
		if !l.wait(ctx, numberEvery-wakeSpacing, written) {
			return
		}
	}
}

// wait waits for a pause to end, or for sooner; false when ctx ended.
func (l *Log) wait(ctx context.Context, pause time.Duration, sooner <-chan struct{}) bool {
	over := make(chan struct{})
	timer := l.clock.AfterFunc(pause, func() { close(over) })
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-over:
	case <-sooner:
	case <-l.begun:
	}
	return true
}
