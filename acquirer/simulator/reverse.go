package simulator

import (
	"strings"
	"time"

	"encaisse/acquirer/iso8583"
)

// reverse answers 0400 and 0420 (terminals §5.4-4 to 6, 10). A reversal of what
// never came is accepted under a code of its own, and remembered: the original,
// should it come late, is refused.
func (h *host) reverse(r request, o order, now time.Time) outcome {
	if o.code != "" {
		return outcome{code: o.code, why: "scenario"}
	}
	key, ok := r.original()
	if !ok || !strings.HasPrefix(key, "1/") {
		return outcome{code: codeFormat, why: "the original is no authorisation"}
	}
	a, known := h.approvals.get(key)
	if !known {
		if _, refused := h.answers.get(key); refused {
			return outcome{code: codeApproved, why: "the original was refused: nothing is reserved", settled: true}
		}
		h.withdrawn.put(key, now)
		return outcome{code: codeNoRecord, why: "the original is not known here", settled: true}
	}
	out := outcome{account: a.Account, rrn: a.RRN, approval: a.Code, settled: true}
	switch {
	case r.amount.Minor != a.Asked || r.amount.Currency != a.Amount.Currency || r.Has(fieldPAN) && mask(r.Get(fieldPAN)) != a.Masked:
		return refuse(outcome{account: a.Account}, codeInvalid, "amount or card is not the original's")
	case a.State == Cleared || a.State == Approved && a.Batch != "":
		return refuse(outcome{account: a.Account}, codeTooLate, "it was presented in batch "+a.Batch)
	case a.State == Reversed:
		return refuse(out, codeApproved, "reversed before")
	}
	a.Reason = r.elements.Get(iso8583.ElementReason)
	if r.Has(fieldReplacement) {
		return h.lower(a, r, out)
	}
	h.end(a, Reversed, now)
	return refuse(out, codeApproved, "reversed")
}

// replaced is how many characters of field 95 are the amount that remains.
const replaced = 12

// lower is a partial reversal: what remains of the original replaces it.
func (h *host) lower(a *Approval, r request, out outcome) outcome {
	remains := number(r.Get(fieldReplacement)[:replaced])
	if remains <= 0 || remains > a.Amount.Minor {
		return refuse(outcome{account: a.Account}, codeAmount, "more than the original, or nothing, would remain")
	}
	h.hold(a, remains-a.Amount.Minor)
	a.Amount.Minor = remains
	return refuse(out, codeApproved, "reversed in part")
}
