package simulator

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"encaisse/acquirer/iso8583"
)

// authorise answers 0100: the contract first, then the issuer. What is approved
// is reserved until it is reversed or cleared.
func (h *host) authorise(r request, c *Contract, o order, now time.Time, seed uint64) (out outcome) {
	out.settled = true
	if r.MTI[2] != '0' {
		return refuse(out, codeInvalid, "authorisation advices are not taken")
	}
	if _, gone := h.withdrawn.get(r.key); gone {
		return refuse(out, codeWithdrawn, "its reversal came first")
	}
	if _, twice := h.approvals.get(r.key); twice { // what was answered is forgotten: it is approved once all the same
		return refuse(out, codeDuplicate, "approved before")
	}
	if r.amount.Minor <= 0 {
		return refuse(out, codeAmount, "amount")
	}
	q, ok := r.question()
	if !ok {
		return refuse(out, codeFormat, "the card's data contradicts itself")
	}
	account := h.numbers[q.number]
	if account == nil {
		return refuse(out, codeNumber, "unknown card")
	}
	out.account = account.Name
	scheme := r.scheme(account, c, q.chip)
	says := c.accepts(scheme)
	if says == "" && scheme.NeedsAffiliation() && r.elements.Get(iso8583.ElementAffiliation) != c.Schemes[scheme] {
		says = saysAffiliation
	}
	if says != "" {
		out.additional = says
		return refuse(out, codeNotAccepted, "the contract does not accept "+string(scheme))
	}
	v := verdict{code: o.code, why: "scenario"}
	if o.code == "" {
		v = account.decide(q, now)
	} else {
		v.issuer = account.answer(q, o.code)
	}
	out.code, out.why, out.issuer = v.code, v.why, v.issuer
	if v.code != codeApproved {
		return out
	}
	if account.Balance+account.Used.Owed > maxBalance || !h.approve(h.approval(r, account, q, now, seed)) {
		return refuse(outcome{account: account.Name}, codeMalfunction, "a limit of the simulator is reached")
	}
	approved, _ := h.approvals.get(r.key)
	approved.Scheme = scheme
	out.rrn, out.approval = approved.RRN, approved.Code
	return out
}

// maxBalance keeps sums of amounts far from the end of an int64.
const maxBalance = 1_000_000 * maxMinor

// approval is what the host notes of a yes.
func (h *host) approval(r request, a *Account, q question, now time.Time, seed uint64) *Approval {
	h.next++
	chance := draw(seed, r.key)
	return &Approval{
		RRN: fixed(h.next, 12), Code: fixed(int64(chance%1_000_000), 6), State: Approved, Credit: r.credit,
		Amount: r.amount, Asked: r.amount.Minor, Account: a.Name, Masked: mask(q.number),
		Acceptor: r.acceptor, Terminal: r.terminal, Trace: r.Get(fieldTrace), Sent: r.Get(fieldSent),
		Operation: r.elements.Get(iso8583.ElementOperation), At: now, Key: r.key,
	}
}

func refuse(o outcome, code, why string) outcome {
	o.code, o.why = code, why
	return o
}

// draw is chance that is the same for the same message and seed, in whatever
// order messages come.
func draw(seed uint64, about string) uint64 {
	sum := sha256.Sum256(append(binary.BigEndian.AppendUint64(nil, seed), about...))
	return binary.BigEndian.Uint64(sum[:])
}
