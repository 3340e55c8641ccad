package acquirer

import (
	"context"
	"time"

	"encaisse/base/card"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/contract"
)

// Connector moves money at one acquirer. Calls may run at the same time. An
// [Outcome] is always returned: what went wrong on the way is Unknown when the
// request may have arrived and NotPerformed when it cannot have.
type Connector interface {
	// Authorise asks whether a card may pay, or be credited.
	Authorise(ctx context.Context, a Authorisation) Outcome
	// Reverse tells that an authorisation is to be undone, whatever became of
	// it. Approved: it is, or the host never knew it; both end the matter.
	Reverse(ctx context.Context, r Reversal) Outcome
	// Submit sends a closed batch for clearing, under its own number however
	// often it is sent.
	Submit(ctx context.Context, b Batch) Receipt
}

// Result is what became of a request.
type Result string

// Results.
const (
	Approved     Result = "approved"
	Declined     Result = "declined"
	NotPerformed Result = "not_performed" // it cannot have happened
	Unknown      Result = "unknown"       // it may have happened
)

// Contract is under which terms, and with whose keys, a request is made.
type Contract = contract.Terms

// Trace tells one request from every other between a terminal and its host. It
// is committed before the request is sent and the same whenever it is repeated.
type Trace struct {
	Operation id.Operation
	Terminal  string    // the terminal's number at the acquirer, eight characters (DE41)
	Number    int64     // system trace audit number, 1 to 999999, unique for the terminal that day (DE11)
	At        time.Time // of the transmission (DE7) and of the transaction (DE12, DE13) in Zone
	Zone      *time.Location
}

// Kind is what an authorisation is for.
type Kind string

// Kinds.
const (
	Purchase Kind = "purchase"
	Refund   Kind = "refund"
)

// Authorisation asks whether a card may pay, or be credited.
type Authorisation struct {
	Trace
	Contract Contract
	Kind     Kind
	Amount   money.Amount
	Card     card.Presented // its Envelope for a first authorisation, its Kept for all that comes after
	About    string         // what its envelopes are bound to: the attempt's id
}

// Reason is why an authorisation is reversed.
type Reason string

// Reasons (ISO 8583:1993 DE25 beside each).
const (
	ReasonTimeout   Reason = "timeout"   // 4021: no answer in time
	ReasonCancelled Reason = "cancelled" // 4000: by the customer or the merchant
	ReasonInvalid   Reason = "invalid"   // 4020: the answer could not be used
	ReasonVoid      Reason = "void"      // 4000: the merchant took back a sale of the open batch
	ReasonUnmatched Reason = "unmatched" // 4351: signature or card refused it in the end
)

// Reversal undoes an authorisation. Its own trace is new; Original is the
// authorisation's, whose envelope holds number and expiry alone.
type Reversal struct {
	Trace
	Contract Contract
	Original Authorisation
	Reason   Reason
	Approval string // of the original, where it was approved
	Repeat   bool   // sent before, not answered; all but this is as it was then
}

// Outcome is what became of a request.
type Outcome struct {
	Result   Result
	Code     string // the host's response code (DE39), empty when there was none
	Decline  Decline
	Approval string // approval code
	RRN      string // the host's retrieval reference (DE37)
	Issuer   []byte // EMV objects for the chip (tags 8A, 91, 71, 72)
	Detail   string // for people who look after the link; never card data
}

// Decline sorts the reasons of a refusal by what can be done about them.
type Decline string

// Declines. Code keeps the host's own.
const (
	DeclineIssuer      Decline = "issuer" // the issuer says no: another card, another means
	DeclineFunds       Decline = "funds"
	DeclineExpired     Decline = "expired_card"
	DeclineStolen      Decline = "stolen_card" // keep the card
	DeclinePIN         Decline = "wrong_pin"
	DeclinePINTries    Decline = "pin_tries"
	DeclineInsert      Decline = "insert_card" // contactless refused: the same card, inserted
	DeclineReferral    Decline = "referral"    // the issuer wants to be called
	DeclineScheme      Decline = "scheme"      // the contract does not accept this scheme
	DeclineAffiliation Decline = "affiliation" // « affiliation requise »
	DeclineLimit       Decline = "limit"
	DeclineLater       Decline = "try_later" // the issuer cannot answer now
	DeclineTechnical   Decline = "technical"
)

// Batch is a closed batch to be cleared.
type Batch struct {
	ID       id.Batch
	Contract Contract
	Terminal string // as Trace.Terminal
	Number   int64  // of the batch for this contract and terminal, never changed by a resend
	ClosedAt time.Time
	Zone     *time.Location
	Currency money.Currency
	Debits   Sum
	Credits  Sum
	Lines    []Line
	Repeat   bool // sent before, not acknowledged
	// Trace numbers the messages of one submission: Next draws one more.
	Next func(ctx context.Context) (Trace, error)
}

// Sum is a count and its amount in minor units.
type Sum struct {
	Count int64 `json:"count"`
	Minor int64 `json:"minor"`
}

// Line is one transaction of a batch: the authorisation it clears.
type Line struct {
	Authorisation
	Approval string
	RRN      string
}

// Receipt is what became of a batch. Approved: acknowledged, in balance.
type Receipt struct {
	Result Result
	Code   string
	Detail string
}
