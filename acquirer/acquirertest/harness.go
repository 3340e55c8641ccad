package acquirertest

import (
	"time"

	"encaisse/acquirer"
	"encaisse/base/card"
	"encaisse/base/id"
)

// Harness is a connector between the test and a host in its hands. Clock drives
// both ends. What it opened it closes by t.Cleanup.
type Harness struct {
	Connector acquirer.Connector
	Contract  acquirer.Contract // its Key is made by the suite
	Terminal  string
	Card      card.Data // a stripe card that the host approves
	Host      Host
	Clock     *Clock
	Patience  time.Duration // longer than the connector waits for anything
}

// Host is the other end.
type Host interface {
	// Arrange makes a fault of the next request of a kind. False: a host of this
	// protocol cannot do that.
	Arrange(on Request, f Fault) bool
	// Refuse makes the next authorisation be refused for a reason, or says false.
	Refuse(d acquirer.Decline) bool
	// Met tells how many requests met a fault that was arranged.
	Met() int64
	// Down makes the host unreachable; Up ends that.
	Down()
	Up()
	// Held is what the host holds of an authorisation.
	Held(op id.Operation) Holding
	// Cleared is how much the host moved for good by the batch of a number.
	Cleared(number int64) (debits, credits acquirer.Sum)
}

// Request is what a connector sends, by what it is for.
type Request string

// Requests.
const (
	Authorisation Request = "authorisation"
	Reversal      Request = "reversal"
	Line          Request = "line"
	Totals        Request = "totals"
)

// Fault is what goes wrong with one request.
type Fault string

// Faults.
const (
	Lost        Fault = "lost"         // it never came
	Silent      Fault = "silent"       // it was decided, nothing came back
	Late        Fault = "late"         // the answer comes after twice the connector's patience
	Twice       Fault = "twice"        // the answer comes twice
	CutBefore   Fault = "cut_before"   // the link is cut, nothing was decided
	CutAfter    Fault = "cut_after"    // it was decided, the link is cut
	CutInside   Fault = "cut_inside"   // it was decided, the link is cut inside the answer
	Garbage     Fault = "garbage"      // noise in place of the answer
	Truncated   Fault = "truncated"    // half of the answer, as if it were whole
	Oversized   Fault = "oversized"    // more than any answer
	Slow        Fault = "slow"         // byte by byte
	RefuseBatch Fault = "refuse_batch" // the totals are refused
	OffBalance  Fault = "off_balance"  // the totals do not agree, this once
)

// Holding is what a host holds of an authorisation.
type Holding struct {
	Approvals int // how often it was approved: once at most
	State     Held
	Minor     int64
	Credit    bool
	Code      string // approval code
}

// Held is what became of an approval.
type Held string

// States of an approval.
const (
	Nothing   Held = ""
	Reserved  Held = "reserved"
	Withdrawn Held = "withdrawn"
	Booked    Held = "booked"
)
