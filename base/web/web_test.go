package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"encaisse/base/clock"
	"encaisse/base/i18n"
	"encaisse/base/problem"
)

// logBuffer is a log that several goroutines may write to.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newFrame(t testing.TB, o Options) (*Frame, *logBuffer) {
	t.Helper()
	catalogue, err := i18n.New()
	if err != nil {
		t.Fatal(err)
	}
	log := &logBuffer{}
	o.Catalogue = catalogue
	o.Log = slog.New(slog.NewJSONHandler(log, nil))
	if o.Clock == nil {
		o.Clock = clock.NewManual(time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC))
	}
	return New(o), log
}

// ask sends one request through the frame to a handler on "POST /sales/{id}".
func ask(f *Frame, handler http.HandlerFunc, r *http.Request) *httptest.ResponseRecorder {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /sales/{id}", handler)
	mux.HandleFunc("GET /sales/{id}", handler)
	mux.HandleFunc("GET /p/{token}", handler)
	w := httptest.NewRecorder()
	f.Wrap(mux).ServeHTTP(w, r)
	return w
}

func document(t *testing.T, w *httptest.ResponseRecorder) Document {
	t.Helper()
	if got := w.Header().Get("Content-Type"); got != ProblemType {
		t.Errorf("Content-Type %q", got)
	}
	var doc Document
	decoder := json.NewDecoder(w.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&doc); err != nil {
		t.Fatal(err)
	}
	if doc.Status != w.Code {
		t.Errorf("status %d says %d", w.Code, doc.Status)
	}
	return doc
}

func ok(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }

func TestFrameNamesAndGuardsEachAnswer(t *testing.T) {
	f, log := newFrame(t, Options{})
	var inside string
	handler := func(w http.ResponseWriter, r *http.Request) { inside = RequestID(r.Context()); ok(w, r) }
	first := ask(f, handler, httptest.NewRequest("GET", "/sales/1", nil))
	second := ask(f, handler, httptest.NewRequest("GET", "/sales/1", nil))
	id := second.Header().Get(RequestIDHeader)
	if len(id) != 16 || id != inside || id == first.Header().Get(RequestIDHeader) {
		t.Errorf("request id %q, in the handler %q, of the first %q", id, inside, first.Header().Get(RequestIDHeader))
	}
	for _, h := range securityHeaders() {
		if got := first.Header().Get(h.name); got != h.value[0] {
			t.Errorf("%s: %q", h.name, got)
		}
	}
	if got := first.Header().Get("Strict-Transport-Security"); got != "" {
		t.Errorf("HSTS over plain HTTP: %q", got)
	}
	if overTLS := ask(f, ok, httptest.NewRequest("GET", "https://shop.test/sales/1", nil)); overTLS.Header().Get("Strict-Transport-Security") == "" {
		t.Error("no HSTS over TLS")
	}
	if !strings.Contains(log.String(), `"request_id":"`+id+`"`) {
		t.Errorf("the log does not name the request: %s", log)
	}
}

func TestAHandlerMayChooseItsOwnHeaders(t *testing.T) {
	f, _ := newFrame(t, Options{})
	own := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=60")
		w.Header().Add("Referrer-Policy", "no-referrer")
		ok(w, r)
	}
	if got := ask(f, own, httptest.NewRequest("GET", "/sales/1", nil)).Header().Get("Cache-Control"); got != "public, max-age=60" {
		t.Errorf("own header: %q", got)
	}
	w := ask(f, ok, httptest.NewRequest("GET", "/sales/1", nil))
	if got := w.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("the next answer: %q", got)
	}
	if got := w.Header().Values("Referrer-Policy"); len(got) != 1 {
		t.Errorf("the next answer: %q", got)
	}
}

func TestLogHoldsNoSecret(t *testing.T) {
	f, log := newFrame(t, Options{})
	r := httptest.NewRequest("POST", "/sales/1?key=planted-query", strings.NewReader(`{"a":"planted-body"}`))
	r.Header.Set("Authorization", "Bearer planted-key")
	r.Header.Set("Cookie", "session=planted-cookie")
	ask(f, ok, r)
	ask(f, ok, httptest.NewRequest("GET", "/p/planted-token", nil))
	ask(f, ok, httptest.NewRequest("GET", "/sales/4970-1000%200000%200055", nil))
	for _, secret := range []string{"planted", "0000", "4970"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds %q: %s", secret, log)
		}
	}
	for _, want := range []string{`"route":"/sales/1"`, `"route":"GET /p/{token}"`, `"method":"POST"`, `"status":200`, `"bytes":2`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s: %s", want, log)
		}
	}
	// The search would find a secret if there were one.
	f.log.Info("x", "y", "planted-token")
	if !strings.Contains(log.String(), "planted") {
		t.Error("the search finds nothing")
	}
}

func TestPanicIsCaught(t *testing.T) {
	f, log := newFrame(t, Options{})
	w := ask(f, func(http.ResponseWriter, *http.Request) { panic("planted cause") }, httptest.NewRequest("GET", "/sales/1", nil))
	if doc := document(t, w); w.Code != 500 || doc.Code != "internal" || doc.RequestID != w.Header().Get(RequestIDHeader) {
		t.Errorf("%+v", doc)
	}
	if strings.Contains(w.Body.String(), "planted") {
		t.Error("the client sees the cause")
	}
	if got := log.String(); !strings.Contains(got, "planted cause") || !strings.Contains(got, "web_test.go") || !strings.Contains(got, `"status":500`) {
		t.Errorf("the log: %s", got)
	}
}

// TestAnAnswerCutByAPanicIsNotTakenForWhole runs on a real connection: the client must
// see an error, not a short answer.
func TestAnAnswerCutByAPanicIsNotTakenForWhole(t *testing.T) {
	f, log := newFrame(t, Options{})
	half := func(cause any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "half")
			w.(http.Flusher).Flush()
			panic(cause)
		}
	}
	for _, cause := range []any{"late", http.ErrAbortHandler} {
		server := httptest.NewUnstartedServer(f.Wrap(half(cause)))
		server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
		server.Start()
		answer, err := server.Client().Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(answer.Body); err == nil {
			t.Errorf("%v: the client read %q and no error", cause, body)
		}
		answer.Body.Close()
		server.Close()
	}
	if got := strings.Count(log.String(), `"msg":"panic"`); got != 1 {
		t.Errorf("%d panics logged, want 1: an abort is no fault", got)
	}
}

func TestBrowsersMayOnlySendFromOurPages(t *testing.T) {
	f, _ := newFrame(t, Options{CrossOrigin: []string{"POST /gateway/{id}"}})
	post := func(path string, headers ...string) int {
		r := httptest.NewRequest("POST", path, strings.NewReader("a=b"))
		r.Header.Set("Content-Type", formType)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		f.Wrap(http.HandlerFunc(ok)).ServeHTTP(w, r)
		if w.Code != 200 {
			if doc := document(t, w); doc.Code != "request.cross_origin" || doc.Status != 403 {
				t.Errorf("%+v", doc)
			}
		}
		return w.Code
	}
	for name, c := range map[string]struct {
		path    string
		headers []string
		want    int
	}{
		"a program":                  {"/sales/1", nil, 200},
		"our own page":               {"/sales/1", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		"another site":               {"/sales/1", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		"another site, old browser":  {"/sales/1", []string{"Origin", "https://evil.test"}, 403},
		"a sibling site":             {"/sales/1", []string{"Sec-Fetch-Site", "same-site"}, 403},
		"a shop at its payment page": {"/gateway/vads", []string{"Sec-Fetch-Site", "cross-site"}, 200},
		"a shop at another page":     {"/gateway", []string{"Sec-Fetch-Site", "cross-site"}, 403},
	} {
		if got := post(c.path, c.headers...); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestNoRoute(t *testing.T) {
	f, log := newFrame(t, Options{})
	w := ask(f, ok, httptest.NewRequest("GET", "/nothing/here", nil))
	if doc := document(t, w); doc.Code != "request.no_route" || w.Code != 404 {
		t.Errorf("%+v", doc)
	}
	w = ask(f, ok, httptest.NewRequest("DELETE", "/sales/1", nil))
	if doc := document(t, w); doc.Code != "request.method" || w.Code != 405 || w.Header().Get("Allow") == "" {
		t.Errorf("%+v, Allow %q", doc, w.Header().Get("Allow"))
	}
	if !strings.Contains(log.String(), `"code":"request.method"`) {
		t.Errorf("the log: %s", log)
	}
	own := func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "own words", 404) }
	if w := ask(f, own, httptest.NewRequest("GET", "/sales/1", nil)); !strings.Contains(w.Body.String(), "own words") {
		t.Errorf("a handler's own 404 was replaced: %s", w.Body)
	}
}

func TestWriterKeepsItsAbilities(t *testing.T) {
	f, log := newFrame(t, Options{})
	server := httptest.NewServer(f.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/stream":
			if err := KeepOpen(w); err != nil {
				t.Error(err)
			}
			io.WriteString(w, "data: 1\n\n")
			w.(http.Flusher).Flush()
			<-r.Context().Done() // the reader left
		case "/hijack":
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
			conn.Close()
		case "/file":
			http.ServeContent(w, r, "a.txt", time.Time{}, strings.NewReader("0123456789"))
		}
	})))
	defer server.Close()

	answer, err := server.Client().Get(server.URL + "/stream")
	if err != nil {
		t.Fatal(err)
	}
	event := make([]byte, 9)
	if _, err := io.ReadFull(answer.Body, event); err != nil || string(event) != "data: 1\n\n" {
		t.Errorf("stream: %q, %v", event, err)
	}
	answer.Body.Close()
	for path, want := range map[string]string{"/hijack": "hi", "/file": "0123456789"} {
		answer, err := server.Client().Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		if err != nil || string(body) != want {
			t.Errorf("%s: %q, %v", path, body, err)
		}
		answer.Body.Close()
	}
	server.Close() // waits for the handlers, so that the log is complete
	if !strings.Contains(log.String(), `"status":200,"bytes":10`) {
		t.Errorf("the log: %s", log)
	}
}

func TestServerHasLimits(t *testing.T) {
	f, log := newFrame(t, Options{})
	s := f.Server(http.HandlerFunc(ok))
	if s.ReadHeaderTimeout == 0 || s.ReadTimeout == 0 || s.WriteTimeout == 0 || s.IdleTimeout == 0 || s.MaxHeaderBytes != MaxHeader {
		t.Errorf("%+v", s)
	}
	s.ErrorLog.Print("from net/http")
	if !strings.Contains(log.String(), "from net/http") {
		t.Error("net/http logs elsewhere")
	}
}

func TestNothingButLogAfterTheAnswerBegan(t *testing.T) {
	f, log := newFrame(t, Options{})
	w := ask(f, func(w http.ResponseWriter, r *http.Request) {
		ok(w, r)
		f.WriteProblem(w, r, errors.New("too late"))
	}, httptest.NewRequest("GET", "/sales/1", nil))
	if w.Code != 200 || w.Body.String() != "ok" || !strings.Contains(log.String(), "too late") {
		t.Errorf("%d %s; %s", w.Code, w.Body, log)
	}
}

func TestWithoutLogOrClock(t *testing.T) {
	catalogue, err := i18n.New()
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	New(Options{Catalogue: catalogue}).WriteProblem(w, httptest.NewRequest("GET", "/", nil), problem.New(problem.NotFound, "x.y"))
	if doc := document(t, w); doc.Code != "x.y" || doc.Detail != "Introuvable" || doc.RequestID != "" {
		t.Errorf("%+v", doc)
	}
}

// benchWriter is the cheapest writer there is.
type benchWriter struct{ header http.Header }

func (w *benchWriter) Header() http.Header         { return w.header }
func (w *benchWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w *benchWriter) WriteHeader(int)             {}

// BenchmarkFrame is what the frame adds to a sale, a JSON body of 600 bytes: compare
// with "bare", which makes the same request and only answers it.
func BenchmarkFrame(b *testing.B) {
	catalogue, err := i18n.New()
	if err != nil {
		b.Fatal(err)
	}
	body := []byte(`{"lines":[` + strings.Repeat(`{"article_id":"art_01h455vb4pex5vsknk084sn02q"},`, 11) + `{}]}`)
	target := &url.URL{Path: "/v1/sales/sale_01h455vb4pex5vsknk084sn02q"}
	logged := New(Options{Catalogue: catalogue, Log: slog.New(slog.NewJSONHandler(io.Discard, nil))})
	for _, c := range []struct {
		name    string
		handler http.Handler
	}{
		{"bare", http.HandlerFunc(ok)},
		{"silent", New(Options{Catalogue: catalogue}).Wrap(http.HandlerFunc(ok))},
		{"logged", logged.Wrap(http.HandlerFunc(ok))},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := &http.Request{
					Method: "PUT", URL: target, Header: http.Header{"Content-Type": {"application/json"}},
					Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
				}
				c.handler.ServeHTTP(&benchWriter{header: make(http.Header, 12)}, r)
			}
		})
	}
}
