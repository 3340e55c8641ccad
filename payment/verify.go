package payment

import (
	"fmt"

	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/batch"
	"encaisse/fiscal"
	"encaisse/ledger"
	"encaisse/terminal"
)

// verifyChunk is how many payments are checked at a time.
const verifyChunk = 100

// Verify derives the payments of a merchant again from their operations:
// amounts, states, batch lines and ledger transfers; that every approval of a
// host is in our books or undone, and that nothing in doubt is without its next
// try. It returns how many ledger transfers the payments account for, or the
// first discrepancy as a *fiscal.Defect.
func Verify(tx *db.Tx, m id.Merchant) (transfers int64, err error) {
	var lines int64
	for after := id.Payment(""); ; {
		page, err := readAfter(tx, m, after, verifyChunk)
		if err != nil {
			return 0, err
		}
		if len(page) > 0 {
			v, err := loadPage(tx, m, page)
			if err != nil {
				return 0, err
			}
			for i := range page {
				if err := v.payment(page[i]); err != nil {
					return 0, err
				}
			}
			transfers, lines = transfers+v.transfers, lines+v.lines
		}
		if len(page) < verifyChunk {
			break
		}
		after = page[len(page)-1].ID
	}
	inBatches, err := batch.CountLines(tx, m)
	if err == nil && inBatches != lines {
		err = &fiscal.Defect{What: fmt.Sprintf("payments: they account for %d batch lines, the batches hold %d", lines, inBatches)}
	}
	return transfers, err
}

// verification holds what the tables say about a page of payments.
type verification struct {
	operations map[id.Payment][]Operation
	attempts   map[id.Payment][]Attempt
	inBatch    map[id.Operation]batch.Line
	posted     map[string][]ledger.Posted

	transfers, lines int64 // accounted for
}

func loadPage(tx *db.Tx, m id.Merchant, page []Payment) (*verification, error) {
	v := &verification{operations: make(map[id.Payment][]Operation), attempts: make(map[id.Payment][]Attempt)}
	operations, err := readSpan(tx, m, page[0].ID, page[len(page)-1].ID)
	if err != nil {
		return nil, err
	}
	var moving []id.Operation
	var sources []string
	for _, o := range operations {
		v.operations[o.Payment] = append(v.operations[o.Payment], o)
		switch o.Kind {
		case SubjectCapture, SubjectRefund:
			moving = append(moving, o.ID)
			sources = append(sources, string(o.ID))
		case SubjectVoid:
			sources = append(sources, string(o.ID))
		}
	}
	attempts, err := readAttemptSpan(tx, m, page[0].ID, page[len(page)-1].ID)
	if err != nil {
		return nil, err
	}
	for _, t := range attempts {
		v.attempts[t.Payment] = append(v.attempts[t.Payment], t)
	}
	if v.inBatch, err = batch.LinesOf(tx, m, moving); err != nil {
		return nil, err
	}
	v.posted, err = ledger.Of(tx, m, sources)
	return v, err
}

func defect(p Payment, format string, args ...any) error {
	return &fiscal.Defect{What: fmt.Sprintf("payment %s: ", p.ID) + fmt.Sprintf(format, args...)}
}

// payment holds one payment against what was done for it.
func (v *verification) payment(p Payment) error {
	var sum sums
	undone := make(map[id.Operation]bool)
	entered := make(map[id.Operation]bool)
	for _, o := range v.operations[p.ID] {
		switch o.Kind {
		case SubjectCapture:
			sum.captured += o.Amount.Minor
			entered[o.Original] = true
		case SubjectRefund:
			sum.refunded += o.Amount.Minor
			entered[o.Original] = true
		case SubjectVoid:
			sum.voided += o.Amount.Minor
		case SubjectReversal:
			undone[o.Original] = true
		}
	}
	kinds := make(map[id.Attempt]Attempt)
	for _, t := range v.attempts[p.ID] {
		kinds[t.ID] = t
		if t.Kind != terminal.Payment && t.open() {
			sum.pending += t.Amount.Minor
		}
		if (t.open() || t.State == Abandoned) && t.NextTryAt == nil {
			return defect(p, "its attempt %s is %s without a next try", t.ID, t.State)
		}
	}
	for _, o := range v.operations[p.ID] {
		if err := v.operation(p, o, kinds[o.Attempt], undone, entered); err != nil {
			return err
		}
		if o.Kind == SubjectAuthorise && o.State == Approved && kinds[o.Attempt].Kind == terminal.Payment && (entered[o.ID] || !undone[o.ID]) {
			sum.authorised += o.Amount.Minor
		}
	}
	if have := (sums{p.Authorised, p.Captured, p.Voided, p.Refunded, p.Pending}); have != sum {
		return defect(p, "its operations add up to %+v, it says %+v", sum, have)
	}
	taken := p.State == Succeeded || p.State == Canceled
	if taken != (p.Captured > 0) || taken && p.Captured != p.Amount.Minor || (p.State == Canceled) != (p.Voided > 0 && p.Voided == p.Captured) {
		return defect(p, "its state %s does not fit its amounts", p.State)
	}
	return nil
}

// operation holds one operation against the batch and the ledger, and sees that
// none is left over.
func (v *verification) operation(p Payment, o Operation, t Attempt, undone, entered map[id.Operation]bool) error {
	if o.Amount.Currency != p.Amount.Currency {
		return defect(p, "operation %s is in %s", o.ID, o.Amount.Currency)
	}
	switch o.Kind {
	case SubjectAuthorise:
		over := t.State == Succeeded || t.State == Failed || t.State == Abandoned
		switch {
		case o.State == Approved && over && !entered[o.ID] && !undone[o.ID]:
			return defect(p, "the approval of %s is neither captured nor undone", o.ID)
		case o.State == Unknown && !undone[o.ID]:
			return defect(p, "nobody knows what became of %s, and nothing undoes it", o.ID)
		case (o.State == Prepared || o.State == Sent) && o.NextTryAt == nil:
			return defect(p, "%s is %s without a next try", o.ID, o.State)
		}
		return nil
	case SubjectReversal:
		if o.State != Approved && o.NextTryAt == nil {
			return defect(p, "the reversal %s is %s without a next try", o.ID, o.State)
		}
		return nil
	case SubjectCapture, SubjectRefund:
		if err := v.line(p, o); err != nil {
			return err
		}
	}
	return v.booked(p, o)
}

// line holds a capture or a refund against its batch.
func (v *verification) line(p Payment, o Operation) error {
	line, there := v.inBatch[o.ID]
	if !there {
		return defect(p, "%s %s is in no batch", o.Kind, o.ID)
	}
	v.lines++
	removed := o.Kind == SubjectCapture && p.Voided > 0
	if line.Batch != o.Batch || line.Amount != o.Amount.Minor || line.Credit != (o.Kind == SubjectRefund) || line.Payment != p.ID {
		return defect(p, "%s %s is not what batch %s has", o.Kind, o.ID, line.Batch)
	}
	if (line.RemovedAt != nil) != removed {
		return defect(p, "%s %s: its batch and its void do not agree", o.Kind, o.ID)
	}
	return nil
}

// booked holds what the ledger has of an operation against what it moves.
func (v *verification) booked(p Payment, o Operation) error {
	want, have := o.transfers(), v.posted[string(o.ID)]
	if len(want) != len(have) {
		return defect(p, "%s %s moves %d transfers, the ledger has %d", o.Kind, o.ID, len(want), len(have))
	}
	for i, t := range want {
		if have[i].Transfer != t || have[i].Position != i+1 || have[i].Currency != o.Amount.Currency || !have[i].At.Equal(o.CreatedAt) {
			return defect(p, "%s %s moves %s, the ledger has %s", o.Kind, o.ID, t, have[i])
		}
	}
	v.transfers += int64(len(want))
	return nil
}
