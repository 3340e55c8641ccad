package api_test

import (
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/danielgtaylor/huma/v2"

	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/i18n"
	"encaisse/base/id"
	"encaisse/base/web"
	"encaisse/catalog"
	"encaisse/contract"
	"encaisse/sale"
	"encaisse/terminal"
)

var update = flag.Bool("update", false, "write openapi.yaml anew")

const golden = "openapi.yaml"

// TestOpenAPIIsReviewed holds what is promised against the file that was reviewed.
func TestOpenAPIIsReviewed(t *testing.T) {
	d, _ := dbtest.Open(t, db.SQLite)
	w := newWorld(t, d)
	got, err := w.api.OpenAPI().YAML()
	w.must(err)
	if *update {
		w.must(os.WriteFile(golden, got, 0o644))
	}
	want, err := os.ReadFile(golden)
	w.must(err)
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Errorf("openapi.yaml (-reviewed +made); go test ./front/api -run OpenAPI -update, and read what changed:\n%s", diff)
	}
	again, err := w.open(nil).OpenAPI().YAML()
	w.must(err)
	if string(again) != string(got) {
		t.Error("the document is not made the same twice")
	}
	if served := (client{w, "", ""}).get("/openapi.yaml").want(http.StatusOK); string(served.body) != string(got) {
		t.Error("another document is served")
	}
	if served := (client{w, "", ""}).get("/openapi.json").want(http.StatusOK); served.text("openapi") != "3.1.0" {
		t.Error("openapi.json is not OpenAPI 3.1")
	}
}

// TestEveryPromisedCodeHasASentence: a code in the document that the catalogue does
// not know is one that nobody answers with.
func TestEveryPromisedCodeHasASentence(t *testing.T) {
	d, _ := dbtest.Open(t, db.SQLite)
	doc := newWorld(t, d).api.OpenAPI()
	known := sentences(t)
	check := func(where string, codes []string) {
		for _, code := range codes {
			if !known.Has("problem." + code) {
				t.Errorf("%s promises %s, which has no sentence", where, code)
			}
		}
	}
	for status, codes := range doc.Extensions["x-general-codes"].(map[string][]string) {
		check(status, codes)
	}
	eachOperation(doc, func(_ string, op *huma.Operation) {
		for _, r := range op.Responses {
			codes, _ := r.Extensions["x-codes"].([]string)
			check(op.OperationID, codes)
		}
	})
	if known.Text(i18n.French, "problem.request.required", nil) == known.Text(i18n.English, "problem.request.required", nil) {
		t.Error("French reads like English")
	}
}

// TestTheProblemDocumentIsTheOneOfBaseWeb: field by field.
func TestTheProblemDocumentIsTheOneOfBaseWeb(t *testing.T) {
	d, _ := dbtest.Open(t, db.SQLite)
	schemas := newWorld(t, d).api.OpenAPI().Components.Schemas.Map()
	for name, of := range map[string]reflect.Type{"Problem": reflect.TypeFor[web.Document](), "Fault": reflect.TypeFor[web.Fault]()} {
		var want []string
		for i := range of.NumField() {
			field, options, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
			if schemas[name].Properties[field] == nil {
				t.Errorf("%s has no %s", name, field)
			} else if slices.Contains(schemas[name].Required, field) == (options == "omitempty") {
				t.Errorf("%s.%s: required or not", name, field)
			}
			want = append(want, field)
		}
		if len(want) != len(schemas[name].Properties) {
			t.Errorf("%s has fields that base/web has not", name)
		}
	}
}

// TestTheLimitsAreThoseOfTheNouns: what a tag says and what a noun refuses.
func TestTheLimitsAreThoseOfTheNouns(t *testing.T) {
	d, _ := dbtest.Open(t, db.SQLite)
	schemas := newWorld(t, d).api.OpenAPI().Components.Schemas.Map()
	for _, limit := range []struct {
		of, field string
		got       func(*huma.Schema) *int
		want      int
	}{
		{"SaleRequest", "lines", func(s *huma.Schema) *int { return s.MaxItems }, sale.MaxLines},
		{"SaleRequest", "tenders", func(s *huma.Schema) *int { return s.MaxItems }, sale.MaxTenders},
		{"SaleRequest", "external_ref", func(s *huma.Schema) *int { return s.MaxLength }, sale.MaxReference},
		{"TenderingRequest", "reference", func(s *huma.Schema) *int { return s.MaxLength }, sale.MaxReference},
		{"AbandonRequest", "reason", func(s *huma.Schema) *int { return s.MaxLength }, sale.MaxLabel},
		{"TerminalRequest", "alias", func(s *huma.Schema) *int { return s.MaxLength }, terminal.MaxAlias},
		{"ContractRequest", "name", func(s *huma.Schema) *int { return s.MaxLength }, contract.MaxName},
		{"ContractRequest", "acceptor", func(s *huma.Schema) *int { return s.MaxLength }, contract.MaxAcceptor},
		{"LineRequest", "label", func(s *huma.Schema) *int { return s.MaxLength }, sale.MaxLabel},
		{"ArticleRequest", "name", func(s *huma.Schema) *int { return s.MaxLength }, catalog.MaxName},
		{"CategoryRequest", "name", func(s *huma.Schema) *int { return s.MaxLength }, catalog.MaxCategoryName},
	} {
		if got := limit.got(schemas[limit.of].Properties[limit.field]); got == nil || *got != limit.want {
			t.Errorf("%s.%s: the document says %v, the noun %d", limit.of, limit.field, got, limit.want)
		}
	}
	pattern := regexp.MustCompile(schemas["SaleRequest"].Properties["register_id"].Pattern)
	for range 1000 {
		if made := string(id.New[id.Register](opening)); !pattern.MatchString(made) {
			t.Fatalf("%s does not fit %s", made, pattern)
		}
	}
	for _, c := range "0123456789abcdefghijklmnopqrstuvwxyzA-" {
		text := "reg_0" + strings.Repeat(string(c), 25)
		if _, err := id.Parse[id.Register](text); (err == nil) != pattern.MatchString(text) {
			t.Errorf("%s: the pattern and base/id do not agree", text)
		}
	}
}

// TestEveryExampleIsTaken sends the example of every operation that has a body, as
// the document gives it: none may be refused for its form.
func TestEveryExampleIsTaken(t *testing.T) {
	d, _ := dbtest.Open(t, db.SQLite)
	s := newWorld(t, d).bakery()
	eachOperation(s.api.OpenAPI(), func(_ string, op *huma.Operation) {
		if op.RequestBody == nil || op.OperationID == "sign-in" {
			return
		}
		media := op.RequestBody.Content["application/json"]
		if media == nil {
			return
		}
		if media.Example == nil {
			t.Errorf("%s has no example", op.OperationID)
			return
		}
		text, err := json.Marshal(media.Example)
		s.must(err)
		header := http.Header{"Content-Type": {"application/json"}, "Idempotency-Key": {"example"}}
		a := s.key.send(op.Method, s.examplePath(op), text, header)
		if code, _ := a.json["code"].(string); a.status == http.StatusBadRequest || strings.HasPrefix(code, "request.") || strings.HasPrefix(code, "money.") {
			t.Errorf("%s refuses its own example: %s", op.OperationID, a.body)
		}
	})
}

// TestTheDocumentationPage is served whole by the binary: no script, nothing from
// elsewhere, and no link that leads nowhere.
func TestTheDocumentationPage(t *testing.T) {
	d, _ := dbtest.Open(t, db.SQLite)
	w := newWorld(t, d)
	page := (client{w, "", ""}).get("/docs").want(http.StatusOK)
	html := string(page.body)
	if got := page.header.Get("Content-Security-Policy"); !strings.Contains(got, "default-src 'none'") || strings.Contains(got, "unsafe") || strings.Contains(got, "script") {
		t.Errorf("policy: %s", got)
	}
	for _, forbidden := range []string{"<script", "javascript:", " style=", "@import", "//unpkg", "//cdn", "onclick"} {
		if strings.Contains(html, forbidden) {
			t.Errorf("the page has %q", forbidden)
		}
	}
	anchors := map[string]int{}
	for _, m := range regexp.MustCompile(` id="([^"]+)"`).FindAllStringSubmatch(html, -1) {
		if anchors[m[1]]++; anchors[m[1]] > 1 {
			t.Errorf("two things are called #%s", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`(?:href|src)="([^"]+)"`).FindAllStringSubmatch(html, -1) {
		fragment, inside := strings.CutPrefix(m[1], "#")
		switch {
		case inside && anchors[fragment] == 0:
			t.Errorf("#%s leads nowhere", fragment)
		case !inside && m[1] != "data:,":
			(client{w, "", ""}).get(m[1]).want(http.StatusOK)
		}
	}
	eachOperation(w.api.OpenAPI(), func(path string, op *huma.Operation) {
		if anchors[op.OperationID] == 0 || !strings.Contains(html, path) {
			t.Errorf("%s is not on the page", op.OperationID)
		}
	})
	if style := (client{w, "", ""}).get("/docs/style.css").want(http.StatusOK); strings.Contains(string(style.body), "url(") ||
		!strings.HasPrefix(style.header.Get("Content-Type"), "text/css") {
		t.Error("the style sheet loads something, or is none")
	}
}
