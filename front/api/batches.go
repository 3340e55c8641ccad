package api

import (
	"context"
	"net/http"

	"encaisse/access"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/batch"
)

type batchBody struct {
	ID        id.Batch     `json:"id"`
	Contract  id.Contract  `json:"contract_id"`
	Terminal  id.Terminal  `json:"terminal_id"`
	Number    int64        `json:"number" doc:"Without hole for its contract and terminal; the same however often it is sent." example:"42"`
	State     string       `json:"state" enum:"open,closed,sent,acknowledged,refused,unknown" doc:"Refused, unknown: it is sent again under its number."`
	OpenedAt  string       `json:"opened_at" format:"date-time"`
	ClosedAt  *string      `json:"closed_at" nullable:"true" format:"date-time"`
	Debits    sumBody      `json:"debits" doc:"Of an open batch: as it stands now."`
	Credits   sumBody      `json:"credits"`
	Net       money.Amount `json:"net" doc:"What the acquirer owes for it."`
	Tries     int64        `json:"tries" doc:"How often it was sent."`
	SentAt    *string      `json:"sent_at" nullable:"true" format:"date-time"`
	NextTryAt *string      `json:"next_try_at" nullable:"true" format:"date-time"`
	SettledAt *string      `json:"settled_at" nullable:"true" format:"date-time" doc:"When the acquirer acknowledged it."`
	Code      string       `json:"code,omitempty" doc:"The host's last answer." example:"500"`
	Detail    string       `json:"detail,omitempty"`
}

type sumBody struct {
	Count  int64        `json:"count" example:"12"`
	Amount money.Amount `json:"amount"`
}

type batchLineBody struct {
	Operation id.Operation `json:"operation_id"`
	Payment   id.Payment   `json:"payment_id"`
	Kind      string       `json:"kind" enum:"debit,credit"`
	Amount    money.Amount `json:"amount"`
	At        string       `json:"at" format:"date-time"`
	RemovedAt *string      `json:"removed_at" nullable:"true" format:"date-time" doc:"Voided while the batch was open."`
}

func batchOf(b *batch.Batch) batchBody {
	minor := func(v int64) money.Amount { return money.Amount{Minor: v, Currency: b.Currency} }
	return batchBody{
		ID: b.ID, Contract: b.Contract, Terminal: b.Terminal, Number: b.Number, State: string(b.State), OpenedAt: stamp(b.OpenedAt),
		ClosedAt: stampOrNone(b.ClosedAt), Debits: sumBody{b.Debits.Count, minor(b.Debits.Minor)}, Credits: sumBody{b.Credits.Count, minor(b.Credits.Minor)},
		Net: minor(b.Net()), Tries: b.Tries, SentAt: stampOrNone(b.SentAt), NextTryAt: stampOrNone(b.NextTryAt), SettledAt: stampOrNone(b.SettledAt),
		Code: b.Code, Detail: b.Detail,
	}
}

func (a *API) batches() {
	add(a, operation{
		id: "list-batches", method: http.MethodGet, path: "/v1/batches", tag: tagBatches,
		summary: "List the card batches", text: "Newest first.", guard: needs(access.BatchRead),
	}, a.listBatches)
	add(a, operation{
		id: "get-batch", method: http.MethodGet, path: "/v1/batches/{id}", tag: tagBatches,
		summary: "Read a card batch", guard: needs(access.BatchRead), refuses: refusals{404: {"batch.not_found"}},
	}, a.getBatch)
	add(a, operation{
		id: "list-batch-lines", method: http.MethodGet, path: "/v1/batches/{id}/lines", tag: tagBatches,
		summary: "List the transactions of a card batch", guard: needs(access.BatchRead), refuses: refusals{404: {"batch.not_found"}},
	}, a.listBatchLines)
	add(a, operation{
		id: "close-batch", method: http.MethodPost, path: "/v1/batches/{id}/close", tag: tagBatches,
		summary: "Close and send a card batch now",
		text:    "« Télécollecte » by hand. From then on its payments are refunded and no longer voided. A closed one is answered as it is.",
		guard:   needs(access.BatchClose), refuses: refusals{404: {"batch.not_found"}},
	}, a.postBatchClose)
	add(a, operation{
		id: "send-batch-again", method: http.MethodPost, path: "/v1/batches/{id}/send-again", tag: tagBatches,
		summary: "Send a closed card batch again now", text: "Under its number: the acquirer never takes it twice.",
		guard: needs(access.BatchClose), refuses: refusals{404: {"batch.not_found"}, 409: {"batch.open", "batch.sending"}},
	}, a.postBatchAgain)
}

type listBatchesInput struct {
	Terminal id.Terminal `query:"terminal_id" doc:"Only those of a terminal."`
	Before   id.Batch    `query:"before" doc:"Only batches opened before this one."`
	Limit    int         `query:"limit" minimum:"1" maximum:"100" default:"50" doc:"How many at most."`
}

type batchesPageBody struct {
	Batches []batchBody `json:"batches" nullable:"false" doc:"Newest first."`
	Next    *id.Batch   `json:"next" nullable:"true" doc:"Give it as before for the page that follows; null: this was the last."`
}

func (a *API) listBatches(ctx context.Context, p access.Principal, in *listBatchesInput) (*answer[batchesPageBody], error) {
	page, err := a.doors.Cards.Batches.List(ctx, p, in.Terminal, in.Before, in.Limit)
	if err != nil {
		return nil, err
	}
	out := batchesPageBody{Batches: make([]batchBody, len(page))}
	for i := range page {
		out.Batches[i] = batchOf(&page[i])
	}
	if len(page) == in.Limit {
		out.Next = &page[len(page)-1].ID
	}
	return fine(out), nil
}

type batchInput struct {
	ID id.Batch `path:"id"`
}

func (a *API) getBatch(ctx context.Context, p access.Principal, in *batchInput) (*answer[batchBody], error) {
	found, err := a.doors.Cards.Batches.Get(ctx, p, in.ID)
	if err != nil {
		return nil, err
	}
	return fine(batchOf(&found)), nil
}

type batchLinesInput struct {
	ID    id.Batch     `path:"id"`
	After id.Operation `query:"after" doc:"Only lines after this one."`
	Limit int          `query:"limit" minimum:"1" maximum:"100" default:"100" doc:"How many at most."`
}

type batchLinesBody struct {
	Lines []batchLineBody `json:"lines" nullable:"false" doc:"In order, the removed ones too."`
	Next  *id.Operation   `json:"next" nullable:"true" doc:"Give it as after for the page that follows; null: this was the last."`
}

func (a *API) listBatchLines(ctx context.Context, p access.Principal, in *batchLinesInput) (*answer[batchLinesBody], error) {
	of, err := a.doors.Cards.Batches.Get(ctx, p, in.ID)
	if err != nil {
		return nil, err
	}
	lines, err := a.doors.Cards.Batches.Lines(ctx, p, in.ID, in.After, in.Limit)
	if err != nil {
		return nil, err
	}
	out := batchLinesBody{Lines: make([]batchLineBody, len(lines))}
	for i, l := range lines {
		out.Lines[i] = batchLineBody{
			Operation: l.Operation, Payment: l.Payment, Kind: "debit", Amount: money.Amount{Minor: l.Amount, Currency: of.Currency},
			At: stamp(l.At), RemovedAt: stampOrNone(l.RemovedAt),
		}
		if l.Credit {
			out.Lines[i].Kind = "credit"
		}
	}
	if len(lines) == in.Limit {
		out.Next = &lines[len(lines)-1].Operation
	}
	return fine(out), nil
}

func (a *API) postBatchClose(ctx context.Context, p access.Principal, in *batchInput) (*answer[batchBody], error) {
	closed, err := a.doors.Cards.Batches.Close(ctx, p, in.ID)
	if err != nil {
		return nil, err
	}
	return fine(batchOf(&closed)), nil
}

func (a *API) postBatchAgain(ctx context.Context, p access.Principal, in *batchInput) (*answer[batchBody], error) {
	sent, err := a.doors.Cards.Batches.SendAgain(ctx, p, in.ID)
	if err != nil {
		return nil, err
	}
	return fine(batchOf(&sent)), nil
}
