package api

import (
	"context"
	"net/http"

	"encaisse/access"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/catalog"
	"encaisse/sale"
)

// saleRequest asks to seal a sale, or to keep it as a basket. Its limits are those of package sale, which
// refuses what goes beyond; a test holds the two equal.
type saleRequest struct {
	Register    id.Register       `json:"register_id" doc:"A register whose till session is open."`
	Session     id.Session        `json:"session_id,omitempty" doc:"The till session the sale must join; left out: the open one."`
	ExternalRef string            `json:"external_ref,omitempty" maxLength:"100" doc:"Your own reference, kept and sealed with the sale." example:"order-2291"`
	Lines       []lineRequest     `json:"lines" nullable:"false" minItems:"1" maxItems:"500" doc:"What is sold. A negative quantity is returned."`
	Reduction   *reductionRequest `json:"reduction,omitempty" doc:"Taken off the whole ticket, spread over its VAT rates."`
	Tenders     []tenderRequest   `json:"tenders,omitempty" nullable:"false" maxItems:"20" doc:"How it is paid, to the cent. None where the total is zero."`
	CashPayer   string            `json:"cash_payer,omitempty" enum:"resident,non_resident" default:"resident" doc:"Who hands over cash, for the legal ceiling."`
	Open        bool              `json:"open,omitempty" doc:"Keep a basket with these prices; its tenders come one by one, and the last one seals it. Then without tenders here."`
}

type lineRequest struct {
	Article   id.Article        `json:"article_id,omitempty" doc:"An article of the catalogue; or label, vat_bp and unit_price."`
	Label     string            `json:"label,omitempty" maxLength:"200" doc:"Of a line typed by hand." example:"Baguette"`
	Rate      *money.Rate       `json:"vat_bp,omitempty" doc:"VAT of a line typed by hand, in basis points: 550 is 5.5 %." example:"550"`
	Nature    string            `json:"nature,omitempty" enum:"goods,service" default:"goods" doc:"Of a line typed by hand."`
	Quantity  *money.Quantity   `json:"quantity,omitempty" doc:"A decimal string of at most three decimals; left out: 1. Negative: returned."`
	Unit      *money.Amount     `json:"unit_price,omitempty" doc:"Tax included; left out: the catalogue's."`
	Reduction *reductionRequest `json:"reduction,omitempty" doc:"Taken off this line."`
}

type reductionRequest struct {
	PercentBP int64         `json:"percent_bp,omitempty" minimum:"1" maximum:"10000" doc:"In basis points: 1000 is 10 %. Or an amount, never both." example:"1000"`
	Amount    *money.Amount `json:"amount,omitempty" doc:"Always positive."`
	Name      string        `json:"name,omitempty" maxLength:"200" doc:"Why, as the ticket says it." example:"Fidélité"`
}

type tenderRequest struct {
	ID       id.Tender     `json:"id" doc:"Made by you."`
	Means    string        `json:"means" enum:"cash" doc:"A card needs a basket: see open."`
	Amount   money.Amount  `json:"amount" doc:"What it pays of the sale. Negative on a return: handed back."`
	Received *money.Amount `json:"received,omitempty" doc:"What was handed over, from which change is given; left out: the amount."`
}

func (r *saleRequest) of(saleID id.Sale) sale.Request {
	out := sale.Request{
		ID: saleID, Register: r.Register, Session: r.Session, ExternalRef: r.ExternalRef, Reduction: r.Reduction.of(), CashPayer: r.CashPayer, Open: r.Open,
		Lines: make([]sale.LineRequest, len(r.Lines)), Tenders: make([]sale.TenderRequest, len(r.Tenders)),
	}
	for i := range r.Lines {
		l := &r.Lines[i]
		out.Lines[i] = sale.LineRequest{
			Article: l.Article, Label: l.Label, Nature: catalog.Nature(l.Nature), Rate: l.Rate,
			Quantity: l.quantity(), Unit: l.Unit, Reduction: l.Reduction.of(),
		}
	}
	for i, t := range r.Tenders {
		out.Tenders[i] = sale.TenderRequest{ID: t.ID, Means: t.Means, Amount: t.Amount, Received: t.Received}
	}
	return out
}

// onePiece is the quantity of a line that says none.
const onePiece money.Quantity = 1000

func (l *lineRequest) quantity() money.Quantity {
	if l.Quantity == nil {
		return onePiece
	}
	return *l.Quantity
}

func (r *reductionRequest) of() *sale.Reduction {
	if r == nil {
		return nil
	}
	return &sale.Reduction{PercentBP: r.PercentBP, Amount: r.Amount, Name: r.Name}
}

// SaleSummary is a sale without its parts: sealed, or still a basket.
type SaleSummary struct {
	ID           id.Sale      `json:"id"`
	State        string       `json:"state" enum:"sealed,open,abandoned" doc:"Sealed: a ticket. Open, abandoned: a basket, which has no number, session, business date and time of sealing."`
	Register     id.Register  `json:"register_id"`
	Number       int64        `json:"number,omitempty" doc:"Without hole on its register." example:"136451"`
	Session      id.Session   `json:"session_id,omitempty"`
	BusinessDate string       `json:"business_date,omitempty" format:"date" example:"2026-11-22"`
	Document     string       `json:"document" enum:"ticket,return" doc:"A return has a negative total."`
	OpenedAt     string       `json:"opened_at,omitempty" format:"date-time" doc:"Of a basket."`
	SealedAt     string       `json:"sealed_at,omitempty" format:"date-time" example:"2026-11-22T09:41:07.250Z"`
	Operator     int64        `json:"operator" doc:"Number of the person who sold; 0: a program." example:"2"`
	Total        money.Amount `json:"total" doc:"Tax included."`
	Accepted     money.Amount `json:"accepted" doc:"Paid so far."`
	Due          money.Amount `json:"due" doc:"What is still to be asked for: a card under way or in doubt has taken its part."`
	ExternalRef  string       `json:"external_ref,omitempty"`
	Original     id.Sale      `json:"original_id,omitempty" doc:"Of a return that the void or refund of a card made: the sale it goes back to."`
}

// saleBody is a sale with its parts.
type saleBody struct {
	SaleSummary
	Reduction     *money.Amount `json:"reduction,omitempty" doc:"Of the whole ticket; the lines' amounts bear it already."`
	ReductionName string        `json:"reduction_name,omitempty"`
	Lines         []lineBody    `json:"lines" nullable:"false"`
	VAT           []vatBody     `json:"vat" nullable:"false" doc:"Per rate, computed on the reduced total and rounded once."`
	Tenders       []tenderBody  `json:"tenders" nullable:"false" doc:"Of a basket also those that failed or were handed back."`
}

type lineBody struct {
	Article       string         `json:"article,omitempty" doc:"Its reference in the catalogue, as it was."`
	Label         string         `json:"label" example:"Baguette"`
	Nature        string         `json:"nature" enum:"goods,service"`
	Quantity      money.Quantity `json:"quantity"`
	Unit          money.Amount   `json:"unit_price" doc:"As sold, tax included."`
	List          *money.Amount  `json:"list_price,omitempty" doc:"As the catalogue had it."`
	Reduction     *money.Amount  `json:"reduction,omitempty" doc:"The line's own."`
	ReductionName string         `json:"reduction_name,omitempty"`
	Share         *money.Amount  `json:"share,omitempty" doc:"Its share of the ticket's reduction."`
	Rate          int64          `json:"vat_bp" example:"550"`
	TTC           money.Amount   `json:"ttc" doc:"Tax included, after both reductions."`
	HT            money.Amount   `json:"ht" doc:"Without tax."`
}

type tenderBody struct {
	ID        id.Tender    `json:"id"`
	Means     string       `json:"means" enum:"cash,card"`
	State     string       `json:"state" enum:"accepted,processing,failed,returned" doc:"Processing: a card under way, or in doubt."`
	Amount    money.Amount `json:"amount"`
	Received  money.Amount `json:"received"`
	Change    money.Amount `json:"change" doc:"To be handed back."`
	Terminal  id.Terminal  `json:"terminal_id,omitempty"`
	Payment   id.Payment   `json:"payment_id,omitempty" doc:"Of a card on a connected terminal: what became of it is read there."`
	Reference string       `json:"reference,omitempty" doc:"Of a card on a terminal that is not connected, as it was typed."`
	Manual    bool         `json:"manual,omitempty" doc:"A person says it was paid; no terminal did."`
}

type salesPageBody struct {
	Sales []SaleSummary `json:"sales" nullable:"false" doc:"Newest first."`
	Next  *id.Sale      `json:"next" nullable:"true" doc:"Give it as before for the page that follows; null: this was the last."`
}

func summaryOf(s *sale.Sale) SaleSummary {
	out := SaleSummary{
		ID: s.ID, State: s.State, Register: s.Register, Number: s.Number, Session: s.Session, BusinessDate: s.BusinessDate, Document: s.Document,
		Operator: s.Operator, Total: money.Amount{Minor: s.Total, Currency: s.Currency}, ExternalRef: s.ExternalRef, Original: s.Original,
		Accepted: money.Amount{Minor: s.Accepted, Currency: s.Currency}, Due: money.Amount{Minor: s.Total - s.Reserved, Currency: s.Currency},
	}
	if s.State == sale.Sealed {
		out.SealedAt = stamp(s.SealedAt)
	} else {
		out.OpenedAt = stamp(s.OpenedAt)
	}
	return out
}

func saleOf(s *sale.Sale) saleBody {
	out := saleBody{
		SaleSummary: summaryOf(s), ReductionName: s.ReductionName, VAT: vatOf(s.VAT),
		Lines: make([]lineBody, len(s.Lines)), Tenders: make([]tenderBody, len(s.Tenders)),
	}
	minor := func(v int64) money.Amount { return money.Amount{Minor: v, Currency: s.Currency} }
	some := func(v int64) *money.Amount {
		if v == 0 {
			return nil
		}
		return &money.Amount{Minor: v, Currency: s.Currency}
	}
	out.Reduction = some(s.Reduction)
	for i := range s.Lines {
		l := &s.Lines[i]
		out.Lines[i] = lineBody{
			Article: l.Article, Label: l.Label, Nature: string(l.Nature), Quantity: l.Quantity,
			Unit: minor(l.Unit), List: amountOrNone(l.List, s.Currency), Reduction: some(l.Reduction), ReductionName: l.ReductionName,
			Share: some(l.Share), Rate: int64(l.Rate), TTC: minor(l.TTC), HT: minor(l.HT),
		}
	}
	for i, t := range s.Tenders {
		out.Tenders[i] = tenderBody{
			ID: t.ID, Means: t.Means, State: t.State, Amount: minor(t.Amount), Received: minor(t.Received), Change: minor(t.Change),
			Terminal: t.Terminal, Payment: t.Payment, Reference: t.Reference, Manual: t.Manual,
		}
	}
	return out
}

func (a *API) sales() {
	add(a, operation{
		id: "put-sale", method: http.MethodPut, path: "/v1/sales/{id}", tag: tagSales,
		summary: "Seal a sale, or open a basket",
		text: "Lines, reductions and tenders become a ticket in one commit: its number, its fiscal record, its ledger transfers and its event. " +
			"Make the id, keep it, and repeat the request until it is answered: the same content under the same id is the same sale.\n\n" +
			"With `open` the prices are kept and the sale waits for its tenders: a card is paid that way.",
		guard: needs(access.SaleWrite), creates: true, example: saleExample(),
		refuses: refusals{
			409: {
				"sale.other_content", "sale.register_closed", "sale.session_closed", "sale.history_register",
			},
			404: {"merchant.register_not_found"},
			422: {
				"sale.no_lines", "sale.too_many_lines", "sale.too_many_tenders", "sale.text", "sale.cash_payer", "sale.quantity_zero",
				"sale.quantity_limit", "sale.price_negative", "sale.price_limit", "sale.label_missing", "sale.rate_missing", "sale.rate_unknown", "sale.price_missing",
				"sale.article_or_label", "sale.nature", "sale.reduction_kind", "sale.reduction_range", "sale.reduction_exceeds",
				"sale.means_unknown", "sale.card_needs_basket", "sale.open_tenders", "sale.open_total", "sale.tender_zero", "sale.cash_negative", "sale.received_short", "sale.received_on_return",
				"sale.currency", "sale.unknown_article", "sale.tender_short", "sale.tender_exceeds", "sale.cash_ceiling", "sale.session_unknown",
				"catalog.article_unknown", "catalog.article_archived", "money.rate", "money.overflow",
			},
			503: {"fiscal.clock_back", "fiscal.key_unavailable"},
		},
	}, a.putSale)
	add(a, operation{
		id: "get-sale", method: http.MethodGet, path: "/v1/sales/{id}", tag: tagSales,
		summary: "Read a sale", text: "A user reads own sales only: somebody else's is not found.",
		guard: needs(access.SaleRead), refuses: refusals{404: {"sale.not_found"}},
	}, a.getSale)
	add(a, operation{
		id: "list-sales", method: http.MethodGet, path: "/v1/sales", tag: tagSales,
		summary: "List sales", text: "Newest first, without their lines. A user sees own sales only. With state the baskets that are open, or were abandoned.",
		guard: needs(access.SaleRead),
	}, a.listSales)
}

type putSaleInput struct {
	ID   id.Sale `path:"id" doc:"Made by you, before the first try."`
	Body body[saleRequest]
}

func (a *API) putSale(ctx context.Context, p access.Principal, in *putSaleInput) (*answer[saleBody], error) {
	request, err := in.Body.read()
	if err != nil {
		return nil, err
	}
	sealed, created, err := a.doors.Sales.Put(ctx, p, request.of(in.ID))
	if err != nil {
		return nil, err
	}
	return made(saleOf(&sealed), created), nil
}

type getSaleInput struct {
	ID id.Sale `path:"id"`
}

func (a *API) getSale(ctx context.Context, p access.Principal, in *getSaleInput) (*answer[saleBody], error) {
	found, err := a.doors.Sales.Get(ctx, p, in.ID)
	if err != nil {
		return nil, err
	}
	return fine(saleOf(&found)), nil
}

type listSalesInput struct {
	State  string  `query:"state" enum:"sealed,open,abandoned" default:"sealed"`
	Before id.Sale `query:"before" doc:"Only sales made before this one."`
	Limit  int     `query:"limit" minimum:"1" maximum:"100" default:"50" doc:"How many at most."`
}

func (a *API) listSales(ctx context.Context, p access.Principal, in *listSalesInput) (*answer[salesPageBody], error) {
	list := a.doors.Sales.List
	if in.State != sale.Sealed {
		list = func(ctx context.Context, p access.Principal, before id.Sale, limit int) ([]sale.Sale, error) {
			return a.doors.Sales.Baskets(ctx, p, in.State, before, limit)
		}
	}
	page, err := list(ctx, p, in.Before, in.Limit)
	if err != nil {
		return nil, err
	}
	out := salesPageBody{Sales: make([]SaleSummary, len(page))}
	for i := range page {
		out.Sales[i] = summaryOf(&page[i])
	}
	if len(page) == in.Limit {
		out.Next = &page[len(page)-1].ID
	}
	return fine(out), nil
}
