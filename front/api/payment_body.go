package api

import (
	"encoding/json"

	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/payment"
	"encaisse/sale"
	"encaisse/terminal"
)

// PaymentSummary is one movement of money without its attempts and history.
type PaymentSummary struct {
	ID         id.Payment   `json:"id"`
	Sale       id.Sale      `json:"sale_id,omitempty"`
	Tender     id.Tender    `json:"tender_id,omitempty"`
	Terminal   id.Terminal  `json:"terminal_id"`
	Contract   id.Contract  `json:"contract_id"`
	Operator   int64        `json:"operator" doc:"Number of the person who asked for it; 0: a program."`
	State      string       `json:"state" enum:"processing,unknown,succeeded,failed,canceled,orphaned" doc:"Unknown: nobody knows yet, it is being asked. Canceled: voided. Orphaned: approved, but its sale could not take it; undone."`
	Cause      string       `json:"cause,omitempty" doc:"Of a failure, in one word." example:"refused"`
	Stage      string       `json:"stage,omitempty" doc:"What the reader is doing." example:"waiting_card"`
	Deadline   string       `json:"deadline,omitempty" format:"date-time" doc:"When the reader's 60 seconds are over."`
	Amount     money.Amount `json:"amount"`
	Captured   money.Amount `json:"captured"`
	Voided     money.Amount `json:"voided"`
	Refunded   money.Amount `json:"refunded"`
	Pending    money.Amount `json:"pending" doc:"Reserved by voids and refunds on their way."`
	Conflicted bool         `json:"conflicted,omitempty" doc:"A second, different outcome came: the first one stands, somebody has to look."`
	Manual     *manualBody  `json:"manual_status,omitempty" doc:"What a person said, beside state."`
	Doubt      *doubtBody   `json:"doubt,omitempty" doc:"What is not known, what was tried, what comes next."`
	Card       *cardBody    `json:"card,omitempty" doc:"The card that was read."`
	Batch      id.Batch     `json:"batch_id,omitempty"`
	CreatedAt  string       `json:"created_at" format:"date-time"`
	UpdatedAt  string       `json:"updated_at" format:"date-time"`
}

// paymentBody is a payment with everything that is known of it.
type paymentBody struct {
	PaymentSummary
	Offer      string             `json:"offer,omitempty" enum:"void,refund" doc:"How it can be given back now, as the batch decides: one of the two, or none."`
	Slip       *slipBody          `json:"slip,omitempty" doc:"What the card slip says."`
	EMV        *chipBody          `json:"emv,omitempty" doc:"The work of the chip; left out without chip."`
	Attempts   []attemptBody      `json:"attempts" nullable:"false" doc:"The payment itself, then its voids and refunds."`
	Operations []operationBody    `json:"operations" nullable:"false" doc:"What was said to the host, and moved in the books."`
	History    []historyEntryBody `json:"history" nullable:"false" doc:"Every step and every try, with who and from where. The first hundred."`
}

type manualBody struct {
	Status string `json:"status" enum:"success,failure"`
	By     string `json:"by" doc:"The person who said it." example:"per_01k9zq0w5tfk8v3q8h2m7c4x9d"`
	At     string `json:"at" format:"date-time"`
	Reason string `json:"reason"`
}

// doubtBody is what is not known yet.
type doubtBody struct {
	Subject   string       `json:"subject" doc:"attempt: the reader has not spoken; reversal: the host has not acknowledged." example:"attempt"`
	State     string       `json:"state" example:"unknown"`
	Payment   id.Payment   `json:"payment_id"`
	Attempt   id.Attempt   `json:"attempt_id"`
	Operation id.Operation `json:"operation_id,omitempty"`
	Terminal  id.Terminal  `json:"terminal_id"`
	Since     string       `json:"since" format:"date-time"`
	Tries     int64        `json:"tries" doc:"How often it was tried."`
	Next      string       `json:"next" doc:"What comes next." example:"ask"`
	NextAt    string       `json:"next_try_at,omitempty" format:"date-time"`
	Countdown int64        `json:"next_try_in_seconds" doc:"From the moment of this answer."`
	Manual    bool         `json:"needs_somebody,omitempty" doc:"Tried so often that somebody has to look. It is tried on."`
}

// cardBody is a card as slips show it. Never a full number.
type cardBody struct {
	Masked   string `json:"masked" example:"497010******0014"`
	Scheme   string `json:"scheme" example:"cb"`
	Entry    string `json:"entry" doc:"How it was read." example:"chip"`
	Verified string `json:"verified" doc:"How the holder was verified." example:"offline_pin"`
}

// slipBody is a card slip (cartes-bancaires.com, ticket client).
type slipBody struct {
	Application string       `json:"application" doc:"Of the scheme." example:"CB"`
	AID         string       `json:"aid" example:"A0000000421010"`
	At          string       `json:"at" format:"date-time"`
	TradeName   string       `json:"trade_name" example:"Boulangerie du Port"`
	Contract    string       `json:"contract_number" example:"1234567"`
	Terminal    int64        `json:"terminal_number" example:"1"`
	Masked      string       `json:"masked" example:"497010******0014"`
	Amount      money.Amount `json:"amount"`
	Type        string       `json:"type" enum:"debit,credit"`
	FileNumber  string       `json:"file_number" doc:"3 digits terminal, 6 transaction, 2 batch." example:"00100004207"`
	Letters     string       `json:"letters" doc:"C chip, S stripe, @ authorisation asked." example:"C@"`
	Approval    string       `json:"approval,omitempty" example:"123456"`
	Signature   bool         `json:"signature,omitempty" doc:"The holder signed on paper."`
}

// chipBody is the EMV section of a slip (SRC-023 to SRC-028).
type chipBody struct {
	AID        string `json:"aid" example:"A0000000421010"`
	Label      string `json:"label" example:"CB"`
	TVR        string `json:"tvr" doc:"Terminal verification results, 5 bytes." example:"0000008000"`
	TSI        string `json:"tsi" doc:"Transaction status information, 2 bytes." example:"E800"`
	IAD        string `json:"iad" doc:"Issuer application data." example:"06010A03A0A800"`
	ARC        string `json:"arc" doc:"Authorisation response code, of the issuer or made by the reader." example:"00"`
	Cryptogram string `json:"cryptogram" example:"1A2B3C4D5E6F7081"`
	CID        string `json:"cid" example:"40"`
	ATC        string `json:"atc" example:"002A"`
	CVM        string `json:"cvm" doc:"Tag 9F34." example:"410302"`
	Sequence   string `json:"sequence,omitempty" example:"00"`
}

// attemptBody is one try on one reader: the payment itself, a void or a refund.
type attemptBody struct {
	ID         id.Attempt   `json:"id"`
	Payment    id.Payment   `json:"payment_id"`
	Kind       string       `json:"kind" enum:"payment,void,refund"`
	State      string       `json:"state" enum:"prepared,sent,unknown,abandoned,succeeded,failed"`
	Cause      string       `json:"cause,omitempty" example:"card_removed"`
	Stage      string       `json:"stage,omitempty" example:"waiting_card"`
	Terminal   id.Terminal  `json:"terminal_id"`
	Amount     money.Amount `json:"amount"`
	Operator   int64        `json:"operator"`
	Reason     string       `json:"reason,omitempty"`
	Comment    string       `json:"comment,omitempty"`
	AskedAt    string       `json:"asked_at" format:"date-time"`
	SettledAt  *string      `json:"settled_at" nullable:"true" format:"date-time"`
	Approval   string       `json:"approval,omitempty"`
	Code       string       `json:"code,omitempty" doc:"Of the host, or made by the reader."`
	Card       *cardBody    `json:"card,omitempty"`
	Conflicted bool         `json:"conflicted,omitempty"`
	Tries      int64        `json:"tries"`
	NextAt     *string      `json:"next_try_at" nullable:"true" format:"date-time"`
}

type operationBody struct {
	ID         id.Operation `json:"id"`
	Attempt    id.Attempt   `json:"attempt_id"`
	Kind       string       `json:"kind" enum:"authorise,capture,void,refund,reversal"`
	State      string       `json:"state" enum:"prepared,sent,approved,declined,not_performed,unknown"`
	Purpose    string       `json:"purpose,omitempty" doc:"Of an authorisation: purchase or refund; of a reversal: its reason."`
	Amount     money.Amount `json:"amount"`
	Trace      int64        `json:"trace" doc:"Its number with the host, the same when it is repeated."`
	Code       string       `json:"code,omitempty" doc:"The host's."`
	Cause      string       `json:"cause,omitempty"`
	Approval   string       `json:"approval,omitempty"`
	Batch      id.Batch     `json:"batch_id,omitempty"`
	Conflicted bool         `json:"conflicted,omitempty"`
	CreatedAt  string       `json:"created_at" format:"date-time"`
	SettledAt  *string      `json:"settled_at" nullable:"true" format:"date-time"`
	Tries      int64        `json:"tries"`
	NextAt     *string      `json:"next_try_at" nullable:"true" format:"date-time"`
}

type historyEntryBody struct {
	ID      string          `json:"id" example:"hist_01k9zq0w5tfk8v3q8h2m7c4x9d"`
	Subject string          `json:"subject" example:"attempt"`
	Event   string          `json:"event" example:"succeed"`
	From    string          `json:"from" example:"sent"`
	To      string          `json:"to" example:"succeeded"`
	Source  string          `json:"source" doc:"Who said so: till, reader, host, resolver, book." example:"reader"`
	Actor   string          `json:"actor" example:"system"`
	Detail  json.RawMessage `json:"detail"`
	At      string          `json:"at" format:"date-time"`
}

func (a *API) paymentOf(p *payment.Payment) PaymentSummary {
	minor := func(v int64) money.Amount { return money.Amount{Minor: v, Currency: p.Amount.Currency} }
	out := PaymentSummary{
		ID: p.ID, Sale: id.Sale(p.Owner), Tender: p.Tender, Terminal: p.Terminal, Contract: p.Contract, Operator: p.Operator,
		State: string(p.State), Cause: string(p.Cause), Stage: string(p.Stage), Amount: p.Amount,
		Captured: minor(p.Captured), Voided: minor(p.Voided), Refunded: minor(p.Refunded), Pending: minor(p.Pending),
		Conflicted: p.Conflicted, Card: cardOf(p.Card), Batch: p.Batch, CreatedAt: stamp(p.CreatedAt), UpdatedAt: stamp(p.UpdatedAt),
	}
	if !p.Deadline.IsZero() {
		out.Deadline = stamp(p.Deadline)
	}
	if p.Manual != nil {
		out.Manual = &manualBody{Status: "failure", By: p.Manual.By, At: stamp(p.Manual.At), Reason: p.Manual.Reason}
		if p.Manual.Success {
			out.Manual.Status = "success"
		}
	}
	if p.Doubt != nil {
		out.Doubt = a.doubtOf(p.Doubt)
	}
	return out
}

func (a *API) doubtOf(d *payment.Doubt) *doubtBody {
	out := &doubtBody{
		Subject: string(d.Subject), State: string(d.State), Payment: d.Payment, Attempt: d.Attempt, Operation: d.Operation, Terminal: d.Terminal,
		Since: stamp(d.Since), Tries: d.Tries, Next: string(d.Next), Manual: d.Manual,
	}
	if !d.NextTryAt.IsZero() {
		out.NextAt, out.Countdown = stamp(d.NextTryAt), a.secondsTo(d.NextTryAt)
	}
	return out
}

func cardOf(c *payment.Card) *cardBody {
	if c == nil {
		return nil
	}
	return &cardBody{Masked: c.Masked, Scheme: string(c.Scheme), Entry: string(c.Entry), Verified: string(c.Verified)}
}

func (a *API) wholePayment(p *sale.CardPayment, attempts []payment.Attempt, operations []payment.Operation, history []payment.Entry) paymentBody {
	out := paymentBody{
		PaymentSummary: a.paymentOf(&p.Payment), Offer: string(p.Offer), Slip: slipOf(p.Slip), EMV: chipOf(p.Chip),
		Attempts: make([]attemptBody, len(attempts)), Operations: make([]operationBody, len(operations)), History: make([]historyEntryBody, len(history)),
	}
	for i := range attempts {
		out.Attempts[i] = attemptOf(&attempts[i])
	}
	for i := range operations {
		out.Operations[i] = operationOf(&operations[i])
	}
	for i := range history {
		e := &history[i]
		out.History[i] = historyEntryBody{
			ID: string(e.ID), Subject: string(e.Subject), Event: string(e.Event), From: string(e.From), To: string(e.To),
			Source: string(e.Source), Actor: e.Actor, Detail: e.Detail, At: stamp(e.At),
		}
	}
	return out
}

func slipOf(s *sale.CardSlip) *slipBody {
	if s == nil {
		return nil
	}
	return &slipBody{
		Application: s.Application, AID: s.AID, At: stamp(s.At), TradeName: s.TradeName, Contract: s.Contract, Terminal: s.Terminal,
		Masked: s.Masked, Amount: s.Amount, Type: "debit", FileNumber: s.FileNumber, Letters: s.Letters, Approval: s.Approval, Signature: s.Signed,
	}
}

func chipOf(c *terminal.Chip) *chipBody {
	if c == nil {
		return nil
	}
	return &chipBody{
		AID: c.AID, Label: c.Label, TVR: c.TVR, TSI: c.TSI, IAD: c.IAD, ARC: c.ARC, Cryptogram: c.Cryptogram, CID: c.CID, ATC: c.ATC,
		CVM: c.CVM, Sequence: c.Sequence,
	}
}

func attemptOf(t *payment.Attempt) attemptBody {
	return attemptBody{
		ID: t.ID, Payment: t.Payment, Kind: string(t.Kind), State: string(t.State), Cause: string(t.Cause), Stage: string(t.Stage),
		Terminal: t.Terminal, Amount: t.Amount, Operator: t.Operator, Reason: t.Reason, Comment: t.Remark, AskedAt: stamp(t.AskedAt),
		SettledAt: stampOrNone(t.SettledAt), Approval: t.Approval, Code: t.Code, Card: cardOf(t.Card), Conflicted: t.Conflicted, Tries: t.Tries,
		NextAt: stampOrNone(t.NextTryAt),
	}
}

func operationOf(o *payment.Operation) operationBody {
	return operationBody{
		ID: o.ID, Attempt: o.Attempt, Kind: string(o.Kind), State: string(o.State), Purpose: o.Purpose, Amount: o.Amount, Trace: o.Trace,
		Code: o.Code, Cause: string(o.Cause), Approval: o.Approval, Batch: o.Batch, Conflicted: o.Conflicted, CreatedAt: stamp(o.CreatedAt),
		SettledAt: stampOrNone(o.SettledAt), Tries: o.Tries, NextAt: stampOrNone(o.NextTryAt),
	}
}
