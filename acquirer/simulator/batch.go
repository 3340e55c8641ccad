package simulator

import (
	"maps"
	"strings"
	"time"

	"encaisse/acquirer/iso8583"
	"encaisse/base/money"
)

// BatchState is what became of a batch.
type BatchState string

// States of a batch.
const (
	BatchOpen      BatchState = "open"           // lines came, no totals yet
	BatchInBalance BatchState = "in_balance"     // acknowledged: its lines are cleared
	BatchOff       BatchState = "out_of_balance" // lines and totals do not agree; it may be sent again
	BatchRefused   BatchState = "refused"        // by a scenario; it may be sent again
)

// Batch is a card batch as it was presented: one for each acceptor, terminal and
// number, however often it is sent.
type Batch struct {
	Acceptor string           `json:"acceptor"`
	Terminal string           `json:"terminal"`
	Number   string           `json:"number"`
	State    BatchState       `json:"state"`
	Code     string           `json:"code,omitempty"` // last answered to its totals
	Currency money.Currency   `json:"currency"`
	Debits   Total            `json:"debits"`  // of the lines that came
	Credits  Total            `json:"credits"` // likewise
	Totals   int              `json:"totals"`  // how often its totals were sent
	At       time.Time        `json:"at"`
	EndedAt  *time.Time       `json:"ended_at,omitempty"`
	Lines    map[string]int64 `json:"lines"` // amount by the approval's reference
}

// Total is a count and its sum in minor units.
type Total struct {
	Count int64 `json:"count"`
	Minor int64 `json:"minor"`
}

// maxNumber is how many digits a batch number has at most.
const maxNumber = 9

// batchOf finds the batch that a message belongs to, or begins it; nil where the
// message names none.
func (h *host) batchOf(r request, c *Contract, now time.Time) *Batch {
	number := strings.TrimLeft(r.elements.Get(iso8583.ElementBatch), "0")
	if number == "" || len(number) > maxNumber || strings.Trim(number, "0123456789") != "" {
		return nil
	}
	b := &Batch{
		Acceptor: r.acceptor, Terminal: r.terminal, Number: number, State: BatchOpen, Currency: c.Currency, At: now,
		Lines: make(map[string]int64),
	}
	if before, known := h.batches.get(b.key()); known {
		return before
	}
	h.batches.put(b.key(), b)
	return b
}

func (b *Batch) key() string { return b.Acceptor + "/" + b.Terminal + "/" + b.Number }

func (b *Batch) clone() Batch {
	out := *b
	out.Lines = maps.Clone(b.Lines)
	return out
}

// present takes one line of a batch (0220): the detail of an approval. The same
// line may come any number of times; nothing is cleared before totals and lines agree.
func (h *host) present(r request, c *Contract, o order, now time.Time) outcome {
	if o.code != "" {
		return outcome{code: o.code, why: "scenario"}
	}
	key, ok := r.original()
	b := h.batchOf(r, c, now)
	if !ok || b == nil || r.MTI[2] != '2' {
		return outcome{code: codeFormat, why: "no batch, no original, or no advice"}
	}
	a, known := h.approvals.get(key)
	if !known {
		return outcome{code: codeNoRecord, why: "nothing was approved under this original"}
	}
	out := outcome{account: a.Account, rrn: a.RRN, approval: a.Code}
	before, there := b.Lines[a.RRN]
	switch {
	case a.Batch != "" && a.Batch != b.Number, b.State == BatchInBalance && !there:
		return refuse(outcome{account: a.Account}, codeDuplicate, "presented in another batch, or after its batch was acknowledged")
	case a.State == Reversed:
		return refuse(outcome{account: a.Account}, codeInvalid, "it was reversed")
	case a.Credit != r.credit || a.Code != r.Get(fieldApproval):
		return refuse(outcome{account: a.Account}, codeInvalid, "another kind, or another approval code")
	case r.amount.Minor <= 0 || r.amount.Minor > a.Amount.Minor && !there || there && before != r.amount.Minor:
		return refuse(outcome{account: a.Account}, codeAmount, "more than was approved, or not what was presented before")
	case !there && len(b.Lines) >= maxLines:
		return refuse(outcome{account: a.Account}, codeMalfunction, "a limit of the simulator is reached")
	}
	if !there {
		b.Lines[a.RRN] = r.amount.Minor
		a.Batch = b.Number
		total := &b.Debits
		if a.Credit {
			total = &b.Credits
		}
		total.Count++
		total.Minor += r.amount.Minor
	}
	out.settled = true
	return refuse(out, codeApproved, "line of batch "+b.Number)
}

// reconcile answers the totals of a batch (0500, 0520): in balance when they are
// those of the lines that came. Then everything is cleared; the same batch sent
// again gets the same answer and clears nothing (UPM-080, DRV-13).
func (h *host) reconcile(r request, c *Contract, o order, now time.Time) outcome {
	b := h.batchOf(r, c, now)
	if b == nil {
		return outcome{code: codeFormat, why: "no batch number", balance: notSettled}
	}
	b.Totals++
	agree := r.totals() == [2]Total{b.Debits, b.Credits} && r.net(b)
	out := outcome{why: "batch " + b.Number}
	switch {
	case b.State == BatchInBalance && !agree:
		return refuse(outcome{balance: notSettled}, codeDuplicate, "other totals under the number of an acknowledged batch")
	case b.State == BatchInBalance:
	case o.code != "":
		b.State, b.Code = BatchRefused, o.code
		return outcome{code: o.code, why: "scenario", balance: notSettled}
	case !agree || o.outOfBalance:
		b.State, b.Code = BatchOff, codeOutOfBalance
		return outcome{code: codeOutOfBalance, why: "lines and totals do not agree", balance: outOfBalance}
	default:
		h.acknowledge(b, now)
	}
	out.code, out.balance, out.settled = codeApproved, inBalance, true
	return out
}

// acknowledge clears the lines of a batch.
func (h *host) acknowledge(b *Batch, now time.Time) {
	for rrn, minor := range b.Lines {
		if a := h.byRRN[rrn]; a != nil && a.State == Approved {
			h.clear(a, minor, now)
		}
	}
	b.State, b.Code, b.EndedAt = BatchInBalance, codeApproved, &now
}

// totals are the debits and credits a sender counted. What it reversed has left
// its batch: such counts are zero, or the totals cannot agree.
func (r request) totals() [2]Total {
	for _, field := range []int{fieldCreditsBack, fieldDebitsBack, fieldCreditBack, fieldDebitBack} {
		if r.Has(field) && number(r.Get(field)) != 0 {
			return [2]Total{{-1, -1}, {-1, -1}}
		}
	}
	return [2]Total{
		{number(r.Get(fieldDebits)), number(r.Get(fieldDebitSum))},
		{number(r.Get(fieldCredits)), number(r.Get(fieldCreditSum))},
	}
}

// net tells whether the net amount, where it is given, is that of the lines: C
// where credits exceed debits, D where they do not.
func (r request) net(b *Batch) bool {
	text := r.Get(fieldNet)
	if text == "" {
		return true
	}
	want := b.Credits.Minor - b.Debits.Minor
	got := number(text[1:])
	if text[0] == 'D' {
		got = -got
	}
	return got == want
}
