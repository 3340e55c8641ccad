package web

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"encaisse/base/i18n"
	"encaisse/base/problem"
)

const (
	// ProblemType is the media type of a problem, RFC 9457.
	ProblemType = "application/problem+json"

	// typePrefix makes a URI of a code.
	typePrefix = "urn:encaisse:problem:"

	// internalCode is all that a client learns of an error of ours.
	internalCode = "internal"

	// retryAfter is how long a client waits before it tries again what was not
	// possible now.
	retryAfter = "1"
)

// Status is the HTTP status of a kind of problem; this is the only place that knows.
func Status(kind problem.Kind) int {
	switch kind {
	case problem.Invalid:
		return http.StatusUnprocessableEntity
	case problem.Malformed:
		return http.StatusBadRequest
	case problem.Unauthorized:
		return http.StatusUnauthorized
	case problem.Forbidden:
		return http.StatusForbidden
	case problem.NotFound:
		return http.StatusNotFound
	case problem.Conflict:
		return http.StatusConflict
	case problem.TooLarge:
		return http.StatusRequestEntityTooLarge
	case problem.TooMany:
		return http.StatusTooManyRequests
	case problem.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// Document is a problem as RFC 9457 writes it. Code is stable and for programs, Title
// and Detail are for people, in their language.
type Document struct {
	Type      string  `json:"type"`
	Title     string  `json:"title"`
	Status    int     `json:"status"`
	Detail    string  `json:"detail"`
	Code      string  `json:"code"`
	Errors    []Fault `json:"errors,omitempty"`
	RequestID string  `json:"request_id,omitempty"`
}

// Fault is one thing wrong with a request. Pointer is the JSON pointer of the field to
// blame as a URI fragment, "#/lines/2/quantity"; it is absent when no field is.
type Fault struct {
	Pointer string `json:"pointer,omitempty"`
	Code    string `json:"code"`
	Detail  string `json:"detail"`
}

// Error is for logs.
func (d *Document) Error() string { return d.Code }

// GetStatus is the HTTP status; with Error and ContentType it lets an API library
// answer a Document as it stands.
func (d *Document) GetStatus() int { return d.Status }

// ContentType is ProblemType.
func (d *Document) ContentType(string) string { return ProblemType }

// WriteProblem answers a request with what err is, and logs what the client may not
// see. It does nothing but log when the answer has begun already.
func (f *Frame) WriteProblem(w http.ResponseWriter, r *http.Request, err error) {
	if x := exchangeOf(r.Context()); x != nil && x.status != 0 {
		f.log.LogAttrs(r.Context(), slog.LevelError, "error after the answer began", slog.String("request_id", x.id),
			slog.String("route", route(r)), slog.String("error", err.Error()))
		return
	}
	e := asProblem(err)
	f.report(r, e, err)
	f.answer(w, r, e)
}

// Document is the problem that err is, in the language of r. It logs nothing.
func (f *Frame) Document(r *http.Request, err error) *Document {
	return f.document(r, asProblem(err))
}

// asProblem finds the problem in err. An error of ours keeps none of its facts.
func asProblem(err error) *problem.Error {
	var tooLong *http.MaxBytesError
	switch e := problem.As(err); {
	case e != nil && e.Kind != problem.Internal:
		return e
	case e != nil:
		return problem.New(problem.Internal, internalCode)
	case errors.As(err, &tooLong):
		return problem.As(tooLarge(tooLong.Limit))
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return problem.New(problem.Unavailable, "request.cancelled")
	}
	return problem.New(problem.Internal, internalCode)
}

// report logs what needs somebody's attention: our own faults, and what was not
// possible now.
func (f *Frame) report(r *http.Request, e *problem.Error, err error) {
	level := slog.LevelError
	switch e.Kind {
	case problem.Internal:
	case problem.Unavailable:
		level = slog.LevelWarn
	default:
		return
	}
	f.log.LogAttrs(r.Context(), level, e.Kind.String(), slog.String("request_id", RequestID(r.Context())),
		slog.String("method", r.Method), slog.String("route", route(r)), slog.String("error", err.Error()))
}

// answerNoRoute answers a request that fits no route, or none with its method.
func (f *Frame) answerNoRoute(x *exchange, status int) {
	e := problem.New(problem.NotFound, "request.no_route")
	if status == http.StatusMethodNotAllowed {
		e = problem.New(problem.NotFound, "request.method")
	}
	doc := f.document(x.request, e)
	doc.Status = status
	f.send(x, x.request, e, doc)
}

func (f *Frame) answer(w http.ResponseWriter, r *http.Request, e *problem.Error) {
	f.send(w, r, e, f.document(r, e))
}

func (f *Frame) send(w http.ResponseWriter, r *http.Request, e *problem.Error, doc *Document) {
	if x := exchangeOf(r.Context()); x != nil {
		x.code = doc.Code
	}
	body, err := json.Marshal(doc)
	if err != nil { // nothing in a Document can fail
		body = []byte("{}")
	}
	h := w.Header()
	h.Set("Content-Type", ProblemType)
	h.Set("Content-Language", string(language(r)))
	h.Set("Cache-Control", "no-store")
	h.Del("Content-Length") // of the answer that was meant
	h.Del("Content-Encoding")
	h.Del("ETag")
	switch e.Kind {
	case problem.Unauthorized:
		if h.Get("WWW-Authenticate") == "" { // RFC 9110 wants one on each 401
			h.Set("WWW-Authenticate", "Bearer")
		}
	case problem.Unavailable:
		h.Set("Retry-After", retryAfter)
	case problem.TooMany:
		if s, ok := e.Args["seconds"].(int64); ok {
			h.Set("Retry-After", strconv.FormatInt(s, 10))
		}
	}
	w.WriteHeader(doc.Status)
	_, _ = w.Write(body) // the client is gone: nobody to tell
}

func (f *Frame) document(r *http.Request, e *problem.Error) *Document {
	lang := language(r)
	id := RequestID(r.Context())
	doc := &Document{
		Type:      typePrefix + e.Code,
		Title:     f.catalogue.Text(lang, "kind."+e.Kind.String(), nil),
		Status:    Status(e.Kind),
		Code:      e.Code,
		RequestID: id,
	}
	if e.Kind == problem.Internal {
		doc.Detail = f.catalogue.Text(lang, "problem."+internalCode, map[string]any{"request_id": id})
		return doc
	}
	doc.Detail = f.sentence(lang, e, doc.Title)
	if e.Field != "" {
		doc.Errors = append(doc.Errors, Fault{Pointer: pointer(e.Field), Code: e.Code, Detail: doc.Detail})
	}
	for _, d := range e.Details {
		doc.Errors = append(doc.Errors, Fault{Pointer: pointer(d.Field), Code: d.Code, Detail: f.sentence(lang, d, doc.Title)})
	}
	return doc
}

// sentence is that of a problem, or the title of its kind if nobody wrote one.
func (f *Frame) sentence(lang i18n.Language, e *problem.Error, title string) string {
	key := "problem." + e.Code
	if !f.catalogue.Has(key) {
		return title
	}
	return f.catalogue.Text(lang, key, e.Args)
}

func language(r *http.Request) i18n.Language { return i18n.Match(r.Header.Get("Accept-Language")) }

// pointer turns the path of a field, "lines[2].quantity", into a JSON pointer.
func pointer(field string) string {
	if field == "" {
		return ""
	}
	return "#/" + strings.NewReplacer("~", "~0", "/", "~1", "[", "/", "]", "", ".", "/").Replace(field)
}
