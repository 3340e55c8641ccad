// Package event tells what happened, to whoever listens.
//
// An event is written in the transaction of what it tells, and numbered after
// the commit, by one numbering job per merchant: a number drawn inside
// concurrent transactions would let a reader who saw 8 miss a 7 that commits
// later. Readers see numbered events only, in the order of their numbers, and
// come back with the last number they saw, or watch: an event reaches them as soon
// as it is committed and numbered, read once for all who watch a merchant.
package event

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"encaisse/base/clock"
	"encaisse/base/db"
	"encaisse/base/id"
)

// Limits.
const (
	numberingChunk = 250 // events numbered in one transaction: well under the 20 ms a write may last
	maxPage        = 500
)

// Types of event.
const (
	SaleSealed    = "sale.sealed"
	SessionOpened = "session.opened"
	SessionClosed = "session.closed"
	DayClosed     = "day.closed"
	CashMoved     = "cash.moved"

	SaleOpened     = "sale.opened"
	SaleAbandoned  = "sale.abandoned"
	TenderAccepted = "tender.accepted" // before its ticket
	TenderReturned = "tender.returned" // before its ticket

	PaymentProgress   = "payment.progress"
	PaymentSucceeded  = "payment.succeeded"
	PaymentFailed     = "payment.failed"
	PaymentUnknown    = "payment.unknown"
	PaymentOrphaned   = "payment.orphaned"
	PaymentConflicted = "payment.conflicted" // a second, different outcome: the first one stands
	PaymentReversed   = "payment.reversed"   // the host has undone an authorisation
	PaymentManual     = "payment.manual"     // a status said by hand

	ReversalRequested = "reversal.requested" // a void or a refund
	ReversalSucceeded = "reversal.succeeded"
	ReversalFailed    = "reversal.failed"
	ReversalUnknown   = "reversal.unknown"

	BatchClosed       = "batch.closed"
	BatchAcknowledged = "batch.acknowledged"
	BatchRefused      = "batch.refused"
	BatchUnknown      = "batch.unknown"

	TerminalOnline  = "terminal.online"
	TerminalAsleep  = "terminal.asleep"
	TerminalOffline = "terminal.offline"
)

// Event is one thing that happened. Data is a small JSON object; the whole is
// read at its subject.
type Event struct {
	ID      id.Event
	Number  int64
	Type    string
	Subject string
	Data    json.RawMessage
	At      time.Time
}

// Log writes and reads events, and tells those who watch.
type Log struct {
	db    *db.DB
	clock clock.Clock

	publishing sync.Mutex // one at a time, so that batches reach a watch in order
	mu         sync.Mutex
	feeds      map[id.Merchant]*feed
	watches    int
	begun      chan struct{} // a watch has
}

// New makes the log.
func New(d *db.DB, c clock.Clock) *Log {
	return &Log{db: d, clock: c, feeds: make(map[id.Merchant]*feed), begun: make(chan struct{}, 1)}
}

// Emit writes an event in the caller's transaction. data must marshal to a JSON object.
func Emit(tx *db.Tx, m id.Merchant, at time.Time, kind, subject string, data []byte) {
	insert(tx, m, Event{ID: id.New[id.Event](at), Type: kind, Subject: subject, Data: data, At: at})
}

// Number gives numbers to the committed events that have none yet, tells those who
// watch, and returns how many it numbered. The row of event_cursor lets one run at a
// time work on a merchant.
func (l *Log) Number(ctx context.Context) (total int, err error) {
	if total, err = l.number(ctx); err != nil {
		return total, err
	}
	return total, l.publish(ctx)
}

func (l *Log) number(ctx context.Context) (total int, err error) {
	var merchants []id.Merchant
	err = l.db.Read(ctx, func(tx *db.Tx) (err error) {
		merchants, err = unnumberedMerchants(tx)
		return err
	})
	if err != nil {
		return 0, err
	}
	for _, m := range merchants {
		for {
			var n int
			err := l.db.Write(ctx, func(tx *db.Tx) (err error) {
				n, err = number(tx, m, numberingChunk)
				return err
			})
			if err != nil {
				return total, err
			}
			total += n
			if n < numberingChunk {
				break
			}
		}
	}
	return total, nil
}

// After reads up to limit events whose number is above after, in order.
func (l *Log) After(ctx context.Context, m id.Merchant, after int64, limit int) (events []Event, err error) {
	limit = min(max(limit, 1), maxPage)
	err = l.db.Read(ctx, func(tx *db.Tx) (err error) {
		events, err = read(tx, m, after, limit)
		return err
	})
	return events, err
}
