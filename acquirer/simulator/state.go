package simulator

import (
	"time"

	"encaisse/base/card"
	"encaisse/base/money"
)

// Limits of what the host remembers. An approval that is not finished is never
// forgotten: when there are too many, no more are given.
const (
	maxApprovals = 250_000
	maxAnswers   = 250_000 // for repeats
	maxWithdrawn = 100_000 // reversals whose original never came
	maxBatches   = 20_000
	maxLines     = 100_000 // of a batch
)

// ApprovalState is what became of an approval.
type ApprovalState string

// States of an approval.
const (
	Approved ApprovalState = "approved" // reserved
	Reversed ApprovalState = "reversed" // as if it had not been
	Cleared  ApprovalState = "cleared"  // in an acknowledged batch
)

// Approval is something the host said yes to. Its reference (DE37) is the host's;
// terminal, trace number and time of transmission are the sender's, and
// Operation its own name for it where it gave one.
type Approval struct {
	RRN       string        `json:"rrn"`
	Code      string        `json:"approval_code"`
	State     ApprovalState `json:"state"`
	Credit    bool          `json:"credit,omitempty"`
	Amount    money.Amount  `json:"amount"`      // less than Asked after a partial reversal
	Asked     int64         `json:"asked_minor"` // what was approved
	Scheme    card.Scheme   `json:"scheme"`      //
	Account   string        `json:"account"`     // its name
	Masked    string        `json:"card"`        // the number, masked
	Acceptor  string        `json:"acceptor"`    // DE42
	Terminal  string        `json:"terminal"`    // DE41
	Trace     string        `json:"trace"`       // DE11
	Sent      string        `json:"sent"`        // DE7
	Operation string        `json:"operation,omitempty"`
	Batch     string        `json:"batch,omitempty"`  // in which it was presented
	Reason    string        `json:"reason,omitempty"` // of its reversal
	At        time.Time     `json:"at"`
	EndedAt   *time.Time    `json:"ended_at,omitempty"`
	Key       string        `json:"key"`
}

// answer is what was answered to a message.
type answer struct {
	Content []byte `json:"content"` // digest of the message
	Reply   []byte `json:"reply"`   // packed; it holds no card data
}

// host is the state: accounts, contracts, approvals, batches, and what was
// answered. Its owner locks it.
type host struct {
	accounts  map[string]*Account // by name
	names     []string            // of accounts, as they came
	numbers   map[string]*Account
	contracts map[string]*Contract
	approvals *memory[*Approval] // by key
	live      int                // approvals that are not finished
	byRRN     map[string]*Approval
	batches   *memory[*Batch]
	answers   *memory[answer]
	withdrawn *memory[time.Time] // keys reversed before they came
	next      int64              // of retrieval references
}

func newHost() *host {
	return &host{
		accounts: make(map[string]*Account), numbers: make(map[string]*Account), contracts: make(map[string]*Contract),
		approvals: newMemory[*Approval](maxApprovals), byRRN: make(map[string]*Approval), batches: newMemory[*Batch](maxBatches),
		answers: newMemory[answer](maxAnswers), withdrawn: newMemory[time.Time](maxWithdrawn),
	}
}

// approve keeps an approval and reserves its amount; false when too many are open.
func (h *host) approve(a *Approval) bool {
	most := h.approvals.most
	if h.live >= most {
		return false
	}
	for len(h.approvals.values) >= most {
		h.forgetApproval()
	}
	h.approvals.put(a.Key, a)
	h.byRRN[a.RRN] = a
	h.live++
	h.hold(a, a.Amount.Minor)
	return true
}

// forgetApproval drops the oldest approval that is finished; the open ones
// before it come last again.
func (h *host) forgetApproval() {
	for {
		key := h.approvals.order[h.approvals.head]
		old := h.approvals.values[key]
		h.approvals.drop()
		if old.State != Approved {
			delete(h.byRRN, old.RRN)
			return
		}
		h.approvals.put(key, old)
	}
}

// hold reserves an amount, or releases it where it is negative.
func (h *host) hold(a *Approval, minor int64) {
	account := h.accounts[a.Account]
	if account == nil {
		return
	}
	if a.Credit {
		account.Used.Owed += minor
	} else {
		account.Used.Held += minor
	}
}

// end finishes an approval: nothing is reserved for it any more.
func (h *host) end(a *Approval, state ApprovalState, now time.Time) {
	h.hold(a, -a.Amount.Minor)
	a.State, a.EndedAt = state, &now
	h.live--
}

// clear moves the money that an approval reserved.
func (h *host) clear(a *Approval, minor int64, now time.Time) {
	h.end(a, Cleared, now)
	a.Amount.Minor = minor
	account := h.accounts[a.Account]
	switch {
	case account == nil:
	case a.Credit:
		account.Balance += minor
	default:
		account.Balance -= minor
	}
}
