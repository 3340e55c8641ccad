package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"encaisse/access"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/base/problem"
	"encaisse/payment"
	"encaisse/terminal"
)

func (a *API) payments() {
	add(a, operation{
		id: "list-payments", method: http.MethodGet, path: "/v1/payments", tag: tagPayments,
		summary: "List payments",
		text: "Newest first. A user sees own ones only. With `state=unknown` what is in doubt: `doubt` says since when, what was tried and when the next try comes. " +
			"A declined card is an outcome and no error: state `failed`, with its cause.",
		guard: needs(access.PaymentRead),
	}, a.listPayments)
	add(a, operation{
		id: "list-doubts", method: http.MethodGet, path: "/v1/doubts", tag: tagPayments,
		summary: "List everything that is not known yet",
		text:    "Payments whose reader has not spoken, and authorisations whose reversal the host has not acknowledged, the next try first. Each has a next try.",
		guard:   needs(access.PaymentReadAll),
	}, a.listDoubts)
	add(a, operation{
		id: "get-payment", method: http.MethodGet, path: "/v1/payments/{id}", tag: tagPayments,
		summary: "Read a payment", text: "With its card slip and EMV section, its attempts, what was said to the host, and its history.",
		guard: needs(access.PaymentRead), refuses: refusals{404: {"payment.not_found"}},
	}, a.getPayment)
	add(a, operation{
		id: "cancel-payment", method: http.MethodPost, path: "/v1/payments/{id}/cancel", tag: tagPayments,
		summary: "Ask the reader to give it up", text: "It can while no card is in. What comes of it is the reader's word.",
		guard: needs(access.PaymentWrite), always: http.StatusAccepted,
		refuses: refusals{404: {"payment.not_found"}, 409: {"payment.card_in", "payment.over"}},
	}, a.postPaymentCancel)
	add(a, operation{
		id: "abandon-payment", method: http.MethodPost, path: "/v1/payments/{id}/abandon", tag: tagPayments,
		summary: "Give up a payment in doubt", text: "Its sale may take another means. The reader is asked on: an approval that turns up is undone.",
		guard: needs(access.PaymentWrite), refuses: refusals{404: {"payment.not_found"}, 409: {"payment.not_in_doubt"}},
	}, a.postPaymentAbandon)
	add(a, operation{
		id: "enquire-payment", method: http.MethodPost, path: "/v1/payments/{id}/enquire", tag: tagPayments,
		summary: "Ask now what became of it", text: "« Vérifier »: the reader and the host are asked without waiting for the next try.",
		guard: needs(access.PaymentWrite), refuses: refusals{404: {"payment.not_found"}},
	}, a.postPaymentEnquire)
	add(a, operation{
		id: "put-manual-status", method: http.MethodPut, path: "/v1/payments/{id}/manual-status", tag: tagPayments,
		summary: "Say by hand what became of it",
		text: "Of a payment that failed or is in doubt. It is kept beside the automatic status, with author, time and reason; it moves no money and stops nobody from finding out. " +
			"A success seals the sale where it covers it, with a tender marked as said by hand.",
		guard: needs(access.PaymentManual), example: manualRequest{Status: "success", Reason: "Ticket du terminal présenté"},
		refuses: refusals{
			403: {"access.not_a_person"}, 404: {"payment.not_found", "sale.not_found"},
			409: {"payment.manual_not_offered", "sale.basket_sealed", "sale.basket_abandoned", "sale.tender_over_due", "sale.register_closed", "sale.session_closed"},
			422: {"payment.reason", "payment.text"}, 503: {"fiscal.clock_back", "fiscal.key_unavailable"},
		},
	}, a.putManualStatus)
	a.reversals()
}

type listPaymentsInput struct {
	State    string      `query:"state" enum:"processing,unknown,succeeded,failed,canceled,orphaned" doc:"Left out: all."`
	Sale     id.Sale     `query:"sale_id" doc:"Only those of a sale."`
	Terminal id.Terminal `query:"terminal_id" doc:"Only those of a terminal."`
	Before   id.Payment  `query:"before" doc:"Only payments made before this one."`
	Limit    int         `query:"limit" minimum:"1" maximum:"100" default:"50" doc:"How many at most."`
}

type paymentsPageBody struct {
	Payments []PaymentSummary `json:"payments" nullable:"false" doc:"Newest first."`
	Next     *id.Payment      `json:"next" nullable:"true" doc:"Give it as before for the page that follows; null: this was the last."`
}

func (a *API) listPayments(ctx context.Context, p access.Principal, in *listPaymentsInput) (*answer[paymentsPageBody], error) {
	page, err := a.doors.Cards.Payments.List(ctx, p, payment.Filter{
		State: payment.State(in.State), Owner: string(in.Sale), Terminal: in.Terminal, Before: in.Before, Limit: in.Limit,
	})
	if err != nil {
		return nil, err
	}
	out := paymentsPageBody{Payments: make([]PaymentSummary, len(page))}
	for i := range page {
		out.Payments[i] = a.paymentOf(&page[i])
	}
	if len(page) == in.Limit {
		out.Next = &page[len(page)-1].ID
	}
	return fine(out), nil
}

type doubtsBody struct {
	Doubts []doubtBody `json:"doubts" nullable:"false" doc:"The next try first."`
}

func (a *API) listDoubts(ctx context.Context, p access.Principal, _ *nothing) (*answer[doubtsBody], error) {
	all, err := a.doors.Cards.Payments.Doubts(ctx, p)
	if err != nil {
		return nil, err
	}
	out := doubtsBody{Doubts: make([]doubtBody, len(all))}
	for i := range all {
		out.Doubts[i] = *a.doubtOf(&all[i])
	}
	return fine(out), nil
}

type paymentInput struct {
	ID id.Payment `path:"id"`
}

// historyPage is how many lines of a payment's history are read with it.
const historyPage = 100

func (a *API) getPayment(ctx context.Context, p access.Principal, in *paymentInput) (*answer[paymentBody], error) {
	found, err := a.doors.Sales.CardPayment(ctx, p, in.ID)
	if err != nil {
		return nil, err
	}
	attempts, err := a.doors.Cards.Payments.Attempts(ctx, p, in.ID)
	if err != nil {
		return nil, err
	}
	operations, err := a.doors.Cards.Payments.Operations(ctx, p, in.ID)
	if err != nil {
		return nil, err
	}
	history, err := a.doors.Cards.Payments.History(ctx, p, in.ID, "", historyPage)
	if err != nil {
		return nil, err
	}
	return fine(a.wholePayment(&found, attempts, operations, history)), nil
}

func (a *API) postPaymentCancel(ctx context.Context, p access.Principal, in *paymentInput) (*answer[PaymentSummary], error) {
	found, err := a.doors.Cards.Payments.Cancel(ctx, p, in.ID)
	if err != nil {
		return nil, err
	}
	return coming(a.paymentOf(&found), true), nil
}

func (a *API) postPaymentAbandon(ctx context.Context, p access.Principal, in *paymentInput) (*answer[PaymentSummary], error) {
	found, err := a.doors.Cards.Payments.Abandon(ctx, p, in.ID)
	if err != nil {
		return nil, err
	}
	return fine(a.paymentOf(&found)), nil
}

func (a *API) postPaymentEnquire(ctx context.Context, p access.Principal, in *paymentInput) (*answer[PaymentSummary], error) {
	found, err := a.doors.Cards.Payments.Enquire(ctx, p, in.ID)
	if err != nil {
		return nil, err
	}
	return fine(a.paymentOf(&found)), nil
}

type manualRequest struct {
	Status string `json:"status" enum:"success,failure"`
	Reason string `json:"reason" minLength:"1" maxLength:"200" doc:"What it rests on." example:"Ticket du terminal présenté"`
}

type manualInput struct {
	ID   id.Payment `path:"id"`
	Body body[manualRequest]
}

func (a *API) putManualStatus(ctx context.Context, p access.Principal, in *manualInput) (*answer[PaymentSummary], error) {
	request, err := in.Body.read()
	if err != nil {
		return nil, err
	}
	if request.Status != "success" && request.Status != "failure" {
		return nil, notOneOf("status", "success", "failure")
	}
	found, err := a.doors.Cards.Payments.SetManualStatus(ctx, p, payment.Statement{
		Payment: in.ID, Success: request.Status == "success", Reason: request.Reason,
	})
	if err != nil {
		return nil, err
	}
	return fine(a.paymentOf(&found)), nil
}

// reversalRequest asks to give back what a payment took.
type reversalRequest struct {
	Kind      string        `json:"kind,omitempty" enum:"auto,void,refund" default:"auto" doc:"auto: as the batch decides, void while it is open and refund once it is closed."`
	Amount    *money.Amount `json:"amount,omitempty" doc:"Left out: all that is left. Of a void the whole."`
	Reason    string        `json:"reason" minLength:"1" maxLength:"200" example:"Article rendu"`
	Code      string        `json:"code" minLength:"6" maxLength:"6" doc:"The six digits of the person who gives back." example:"407182"`
	Comment   string        `json:"comment,omitempty" maxLength:"200"`
	Terminal  id.Terminal   `json:"terminal_id,omitempty" doc:"Where the card is shown; left out: where it paid."`
	PrintSlip bool          `json:"print_slip,omitempty"`
}

const idempotencyKey = "Idempotency-Key"

func (a *API) reversals() {
	add(a, operation{
		id: "create-reversal", method: http.MethodPost, path: "/v1/payments/{id}/reversals", tag: tagPayments,
		summary: "Void or refund a payment",
		text: "The batch decides which: void while it is open, refund once it is closed; a kind that does not fit is 409 and says which does. The card that paid has to be shown again; " +
			"what comes of it is told as events, and its return ticket is made in the same commit.\n\n" +
			"`Idempotency-Key` is required: make it, keep it, and repeat the request with it until it is answered. The same key answers with the same reversal and `Idempotent-Replayed: true`.",
		guard: needs(access.PaymentVoid), later: true,
		example: reversalRequest{Reason: "Article rendu", Code: "407182"},
		refuses: refusals{
			400: {"request.idempotency_key"},
			403: {"access.not_a_person"}, 404: {"payment.not_found", "terminal.not_found", "contract.not_found"},
			409: append(dialogueRefusals(), "payment.key_reused", "payment.void_too_late", "payment.refund_too_early", "payment.void_partial",
				"payment.not_captured", "payment.exceeds", "payment.other_contract"),
			422: {"payment.key", "payment.kind", "payment.reason", "payment.text", "payment.amount", "payment.currency", "payment.exceeds", "access.code_shape", "access.code_wrong"},
			429: {"access.locked", "access.busy"}, 503: {"payment.connector_missing"},
		},
	}, a.postReversal)
	add(a, operation{
		id: "get-reversal", method: http.MethodGet, path: "/v1/reversals/{id}", tag: tagPayments,
		summary: "Read a void or refund", guard: needs(access.PaymentRead), refuses: refusals{404: {"payment.not_found"}},
	}, a.getReversal)
}

type reversalInput struct {
	ID   id.Payment `path:"id"`
	Key  string     `header:"Idempotency-Key" doc:"Made by you, kept before the first try." maxLength:"257"`
	Body body[reversalRequest]
}

type reversalAnswer struct {
	Status   int
	Replayed string `header:"Idempotent-Replayed" doc:"true: this key was used before, for the same."`
	Body     attemptBody
}

func (a *API) postReversal(ctx context.Context, p access.Principal, in *reversalInput) (*reversalAnswer, error) {
	key := strings.Trim(in.Key, `" `) // the header is a quoted string in the draft, and often is not
	if key == "" {
		return nil, problem.New(problem.Malformed, "request.idempotency_key").At("header." + idempotencyKey)
	}
	request, err := in.Body.read()
	if err != nil {
		return nil, err
	}
	kind := terminal.Kind(request.Kind)
	if kind == "" {
		kind = payment.Auto
	}
	r, err := a.doors.Cards.Payments.Reverse(ctx, p, payment.ReversalRequest{
		Payment: in.ID, Key: key, Kind: kind, Amount: request.Amount, Reason: request.Reason, Remark: request.Comment,
		Code: request.Code, Terminal: request.Terminal, PrintSlip: request.PrintSlip,
	})
	if err != nil {
		return nil, err
	}
	out := &reversalAnswer{Status: http.StatusAccepted, Body: attemptOf(&r.Attempt)}
	if !r.Created {
		out.Status, out.Replayed = http.StatusOK, "true"
	}
	return out, nil
}

type getReversalInput struct {
	ID id.Attempt `path:"id"`
}

func (a *API) getReversal(ctx context.Context, p access.Principal, in *getReversalInput) (*answer[attemptBody], error) {
	found, err := a.doors.Cards.Payments.ReversalByID(ctx, p, in.ID)
	if err != nil {
		return nil, err
	}
	return fine(attemptOf(&found.Attempt)), nil
}

// secondsTo is how long it is until a time, never below zero: a countdown.
func (a *API) secondsTo(t time.Time) int64 {
	return int64(max(0, t.Sub(a.doors.Clock.Now())) / time.Second)
}
