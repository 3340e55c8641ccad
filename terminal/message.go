package terminal

import (
	"context"
	"time"

	"encaisse/base/card"
	"encaisse/base/id"
	"encaisse/base/money"
)

// Kind is what a dialogue is for.
type Kind string

// Kinds of dialogue.
const (
	Payment Kind = "payment"
	Void    Kind = "void"   // takes back a sale of the open batch: the same card is shown again
	Refund  Kind = "refund" // credits a sale of a closed batch: the same card is shown again
)

// Dialogue is what a reader is asked to do.
type Dialogue struct {
	Merchant  id.Merchant
	Terminal  id.Terminal
	Attempt   id.Attempt
	Kind      Kind
	Amount    money.Amount
	Reference string        // the sale, for the slip
	Operator  int64         // who asks, as tickets number them
	Original  *Original     // of a void or a refund
	PrintSlip bool          // on the reader's own roll (SRC-011)
	At        time.Time     // when it was asked
	Budget    time.Duration // what the reader has to answer in; it keeps it itself
}

// Original is the payment that a void or a refund goes back to.
type Original struct {
	Attempt     id.Attempt
	Transaction string // the reader's own number for it
	At          time.Time
	Fingerprint string // the card must be this one, or have this PAR
	PAR         string
	Masked      string
}

// Stage is what a reader is doing, as the till shows it (screens: terminal states).
type Stage string

// Stages.
const (
	StageWaitingCard Stage = "waiting_card"
	StageCardIn      Stage = "card_in" // reading, application choice, code: no longer cancellable from the till
	StageAuthorising Stage = "authorising"
	StageRemoveCard  Stage = "remove_card"
	StageSignature   Stage = "signature"
)

// Request is a reader's request for authorisation (nexo Acquirer caaa.001; of a
// void, caaa.005).
type Request struct {
	Attempt  id.Attempt
	Exchange string // the reader's number for this request: the same again is the same request
	Kind     Kind
	Amount   money.Amount
	Card     card.Presented
	At       time.Time // local transaction time on the reader
}

// Answer is what the reader is told.
type Answer struct {
	Approved bool
	Code     string // response code for tag 8A, two characters; Z3 where the host could not be asked
	Cause    Cause  // of a refusal
	Approval string
	Issuer   []byte // EMV objects for the chip (91, 71, 72)
}

// Cause is why something ended without success, in one word for programs.
type Cause string

// Causes.
const (
	CauseRefused     Cause = "refused"      // by the issuer
	CauseInsert      Cause = "insert_card"  // contactless refused: insert the same card
	CauseScheme      Cause = "scheme"       // not in the contract
	CauseAffiliation Cause = "affiliation"  // « affiliation requise »
	CauseCardInvalid Cause = "invalid_card" // expired, unreadable
	CausePIN         Cause = "wrong_pin"
	CauseCancelled   Cause = "cancelled"    // on the reader, by the holder or the merchant
	CauseAborted     Cause = "aborted"      // by the till
	CauseExpired     Cause = "expired"      // the reader's 60 s went by
	CauseCardRemoved Cause = "card_removed" // « carte arrachée »
	CauseOtherCard   Cause = "other_card"   // « carte différente »
	CauseHost        Cause = "host_unreachable"
	CauseLink        Cause = "link_lost" // between reader and hub
	CauseBusy        Cause = "busy"
	CauseOffline     Cause = "offline"
	CauseAsleep      Cause = "asleep"
	CauseDevice      Cause = "device" // battery, tamper, reader out of order
)

// Conclusion is a reader's final word on a dialogue.
type Conclusion struct {
	Attempt     id.Attempt
	Success     bool
	Cause       Cause // empty on success
	Amount      money.Amount
	Transaction string // the reader's own number for it (DRV-02: six digits)
	At          time.Time
	Approval    string
	Code        string          // ARC: of the host, or made by the reader (Y1, Z1, Y3, Z3)
	Card        *card.Presented // without envelopes; nil when none was read
	Chip        *Chip           // the EMV section of the slip (SRC-023…028), nil without chip
	Signed      bool            // on paper
	Printed     bool            // the slip came out
	Repeated    bool            // told in answer to a status request
	BusyWith    string          // of CauseBusy: the number of the request the reader is at
}

// Chip is what a slip and the portal show of a chip's work.
type Chip struct {
	AID        string `json:"aid"`
	Label      string `json:"label"`
	TVR        string `json:"tvr"`
	TSI        string `json:"tsi"`
	IAD        string `json:"iad"`
	ARC        string `json:"arc"`
	Cryptogram string `json:"cryptogram"` // final: TC or AAC
	CID        string `json:"cid"`
	ATC        string `json:"atc"`
	CVM        string `json:"cvm"` // tag 9F34
	Sequence   string `json:"sequence,omitempty"`
}

// From says which reader speaks.
type From struct {
	Merchant id.Merchant
	Terminal id.Terminal
}

// Payments is who the hub tells what readers say. Every method returns after
// its commit; an error means: not taken, the reader says it again.
type Payments interface {
	// Authorise answers a reader's request, from the row where it was asked before.
	Authorise(ctx context.Context, from From, r Request) (Answer, error)
	// Progressed notes what a reader is doing.
	Progressed(ctx context.Context, from From, attempt id.Attempt, stage Stage) error
	// Concluded takes the reader's final word, any number of times.
	Concluded(ctx context.Context, from From, c Conclusion) error
}

// Status is what a reader says of a dialogue when it is asked.
type Status string

// Statuses.
const (
	StatusConcluded  Status = "concluded" // its final word came with it
	StatusInProgress Status = "in_progress"
	StatusNotFound   Status = "not_found" // the request never reached it
)

// Parameters are what a reader works with; it receives them when it connects and
// whenever they change (ISO 20022 catm.003).
type Parameters struct {
	Version        int64                  `json:"version"`
	Merchant       string                 `json:"merchant"` // trade name, for the screen and the slip
	Address        string                 `json:"address"`
	SIRET          string                 `json:"siret"`
	Alias          string                 `json:"alias"`
	Number         int64                  `json:"number"`      // three digits on the slip (DRV-02)
	Acceptor       string                 `json:"acceptor"`    // contract number
	TerminalID     string                 `json:"terminal_id"` // at the acquirer, eight characters
	Currency       money.Currency         `json:"currency"`
	Zone           string                 `json:"zone"`
	Schemes        map[card.Scheme]string `json:"schemes"`               // accepted, with affiliation numbers
	ContactlessMax int64                  `json:"contactless_max_minor"` // above: insert
	CVMRequired    int64                  `json:"cvm_required_minor"`    // above: the holder is verified
	FloorLimit     int64                  `json:"floor_limit_minor"`     // at or above: online
	PublicKey      []byte                 `json:"public_key"`            // seals card data
	FingerprintKey []byte                 `json:"fingerprint_key"`       // of the merchant
	BudgetSeconds  int64                  `json:"budget_seconds"`
	Batch          int64                  `json:"batch"` // number of the open batch (DRV-02: two digits)
	Language       string                 `json:"language"`
}
