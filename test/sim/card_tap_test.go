package sim_test

import (
	"context"
	"errors"

	"encaisse/acquirer"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/payment"
	"encaisse/terminal"
)

// step is a place in the card path of a house where something may happen to it.
type step string

// Steps, in the order of a payment. Between a "before" and its "after" lies the
// outside world, and on either side a commit.
const (
	beforeHand     step = "before hand-over"  // the attempt is committed as sent, the reader has nothing
	afterHand      step = "after hand-over"   // the reader may have it
	beforeRequest  step = "before request"    // the reader asks for authorisation, nothing is committed
	beforeHost     step = "before the host"   // the operation is committed as sent
	afterHost      step = "after the host"    // it has decided, its answer is not committed
	beforeAnswer   step = "before answer"     // committed, the reader does not know
	beforeWord     step = "before final word" // it has come, nothing is committed
	beforeAck      step = "before ack"        // committed, the reader does not know
	beforeReversal step = "before reversal"
	afterReversal  step = "after reversal"
	beforeBatch    step = "before batch"
	afterBatch     step = "after batch"
)

func steps() []step {
	return []step{
		beforeHand, afterHand, beforeRequest, beforeHost, afterHost, beforeAnswer, beforeWord, beforeAck, beforeReversal, afterReversal,
		beforeBatch, afterBatch,
	}
}

var errDied = errors.New("sim: the process was killed")

// tapReaders is the hub as payment sees it, with steps around the hand-over.
type tapReaders struct {
	h *cardHouse
	*terminal.Hub
}

var _ payment.Readers = tapReaders{}

// Send hands a dialogue to its reader.
func (t tapReaders) Send(ctx context.Context, m id.Merchant, a id.Attempt) error {
	reader := t.h.terminalOf(ctx, m, a)
	t.h.w.reached(t.h, beforeHand, reader)
	if t.h.dead.Load() {
		return errDied
	}
	err := t.Hub.Send(ctx, m, a)
	t.h.w.reached(t.h, afterHand, reader)
	return err
}

// terminalOf is the reader of an attempt; empty where the house is dead.
func (h *cardHouse) terminalOf(ctx context.Context, m id.Merchant, a id.Attempt) (reader id.Terminal) {
	_ = h.db.Read(ctx, func(tx *db.Tx) error {
		return tx.QueryRow(`SELECT terminal_id FROM payment_attempt WHERE merchant_id = $1 AND attempt_id = $2`, m, a).Scan(&reader)
	})
	return reader
}

// tapPayments is payment as the hub sees it.
type tapPayments struct {
	h *cardHouse
	terminal.Payments
}

// Authorise answers a reader's request.
func (t tapPayments) Authorise(ctx context.Context, from terminal.From, r terminal.Request) (terminal.Answer, error) {
	t.h.w.reached(t.h, beforeRequest, from.Terminal)
	if t.h.dead.Load() {
		return terminal.Answer{}, errDied
	}
	answer, err := t.Payments.Authorise(ctx, from, r)
	t.h.w.reached(t.h, beforeAnswer, from.Terminal)
	return answer, err
}

// Concluded takes a final word.
func (t tapPayments) Concluded(ctx context.Context, from terminal.From, c terminal.Conclusion) error {
	t.h.w.reached(t.h, beforeWord, from.Terminal)
	if t.h.dead.Load() {
		return errDied
	}
	err := t.Payments.Concluded(ctx, from, c)
	t.h.w.reached(t.h, beforeAck, from.Terminal)
	return err
}

// tapConnector is the acquirer as payment and batch see it.
type tapConnector struct {
	h *cardHouse
	acquirer.Connector
}

// Authorise asks the host.
func (t tapConnector) Authorise(ctx context.Context, a acquirer.Authorisation) acquirer.Outcome {
	reader := t.h.w.readerOf(a.Terminal)
	t.h.w.reached(t.h, beforeHost, reader)
	if t.h.dead.Load() {
		return acquirer.Outcome{Result: acquirer.Unknown, Detail: errDied.Error()}
	}
	out := t.Connector.Authorise(ctx, a)
	t.h.w.reached(t.h, afterHost, reader)
	return out
}

// Reverse tells the host.
func (t tapConnector) Reverse(ctx context.Context, r acquirer.Reversal) acquirer.Outcome {
	reader := t.h.w.readerOf(r.Terminal)
	t.h.w.reached(t.h, beforeReversal, reader)
	if t.h.dead.Load() {
		return acquirer.Outcome{Result: acquirer.Unknown, Detail: errDied.Error()}
	}
	out := t.Connector.Reverse(ctx, r)
	t.h.w.reached(t.h, afterReversal, reader)
	return out
}

// Submit sends a batch.
func (t tapConnector) Submit(ctx context.Context, b acquirer.Batch) acquirer.Receipt {
	reader := t.h.w.readerOf(b.Terminal)
	t.h.w.reached(t.h, beforeBatch, reader)
	if t.h.dead.Load() {
		return acquirer.Receipt{Result: acquirer.Unknown, Detail: errDied.Error()}
	}
	out := t.Connector.Submit(ctx, b)
	t.h.w.reached(t.h, afterBatch, reader)
	return out
}
