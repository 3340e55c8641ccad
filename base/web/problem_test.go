package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"encaisse/base/money"
	"encaisse/base/problem"
)

func TestStatus(t *testing.T) {
	want := map[problem.Kind]int{
		problem.Internal: 500, problem.Invalid: 422, problem.Malformed: 400, problem.Unauthorized: 401, problem.Forbidden: 403,
		problem.NotFound: 404, problem.Conflict: 409, problem.TooLarge: 413, problem.TooMany: 429, problem.Unavailable: 503,
	}
	f, _ := newFrame(t, Options{})
	for kind := problem.Kind(0); kind.String() != ""; kind++ {
		if Status(kind) != want[kind] {
			t.Errorf("%s: %d, want %d", kind, Status(kind), want[kind])
		}
		if !f.catalogue.Has("kind." + kind.String()) {
			t.Errorf("%s has no title", kind)
		}
		delete(want, kind)
	}
	if len(want) != 0 {
		t.Errorf("kinds that are no more: %v", want)
	}
	if Status(99) != 500 {
		t.Error("an unknown kind is no error of ours")
	}
}

func write(t *testing.T, f *Frame, lang string, err error) (*httptest.ResponseRecorder, Document) {
	t.Helper()
	r := httptest.NewRequest("GET", "/sales/1", nil)
	r.Header.Set("Accept-Language", lang)
	w := ask(f, func(w http.ResponseWriter, r *http.Request) { f.WriteProblem(w, r, err) }, r)
	body := w.Body.String()
	doc := document(t, w)
	if strings.Contains(body, "planted") {
		t.Errorf("the client sees too much: %s", body)
	}
	return w, doc
}

func TestProblemInTheReadersLanguage(t *testing.T) {
	f, _ := newFrame(t, Options{})
	amount := money.Amount{Minor: 123450, Currency: money.EUR}
	err := problem.New(problem.Invalid, "money.currency", "left", amount, "right", "CHF").At("lines[2].unit_price").
		With(problem.New(problem.Invalid, "money.quantity").At("lines[3].quantity"), problem.New(problem.Invalid, "no.sentence"))
	w, doc := write(t, f, "fr-FR,fr;q=0.9", fmt.Errorf("sale: %w", err.Because(errors.New("planted"))))
	want := Document{
		Type: "urn:encaisse:problem:money.currency", Title: "Demande refusée", Status: 422, Code: "money.currency",
		Detail: "Deux devises différentes (1\u202f234,50\u00a0€ et CHF) ne s'additionnent pas. Utilisez la même devise partout.",
		Errors: []Fault{
			{
				Pointer: "#/lines/2/unit_price", Code: "money.currency",
				Detail: "Deux devises différentes (1\u202f234,50\u00a0€ et CHF) ne s'additionnent pas. Utilisez la même devise partout.",
			},
			{
				Pointer: "#/lines/3/quantity", Code: "money.quantity",
				Detail: "Cette quantité est illisible. Indiquez un nombre de trois décimales au plus, par exemple 1,250.",
			},
			{Code: "no.sentence", Detail: "Demande refusée"},
		},
		RequestID: w.Header().Get(RequestIDHeader),
	}
	if diff := cmp.Diff(want, doc); diff != "" {
		t.Error(diff)
	}
	if got := w.Header().Get("Content-Language"); got != "fr" {
		t.Errorf("Content-Language %q", got)
	}
	if _, doc = write(t, f, "en", err); doc.Title != "Request refused" || !strings.Contains(doc.Detail, "(€1,234.50 and CHF)") {
		t.Errorf("%+v", doc)
	}
}

func TestInternalErrorsAreNotShown(t *testing.T) {
	f, log := newFrame(t, Options{})
	for name, err := range map[string]error{
		"plain":   errors.New("planted 1"),
		"wrapped": fmt.Errorf("planted 2: %w", errors.New("planted 3")),
		"problem": problem.New(problem.Internal, "planted.code", "planted", "planted").At("planted").Because(errors.New("planted 4")),
	} {
		w, doc := write(t, f, "", err)
		id := w.Header().Get(RequestIDHeader)
		want := Document{
			Type: "urn:encaisse:problem:internal", Title: "Erreur interne", Status: 500, Code: "internal",
			Detail: "Erreur interne. Réessayez ; si elle revient, transmettez au support la référence " + id + ".", RequestID: id,
		}
		if diff := cmp.Diff(want, doc); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if !strings.Contains(log.String(), id) {
			t.Errorf("%s: the log does not have %s", name, id)
		}
	}
	for _, want := range []string{"planted 1", "planted 2", "planted 3", "planted 4", "planted.code"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q", want)
		}
	}
}

func TestProblemsOfOtherPackages(t *testing.T) {
	f, log := newFrame(t, Options{})
	for _, c := range []struct {
		err    error
		status int
		code   string
	}{
		{&http.MaxBytesError{Limit: 2048}, 413, "request.too_large"},
		{fmt.Errorf("read: %w", context.Canceled), 503, "request.cancelled"},
		{context.DeadlineExceeded, 503, "request.cancelled"},
		{problem.New(problem.Unavailable, "db.unavailable").Because(errors.New("planted: disk full")), 503, "db.unavailable"},
	} {
		if w, doc := write(t, f, "fr", c.err); w.Code != c.status || doc.Code != c.code {
			t.Errorf("%v: %d %s, want %d %s", c.err, w.Code, doc.Code, c.status, c.code)
		}
	}
	if !strings.Contains(log.String(), "disk full") {
		t.Error("what was not possible is not in the log")
	}
}

func TestHeadersThatGoWithAKind(t *testing.T) {
	f, log := newFrame(t, Options{})
	for _, c := range []struct {
		err          error
		header, want string
	}{
		{problem.New(problem.Unauthorized, "x.y"), "WWW-Authenticate", "Bearer"},
		{problem.New(problem.Unavailable, "x.y"), "Retry-After", "1"},
		{problem.New(problem.TooMany, "request.too_many", "seconds", int64(7)), "Retry-After", "7"},
		{problem.New(problem.Conflict, "x.y"), "Retry-After", ""},
		{problem.New(problem.Conflict, "x.y"), "Cache-Control", "no-store"},
	} {
		if w, _ := write(t, f, "fr", c.err); w.Header().Get(c.header) != c.want {
			t.Errorf("%v: %s %q, want %q", c.err, c.header, w.Header().Get(c.header), c.want)
		}
	}
	if strings.Contains(log.String(), `"level":"ERROR"`) {
		t.Errorf("a refusal is no error of ours: %s", log)
	}
}

func TestPointer(t *testing.T) {
	for field, want := range map[string]string{
		"": "", "amount": "#/amount", "lines[2].quantity": "#/lines/2/quantity", "a/b~c": "#/a~1b~0c", "m[0][1]": "#/m/0/1",
	} {
		if got := pointer(field); got != want {
			t.Errorf("%q: %q, want %q", field, got, want)
		}
	}
}

func TestDocumentForAnAPILibrary(t *testing.T) {
	f, log := newFrame(t, Options{})
	doc := f.Document(httptest.NewRequest("GET", "/", nil), problem.New(problem.Conflict, "x.y"))
	var status interface {
		error
		GetStatus() int
		ContentType(string) string
	} = doc
	if status.GetStatus() != 409 || status.Error() != "x.y" || status.ContentType("application/json") != ProblemType || log.String() != "" {
		t.Errorf("%+v, log %s", doc, log)
	}
}
