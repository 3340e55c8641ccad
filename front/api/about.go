package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"encaisse/access"
	"encaisse/base/money"
	"encaisse/base/problem"
	"encaisse/base/web"
	"encaisse/catalog"
	"encaisse/sale"
)

// tag is a chapter of the documentation.
type tag string

const (
	tagAbout   tag = "About"
	tagAccess  tag = "Sessions and keys"
	tagPeople  tag = "People"
	tagPlaces  tag = "Company, sites, registers"
	tagCatalog tag = "Catalogue"
	tagSales   tag = "Sales"
	tagTill    tag = "Till"

	tagPayments  tag = "Payments"
	tagTerminals tag = "Card readers"
	tagContracts tag = "Acceptance contracts"
	tagBatches   tag = "Card batches"

	tagJournal tag = "Fiscal journal"
	tagEvents  tag = "Events"
)

func tagList() []*huma.Tag {
	of := func(t tag, words string) *huma.Tag { return &huma.Tag{Name: string(t), Description: words} }
	return []*huma.Tag{
		of(tagSales, "A basket becomes a ticket: in one request and one commit, or paid in several parts."),
		of(tagPayments, "What was paid by card: each try, what is in doubt, and what was given back."),
		of(tagTerminals, "Where cards are shown. Devices pair and connect by themselves, at /v1/terminals/pair and /v1/terminals/connect."),
		of(tagContracts, "Under which terms cards are accepted."),
		of(tagBatches, "What is cleared with the acquirer, per contract and reader."),
		of(tagTill, "The till session of a register, from its opening float to its Z, and the closing of a day."),
		of(tagCatalog, "Articles with their price, VAT rate and barcode, in categories."),
		of(tagPlaces, "Who gets paid, and where."),
		of(tagAccess, "How people and programs come in."),
		of(tagPeople, "The team, its roles, and the trail of what administrators did."),
		of(tagJournal, "The signed records, as anybody can verify them."),
		of(tagEvents, "What happened, to whoever asks."),
		of(tagAbout, "What answers, and whether it is ready."),
	}
}

const introduction = `The HTTP API of Encaisse: JSON over REST.

**Amounts** are whole minor units beside their currency, ` + "`{\"amount\": 1250, \"currency\": \"EUR\"}`" + `; a fraction or an exponent is refused, never rounded. ` +
	"**Quantities** are decimal strings, `\"1.5\"`. **Rates** are basis points, `550` is 5.5 %. **Times** are RFC 3339 in UTC with milliseconds; a business date is a date.\n\n" +
	`**You make the id** of what you want done (a prefix and a UUIDv7 in base32, as TypeID writes it) and keep it before the first try. The same PUT again is the same thing: ` +
	"it answers 200 where the first answered 201 or 202. Another content under the same id is 409. Repeat a request until it is answered. " +
	"A void or refund alone is a POST, and wants an `Idempotency-Key`.\n\n" +
	"**Cards** answer 202: their outcome comes as events and is read at the payment. A declined card is an outcome and no error: no answer is 402, since none waits for the card.\n\n" +
	"**Refusals** are problem documents (RFC 9457) in the language of Accept-Language, French by default. `code` is for programs and does not change; `errors` names each field. " +
	"The value that was wrong is never repeated. Unknown fields and query parameters are refused, and so is a field that is there twice.\n\n" +
	"**Bearer**: `Authorization: Bearer` with an API key or the token of a session."

// generalCodes are the problems that any operation may answer with.
func generalCodes() map[string][]string {
	return map[string][]string{
		"400": {"request.json", "request.too_deep", "request.not_utf8", "request.body_missing", "request.body_unreadable"},
		"401": {"access.bearer"},
		"403": {"access.forbidden", "request.cross_origin"},
		"404": {"request.no_route"},
		"405": {"request.method"},
		"413": {"request.too_large", "request.too_many_values"},
		"415": {"request.media_type"},
		"422": {
			"request.required", "request.unknown", "request.duplicate", "request.object", "request.list", "request.string", "request.integer",
			"request.boolean", "request.text", "request.value", "request.enum", "request.minimum", "request.maximum", "request.too_short", "request.too_long",
			"id.malformed", "money.fraction", "money.malformed", "money.overflow", "money.quantity", "money.unknown_currency", "money.unknown_field",
		},
		"500": {"internal"},
		"503": {"db.unavailable", "request.cancelled"},
	}
}

// aboutBody is how the API describes itself.
type aboutBody struct {
	Name    string     `json:"name" example:"Encaisse"`
	API     string     `json:"api" example:"v1"`
	Version string     `json:"version" doc:"Of the software that answers." example:"0.1.0"`
	Links   linksBody  `json:"links"`
	Limits  limitsBody `json:"limits"`
}

type linksBody struct {
	Documentation string `json:"documentation" example:"/docs"`
	OpenAPIJSON   string `json:"openapi_json" example:"/openapi.json"`
	OpenAPIYAML   string `json:"openapi_yaml" example:"/openapi.yaml"`
	Health        string `json:"health" example:"/healthz"`
	Ready         string `json:"ready" example:"/readyz"`
}

type limitsBody struct {
	Body        int64 `json:"body_bytes" example:"1048576"`
	Import      int64 `json:"import_bytes" example:"20971520"`
	Lines       int   `json:"sale_lines" example:"500"`
	Tenders     int   `json:"sale_tenders" example:"20"`
	ImportLines int   `json:"import_lines" example:"50000"`
}

// stateBody tells that the server answers.
type stateBody struct {
	State string `json:"state" enum:"ok,ready"`
}

func (a *API) about() {
	add(a, operation{
		id: "get-about", method: http.MethodGet, path: "/v1", tag: tagAbout,
		summary: "Read what this is", guard: public("a client finds its way before it signs in"),
	}, a.getAbout)
	add(a, operation{
		id: "get-health", method: http.MethodGet, path: "/healthz", tag: tagAbout,
		summary: "Is it alive", text: "It answers as long as the process does.", guard: public("who watches the server has no account"),
	}, func(context.Context, access.Principal, *nothing) (*answer[stateBody], error) {
		return fine(stateBody{State: "ok"}), nil
	})
	add(a, operation{
		id: "get-readiness", method: http.MethodGet, path: "/readyz", tag: tagAbout,
		summary: "Is it ready", text: "503 while it starts or stops.", guard: public("who sends it requests has no account"),
		refuses: refusals{503: {"request.not_ready"}},
	}, a.getReady)
}

func (a *API) getAbout(context.Context, access.Principal, *nothing) (*answer[aboutBody], error) {
	return fine(aboutBody{
		Name: titleOfAPI, API: versionOfAPI, Version: a.doors.Software,
		Links: linksBody{
			Documentation: docsPath, OpenAPIJSON: openAPIPath + ".json", OpenAPIYAML: openAPIPath + ".yaml", Health: "/healthz", Ready: "/readyz",
		},
		Limits: limitsBody{
			Body: web.MaxBody, Import: catalog.MaxImportBytes, Lines: sale.MaxLines, Tenders: sale.MaxTenders, ImportLines: catalog.MaxImportLines,
		},
	}), nil
}

func (a *API) getReady(context.Context, access.Principal, *nothing) (*answer[stateBody], error) {
	if !a.doors.Ready() {
		return nil, problem.New(problem.Unavailable, "request.not_ready")
	}
	return fine(stateBody{State: "ready"}), nil
}

// Amounts of the examples.
func euros(minor int64) money.Amount   { return money.Amount{Minor: minor, Currency: money.EUR} }
func amount(minor int64) *money.Amount { a := euros(minor); return &a }

// saleExample is a sale of two articles of the catalogue and one typed by hand, ten
// per cent off, paid with a note of ten euros.
func saleExample() saleRequest {
	half := money.Quantity(500)
	rate := money.Rate(1000)
	return saleRequest{
		Register: "reg_01k9zq0w5tfk8v3q8h2m7c4x9d",
		Lines: []lineRequest{
			{Article: "art_01k9zq0w5tfk8v3q8h2m7c4x9d", Unit: amount(130)},
			{Label: "Quiche, au poids", Rate: &rate, Quantity: &half, Unit: amount(1480)},
		},
		Reduction: &reductionRequest{PercentBP: 1000, Name: "Fidélité"},
		Tenders:   []tenderRequest{{ID: "tnd_01k9zq0w5tfk8v3q8h2m7c4x9d", Means: sale.Cash, Amount: euros(783), Received: amount(10_00)}},
	}
}
