package api

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"

	"encaisse/base/problem"
	"encaisse/base/web"
)

const (
	problemType   = web.ProblemType
	mediaTypeCode = "request.media_type"

	patternMark = "^" // begins what huma says of a pattern of ours
)

// problemBody is a web.Document in the document; a test holds the two equal.
type problemBody struct {
	Type      string      `json:"type" doc:"A URN made of the code." example:"urn:encaisse:problem:sale.register_closed"`
	Title     string      `json:"title" doc:"What sort of refusal it is, for people." example:"Demande refusée"`
	Status    int64       `json:"status" doc:"The HTTP status." example:"422"`
	Detail    string      `json:"detail" doc:"What is wrong and what to do, for people, in the language of Accept-Language." example:"La vente n'a pas de ligne. Ajoutez un article."`
	Code      string      `json:"code" doc:"Which refusal it is, for programs. Codes do not change." example:"sale.no_lines"`
	Errors    []faultBody `json:"errors,omitempty" nullable:"false" doc:"Each thing that is wrong, where it can be named. Never the value that is wrong."`
	RequestID string      `json:"request_id,omitempty" doc:"Quote it to the support: the log has the rest under it." example:"k4xq7n2v5mzt3hbw"`
}

// faultBody is a web.Fault in the document.
type faultBody struct {
	Pointer string `json:"pointer,omitempty" doc:"JSON pointer of the field as a URI fragment; #/query/… and #/path/… for parameters." example:"#/lines/2/quantity"`
	Code    string `json:"code" example:"sale.quantity_zero" doc:"Which refusal it is."`
	Detail  string `json:"detail" example:"La quantité ne peut pas être nulle." doc:"The same, for people."`
}

// transform is huma's last word before it writes: an error model of its own becomes
// a problem of ours, without the value it echoes.
func (a *API) transform(ctx huma.Context, _ string, v any) (any, error) {
	model, refused := v.(*huma.ErrorModel)
	if !refused {
		return v, nil
	}
	callOf(ctx.Context()).refuse(translate(model))
	return nil, nil
}

// translate makes a problem of what huma found wrong with the parameters, or with the
// request as a whole.
func translate(model *huma.ErrorModel) error {
	var faults []*problem.Error
	for _, d := range model.Errors {
		if d != nil {
			faults = append(faults, translateFault(d))
		}
	}
	if len(faults) > 0 {
		return blame(faults)
	}
	return translateWhole(model)
}

// translateWhole is for what is wrong with a request as a whole.
func translateWhole(model *huma.ErrorModel) error {
	switch model.Detail {
	case "request body is required":
		return problem.New(problem.Malformed, "request.body_missing")
	case "request body read timeout", "cannot read request body":
		return problem.New(problem.Malformed, "request.body_unreadable")
	}
	return problem.New(problem.Internal, "api.untranslated", "said", model.Detail, "status", model.Status)
}

// message is one that huma has for a parameter, and what we make of it. What stands
// where the message has its "%" goes into the sentence.
type message struct {
	says   string
	refuse func(what string) *problem.Error
}

// messages is the table. It is never written to.
var messages = []message{
	{"required path parameter is missing", func(string) *problem.Error { return refused("request.required") }},
	{"required query parameter is missing", func(string) *problem.Error { return refused("request.required") }},
	{"unknown query parameter", func(string) *problem.Error { return refused("request.unknown") }},
	{"invalid integer", func(string) *problem.Error { return refused("request.integer") }},
	{"invalid boolean", func(string) *problem.Error { return refused("request.boolean") }},
	{validation.MsgExpectedMinimumNumber, func(n string) *problem.Error { return problem.New(problem.Invalid, "request.minimum", "least", n) }},
	{validation.MsgExpectedMaximumNumber, func(n string) *problem.Error { return problem.New(problem.Invalid, "request.maximum", "most", n) }},
	{validation.MsgExpectedMinLength, func(n string) *problem.Error { return problem.New(problem.Invalid, "request.too_short", "least", n) }},
	{validation.MsgExpectedMaxLength, func(n string) *problem.Error { return problem.New(problem.Invalid, "request.too_long", "most", n) }},
	{validation.MsgExpectedOneOf, func(known string) *problem.Error { return problem.New(problem.Invalid, "request.enum", "known", known) }},
	{validation.MsgExpectedMatchPattern, patternRefused},
}

// patternRefused is for an identifier, which is told by the end of its pattern, and
// names its prefix.
func patternRefused(pattern string) *problem.Error {
	prefix, isID := strings.CutSuffix(strings.TrimPrefix(pattern, patternMark), idPattern)
	if !isID {
		return refused("request.value")
	}
	return problem.New(problem.Invalid, "id.malformed", "prefix", prefix)
}

// translateFault finds the message in the table; what the table has not is a value
// that is refused.
func translateFault(d *huma.ErrorDetail) *problem.Error {
	for _, m := range messages {
		if what, found := said(m.says, d.Message); found {
			return m.refuse(what).At(location(d.Location))
		}
	}
	return refused("request.value").At(location(d.Location))
}

// said tells whether message was made from format, which has one verb of two bytes
// or none, and what stands in place of the verb.
func said(format, message string) (what string, found bool) {
	before, after, verb := strings.Cut(format, "%")
	if !verb {
		return "", format == message
	}
	what, found = strings.CutPrefix(message, before)
	if !found {
		return "", false
	}
	return strings.CutSuffix(what, after[1:])
}

// location is where a parameter stands, without the name a caller made up.
func location(of string) string {
	in, name, _ := strings.Cut(of, ".")
	if safe := repeatable([]byte(name)); safe != "" {
		return in + "." + safe
	}
	return in
}

// writeMediaType answers 415, the one status that no kind of problem stands for.
func (a *API) writeMediaType(w http.ResponseWriter, r *http.Request, e *problem.Error) {
	doc := a.frame.Document(r, e)
	doc.Status = http.StatusUnsupportedMediaType
	body, err := json.Marshal(doc)
	if err != nil { // nothing in a Document can fail
		body = []byte("{}")
	}
	h := w.Header()
	h.Set("Content-Type", problemType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(doc.Status)
	_, _ = w.Write(body) // the client is gone: nobody to tell
}

// notOneOf refuses a word that the wire has no meaning for.
func notOneOf(field string, known ...string) error {
	return problem.New(problem.Invalid, "request.enum", "known", strings.Join(known, ", ")).At(field)
}
