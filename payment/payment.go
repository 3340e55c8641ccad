package payment

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"encaisse/access"
	"encaisse/acquirer"
	"encaisse/base/card"
	"encaisse/base/clock"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/batch"
	"encaisse/contract"
	"encaisse/merchant"
	"encaisse/terminal"
)

// Limits and times.
const (
	Budget       = 60 * time.Second // what a reader has; it keeps it itself (SRC-031)
	margin       = 5 * time.Second  // what the server waits longer, then aborts and asks
	startGrace   = 15 * time.Second // how late an attempt may still be handed to its reader, after its process died
	firstPoll    = 10 * time.Second // an attempt is asked for when nothing is heard for so long
	pollEvery    = 5 * time.Second
	hostPatience = 30 * time.Second // for one exchange with the host
	claimLease   = 45 * time.Second // how long a try is somebody's before another node takes it

	maxTries    = 6 // then somebody has to look: it is tried on
	maxPage     = 100
	maxReason   = 200 // characters of a reason or remark
	maxKey      = 255 // bytes of an idempotency key
	maxExchange = 64  // bytes of a reader's number for a request
	maxDetail   = 300 // bytes kept of what a link said
	maxWord     = 40  // bytes kept of a code or a reference from outside
	keepKeys    = 31 * 24 * time.Hour
)

// Causes that no reader says.
const (
	CauseLate        terminal.Cause = "late"         // approved after the reader's time: undone
	CauseAbandoned   terminal.Cause = "abandoned"    // the cashier took another means
	CauseNotReached  terminal.Cause = "not_reached"  // the reader never had it
	CauseOwner       terminal.Cause = "owner"        // the sale could not take it: undone
	CauseBatchClosed terminal.Cause = "batch_closed" // the batch closed under a void
	CauseDiffers     terminal.Cause = "differs"      // the reader's word does not fit what was asked: undone
)

// Readers is what payment asks of the hub of card readers.
type Readers interface {
	// Open opens a dialogue in the caller's transaction. A problem keeps it out
	// (terminal.busy, terminal.not_found…).
	Open(tx *db.Tx, d terminal.Dialogue) error
	// Close ends it: the reader is free for another one.
	Close(tx *db.Tx, m id.Merchant, a id.Attempt) error
	// Send lets it go to the reader. A problem terminal.… is certainly not
	// handed over; any other error may be.
	Send(ctx context.Context, m id.Merchant, a id.Attempt) error
	// Abort asks the reader to give it up. Its answer is the reader's final word.
	Abort(ctx context.Context, m id.Merchant, a id.Attempt) error
	// Ask asks for the state of it, and its final word where there is one.
	Ask(ctx context.Context, m id.Merchant, a id.Attempt) (terminal.Status, *terminal.Conclusion, error)
}

// Owner is who wants payments: it takes what came of them in the commit that
// records it. What it queues and locks is its own, the register's chain last.
// Where it returns an error the outcome is recorded without it: a capture
// becomes an orphan, a refund is undone, a failure stands.
type Owner interface {
	// Captured takes a payment that succeeded. With p.Manual set it is a status
	// said by hand: nothing was captured. It may be told both, in this order.
	Captured(tx *db.Tx, p Payment) error
	// Failed takes one that did not, an orphan too.
	Failed(tx *db.Tx, p Payment) error
	// Reversed takes a void or a refund that succeeded.
	Reversed(tx *db.Tx, p Payment, r Reversal) error
}

// Parts is what payments are made of.
type Parts struct {
	DB         *db.DB
	Clock      clock.Clock
	Gate       *access.Gate
	Vault      *merchant.Vault
	Merchants  *merchant.Merchants
	Contracts  *contract.Contracts
	Batches    *batch.Batches
	Readers    Readers
	Connectors map[string]acquirer.Connector // by the names that contracts carry
	Log        *slog.Logger
}

// Payments is the door to the movements of money. It implements terminal.Payments.
type Payments struct {
	Parts
	owner Owner
	wake  chan struct{}
	work  sync.WaitGroup
	zones sync.Map // IANA name → *time.Location

	mu      sync.Mutex
	flights map[id.Operation]chan struct{} // exchanges with a host under way in this process
}

var (
	_ terminal.Payments = (*Payments)(nil)
	_ Readers           = (*terminal.Hub)(nil)
)

// New makes the door. [Payments.Serve] names the owner before anything goes through it.
func New(parts Parts) *Payments {
	if parts.Log == nil {
		parts.Log = slog.New(slog.DiscardHandler)
	}
	return &Payments{Parts: parts, wake: make(chan struct{}, 1), flights: make(map[id.Operation]chan struct{})}
}

// Serve names who wants payments. It is called once, at wiring.
func (p *Payments) Serve(owner Owner) { p.owner = owner }

// Payment is one movement of money.
type Payment struct {
	Merchant   id.Merchant
	ID         id.Payment
	Owner      string // a sale
	Tender     id.Tender
	Terminal   id.Terminal
	Contract   id.Contract
	Operator   int64
	Reference  string
	Amount     money.Amount
	Authorised int64 // minor units, as all that follow: approved by the host and not undone
	Captured   int64
	Voided     int64
	Refunded   int64
	Pending    int64 // reserved by voids and refunds on their way
	State      State
	Cause      terminal.Cause
	Conflicted bool
	Manual     *Manual // a status said by hand, beside State
	CreatedAt  time.Time
	UpdatedAt  time.Time

	Attempt     id.Attempt // the payment's own
	Stage       terminal.Stage
	Deadline    time.Time // when the reader's time is over
	Doubt       *Doubt    // nil: nothing is open
	Card        *Card     // nil: none was read
	Chip        *terminal.Chip
	Number      string // the reader's own, for the slip (DRV-02)
	At          *time.Time
	Approval    string
	Code        string
	Signed      bool
	Printed     bool
	Batch       id.Batch
	BatchNumber int64
}

// Refundable is what is left to give back.
func (p Payment) Refundable() int64 { return p.Captured - p.Voided - p.Refunded - p.Pending }

// Manual is a status said by hand (CCV-011).
type Manual struct {
	Success bool      `json:"success"`
	By      string    `json:"by"` // person
	At      time.Time `json:"at"`
	Reason  string    `json:"reason"`
}

// Card is a card as slips and the portal show it.
type Card struct {
	Masked      string      `json:"masked"`
	Fingerprint string      `json:"fingerprint"` // by the merchant's key
	PAR         string      `json:"par,omitempty"`
	Scheme      card.Scheme `json:"scheme"`
	AID         string      `json:"aid,omitempty"`
	Label       string      `json:"label,omitempty"`
	Entry       card.Entry  `json:"entry"`
	Verified    card.CVM    `json:"verified"`
}

func shown(c card.Presented) *Card {
	return &Card{c.Masked, c.Fingerprint, c.PAR, c.Scheme, c.AID, c.Label, c.Entry, c.Verified}
}

// same tells whether two descriptions are of one card, or of a card and one of its wallets.
func (c Card) same(other Card) bool {
	return c.Fingerprint != "" && c.Fingerprint == other.Fingerprint || c.PAR != "" && c.PAR == other.PAR
}

// Doubt is what is not known yet: since when, what was tried, what comes next.
type Doubt struct {
	Subject   Subject // attempt, authorise or reversal
	State     State
	Payment   id.Payment
	Attempt   id.Attempt
	Operation id.Operation // empty for an attempt
	Terminal  id.Terminal
	Since     time.Time
	Tries     int64
	Next      Step
	NextTryAt time.Time
	Manual    bool // tried so often that somebody has to look
}

// Step is what the resolver does next.
type Step string

// Steps.
const (
	StepAsk     Step = "ask"     // ask the reader
	StepReverse Step = "reverse" // tell the host to undo it
)

// Attempt is one try on one reader.
type Attempt struct {
	Merchant   id.Merchant
	ID         id.Attempt
	Payment    id.Payment
	Kind       terminal.Kind
	State      State
	Cause      terminal.Cause
	Stage      terminal.Stage
	Terminal   id.Terminal
	Contract   id.Contract
	Connector  string
	Acceptor   string
	Zone       string
	Amount     money.Amount
	Operator   int64
	Actor      string
	Reason     string
	Remark     string
	PrintSlip  bool
	AskedAt    time.Time
	SettledAt  *time.Time
	Word       string // the reader's final one: success or failure
	Number     string // the reader's own
	ReaderAt   *time.Time
	Approval   string
	Code       string
	Card       *Card
	Chip       *terminal.Chip
	Signed     bool
	Printed    bool
	Conflicted bool
	Tries      int64
	NextTryAt  *time.Time
	NotFoundAt *time.Time
	Manual     bool
}

// open tells whether the reader may still be at it.
func (a Attempt) open() bool { return a.State == Prepared || a.State == Sent || a.State == Unknown }

// deadline is when the reader's time is over.
func (a Attempt) deadline() time.Time { return a.AskedAt.Add(Budget) }

// Operation is what was said to a host or moved in our books.
type Operation struct {
	Merchant    id.Merchant
	ID          id.Operation
	Attempt     id.Attempt
	Payment     id.Payment
	Kind        Subject
	State       State
	Purpose     string // of an authorisation: purchase or refund; of a reversal: its reason
	Original    id.Operation
	Exchange    string
	Terminal    id.Terminal
	Contract    id.Contract
	Connector   string
	Acceptor    string
	Zone        string
	Amount      money.Amount
	Trace       int64
	TraceAt     time.Time
	Code        string
	Cause       terminal.Cause
	Approval    string
	RRN         string
	Detail      string
	Batch       id.Batch
	BatchNumber int64
	Conflicted  bool
	CreatedAt   time.Time
	SettledAt   *time.Time
	Tries       int64
	NextTryAt   *time.Time
	Manual      bool

	issuer []byte
	card   []byte          // sealed
	fresh  bool            // written by this request
	shown  *card.Presented // what whoever asked the host still has of the card
}

// Reversal is a void or a refund: an attempt that gives back.
type Reversal struct {
	Attempt
	Created bool // by this request, and not by the same one before
}
