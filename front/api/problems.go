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

// wholes are what huma says of a request as a whole.
var wholes = []struct {
	says string
	kind problem.Kind
	code string
}{
	{"request body is required", problem.Malformed, "request.body_missing"},
	{"request body read timeout", problem.Malformed, "request.body_unreadable"},
	{"cannot read request body", problem.Malformed, "request.body_unreadable"},
}

func translateWhole(model *huma.ErrorModel) error {
	for _, w := range wholes {
		if model.Detail == w.says {
			return problem.New(w.kind, w.code)
		}
	}
	return problem.New(problem.Internal, "api.untranslated", "said", model.Detail, "status", model.Status)
}

// message is one that huma has for a parameter, and what we make of it. What stands
// where the message has its "%" is the argument arg of the problem.
type message struct {
	says string
	code string
	arg  string
}

// messages is the table. It is never written to.
var messages = []message{
	{"required path parameter is missing", "request.required", ""},
	{"required query parameter is missing", "request.required", ""},
	{"unknown query parameter", "request.unknown", ""},
	{"invalid integer", "request.integer", ""},
	{"invalid boolean", "request.boolean", ""},
	{validation.MsgExpectedMinimumNumber, "request.minimum", "least"},
	{validation.MsgExpectedMaximumNumber, "request.maximum", "most"},
	{validation.MsgExpectedMinLength, "request.too_short", "least"},
	{validation.MsgExpectedMaxLength, "request.too_long", "most"},
	{validation.MsgExpectedOneOf, "request.enum", "known"},
}

// translateFault finds the message in the table. A pattern is that of an identifier,
// which names its prefix; anything the table has not is a value that is refused.
func translateFault(d *huma.ErrorDetail) *problem.Error {
	at := location(d.Location)
	if pattern, found := said(validation.MsgExpectedMatchPattern, d.Message); found {
		if prefix, isID := strings.CutSuffix(strings.TrimPrefix(pattern, patternMark), idPattern); isID {
			return problem.New(problem.Invalid, "id.malformed", "prefix", prefix).At(at)
		}
		return problem.New(problem.Invalid, "request.value").At(at)
	}
	for _, m := range messages {
		if what, found := said(m.says, d.Message); found {
			if m.arg == "" {
				return problem.New(problem.Invalid, m.code).At(at)
			}
			return problem.New(problem.Invalid, m.code, m.arg, what).At(at)
		}
	}
	return problem.New(problem.Invalid, "request.value").At(at)
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
