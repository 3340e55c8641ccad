package iso8583

import (
	"context"
	"fmt"
	"sync"

	"encaisse/acquirer"
)

// Submit sends the lines of a batch, then its totals. A host that finds them out
// of balance gets every line again, as a repeat, and the totals once more. The
// same batch may be submitted any number of times: a line has the key of its
// authorisation, the totals name the batch, and a host of the profile answers
// what it has already as it did before.
func (c *Connector) Submit(ctx context.Context, b acquirer.Batch) acquirer.Receipt {
	sent, receipt := c.present(ctx, b, b.Repeat)
	if receipt.Result != acquirer.Approved {
		return receipt
	}
	receipt = c.reconcile(ctx, b, b.Repeat)
	if receipt.Code == codeOutOfBalance && receipt.Result == acquirer.Declined {
		if _, again := c.present(ctx, b, true); again.Result != acquirer.Approved {
			return again
		}
		receipt = c.reconcile(ctx, b, true)
	}
	return afterLines(receipt, sent)
}

// afterLines: what was not performed may be unknown as a whole.
func afterLines(r acquirer.Receipt, sent bool) acquirer.Receipt {
	if r.Result == acquirer.NotPerformed && sent {
		r.Result = acquirer.Unknown
	}
	return r
}

// presenting is one way through the lines of a batch.
type presenting struct {
	mu     sync.Mutex
	sent   bool // some line may have arrived
	worst  acquirer.Receipt
	cancel context.CancelFunc
}

// note keeps the first failure, and ends the others for it.
func (p *presenting) note(sent bool, failed *acquirer.Receipt) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = p.sent || sent
	if failed != nil && p.worst.Result == acquirer.Approved {
		p.worst = *failed
		p.cancel()
	}
}

// present sends the lines, a window of them at a time. Approved: the host has
// them all. sent: it may have some.
func (c *Connector) present(ctx context.Context, b acquirer.Batch, repeat bool) (sent bool, r acquirer.Receipt) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p := &presenting{worst: acquirer.Receipt{Result: acquirer.Approved}, cancel: cancel}
	places := make(chan int)
	var workers sync.WaitGroup
	for range min(c.o.Window, len(b.Lines)) {
		workers.Go(func() {
			for place := range places {
				p.note(c.line(ctx, b, place, repeat))
			}
		})
	}
	for place := range b.Lines {
		if ctx.Err() != nil {
			cause := acquirer.Receipt{Result: acquirer.NotPerformed, Detail: context.Cause(ctx).Error()}
			p.note(false, &cause)
			break
		}
		places <- place
	}
	close(places)
	workers.Wait()
	return p.sent, afterLines(p.worst, p.sent)
}

// line sends one line; failed is nil when the host has it.
func (c *Connector) line(ctx context.Context, b acquirer.Batch, place int, repeat bool) (sent bool, failed *acquirer.Receipt) {
	fail := func(r acquirer.Result, code, why string) *acquirer.Receipt {
		return &acquirer.Receipt{Result: r, Code: code, Detail: fmt.Sprintf("line %d of %d: %s", place+1, len(b.Lines), why)}
	}
	m, err := c.clearing(b, place, repeat)
	if err != nil {
		return false, fail(acquirer.NotPerformed, "", safe(err))
	}
	answer, out := c.exchange(ctx, m, c.o.Line)
	if answer == nil {
		return out.Result != acquirer.NotPerformed, fail(out.Result, "", out.Detail)
	}
	switch code := answer.Get(39); {
	case code == "" || differs(m, answer) != 0:
		return true, fail(acquirer.Unknown, code, "unusable answer")
	case code != codeApproved:
		return true, fail(acquirer.Declined, code, "refused")
	}
	return true, nil
}

// balanced is DE66 of a batch in balance.
const balanced = "1"

// reconcile sends the totals.
func (c *Connector) reconcile(ctx context.Context, b acquirer.Batch, repeat bool) acquirer.Receipt {
	trace, err := b.Next(ctx)
	if err != nil {
		return acquirer.Receipt{Result: acquirer.NotPerformed, Detail: "no trace number: " + safe(err)}
	}
	m, err := c.reconciliation(b, trace, repeat)
	if err != nil {
		return acquirer.Receipt{Result: acquirer.NotPerformed, Detail: safe(err)}
	}
	answer, out := c.exchange(ctx, m, c.o.Reconcile)
	if answer == nil {
		return acquirer.Receipt{Result: out.Result, Detail: out.Detail}
	}
	r := acquirer.Receipt{Code: answer.Get(39)}
	switch settlement := answer.Get(66); {
	case r.Code == codeApproved && settlement == balanced:
		r.Result = acquirer.Approved
	case r.Code == "" || r.Code == codeApproved:
		r.Result, r.Detail = acquirer.Unknown, fmt.Sprintf("unusable answer: response code %q, settlement code %q", r.Code, settlement)
	default:
		r.Result, r.Detail = acquirer.Declined, "the totals are refused"
	}
	return r
}
