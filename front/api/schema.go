package api

import (
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"encaisse/base/id"
	"encaisse/base/money"
)

const (
	refPrefix = "#/components/schemas/"

	// idPattern is what follows the prefix of every identifier: 128 bits in base32.
	idPattern = "_[0-7][0-9a-hjkmnp-tv-z]{25}$"
	idExample = "_01k9zq0w5tfk8v3q8h2m7c4x9d"

	stampLayout = "2006-01-02T15:04:05.000Z"
)

// stamp writes a time as the API has it: RFC 3339 in UTC with milliseconds.
func stamp(t time.Time) string { return t.UTC().Format(stampLayout) }

// stampOrNone is nil for what has not happened.
func stampOrNone(t *time.Time) *string {
	if t == nil {
		return nil
	}
	s := stamp(*t)
	return &s
}

// newRegistry makes the place where schemas are kept. Types of the nouns that have
// a JSON form of their own are described by types of ours.
func (a *API) newRegistry() {
	a.registry = huma.NewMapRegistry(refPrefix, schemaName)
	a.parsers = make(map[reflect.Type]func(string) error)
	alias[huma.ErrorModel, problemBody](a)
	alias[money.Amount, amountBody](a)
	alias[money.Quantity, quantityBody](a)
	identifier[id.Merchant](a)
	identifier[id.Site](a)
	identifier[id.Register](a)
	identifier[id.Person](a)
	identifier[id.Key](a)
	identifier[id.Audit](a)
	identifier[id.Category](a)
	identifier[id.Article](a)
	identifier[id.Session](a)
	identifier[id.Movement](a)
	identifier[id.Sale](a)
	identifier[id.Tender](a)
	identifier[id.Closing](a)
	identifier[id.Chain](a)
	identifier[id.Event](a)
	identifier[id.Contract](a)
	identifier[id.Terminal](a)
	identifier[id.Payment](a)
	identifier[id.Attempt](a)
	identifier[id.Operation](a)
	identifier[id.Batch](a)
}

func alias[T, Described any](a *API) {
	a.registry.RegisterTypeAlias(reflect.TypeFor[T](), reflect.TypeFor[Described]())
}

// identifier makes K known to the schemas and to the reader of bodies.
func identifier[K id.Kind](a *API) {
	alias[K, identifierBody[K]](a)
	a.parsers[reflect.TypeFor[K]()] = func(s string) error {
		_, err := id.Parse[K](s)
		return err
	}
}

// identifierBody is an identifier in the document.
type identifierBody[K id.Kind] string

// Schema says what identifiers of kind K look like.
func (identifierBody[K]) Schema(huma.Registry) *huma.Schema {
	var zero K
	return &huma.Schema{
		Type: huma.TypeString, Pattern: "^" + zero.Prefix() + idPattern, Examples: []any{zero.Prefix() + idExample},
	}
}

// amountBody is an amount of money in the document.
type amountBody struct {
	Amount   int64  `json:"amount" doc:"In minor units: 1250 is 12.50 €. A whole number, written without fraction or exponent." example:"1250"`
	Currency string `json:"currency" doc:"ISO 4217." pattern:"^[A-Z]{3}$" example:"EUR"`
}

// quantityBody is a quantity in the document.
type quantityBody string

// Schema says what a quantity looks like.
func (quantityBody) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeString, Pattern: `^-?[0-9]+([.,][0-9]{1,3})?$`, Examples: []any{"1.5"},
		Description: "A decimal of at most three decimals, as a string. More decimals are refused, never rounded.",
	}
}

// vatBody is the VAT of one rate.
type vatBody struct {
	Rate int64 `json:"rate_bp" doc:"Rate in basis points: 550 is 5.5 %." example:"550"`
	TTC  int64 `json:"ttc_minor" doc:"Tax included, in minor units." example:"1250"`
	HT   int64 `json:"ht_minor" doc:"Without tax. HT and VAT add up to TTC." example:"1185"`
	VAT  int64 `json:"vat_minor" doc:"The tax." example:"65"`
}

func vatOf(list []money.VAT) []vatBody {
	out := make([]vatBody, len(list))
	for i, v := range list {
		out[i] = vatBody{Rate: int64(v.Rate), TTC: v.TTC, HT: v.HT, VAT: v.VAT}
	}
	return out
}

// schemaName is the name of a Go type in the document: "saleBody" is Sale.
func schemaName(t reflect.Type, hint string) string {
	return strings.TrimSuffix(huma.DefaultSchemaNamer(t, hint), "Body")
}

// jsonName is the name of a field in JSON.
func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// answer is what a handler gives back: a status, and a body of type T.
type answer[T any] struct {
	Status int
	Body   T
}
