package fiscal

import (
	"math"
	"time"

	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/base/problem"
)

// clockTolerance is how far behind the last record the clock may be before
// nothing more is sealed. Within it (time correction, two nodes) the record
// takes the time of the one before, so that time never runs backwards.
const clockTolerance = 2 * time.Second

// Entry is what a noun asks to have sealed.
type Entry struct {
	Merchant id.Merchant
	Owner    string // register or site whose chain it joins
	Kind     string
	JET      int
	Subject  string
	Operator int64
	At       time.Time      // zero: now, read once the chain is locked; set for history alone
	Local    *time.Location // the site's zone
	Total    int64          // what a ticket adds to the perpetual totals, minor units
	Period   string         // the till session that must be open; empty: none asked
	Then     *string        // the period after this record; nil: as before
	Clamp    bool           // take the last record's time when the clock is behind, however far: for the event that says so

	// Body writes the noun's own part. It runs once the chain is locked, so what
	// it reads through the same transaction is what stands before this record.
	Body func(p Position) ([]byte, error)
}

// Position is where a record stands.
type Position struct {
	Header
	Chain   id.Chain
	Tickets int64 // sealed so far on this chain, this record included
}

// Event is the body of an event that has a name and perhaps members of its own.
// A member called "name" is written by Event.
func Event(name string, fill func(c *Canon)) func(Position) ([]byte, error) {
	return func(Position) ([]byte, error) {
		return Body(func(c *Canon) {
			c.Object("event", func() {
				if fill != nil {
					fill(c)
				}
			})
			c.Str("name", name)
		}), nil
	}
}

// Append seals one record at the end of the owner's chain, inside the caller's
// transaction, and returns where it stands. Call it after every other row is
// locked: the chain row is the last in the lock order.
//
// The signature is computed on another goroutine while the transaction goes on,
// and the record is inserted with it just before the commit.
//
// Problems: fiscal.period_closed when Period is no longer the open one,
// fiscal.clock_back when the clock is behind the last record,
// fiscal.key_unavailable when nothing can be signed.
func (j *Journal) Append(tx *db.Tx, e Entry) (Position, error) {
	c, err := lockChain(tx, e)
	if err != nil {
		return Position{}, err
	}
	if e.At.IsZero() {
		e.At = j.clock.Now()
	}
	if e.At.Before(c.lastAt) {
		if c.lastAt.Sub(e.At) > clockTolerance && !e.Clamp {
			return Position{}, clockBack(c.lastAt, e.At)
		}
		e.At = c.lastAt
	}
	s, err := j.signer(tx, e.Merchant, c.signer)
	if err != nil {
		return Position{}, err
	}
	c.lastAt = e.At
	if err := j.sealBefore(tx, c, s, e); err != nil {
		return Position{}, err
	}
	if err := c.count(e); err != nil {
		return Position{}, err
	}
	position, err := j.seal(tx, c, s, e)
	if err != nil {
		return Position{}, err
	}
	if e.Then != nil {
		c.period = *e.Then
	}
	saveChain(tx, c)
	return position, nil
}

// sealBefore writes what must be in the chain before this record: that it is
// used for the first time, or by another version of the software than before.
func (j *Journal) sealBefore(tx *db.Tx, c *chain, s *signer, e Entry) error {
	name, code := "chain.opened", JETInitialise
	switch {
	case c.seq == 0:
	case c.software != j.software:
		name, code = "software.changed", JETSoftware
	default:
		return nil
	}
	c.software = j.software
	_, err := j.seal(tx, c, s, Entry{
		Merchant: e.Merchant, Owner: e.Owner, Kind: KindEvent, JET: code, Subject: e.Owner,
		Operator: e.Operator, At: e.At, Local: e.Local, Body: Event(name, nil),
	})
	return err
}

// count moves the series and the perpetual totals of the chain on.
func (c *chain) count(e Entry) (err error) {
	switch e.Kind {
	case KindTicket:
		c.tickets++
	case KindZ:
		c.zs++
	case KindDay:
		c.days++
	}
	if e.Total == math.MinInt64 {
		return problem.New(problem.Invalid, "money.overflow")
	}
	if c.net, err = money.Add(c.net, e.Total); err != nil {
		return err
	}
	c.absolute, err = money.Add(c.absolute, max(e.Total, -e.Total))
	return err
}

// number is the position in the series of the kind.
func (c *chain) number(kind string) int64 {
	switch kind {
	case KindTicket:
		return c.tickets
	case KindZ:
		return c.zs
	case KindDay:
		return c.days
	}
	return 0
}

// seal writes one record and moves head and edge on.
func (j *Journal) seal(tx *db.Tx, c *chain, s *signer, e Entry) (Position, error) {
	_, offset := e.At.In(e.Local).Zone()
	p := Position{Chain: c.id, Tickets: c.tickets, Header: Header{
		Origin: c.origin, History: c.history, Seq: c.seq + 1, Kind: e.Kind, Number: c.number(e.Kind), JET: e.JET,
		At: e.At, Offset: int64(offset / 60), Operator: e.Operator, Prev: c.head,
		Net: c.net, Absolute: c.absolute, Software: c.software,
	}}
	body, err := e.Body(p)
	if err != nil {
		return p, err
	}
	r := Record{
		Merchant: e.Merchant, Chain: c.id, Seq: p.Seq, Kind: e.Kind, Subject: e.Subject, At: e.At,
		Payload: compose(p.Header, body),
	}
	r.Hash = hashOf(r.Payload)
	c.edge = c.edge.add(c.seq, r.Hash)
	c.seq, c.head = p.Seq, r.Hash
	signature := signLater(s, checkpointText(c.origin, c.seq, c.edge.root()))
	tx.AtCommit(func(tx *db.Tx) error {
		if r.Signature, err = signature(); err != nil {
			return problem.New(problem.Unavailable, "fiscal.key_unavailable").Because(err)
		}
		insertRecord(tx, r)
		return nil
	})
	return p, nil
}

// signLater signs on another goroutine and returns the wait for it.
func signLater(s *signer, text []byte) func() ([]byte, error) {
	var signature []byte
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		signature, err = s.Sign(text)
	}()
	return func() ([]byte, error) {
		<-done
		return signature, err
	}
}

func clockBack(last, now time.Time) error {
	return problem.New(problem.Unavailable, "fiscal.clock_back",
		"last", last.Format(time.RFC3339), "now", now.Format(time.RFC3339)).At("clock")
}
