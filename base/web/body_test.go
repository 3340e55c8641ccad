package web

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"
)

// echo answers with the body it read.
func echo(f *Frame) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			f.WriteProblem(w, r, err)
			return
		}
		w.Write(body)
	}
}

// chunked hides the length of a body.
func chunked(body string) io.Reader { return struct{ io.Reader }{strings.NewReader(body)} }

func TestBody(t *testing.T) {
	f, _ := newFrame(t, Options{MaxBody: func(r *http.Request) int64 {
		if r.URL.Path == "/sales/import" {
			return 4 * MaxBody
		}
		return MaxBody
	}})
	big := strings.Repeat("a", MaxBody)
	for name, c := range map[string]struct {
		path, kind string
		body       io.Reader
		code       string // "": echoed
	}{
		"JSON":                         {"/sales/1", "application/json", strings.NewReader(`{"é":1}`), ""},
		"JSON in pieces":               {"/sales/1", "application/json; charset=utf-8", chunked(`{"é":1}`), ""},
		"as long as may be":            {"/sales/1", "application/json", strings.NewReader(big), ""},
		"as long as may be, in pieces": {"/sales/1", "application/json", chunked(big), ""},
		"too long":                     {"/sales/1", "application/json", strings.NewReader(big + "a"), "request.too_large"},
		"too long, in pieces":          {"/sales/1", "application/json", chunked(big + "a"), "request.too_large"},
		"a picture too long":           {"/sales/1", "image/png", chunked(big + "a"), "request.too_large"},
		"a picture":                    {"/sales/1", "image/png", strings.NewReader("\x89PNG\xff"), ""},
		"more where a route takes it":  {"/sales/import", "text/csv", strings.NewReader(big + "a"), ""},
		"Latin-1":                      {"/sales/1", "application/json", strings.NewReader("{\"\xe9\":1}"), "request.not_utf8"},
		"Latin-1 without a type":       {"/sales/1", "", strings.NewReader("\xe9"), "request.not_utf8"},
		"Latin-1 as a strange type":    {"/sales/1", "a/b/c;;", strings.NewReader("\xe9"), "request.not_utf8"},
		"Latin-1 as problem+json":      {"/sales/1", ProblemType, strings.NewReader("\xe9"), "request.not_utf8"},
		"a form":                       {"/sales/1", formType, strings.NewReader("a=%C3%A9&b=100%"), ""},
		"a Latin-1 form":               {"/sales/1", formType, strings.NewReader("a=%E9"), "request.not_utf8"},
		"a Latin-1 query":              {"/sales/1?a=%E9", "application/json", strings.NewReader("{}"), "request.not_utf8"},
		"a Latin-1 path":               {"/sales/%E9", "application/json", strings.NewReader("{}"), "request.not_utf8"},
		"a UTF-8 query":                {"/sales/1?a=%C3%A9", "application/json", strings.NewReader("{}"), ""},
		"cut short":                    {"/sales/1", "application/json", iotest.ErrReader(errors.New("reset")), "request.body_unreadable"},
		"nothing":                      {"/sales/1", "application/json", http.NoBody, ""},
	} {
		want := ""
		if reader, ok := c.body.(*strings.Reader); ok {
			all, _ := io.ReadAll(reader)
			reader.Seek(0, io.SeekStart)
			want = string(all)
		}
		r := httptest.NewRequest("POST", c.path, c.body)
		r.Header.Set("Content-Type", c.kind)
		w := ask(f, echo(f), r)
		if c.code == "" {
			if w.Code != 200 || (want != "" && w.Body.String() != want) {
				t.Errorf("%s: %d %.100s", name, w.Code, w.Body)
			}
			continue
		}
		if doc := document(t, w); doc.Code != c.code {
			t.Errorf("%s: %+v, want %s", name, doc, c.code)
		}
	}
}

// TestADeclaredLengthIsHeldTo sends fewer bytes than it declares.
func TestADeclaredLengthIsHeldTo(t *testing.T) {
	f, _ := newFrame(t, Options{})
	r := httptest.NewRequest("POST", "/sales/1", chunked(`{}`))
	r.ContentLength = 10
	if doc := document(t, ask(f, echo(f), r)); doc.Code != "request.body_unreadable" || doc.Status != 400 {
		t.Errorf("%+v", doc)
	}
	r = httptest.NewRequest("POST", "/sales/1", iotest.ErrReader(errors.New("not to be read")))
	r.ContentLength = MaxBody + 1
	if doc := document(t, ask(f, echo(f), r)); doc.Code != "request.too_large" || !strings.Contains(doc.Detail, "1024 Kio") {
		t.Errorf("%+v", doc)
	}
}

func FuzzMask(f *testing.F) {
	f.Add("/v1/cards/4970100000000055")
	f.Add("/4970 1000-0000.0055/x")
	f.Add("/v1/sales/sale_01h455vb4pex5vsknk084sn02q")
	f.Fuzz(func(t *testing.T, path string) {
		masked := mask(path)
		if len(masked) != len(path) {
			t.Fatalf("%q → %q", path, masked)
		}
		digits := 0
		for i := range len(masked) {
			switch c := masked[i]; {
			case c >= '0' && c <= '9':
				if digits++; digits >= cardDigits {
					t.Fatalf("%q → %q", path, masked)
				}
			case c != '-' && c != ' ' && c != '.' && c != '+':
				digits = 0
			}
		}
	})
}

func FuzzBody(f *testing.F) {
	f.Add([]byte(`{"a":1}`), "application/json")
	f.Add([]byte("a=%E9"), formType)
	f.Add([]byte("\xff"), "text/plain; charset=latin1")
	frame, _ := newFrame(f, Options{})
	f.Fuzz(func(t *testing.T, body []byte, kind string) {
		r := httptest.NewRequest("POST", "/sales/1", bytes.NewReader(body))
		r.Header.Set("Content-Type", kind)
		w := ask(frame, echo(frame), r)
		switch {
		case w.Code == 200 && !bytes.Equal(w.Body.Bytes(), body):
			t.Fatalf("%q became %q", body, w.Body)
		case w.Code == 200 && carriesText(mediaType(kind)) && !utf8.Valid(body):
			t.Fatalf("%q as %q got through", body, kind)
		case w.Code != 200 && w.Code != 400:
			t.Fatalf("%q as %q: %d", body, kind, w.Code)
		}
	})
}
