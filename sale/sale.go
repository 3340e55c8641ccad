package sale

import (
	"time"

	"encaisse/base/clock"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/catalog"
	"encaisse/fiscal"
	"encaisse/merchant"
	"encaisse/payment"
)

// Documents a sale may be.
const (
	Ticket = "ticket"
	Return = "return" // its total is negative
)

// Means of payment.
const (
	Cash = "cash"
	Card = "card"
)

// States of a sale.
const (
	Opened    = "open"      // a basket: priced, not paid yet
	Sealed    = "sealed"    // a ticket
	Abandoned = "abandoned" // a basket that was given up, each means handed back
)

// States of a means of payment.
const (
	Processing = "processing" // a card leg under way, or whose outcome nobody knows yet
	Accepted   = "accepted"
	Failed     = "failed"
	Returned   = "returned" // accepted, then handed back before there was a ticket
)

// Sales is the door to everything that is sold.
type Sales struct {
	db        *db.DB
	clock     clock.Clock
	merchants *merchant.Merchants
	journal   *fiscal.Journal
	cards     *payment.Payments // nil: no card is taken here
}

// New makes the door.
func New(d *db.DB, c clock.Clock, m *merchant.Merchants, j *fiscal.Journal) *Sales {
	return &Sales{db: d, clock: c, merchants: m, journal: j}
}

// Sale is a sealed sale, or a basket on its way to one: then Number, Session,
// BusinessDate and SealedAt are empty. Amounts are minor units of Currency, TTC
// unless they say HT.
type Sale struct {
	Merchant      id.Merchant
	ID            id.Sale
	State         string // Opened, Sealed or Abandoned
	Register      id.Register
	Number        int64 // without hole on its register
	Session       id.Session
	BusinessDate  string // 2026-11-22
	Document      string // Ticket or Return
	SealedAt      time.Time
	Operator      int64 // 0: a program with an API key
	Currency      money.Currency
	Total         int64
	Reduction     int64 // the ticket's own, already spread over the lines
	ReductionName string
	ExternalRef   string  // the caller's own reference
	Original      id.Sale // of a return that a card's void or refund made
	Lines         []Line
	VAT           []money.VAT // rates ascending
	Tenders       []Tender    // of a basket also those that failed or went back
	Accepted      int64       // paid so far
	Reserved      int64       // paid or being paid: Total − Reserved is what is still to be asked for
	OpenedAt      time.Time   // of a basket

	requestHash    []byte
	originalNumber int64 // the ticket number of Original
}

// Line is one line of a sale.
type Line struct {
	Article       string // reference in the catalogue, empty when typed by hand
	Label         string
	Nature        catalog.Nature
	Quantity      money.Quantity
	Unit          int64  // as sold
	List          *int64 // as the catalogue had it, nil when it had none
	Reduction     int64  // the line's own; has the sign of the line
	ReductionName string
	Share         int64 // its share of the ticket's reduction
	Rate          money.Rate
	TTC           int64 // after both reductions
	HT            int64
}

// Tender is one means by which a sale was paid.
type Tender struct {
	ID       id.Tender
	Means    string
	Amount   int64 // what it pays of the sale; negative: handed back
	Received int64
	Change   int64 // Received − Amount

	State     string
	Terminal  id.Terminal // of a card
	Payment   id.Payment  // of a card on a connected terminal
	PrintSlip bool
	Reference string // of a card on a terminal that is not connected, as it was typed
	Manual    bool   // a person says it was paid, no terminal did (CCV-011, SRC-030)
	Early     bool   // accepted before its ticket, and journaled then
	Slip      string // digest of the card slip, in hex
}

// Session is a till session.
type Session struct {
	Merchant     id.Merchant
	ID           id.Session
	Register     id.Register
	BusinessDate string
	Open         bool
	Currency     money.Currency
	Float        int64
	OpenedAt     time.Time
	OpenedBy     int64
	FirstTicket  int64 // the number its first ticket has or would have
	ClosedAt     *time.Time

	state string // as its row says, for verification
}

// Movement is cash put into or taken out of the drawer.
type Movement struct {
	ID       id.Movement
	Session  id.Session
	In       bool
	Amount   int64
	Currency money.Currency
	Reason   string
	At       time.Time
	Operator int64
}

// Closing kinds.
const (
	Z   = "z"
	Day = "day"
)

// Totals are what a period holds: what an X shows and a closing seals.
type Totals struct {
	FirstTicket int64
	LastTicket  int64 // FirstTicket − 1 when there is none
	Lines       int64
	Returns     int64 // tickets with a negative total
	Net         int64
	Absolute    int64 // returns added instead of subtracted
	VAT         []PeriodVAT
	Float       int64
	Cash        int64 // cash tenders, change and hand-backs taken off
	CashIn      int64
	CashOut     int64
	Held        int64 // cash of baskets that are not sealed, less that of earlier ones that were
	Expected    int64 // Float + Cash + Held + CashIn − CashOut
	Card        int64 // card tenders, what went back taken off
	CardManual  int64 // of these, what a person says and no terminal confirmed
}

// Tickets is how many tickets the period holds.
func (t Totals) Tickets() int64 { return t.LastTicket - t.FirstTicket + 1 }

// PeriodVAT is the VAT of one rate over a period, with the perpetual turnover of that rate after it.
type PeriodVAT struct {
	money.VAT
	PerpetualNet      int64
	PerpetualAbsolute int64
}

// Closing is a sealed Z or day closing.
type Closing struct {
	Merchant     id.Merchant
	ID           id.Closing
	Register     id.Register
	Kind         string // Z or Day
	Number       int64
	BusinessDate string
	Session      id.Session // of a Z
	ClosedAt     time.Time
	Operator     int64
	Currency     money.Currency
	Totals
	PerpetualNet      int64
	PerpetualAbsolute int64
	Counted           *int64 // nil: nobody counted
	Difference        *int64 // Counted − Expected
}
