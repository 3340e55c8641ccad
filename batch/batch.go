package batch

import (
	"context"
	"log/slog"
	"time"

	"encaisse/acquirer"
	"encaisse/base/clock"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/contract"
)

// Limits and delays.
const (
	MaxLines   = 100_000 // of one batch: what is sent in one piece
	maxPage    = 100
	maxOpening = 3 // turns to join a batch that others open and close at the same moment

	firstRetry = time.Minute
	lastRetry  = time.Hour
	maxDetail  = 300 // bytes kept of what the link said
)

// Kinds of job.
const (
	JobClose = "batch.close" // at the contract's hour
	JobSend  = "batch.send"
)

// State of a batch.
type State string

// The states.
const (
	Open         State = "open"
	Closed       State = "closed"       // totals frozen, not sent yet
	Sent         State = "sent"         // no answer yet
	Acknowledged State = "acknowledged" // by the acquirer, in balance
	Refused      State = "refused"      // it is sent again under its number
	Unknown      State = "unknown"      // no answer came: it is sent again under its number
)

// Batch is one card batch. Sums are zero while it is open: see [Batches.Get].
type Batch struct {
	Merchant         id.Merchant
	ID               id.Batch
	Contract         id.Contract
	Terminal         id.Terminal
	AcceptorTerminal string // the terminal's number at the acquirer
	Number           int64  // without hole for its contract and terminal
	Currency         money.Currency
	Zone             string // of the terminal's site
	State            State
	OpenedAt         time.Time
	ClosedAt         *time.Time
	ClosedBy         string
	Debits           acquirer.Sum
	Credits          acquirer.Sum
	Tries            int64
	SentAt           *time.Time
	NextTryAt        *time.Time
	SettledAt        *time.Time
	Code             string // the host's last answer
	Detail           string
}

// Net is what the acquirer owes for the batch, in minor units.
func (b Batch) Net() int64 { return b.Debits.Minor - b.Credits.Minor }

// Entry is a captured transaction that joins a batch.
type Entry struct {
	Merchant         id.Merchant
	Contract         id.Contract
	Terminal         id.Terminal
	AcceptorTerminal string
	Zone             string // IANA name of the terminal's site: the contract's hour is in it
	Operation        id.Operation
	Payment          id.Payment
	Credit           bool
	Amount           money.Amount
	At               time.Time
	Clearing         acquirer.Line // its Contract and Trace.Zone are filled in when it is sent
}

// Line is a transaction of a batch.
type Line struct {
	Operation id.Operation
	Batch     id.Batch
	Payment   id.Payment
	Credit    bool
	Amount    int64
	At        time.Time
	RemovedAt *time.Time

	part int64
}

// Traces draws the next trace number of a terminal, in the caller's transaction.
type Traces func(tx *db.Tx, m id.Merchant, terminal id.Terminal) (int64, error)

// Batches is the door to the card batches.
type Batches struct {
	db         *db.DB
	clock      clock.Clock
	contracts  *contract.Contracts
	connectors map[string]acquirer.Connector
	traces     Traces
	log        *slog.Logger
	closed     func(ctx context.Context, b Batch)
}

// New makes the door. connectors are by the names that contracts carry.
func New(d *db.DB, c clock.Clock, contracts *contract.Contracts, connectors map[string]acquirer.Connector, traces Traces, log *slog.Logger) *Batches {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Batches{
		db: d, clock: c, contracts: contracts, connectors: connectors, traces: traces, log: log,
		closed: func(context.Context, Batch) {},
	}
}

// WhenClosed names who is told, after the commit, that a batch was closed: the
// readers' slips carry the number of the next one. It is called once, at wiring.
func (b *Batches) WhenClosed(fn func(ctx context.Context, closed Batch)) { b.closed = fn }
