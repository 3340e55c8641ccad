package emulator

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/base/problem"
	"encaisse/terminal"
	"encaisse/terminal/nexo"
)

// payment is a PaymentRequest of a till that is not ours: its transaction number
// is any text, so the attempt's id is made of it. The same sale transaction
// again, under a new ServiceID, is the same payment, unless that one failed.
func (l *Local) payment(ctx context.Context, m *nexo.Message) (*nexo.Message, error) {
	request := m.PaymentRequest
	amounts := request.PaymentTransaction.AmountsReq
	amount, err := nexo.ParseAmount(amounts.RequestedAmount, amounts.Currency)
	if err != nil {
		return nil, at(err, "PaymentRequest.PaymentTransaction.AmountsReq.RequestedAmount")
	}
	if amount.Minor <= 0 {
		return nil, problem.New(problem.Invalid, "nexo.amount").At("PaymentRequest.PaymentTransaction.AmountsReq.RequestedAmount")
	}
	kind := terminal.Payment
	switch data := request.PaymentData; {
	case data == nil, data.PaymentType == "", data.PaymentType == "Normal":
	case data.PaymentType == "Refund":
		kind = terminal.Refund
	default:
		return nil, problem.New(problem.Invalid, "nexo.member").At("PaymentRequest.PaymentData.PaymentType")
	}
	sale := request.SaleData.SaleTransactionID
	task, err := l.task(m.MessageHeader, sale, kind, amount)
	if err != nil {
		return nil, at(err, "PaymentRequest.SaleData.SaleTransactionID.TimeStamp")
	}
	task.Reference = request.SaleData.SaleReferenceID
	c := l.live(ctx, localKey(m.MessageHeader, nil), task)
	if c.err != nil {
		return nil, c.err
	}
	return &nexo.Message{PaymentResponse: l.paymentResponse(kind, c, sale)}, nil
}

// at names the field where a problem does not.
func at(err error, field string) error {
	if p := problem.As(err); p != nil && p.Field == "" {
		return p.At(field)
	}
	return err
}

// task is what a dialogue of a local till is about.
func (l *Local) task(h nexo.MessageHeader, sale nexo.TransactionID, kind terminal.Kind, amount money.Amount) (terminal.Dialogue, error) {
	when, err := time.Parse(time.RFC3339Nano, sale.TimeStamp)
	if err != nil || when.Year() < 2000 || when.Year() > 2200 {
		return terminal.Dialogue{}, problem.New(problem.Invalid, "nexo.time")
	}
	name := fmt.Sprintf("%q %q %q %q", h.SaleID, sale.TransactionID, sale.TimeStamp, kind)
	attempt := id.From[id.Attempt](when, sha256.Sum256([]byte(name)))
	if l.reader.failed(attempt) {
		attempt = id.From[id.Attempt](when, sha256.Sum256([]byte(name+h.ServiceID)))
	}
	return terminal.Dialogue{
		Attempt: attempt, Kind: kind, Amount: amount, At: l.reader.clock.Now(), Reference: sale.TransactionID,
	}, nil
}

// failed tells whether an attempt ended without success.
func (e *Emulator) failed(a id.Attempt) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	known := e.memory.attemptKnown(a)
	return known != nil && known.Conclusion != nil && !known.Conclusion.Success
}

// lived is how a dialogue of a local till ended.
type lived struct {
	terminal.Conclusion
	err error
}

// live has a dialogue take place and waits for its end.
func (l *Local) live(ctx context.Context, key memoryKey, task terminal.Dialogue) lived {
	none := func(cause terminal.Cause) lived {
		return lived{Conclusion: terminal.Conclusion{Attempt: task.Attempt, Cause: cause, Amount: task.Amount, At: l.reader.clock.Now()}}
	}
	if l.reader.authoriser == nil {
		return none(terminal.CauseHost)
	}
	b, err := l.reader.perform(order{key: key, task: task, judge: l.reader.authoriser})
	switch {
	case b.word != nil:
		return lived{Conclusion: *b.word}
	case problem.Is(err, "emulator.busy"):
		out := none(terminal.CauseBusy)
		out.BusyWith = b.busy.Service
		return out
	case err != nil:
		return none(terminal.CauseDevice)
	}
	c, err := l.conclusionOf(ctx.Done(), b.dialogue.place)
	return lived{Conclusion: c, err: err}
}

func (l *Local) paymentResponse(kind terminal.Kind, c lived, sale nexo.TransactionID) *nexo.PaymentResponse {
	r := nexo.NewPaymentResponse(c.Conclusion)
	r.SaleData = &nexo.SaleData{SaleTransactionID: sale}
	if c.Card != nil {
		r.PaymentReceipt = l.receipts(kind, c.Conclusion)
	}
	return r
}

// receipts are the customer's and the cashier's copies, as lines.
func (l *Local) receipts(kind terminal.Kind, c terminal.Conclusion) []nexo.PaymentReceipt {
	with, _ := l.reader.Parameters()
	var out []nexo.PaymentReceipt
	for _, copied := range []struct {
		qualifier string
		merchant  bool
	}{{"CustomerReceipt", false}, {"CashierReceipt", true}} {
		s := slip{with: with, kind: kind, c: c, columns: narrowColumns, merchant: copied.merchant, asked: c.Approval != ""}
		content := nexo.OutputContent{OutputFormat: "Text"}
		for _, text := range s.lines() {
			content.OutputText = append(content.OutputText, nexo.OutputText{Text: text, EndOfLineFlag: true})
		}
		out = append(out, nexo.PaymentReceipt{DocumentQualifier: copied.qualifier, RequiredSignatureFlag: c.Signed && copied.merchant, OutputContent: content})
	}
	return out
}

// reversal goes back to a payment of this reader: whole, it is a void; in part, a
// refund. The same card is shown again.
func (l *Local) reversal(ctx context.Context, m *nexo.Message) (*nexo.Message, error) {
	request := m.ReversalRequest
	of := request.OriginalPOITransaction.POITransactionID
	if of == nil {
		return nil, problem.New(problem.Invalid, "nexo.member").At("ReversalRequest.OriginalPOITransaction.POITransactionID")
	}
	known := l.reader.paid(of.TransactionID)
	if known == nil {
		r := nexo.Response{Result: "Failure", ErrorCondition: nexo.NotFound, AdditionalResponse: "message=Unknown+transaction"}
		return &nexo.Message{ReversalResponse: &nexo.ReversalResponse{Response: r, OriginalPOITransaction: &request.OriginalPOITransaction}}, nil
	}
	amount, kind := known.Task.Amount, terminal.Void
	if request.ReversedAmount != "" {
		var err error
		if amount, err = nexo.ParseAmount(request.ReversedAmount, string(known.Task.Amount.Currency)); err != nil {
			return nil, at(err, "ReversalRequest.ReversedAmount")
		}
		if amount.Minor <= 0 || amount.Minor > known.Task.Amount.Minor {
			return nil, problem.New(problem.Invalid, "nexo.amount").At("ReversalRequest.ReversedAmount")
		}
		if amount != known.Task.Amount {
			kind = terminal.Refund
		}
	}
	sale := nexo.TransactionID{TransactionID: of.TransactionID, TimeStamp: stamp(l.reader.clock.Now())}
	if request.SaleData != nil {
		sale = request.SaleData.SaleTransactionID
	}
	task, err := l.task(m.MessageHeader, sale, kind, amount)
	if err != nil {
		return nil, at(err, "ReversalRequest.SaleData.SaleTransactionID.TimeStamp")
	}
	task.Original = &terminal.Original{
		Attempt: known.Task.Attempt, Transaction: of.TransactionID, At: known.Conclusion.At,
		Fingerprint: known.Conclusion.Card.Fingerprint, PAR: known.Conclusion.Card.PAR, Masked: known.Conclusion.Card.Masked,
	}
	c := l.live(ctx, localKey(m.MessageHeader, nil), task)
	if c.err != nil {
		return nil, c.err
	}
	r := nexo.NewReversalResponse(c.Conclusion)
	r.OriginalPOITransaction = &request.OriginalPOITransaction
	return &nexo.Message{ReversalResponse: r}, nil
}

// paid is the successful payment of a transaction number, the last of that number.
func (e *Emulator) paid(transaction string) (found *remembered) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, key := range e.memory.order {
		d := e.memory.dialogues[key]
		if c := d.Conclusion; c != nil && c.Success && c.Transaction == transaction && d.Task.Kind == terminal.Payment && c.Card != nil {
			found = d
		}
	}
	return found
}

// status answers TransactionStatus: the response repeated, under way, or not found.
func (l *Local) status(m *nexo.Message) (*nexo.Message, error) {
	of := m.TransactionStatusRequest.MessageReference
	out := &nexo.TransactionStatusResponse{MessageReference: of}
	answer := &nexo.Message{TransactionStatusResponse: out}
	if of == nil || of.ServiceID == "" {
		return nil, problem.New(problem.Invalid, "nexo.member").At("TransactionStatusRequest.MessageReference.ServiceID")
	}
	key := localKey(m.MessageHeader, of)
	status, known := l.reader.status(key)
	switch status {
	case terminal.StatusNotFound:
		out.Response = nexo.Response{Result: "Failure", ErrorCondition: nexo.NotFound, AdditionalResponse: "message=Unknown+transaction"}
		return answer, nil
	case terminal.StatusInProgress:
		out.Response = nexo.Response{Result: "Failure", ErrorCondition: nexo.InProgress, AdditionalResponse: "message=Uncompleted+transaction"}
		return answer, nil
	}
	out.Response = nexo.Response{Result: "Success"}
	header := m.MessageHeader
	header.MessageType, header.ServiceID, header.SaleID = "Response", key.Service, key.Sale
	repeated := &nexo.RepeatedMessageResponse{MessageHeader: header}
	c := *known.Conclusion
	if known.Task.Original != nil {
		repeated.MessageHeader.MessageCategory = "Reversal"
		repeated.RepeatedResponseMessageBody.ReversalResponse = nexo.NewReversalResponse(c)
	} else {
		repeated.MessageHeader.MessageCategory = "Payment"
		repeated.RepeatedResponseMessageBody.PaymentResponse = l.paymentResponse(known.Task.Kind, lived{Conclusion: c}, nexo.TransactionID{
			TransactionID: known.Task.Reference, TimeStamp: stamp(known.Task.At),
		})
	}
	out.RepeatedMessageResponse = repeated
	return answer, nil
}
