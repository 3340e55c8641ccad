package api

import (
	"context"
	"net/http"

	"encaisse/access"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/base/problem"
	"encaisse/sale"
)

type closingRequest struct {
	Kind         string        `json:"kind" enum:"z,day" doc:"z closes the open till session; day closes a business day of the register."`
	Counted      *money.Amount `json:"counted,omitempty" doc:"Of a Z: the cash counted. Left out: nobody counted."`
	BusinessDate string        `json:"business_date,omitempty" format:"date" doc:"Of a day. A Z takes its session's." example:"2026-11-22"`
}

// totalsBody is what a period holds.
type totalsBody struct {
	FirstTicket int64           `json:"first_ticket" example:"1"`
	LastTicket  int64           `json:"last_ticket" doc:"first_ticket − 1 where there is none." example:"184"`
	Tickets     int64           `json:"tickets" example:"184"`
	Lines       int64           `json:"lines" example:"402"`
	Returns     int64           `json:"returns" doc:"Tickets with a negative total."`
	Net         money.Amount    `json:"net"`
	Absolute    money.Amount    `json:"absolute" doc:"Returns added instead of subtracted."`
	VAT         []periodVATBody `json:"vat" nullable:"false"`
	Float       money.Amount    `json:"float"`
	Cash        money.Amount    `json:"cash" doc:"Cash tenders, change and hand-backs taken off."`
	CashIn      money.Amount    `json:"cash_in"`
	CashOut     money.Amount    `json:"cash_out"`
	Held        money.Amount    `json:"held" doc:"Cash of baskets that are not sealed, less that of earlier ones that were."`
	Card        money.Amount    `json:"card" doc:"Card tenders, returns taken off."`
	CardManual  money.Amount    `json:"card_manual" doc:"Of these, what a person says and no terminal confirmed."`
	Expected    money.Amount    `json:"expected" doc:"What the drawer should hold."`
}

type periodVATBody struct {
	Rate              int64 `json:"rate_bp" example:"550"`
	TTC               int64 `json:"ttc_minor" example:"120535"`
	HT                int64 `json:"ht_minor" example:"114251"`
	VAT               int64 `json:"vat_minor" example:"6284"`
	PerpetualNet      int64 `json:"perpetual_net_minor" doc:"Turnover of this rate since the register began; 0 in an X." example:"55864085"`
	PerpetualAbsolute int64 `json:"perpetual_absolute_minor" doc:"The same, returns added." example:"55864085"`
}

func totalsOf(t sale.Totals, currency money.Currency) totalsBody {
	minor := func(v int64) money.Amount { return money.Amount{Minor: v, Currency: currency} }
	out := totalsBody{
		FirstTicket: t.FirstTicket, LastTicket: t.LastTicket, Tickets: t.Tickets(), Lines: t.Lines, Returns: t.Returns,
		Net: minor(t.Net), Absolute: minor(t.Absolute), VAT: make([]periodVATBody, len(t.VAT)), Float: minor(t.Float), Cash: minor(t.Cash),
		CashIn: minor(t.CashIn), CashOut: minor(t.CashOut), Held: minor(t.Held), Card: minor(t.Card), CardManual: minor(t.CardManual), Expected: minor(t.Expected),
	}
	for i, v := range t.VAT {
		out.VAT[i] = periodVATBody{
			Rate: int64(v.Rate), TTC: v.TTC, HT: v.HT, VAT: v.VAT.VAT, PerpetualNet: v.PerpetualNet, PerpetualAbsolute: v.PerpetualAbsolute,
		}
	}
	return out
}

// closingBody is a sealed closing. Counts and totals are left out for those who may
// not see everybody's turnover.
type closingBody struct {
	ID           id.Closing      `json:"id"`
	Register     id.Register     `json:"register_id"`
	Kind         string          `json:"kind" enum:"z,day"`
	Number       int64           `json:"number" doc:"Without hole per register and kind." example:"612"`
	BusinessDate string          `json:"business_date" format:"date" example:"2026-11-22"`
	Session      *id.Session     `json:"session_id" nullable:"true" doc:"Of a Z; null for a day."`
	ClosedAt     string          `json:"closed_at" format:"date-time" example:"2026-11-22T19:05:12.480Z"`
	Operator     int64           `json:"operator"`
	Figures      *closingFigures `json:"figures,omitempty" doc:"Left out for those who may not see everybody's turnover."`
}

type closingFigures struct {
	Totals            totalsBody    `json:"totals"`
	PerpetualNet      money.Amount  `json:"perpetual_net" doc:"Turnover since the register began."`
	PerpetualAbsolute money.Amount  `json:"perpetual_absolute" doc:"The same, returns added."`
	Counted           *money.Amount `json:"counted,omitempty" doc:"Left out: nobody counted."`
	Difference        *money.Amount `json:"difference,omitempty" doc:"Counted less expected."`
}

// amountOrNone is an amount that may be missing.
func amountOrNone(minor *int64, currency money.Currency) *money.Amount {
	if minor == nil {
		return nil
	}
	return &money.Amount{Minor: *minor, Currency: currency}
}

// closingOf is a closing as p may see it (UPM-045).
func closingOf(p access.Principal, z *sale.Closing) closingBody {
	out := closingBody{
		ID: z.ID, Register: z.Register, Kind: z.Kind, Number: z.Number, BusinessDate: z.BusinessDate,
		ClosedAt: stamp(z.ClosedAt), Operator: z.Operator,
	}
	if z.Session != "" {
		out.Session = &z.Session
	}
	if access.Allow(p, access.ReportRead) == nil {
		out.Figures = &closingFigures{
			Totals:            totalsOf(z.Totals, z.Currency),
			PerpetualNet:      money.Amount{Minor: z.PerpetualNet, Currency: z.Currency},
			PerpetualAbsolute: money.Amount{Minor: z.PerpetualAbsolute, Currency: z.Currency},
			Counted:           amountOrNone(z.Counted, z.Currency), Difference: amountOrNone(z.Difference, z.Currency),
		}
	}
	return out
}

type closingsPageBody struct {
	Closings []closingBody `json:"closings" nullable:"false" doc:"Newest first."`
	Next     *int64        `json:"next" doc:"Give it as before for the page that follows; null: this was the last."`
}

func (a *API) closings() {
	add(a, operation{
		id: "put-closing", method: http.MethodPut, path: "/v1/registers/{register_id}/closings/{closing_id}", tag: tagTill,
		summary: "Close the till (Z) or a business day",
		text: "A Z seals the totals of the open till session and ends it; a day sums the Z of a business date. " +
			"Whoever may not see everybody's turnover closes without seeing the figures.",
		guard: needs(access.TillClose), creates: true, example: closingRequest{Kind: sale.Z, Counted: amount(1340_00)},
		refuses: refusals{
			404: {"merchant.register_not_found"},
			409: {"sale.register_closed", "sale.session_closed", "sale.session_open", "sale.day_closed", "sale.other_content"},
			422: {"sale.closing_kind", "sale.closing_count", "sale.amount_range", "sale.currency", "sale.date", "sale.date_future"},
			503: {"fiscal.clock_back", "fiscal.key_unavailable"},
		},
	}, a.putClosing)
	add(a, operation{
		id: "get-closing", method: http.MethodGet, path: "/v1/registers/{register_id}/closings/{closing_id}", tag: tagTill,
		summary: "Read a closing", guard: needs(access.ReportRead), refuses: refusals{404: {"sale.closing_not_found"}},
	}, a.getClosing)
	add(a, operation{
		id: "list-closings", method: http.MethodGet, path: "/v1/registers/{register_id}/closings", tag: tagTill,
		summary: "List closings", text: "Of one kind, newest first.", guard: needs(access.ReportRead),
	}, a.listClosings)
}

type closingInput struct {
	Register id.Register `path:"register_id"`
	Closing  id.Closing  `path:"closing_id"`
}

type putClosingInput struct {
	Register id.Register `path:"register_id"`
	Closing  id.Closing  `path:"closing_id" doc:"Made by you."`
	Body     body[closingRequest]
}

func (a *API) putClosing(ctx context.Context, p access.Principal, in *putClosingInput) (*answer[closingBody], error) {
	request, err := in.Body.read()
	if err != nil {
		return nil, err
	}
	z, created, err := a.doors.Sales.Close(ctx, p, sale.ClosingRequest{
		ID: in.Closing, Register: in.Register, Kind: request.Kind, Counted: request.Counted, BusinessDate: request.BusinessDate,
	})
	if err != nil {
		return nil, err
	}
	return made(closingOf(p, &z), created), nil
}

func (a *API) getClosing(ctx context.Context, p access.Principal, in *closingInput) (*answer[closingBody], error) {
	z, err := a.doors.Sales.Closing(ctx, p, in.Closing)
	if err != nil {
		return nil, err
	}
	if z.Register != in.Register { // no such thing at this address
		return nil, problem.New(problem.NotFound, "sale.closing_not_found")
	}
	return fine(closingOf(p, &z)), nil
}

type listClosingsInput struct {
	Register id.Register `path:"register_id"`
	Kind     string      `query:"kind" enum:"z,day" default:"z"`
	Before   int64       `query:"before" minimum:"1" doc:"Only closings with a number below this one."`
	Limit    int         `query:"limit" minimum:"1" maximum:"100" default:"50" doc:"How many at most."`
}

func (a *API) listClosings(ctx context.Context, p access.Principal, in *listClosingsInput) (*answer[closingsPageBody], error) {
	page, err := a.doors.Sales.Closings(ctx, p, in.Register, in.Kind, in.Before, in.Limit)
	if err != nil {
		return nil, err
	}
	out := closingsPageBody{Closings: make([]closingBody, len(page))}
	for i := range page {
		out.Closings[i] = closingOf(p, &page[i])
	}
	if len(page) == in.Limit && page[len(page)-1].Number > 1 {
		out.Next = &page[len(page)-1].Number
	}
	return fine(out), nil
}
