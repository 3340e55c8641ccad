package nexo

import (
	"encoding/hex"
	"encoding/json"

	"encaisse/base/card"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/base/problem"
	"encaisse/terminal"
)

// NewPaymentResponse is a final word on a payment or a refund.
func NewPaymentResponse(c terminal.Conclusion) *PaymentResponse {
	pairs := conclusionPairs(c)
	r := &PaymentResponse{
		Response: response(c, pairs),
		SaleData: &SaleData{SaleTransactionID: TransactionID{string(c.Attempt), formatTime(c.At)}},
		POIData:  poiData(c),
	}
	if c.Amount.Currency == "" && c.Card == nil && c.Approval == "" {
		return r
	}
	r.PaymentResult = &PaymentResult{}
	if c.Amount.Currency != "" {
		r.PaymentResult.AmountsResp = &AmountsResp{string(c.Amount.Currency), Number(c.Amount)}
	}
	if c.Approval != "" {
		r.PaymentResult.OnlineFlag = true
		r.PaymentResult.PaymentAcquirerData = &PaymentAcquirerData{ApprovalCode: c.Approval}
	}
	if c.Card != nil {
		r.PaymentResult.AuthenticationMethod = methods(c.Card.Verified)
		r.PaymentResult.PaymentInstrumentData = &PaymentInstrumentData{PaymentInstrumentType: "Card", CardData: cardData(*c.Card)}
	}
	return r
}

// NewReversalResponse is a final word on a void.
func NewReversalResponse(c terminal.Conclusion) *ReversalResponse {
	pairs := conclusionPairs(c)
	pairs["transaction_id"] = string(c.Attempt)
	pairs["approval"] = c.Approval
	r := &ReversalResponse{POIData: poiData(c)}
	if c.Amount.Currency != "" {
		r.ReversedAmount = Number(c.Amount)
		pairs["currency"] = string(c.Amount.Currency)
	}
	if c.Card != nil {
		pairs["scheme"], pairs["masked"], pairs["fingerprint"] = string(c.Card.Scheme), c.Card.Masked, c.Card.Fingerprint
	}
	r.Response = response(c, pairs)
	return r
}

func response(c terminal.Conclusion, pairs Additional) Response {
	if c.Success {
		return Response{Result: success, AdditionalResponse: pairs.String()}
	}
	return Failure(c.Cause, pairs)
}

func poiData(c terminal.Conclusion) *POIData {
	if c.Transaction == "" && c.At.IsZero() {
		return nil
	}
	return &POIData{POITransactionID: TransactionID{c.Transaction, formatTime(c.At)}}
}

// conclusionPairs is what the protocol has no member for.
func conclusionPairs(c terminal.Conclusion) Additional {
	pairs := Additional{"code": c.Code, "service_id": c.BusyWith}
	pairs.setFlag("signed", c.Signed)
	pairs.setFlag("printed", c.Printed)
	if c.Card != nil {
		pairs["entry"], pairs["cvm"], pairs["par"] = string(c.Card.Entry), string(c.Card.Verified), c.Card.PAR
		pairs["application_id"], pairs["application_label"] = c.Card.AID, c.Card.Label
		pairs["emv"] = hex.EncodeToString(c.Card.EMV)
	}
	if ch := c.Chip; ch != nil {
		pairs.setFlag("chip", true)
		for i, key := range chipKeys {
			pairs[key] = *chipFields(ch)[i]
		}
	}
	return pairs
}

// chipKeys and chipFields are the EMV block of a slip, in one order.
var chipKeys = [...]string{"aid", "label", "tvr", "tsi", "iad", "arc", "cryptogram", "cid", "atc", "cvm_results", "sequence"}

func chipFields(c *terminal.Chip) [len(chipKeys)]*string {
	return [...]*string{
		&c.AID, &c.Label, &c.TVR, &c.TSI, &c.IAD, &c.ARC, &c.Cryptogram, &c.CID, &c.ATC, &c.CVM, &c.Sequence,
	}
}

// Conclusion reads a final word.
func (r *PaymentResponse) Conclusion() (*terminal.Conclusion, error) {
	const path = "PaymentResponse"
	c, pairs, err := conclusion(r.Response, r.POIData, path)
	if err != nil {
		return nil, err
	}
	if r.SaleData == nil {
		return nil, identity(path + ".SaleData")
	}
	if c.Attempt, err = id.Parse[id.Attempt](r.SaleData.SaleTransactionID.TransactionID); err != nil {
		return nil, identity(path + ".SaleData.SaleTransactionID.TransactionID")
	}
	result := r.PaymentResult
	if result == nil {
		result = &PaymentResult{}
	}
	if result.AmountsResp != nil {
		c.Amount, err = ParseAmount(result.AmountsResp.AuthorizedAmount, result.AmountsResp.Currency)
	} else if c.Success {
		err = problem.New(problem.Invalid, "nexo.member").At(path + ".PaymentResult.AmountsResp")
	}
	if err != nil {
		return nil, err
	}
	if result.PaymentAcquirerData != nil {
		c.Approval = result.PaymentAcquirerData.ApprovalCode
	}
	if result.PaymentInstrumentData != nil && result.PaymentInstrumentData.CardData != nil {
		c.Card, err = result.PaymentInstrumentData.CardData.presented(pairs, result.AuthenticationMethod)
	}
	return c, err
}

// Conclusion reads a final word.
func (r *ReversalResponse) Conclusion() (*terminal.Conclusion, error) {
	const path = "ReversalResponse"
	c, pairs, err := conclusion(r.Response, r.POIData, path)
	if err != nil {
		return nil, err
	}
	if c.Attempt, err = id.Parse[id.Attempt](pairs["transaction_id"]); err != nil {
		return nil, identity(path + ".Response.AdditionalResponse.transaction_id")
	}
	c.Approval = pairs["approval"]
	if r.ReversedAmount != "" && pairs["currency"] != "" {
		c.Amount, err = ParseAmount(r.ReversedAmount, pairs["currency"])
	} else if c.Success {
		err = problem.New(problem.Invalid, "nexo.member").At(path + ".ReversedAmount")
	}
	if err != nil {
		return nil, err
	}
	if pairs["scheme"] != "" {
		c.Card, err = (&CardData{
			PaymentBrand: pairs["scheme"], MaskedPan: pairs["masked"], PaymentToken: &PaymentToken{TokenValue: pairs["fingerprint"]},
		}).presented(pairs, nil)
	}
	return c, err
}

func conclusion(r Response, data *POIData, path string) (*terminal.Conclusion, Additional, error) {
	pairs, err := ParseAdditional(r.AdditionalResponse)
	if err != nil {
		return nil, nil, err
	}
	c := &terminal.Conclusion{Code: pairs["code"], BusyWith: pairs["service_id"], Signed: pairs.flag("signed"), Printed: pairs.flag("printed")}
	switch r.Result {
	case success:
		c.Success = true
	case failure:
		c.Cause = CauseOf(r, pairs)
	default: // Partial, too: we never ask for a part
		return nil, nil, problem.New(problem.Invalid, "nexo.member").At(path + ".Response.Result")
	}
	if data != nil {
		c.Transaction = data.POITransactionID.TransactionID
		if c.At, err = parseTime(data.POITransactionID.TimeStamp, path+".POIData.POITransactionID.TimeStamp"); err != nil {
			return nil, nil, err
		}
	}
	if pairs.flag("chip") {
		c.Chip = &terminal.Chip{}
		for i, key := range chipKeys {
			*chipFields(c.Chip)[i] = pairs[key]
		}
	}
	return c, pairs, nil
}

// entries is how a card was read; entry=… in the key/values is more exact and
// goes first.
var entries = []struct {
	entry card.Entry
	mode  string
}{
	{card.Chip, "ICC"},
	{card.Contactless, "Contactless"},
	{card.Contactless, "Tapped"},
	{card.Wallet, "Mobile"},
	{card.Stripe, "MagStripe"},
	{card.StripeFallback, "MagStripe"},
	{card.ContactlessStripe, "Contactless"},
	{card.Keyed, "Keyed"},
}

// verified is how the holder was verified; cvm=… goes first.
var verified = []struct {
	cvm    card.CVM
	method string
}{
	{card.OnlinePIN, "OnlinePIN"},
	{card.OfflinePIN, "OfflinePIN"},
	{card.Signature, "PaperSignature"},
	{card.Signature, "SignatureCapture"},
	{card.DeviceCVM, "UnknownMethod"},
	{card.NoCVM, "Bypass"},
}

func methods(cvm card.CVM) []string {
	for _, v := range verified {
		if v.cvm == cvm {
			return []string{v.method}
		}
	}
	return nil
}

func cardData(p card.Presented) *CardData {
	d := &CardData{PaymentBrand: string(p.Scheme), MaskedPan: p.Masked}
	for _, e := range entries {
		if e.entry == p.Entry && d.EntryMode == nil {
			d.EntryMode = []string{e.mode}
		}
	}
	if p.Fingerprint != "" {
		d.PaymentToken = &PaymentToken{TokenRequestedType: "Customer", TokenValue: p.Fingerprint}
	}
	return d
}

// presented reads the card of a final word, which has no envelope.
func (d *CardData) presented(pairs Additional, methods []string) (*card.Presented, error) {
	p := &card.Presented{
		Masked: d.MaskedPan, Scheme: card.Scheme(d.PaymentBrand), Entry: card.Entry(pairs["entry"]), Verified: card.CVM(pairs["cvm"]),
		PAR: pairs["par"], AID: pairs["application_id"], Label: pairs["application_label"],
	}
	if d.PaymentToken != nil {
		p.Fingerprint = d.PaymentToken.TokenValue
	}
	for _, e := range entries {
		if p.Entry == "" && oneOf(e.mode, d.EntryMode) {
			p.Entry = e.entry
		}
	}
	for _, v := range verified {
		if p.Verified == "" && oneOf(v.method, methods) {
			p.Verified = v.cvm
		}
	}
	var err error
	if p.EMV, err = hex.DecodeString(pairs["emv"]); err != nil {
		return nil, problem.New(problem.Invalid, "nexo.additional").At("emv")
	}
	return p, checkCard(*p)
}

// statusResponse answers a question about a dialogue.
func statusResponse(m terminal.Message) *TransactionStatusResponse {
	of := reference(m.Told.Of, m.Reader)
	r := &TransactionStatusResponse{}
	if of.ServiceID != "" { // else the answer's own number says which question it answers
		r.MessageReference = &of
	}
	switch {
	case m.Told.Status == terminal.StatusConcluded && m.Told.Conclusion != nil:
		r.Response = Response{Result: success}
		about := m
		about.Service, about.Serial = m.Told.Of.Service, ""
		r.RepeatedMessageResponse = &RepeatedMessageResponse{MessageHeader: header(about, of.MessageCategory, typeResponse)}
		if m.Told.Of.Kind == terminal.Void || m.Kind == terminal.Void {
			r.RepeatedMessageResponse.RepeatedResponseMessageBody.ReversalResponse = NewReversalResponse(*m.Told.Conclusion)
		} else {
			r.RepeatedMessageResponse.RepeatedResponseMessageBody.PaymentResponse = NewPaymentResponse(*m.Told.Conclusion)
		}
	case m.Told.Status == terminal.StatusInProgress:
		r.Response = Response{Result: failure, ErrorCondition: InProgress, AdditionalResponse: Additional{"message": "Uncompleted transaction"}.String()}
	default:
		r.Response = Response{Result: failure, ErrorCondition: NotFound, AdditionalResponse: Additional{"message": "Not found"}.String()}
	}
	return r
}

func (r *TransactionStatusResponse) told() (*terminal.Told, error) {
	out := &terminal.Told{}
	if r.MessageReference != nil {
		of, err := r.MessageReference.reference()
		if err != nil {
			return nil, err
		}
		out.Of = *of
	}
	switch {
	case r.Response.Result == success && r.RepeatedMessageResponse != nil:
		out.Status = terminal.StatusConcluded
		of := r.RepeatedMessageResponse
		if out.Of.Service == "" {
			out.Of.Service = of.MessageHeader.ServiceID
		}
		if out.Of.Service != of.MessageHeader.ServiceID {
			return nil, problem.New(problem.Invalid, "nexo.header").At("RepeatedMessageResponse.MessageHeader.ServiceID")
		}
		var err error
		switch inner := of.RepeatedResponseMessageBody; {
		case inner.PaymentResponse != nil && inner.ReversalResponse == nil:
			out.Conclusion, err = inner.PaymentResponse.Conclusion()
		case inner.ReversalResponse != nil && inner.PaymentResponse == nil:
			out.Of.Kind = terminal.Void
			out.Conclusion, err = inner.ReversalResponse.Conclusion()
		default:
			err = problem.New(problem.Invalid, "nexo.body").At("RepeatedMessageResponse.RepeatedResponseMessageBody")
		}
		if err != nil {
			return nil, err
		}
		out.Conclusion.Repeated = true
		return out, nil
	case r.Response.Result == failure && r.Response.ErrorCondition == InProgress:
		out.Status = terminal.StatusInProgress
	case r.Response.Result == failure && r.Response.ErrorCondition == NotFound:
		out.Status = terminal.StatusNotFound
	default:
		return nil, problem.New(problem.Invalid, "nexo.member").At("TransactionStatusResponse.Response")
	}
	return out, nil
}

func configuration(p terminal.Parameters) (Envelope, error) {
	raw, err := json.Marshal(p)
	if err != nil {
		return Envelope{}, err
	}
	return Envelope{Configuration: &Configuration{Parameters: raw}}, nil
}

func (c *Configuration) parameters() (*terminal.Parameters, error) {
	var p terminal.Parameters
	if err := json.Unmarshal(c.Parameters, &p); err != nil {
		return nil, member(err)
	}
	if _, err := money.ParseCurrency(string(p.Currency)); err != nil {
		return nil, err
	}
	return &p, nil
}
