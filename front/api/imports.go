package api

import (
	"context"
	"fmt"
	"net/http"

	"encaisse/access"
	"encaisse/base/problem"
	"encaisse/catalog"
)

// What an import reads. What is sent as text must be UTF-8 as a whole; sent as bytes,
// the lines that are not are named one by one.
const (
	csvType   = "text/csv"
	bytesType = "application/octet-stream"
)

// importBody is what became of a file of articles.
type importBody struct {
	Read      int           `json:"read" doc:"Lines of articles." example:"149"`
	Created   int           `json:"created" example:"120"`
	Updated   int           `json:"updated" example:"8"`
	Unchanged int           `json:"unchanged" example:"20"`
	Rejected  int           `json:"rejected" doc:"Bad lines, named or not." example:"1"`
	Errors    []badLineBody `json:"errors" nullable:"false" doc:"What is wrong, in the order of the lines; the first 500."`
	Ignored   []string      `json:"ignored_columns" nullable:"false" doc:"Headings that say nothing to us."`
}

type badLineBody struct {
	Line   int     `json:"line" doc:"As a text editor counts, from 1." example:"42"`
	Column *string `json:"column" doc:"null: the line as a whole." example:"price"`
	Code   string  `json:"code" example:"money.malformed"`
	Detail string  `json:"detail" doc:"The same for people, in the language of Accept-Language."`
}

func (a *API) imports() {
	add(a, operation{
		id: "import-articles", method: http.MethodPost, path: importPath, tag: tagCatalog, bodyTypes: []string{csvType, bytesType},
		summary: "Import articles from a CSV file",
		text: "Columns are found by their headings; articles by reference, or by EAN. Every bad line is named. With strict, which takes 10,000 lines at most, " +
			"all of it goes in or nothing: for one bad line the answer is a problem whose errors point at lines. Repeating it is harmless: the same file again changes nothing.",
		guard: needs(access.CatalogWrite), example: "reference;name;price;vat\nBAG-01;Baguette tradition;1,30;5,5\n",
		refuses: refusals{
			409: {"catalog.changed_meanwhile"},
			422: {
				"catalog.import_rejected", "catalog.import_empty", "catalog.import_encoding", "catalog.import_columns", "catalog.import_column_twice",
				"catalog.import_too_many_columns",
				"catalog.cell", "catalog.changed_meanwhile", "catalog.ean", "catalog.ean_taken", "catalog.line_columns", "catalog.line_duplicate",
				"catalog.line_encoding", "catalog.line_quotes", "catalog.line_too_long", "catalog.name", "catalog.nature", "catalog.price_fraction",
				"catalog.price_negative", "catalog.price_too_large", "catalog.price_unreadable", "catalog.reference", "catalog.vat_unknown",
				"catalog.vat_unreadable", "catalog.category_name",
			},
			413: {"catalog.import_too_large", "catalog.import_too_many_lines"},
		},
	}, a.postImport)
}

type importInput struct {
	Strict bool `query:"strict" doc:"All goes in or nothing; 10,000 lines at most."`
}

func (a *API) postImport(ctx context.Context, p access.Principal, in *importInput) (*answer[importBody], error) {
	c := callOf(ctx)
	result, err := a.doors.Catalog.Import(ctx, p, c.r.Body, catalog.Options{Strict: in.Strict})
	if err != nil {
		return nil, err
	}
	if !result.Applied {
		return nil, rejected(result)
	}
	out := importBody{
		Read: result.Read, Created: result.Created, Updated: result.Updated, Unchanged: result.Unchanged, Rejected: result.Rejected,
		Errors: make([]badLineBody, len(result.Errors)), Ignored: append([]string{}, result.Ignored...),
	}
	for i, bad := range result.Errors {
		out.Errors[i] = badLineBody{
			Line: bad.Line, Column: orNone(bad.Column), Code: bad.Problem.Code,
			Detail: a.doors.Catalogue.Text(c.language(), "problem."+bad.Problem.Code, bad.Problem.Args),
		}
	}
	return fine(out), nil
}

// rejected is the refusal of a file of which nothing went in: each bad line is a
// detail, at "lines[42].price".
func rejected(result catalog.Result) error {
	e := problem.New(problem.Invalid, "catalog.import_rejected", "rejected", result.Rejected, "read", result.Read)
	for _, bad := range result.Errors {
		at := fmt.Sprintf("lines[%d]", bad.Line)
		if bad.Column != "" {
			at += "." + bad.Column
		}
		detail := *bad.Problem
		e.With(detail.At(at))
	}
	return e
}
