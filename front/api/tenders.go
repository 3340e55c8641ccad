package api

import (
	"context"
	"net/http"

	"encaisse/access"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/sale"
)

// tenderingRequest asks to add a means of payment to a basket.
type tenderingRequest struct {
	Means     string        `json:"means" enum:"cash,card"`
	Amount    money.Amount  `json:"amount" doc:"What it pays of the sale: at most what is due."`
	Received  *money.Amount `json:"received,omitempty" doc:"Of cash: what was handed over, from which change is given."`
	Terminal  id.Terminal   `json:"terminal_id,omitempty" doc:"Of a card: the reader it is shown to. Or reference."`
	PrintSlip bool          `json:"print_slip,omitempty" doc:"The reader prints the slip on its own roll."`
	Reference string        `json:"reference,omitempty" maxLength:"100" doc:"Of a card on a terminal that is not connected: what its slip says. It is marked as said by hand everywhere." example:"Ticket 0042"`
	Offline   bool          `json:"offline,omitempty" doc:"Never true: no card is taken without a connection, and no approval obtained without one (409 sale.offline_card_refused)."`
}

func (r *tenderingRequest) of(saleID id.Sale, tender id.Tender) sale.Tendering {
	return sale.Tendering{
		TenderRequest: sale.TenderRequest{ID: tender, Means: r.Means, Amount: r.Amount, Received: r.Received},
		Sale:          saleID, Terminal: r.Terminal, PrintSlip: r.PrintSlip, Reference: r.Reference, Offline: r.Offline,
	}
}

type abandonRequest struct {
	Reason string `json:"reason,omitempty" maxLength:"200" doc:"Sealed in the journal." example:"Client parti"`
}

// dialogueRefusals are what a reader's dialogue is refused for before it begins.
func dialogueRefusals() []string {
	return []string{"terminal.busy", "terminal.deactivated", "payment.contract_closed"}
}

func (a *API) tenders() {
	add(a, operation{
		id: "put-tender", method: http.MethodPut, path: "/v1/sales/{id}/tenders/{tender}", tag: tagSales,
		summary: "Add a means of payment to a basket",
		text: "Cash is accepted at once. A card is asked for: 202, and what becomes of it is told as events and read at its payment. While it is under way or in doubt, " +
			"no other means may take its part of the due. Declined, it leaves the basket as it was: try again under a new id. What covers the total seals the sale in the same commit.\n\n" +
			"No card data is ever sent here, and nothing that was approved offline.",
		guard: needs(access.SaleWrite), creates: true, later: true,
		example: tenderingRequest{Means: sale.Card, Amount: euros(783), Terminal: "term_01k9zq0w5tfk8v3q8h2m7c4x9d"},
		refuses: refusals{
			404: {"sale.not_found", "terminal.not_found", "contract.not_found"},
			409: append(dialogueRefusals(), "sale.other_content", "sale.basket_sealed", "sale.basket_abandoned", "sale.tender_over_due",
				"sale.register_closed", "sale.session_closed", "sale.offline_card_refused", "sale.no_cards"),
			422: {
				"sale.means_unknown", "sale.terminal_or_reference", "sale.card_fields", "sale.card_change", "sale.text", "sale.tender_zero",
				"sale.received_short", "sale.currency", "sale.cash_ceiling", "sale.too_many_tenders", "payment.currency",
			},
			503: {"fiscal.clock_back", "fiscal.key_unavailable", "payment.connector_missing"},
		},
	}, a.putTender)
	add(a, operation{
		id: "cancel-tender", method: http.MethodPost, path: "/v1/sales/{id}/tenders/{tender}/cancel", tag: tagSales,
		summary: "Ask the reader to give a card up",
		text:    "It can while no card is in. What comes of it is the reader's word: a payment that was approved meanwhile is told as that.",
		guard:   needs(access.SaleWrite), always: http.StatusAccepted,
		refuses: refusals{404: {"sale.tender_not_found", "payment.not_found"}, 409: {"sale.tender_not_card", "payment.card_in", "payment.over"}},
	}, a.postTenderCancel)
	add(a, operation{
		id: "abandon-tender", method: http.MethodPost, path: "/v1/sales/{id}/tenders/{tender}/abandon", tag: tagSales,
		summary: "Take another means instead of a card in doubt",
		text:    "The basket gets its part of the due back. The reader is asked on: an approval that turns up is undone.",
		guard:   needs(access.SaleWrite),
		refuses: refusals{404: {"sale.tender_not_found", "payment.not_found"}, 409: {"sale.tender_not_card", "payment.not_in_doubt"}},
	}, a.postTenderAbandon)
	add(a, operation{
		id: "abandon-sale", method: http.MethodPost, path: "/v1/sales/{id}/abandon", tag: tagSales,
		summary: "Give a basket up",
		text: "Cash that was taken for it is handed back first, and journaled; a card that was accepted has to be voided before, which needs the card. " +
			"The same call again answers the same.",
		guard: needs(access.SaleWrite), example: abandonRequest{Reason: "Client parti"},
		refuses: refusals{
			404: {"sale.not_found"}, 409: {"sale.basket_sealed", "sale.tender_pending", "sale.card_to_void", "sale.register_closed", "sale.session_closed"},
			422: {"sale.text"}, 503: {"fiscal.clock_back", "fiscal.key_unavailable"},
		},
	}, a.postSaleAbandon)
}

type putTenderInput struct {
	ID     id.Sale   `path:"id"`
	Tender id.Tender `path:"tender" doc:"Made by you, before the first try."`
	Body   body[tenderingRequest]
}

func (a *API) putTender(ctx context.Context, p access.Principal, in *putTenderInput) (*answer[saleBody], error) {
	request, err := in.Body.read()
	if err != nil {
		return nil, err
	}
	found, created, err := a.doors.Sales.Tender(ctx, p, request.of(in.ID, in.Tender))
	if err != nil {
		return nil, err
	}
	out := made(saleOf(&found), created)
	if created && request.Means == sale.Card && request.Terminal != "" {
		out.Status = http.StatusAccepted
	}
	return out, nil
}

type tenderInput struct {
	ID     id.Sale   `path:"id"`
	Tender id.Tender `path:"tender"`
}

func (a *API) postTenderCancel(ctx context.Context, p access.Principal, in *tenderInput) (*answer[saleBody], error) {
	found, err := a.doors.Sales.CancelTender(ctx, p, in.ID, in.Tender)
	if err != nil {
		return nil, err
	}
	return coming(saleOf(&found), true), nil
}

func (a *API) postTenderAbandon(ctx context.Context, p access.Principal, in *tenderInput) (*answer[saleBody], error) {
	found, err := a.doors.Sales.AbandonTender(ctx, p, in.ID, in.Tender)
	if err != nil {
		return nil, err
	}
	return fine(saleOf(&found)), nil
}

type abandonInput struct {
	ID   id.Sale `path:"id"`
	Body body[abandonRequest]
}

func (a *API) postSaleAbandon(ctx context.Context, p access.Principal, in *abandonInput) (*answer[saleBody], error) {
	request, err := in.Body.read()
	if err != nil {
		return nil, err
	}
	left, err := a.doors.Sales.Abandon(ctx, p, in.ID, request.Reason)
	if err != nil {
		return nil, err
	}
	return fine(saleOf(&left)), nil
}
