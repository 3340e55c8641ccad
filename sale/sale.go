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
)

// Documents a sale may be.
const (
	Ticket = "ticket"
	Return = "return" // its total is negative
)

// Cash is the means of payment known so far.
const Cash = "cash"

// Sales is the door to everything that is sold.
type Sales struct {
	db        *db.DB
	clock     clock.Clock
	merchants *merchant.Merchants
	journal   *fiscal.Journal
}

// New makes the door.
func New(d *db.DB, c clock.Clock, m *merchant.Merchants, j *fiscal.Journal) *Sales {
	return &Sales{db: d, clock: c, merchants: m, journal: j}
}

// Sale is a sealed sale. Amounts are minor units of Currency, TTC unless they say HT.
type Sale struct {
	Merchant      id.Merchant
	ID            id.Sale
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
	ExternalRef   string // the caller's own reference
	Lines         []Line
	VAT           []money.VAT // rates ascending
	Tenders       []Tender

	requestHash []byte
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
	Expected    int64 // Float + Cash + CashIn − CashOut
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
