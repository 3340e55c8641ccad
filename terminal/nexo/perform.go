package nexo

import (
	"strconv"
	"time"

	"encaisse/base/id"
	"encaisse/base/problem"
	"encaisse/terminal"
)

// Types of payment.
const (
	paymentNormal = "Normal"
	paymentRefund = "Refund"
)

// reversalReason is why the hub reverses: the merchant takes a sale back.
const reversalReason = "MerchantCancel"

// maxBudget bounds what a request may ask a reader to wait.
const maxBudget = 10 * time.Minute

// performRequest is a payment, a refund that names its original, or a reversal.
func performRequest(m terminal.Message) *Message {
	d := *m.Perform
	sale := SaleData{
		SaleTransactionID:  TransactionID{string(d.Attempt), formatTime(d.At)},
		OperatorID:         strconv.FormatInt(d.Operator, 10),
		SaleReferenceID:    d.Reference,
		SaleToAcquirerData: dialoguePairs(d).String(),
	}
	var original *OriginalPOITransaction
	if d.Original != nil {
		original = &OriginalPOITransaction{
			SaleID: SaleID, POIID: m.Reader,
			POITransactionID: &TransactionID{d.Original.Transaction, formatTime(d.Original.At)},
		}
	}
	if d.Kind == terminal.Void {
		r := &ReversalRequest{ReversalReason: reversalReason, ReversedAmount: Number(d.Amount), SaleData: &sale}
		if original != nil {
			r.OriginalPOITransaction = *original
		}
		return &Message{MessageHeader: header(m, categoryReversal, typeRequest), ReversalRequest: r}
	}
	r := &PaymentRequest{SaleData: sale, PaymentTransaction: PaymentTransaction{
		AmountsReq:             AmountsReq{Currency: string(d.Amount.Currency), RequestedAmount: Number(d.Amount)},
		OriginalPOITransaction: original,
	}}
	if d.Kind == terminal.Refund {
		r.PaymentData = &PaymentData{PaymentType: paymentRefund}
	}
	return &Message{MessageHeader: header(m, categoryPayment, typeRequest), PaymentRequest: r}
}

func dialoguePairs(d terminal.Dialogue) Additional {
	pairs := Additional{"budget_ms": strconv.FormatInt(d.Budget.Milliseconds(), 10)}
	pairs.setFlag("print_slip", d.PrintSlip)
	if d.Kind == terminal.Void {
		pairs["currency"] = string(d.Amount.Currency) // ReversedAmount has none
	}
	if o := d.Original; o != nil {
		pairs["original"], pairs["fingerprint"], pairs["par"], pairs["masked"] = string(o.Attempt), o.Fingerprint, o.PAR, o.Masked
	}
	return pairs
}

// dialogue reads a request as the hub sends it; one of another till has no
// attempt of ours and is read by whoever answers it.
func (r *PaymentRequest) dialogue() (*terminal.Dialogue, error) {
	d, pairs, err := r.SaleData.dialogue("PaymentRequest")
	if err != nil {
		return nil, err
	}
	amounts := r.PaymentTransaction.AmountsReq
	if d.Amount, err = ParseAmount(amounts.RequestedAmount, amounts.Currency); err != nil {
		return nil, err
	}
	d.Kind = terminal.Payment
	switch {
	case r.PaymentData == nil, r.PaymentData.PaymentType == "", r.PaymentData.PaymentType == paymentNormal:
	case r.PaymentData.PaymentType == paymentRefund:
		d.Kind = terminal.Refund
	default:
		return nil, problem.New(problem.Invalid, "nexo.member").At("PaymentRequest.PaymentData.PaymentType")
	}
	if r.PaymentTransaction.OriginalPOITransaction != nil {
		d.Original, err = r.PaymentTransaction.OriginalPOITransaction.original(pairs)
	}
	return d, err
}

func (r *ReversalRequest) dialogue() (*terminal.Dialogue, error) {
	if r.SaleData == nil {
		return nil, problem.New(problem.Invalid, "nexo.member").At("ReversalRequest.SaleData")
	}
	d, pairs, err := r.SaleData.dialogue("ReversalRequest")
	if err != nil {
		return nil, err
	}
	d.Kind = terminal.Void
	if d.Amount, err = ParseAmount(r.ReversedAmount, pairs["currency"]); err != nil {
		return nil, err
	}
	d.Original, err = r.OriginalPOITransaction.original(pairs)
	return d, err
}

func (s SaleData) dialogue(path string) (*terminal.Dialogue, Additional, error) {
	attempt, err := id.Parse[id.Attempt](s.SaleTransactionID.TransactionID)
	if err != nil {
		return nil, nil, identity(path + ".SaleData.SaleTransactionID.TransactionID")
	}
	pairs, err := ParseAdditional(s.SaleToAcquirerData)
	if err != nil {
		return nil, nil, err
	}
	at, err := parseTime(s.SaleTransactionID.TimeStamp, path+".SaleData.SaleTransactionID.TimeStamp")
	if err != nil {
		return nil, nil, err
	}
	budget := time.Duration(pairs.number("budget_ms", 0)) * time.Millisecond
	if budget < 0 || budget > maxBudget {
		return nil, nil, problem.New(problem.Invalid, "nexo.member").At(path + ".SaleData.SaleToAcquirerData.budget_ms")
	}
	operator, err := strconv.ParseInt(s.OperatorID, 10, 64)
	if err != nil && s.OperatorID != "" {
		return nil, nil, problem.New(problem.Invalid, "nexo.member").At(path + ".SaleData.OperatorID")
	}
	return &terminal.Dialogue{
		Attempt: attempt, Reference: s.SaleReferenceID, Operator: operator, At: at.UTC(),
		Budget: budget, PrintSlip: pairs.flag("print_slip"),
	}, pairs, nil
}

func (o OriginalPOITransaction) original(pairs Additional) (*terminal.Original, error) {
	if o.POITransactionID == nil {
		return nil, problem.New(problem.Invalid, "nexo.member").At("OriginalPOITransaction.POITransactionID")
	}
	attempt, err := id.Parse[id.Attempt](pairs["original"])
	if err != nil {
		return nil, identity("SaleData.SaleToAcquirerData.original")
	}
	at, err := parseTime(o.POITransactionID.TimeStamp, "OriginalPOITransaction.POITransactionID.TimeStamp")
	if err != nil {
		return nil, err
	}
	return &terminal.Original{
		Attempt: attempt, Transaction: o.POITransactionID.TransactionID, At: at,
		Fingerprint: pairs["fingerprint"], PAR: pairs["par"], Masked: pairs["masked"],
	}, nil
}

func identity(path string) error { return problem.New(problem.Invalid, "nexo.identity").At(path) }

// reference names a request, and reference reads one.
func reference(r terminal.Reference, reader string) MessageReference {
	category := categoryPayment
	if r.Kind == terminal.Void {
		category = categoryReversal
	}
	return MessageReference{MessageCategory: category, SaleID: SaleID, ServiceID: r.Service, POIID: reader}
}

func (r *MessageReference) reference() (*terminal.Reference, error) {
	if r == nil || !validNumber(r.ServiceID) {
		return nil, problem.New(problem.Invalid, "nexo.member").At("MessageReference.ServiceID")
	}
	out := &terminal.Reference{Service: r.ServiceID, Kind: terminal.Payment}
	switch r.MessageCategory {
	case categoryPayment:
	case categoryReversal:
		out.Kind = terminal.Void
	default:
		return nil, problem.New(problem.Invalid, "nexo.member").At("MessageReference.MessageCategory")
	}
	return out, nil
}
