package api_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/id"
	"encaisse/base/web"
	"encaisse/front/api"
)

// TestLanguages: a refusal is read by whoever asked; its code is for programs.
func TestLanguages(t *testing.T) {
	d, _ := dbtest.Open(t, db.SQLite)
	c := newWorld(t, d).bakery().till()
	ask := func(language string) answered {
		as := c.boss
		as.language = language
		return as.call(http.MethodPut, "/v1/sales/"+fresh[id.Sale](c.world), object{"lines": []object{}, "register_id": c.register}).refused(invalid, "sale.no_lines", "#/lines")
	}
	details := map[string]string{}
	for _, language := range []string{"", "fr", "fr-FR,fr;q=0.9,en;q=0.8", "en", "en-GB;q=0.9, de", "de", "*", "xx;;;", strings.Repeat("a", 9000)} {
		a := ask(language)
		want := "fr"
		if strings.HasPrefix(language, "en") {
			want = "en"
		}
		if got := a.header.Get("Content-Language"); got != want {
			t.Errorf("%.20q answers in %s", language, got)
		}
		if details[want] == "" {
			details[want] = a.text("detail")
		}
		if a.text("detail") != details[want] || a.text("errors.0.detail") != details[want] {
			t.Errorf("%.20q: %s", language, a.body)
		}
	}
	if details["fr"] == details["en"] || details["fr"] == "" {
		t.Errorf("both languages say %q", details["fr"])
	}
	// What huma finds speaks French too.
	if a := c.boss.get("/v1/sales?limit=0").refused(invalid, "request.minimum", "#/query/limit"); !strings.Contains(a.text("detail"), "au moins 1") {
		t.Errorf("a limit of zero: %s", a.body)
	}
}

// TestMediaTypes: what is not JSON is not read as JSON.
func TestMediaTypes(t *testing.T) {
	d, _ := dbtest.Open(t, db.SQLite)
	c := newWorld(t, d).bakery().till()
	put := func(kind string) answered {
		header := http.Header{}
		if kind != "" {
			header.Set("Content-Type", kind)
		}
		return c.boss.send(http.MethodPut, "/v1/articles/"+fresh[id.Article](c.world), fmt.Appendf(nil, `{"name":"Pain %s","vat_bp":550}`, fresh[id.Article](c.world)), header)
	}
	for _, kind := range []string{"text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx", "a/b/c", "application/vnd.api+json"} {
		put(kind).refused(http.StatusUnsupportedMediaType, "request.media_type", "")
	}
	for _, kind := range []string{"", "application/json", "Application/JSON; charset=utf-8"} {
		put(kind).want(http.StatusCreated)
	}
	c.boss.send(http.MethodPost, "/v1/articles/import", []byte(`{}`), http.Header{"Content-Type": {"application/json"}}).
		refused(http.StatusUnsupportedMediaType, "request.media_type", "")
	for _, accept := range []string{"", "*/*", "text/html", "application/problem+json", "application/xml;q=0.9"} {
		a := c.boss.send(http.MethodGet, "/v1/me", nil, http.Header{"Accept": {accept}}).want(http.StatusOK)
		if a.header.Get("Content-Type") != "application/json" || a.text("role") != "administrator" {
			t.Errorf("Accept %q: %s %s", accept, a.header.Get("Content-Type"), a.body)
		}
	}
}

// TestTheFrame: what every answer has, a panic included.
func TestTheFrame(t *testing.T) {
	d, _ := dbtest.Open(t, db.SQLite)
	w := newWorld(t, d)
	planted := w.open(nil)
	api.Plant(planted)
	api.PlantPanic(planted)
	w.api, w.server = planted, httptest.NewServer(planted)
	t.Cleanup(w.server.Close)
	for _, path := range []string{"/v1", "/healthz", "/docs", "/v1/nowhere", "/v1/me", "/v1/panic"} {
		a := (client{w, "", ""}).get(path)
		if a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("Content-Security-Policy") == "" || a.header.Get("Request-Id") == "" ||
			a.header.Get("Referrer-Policy") == "" {
			t.Errorf("%s: %v", path, a.header)
		}
	}
	a := (client{w, "", ""}).get("/v1/panic").refused(http.StatusInternalServerError, "internal", "")
	if strings.Contains(string(a.body), "4970") {
		t.Errorf("a panic tells: %s", a.body)
	}
	if a.text("request_id") != a.header.Get("Request-Id") {
		t.Error("two names for one request")
	}
	(client{w, "", ""}).send(http.MethodPost, "/v1/sessions", []byte("{}"), http.Header{
		"Origin": {"https://elsewhere.example"}, "Sec-Fetch-Site": {"cross-site"}, "Content-Type": {"application/json"},
	}).refused(http.StatusForbidden, "request.cross_origin", "")
}

func TestSelfDescription(t *testing.T) {
	d, _ := dbtest.Open(t, db.SQLite)
	w := newWorld(t, d)
	nobody := client{w, "", ""}
	about := nobody.get("/v1").want(http.StatusOK)
	if about.text("name") != "Encaisse" || about.text("version") != "test" || about.int("limits.sale_lines") != 500 || about.int("limits.body_bytes") != web.MaxBody {
		t.Errorf("about: %s", about.body)
	}
	for _, link := range []string{"documentation", "openapi_json", "openapi_yaml", "health", "ready"} {
		nobody.get(about.text("links." + link)).want(http.StatusOK)
	}
	ready := false
	waiting := w.open(func() bool { return ready })
	w.api, w.server = waiting, httptest.NewServer(waiting)
	t.Cleanup(w.server.Close)
	nobody.get("/readyz").refused(http.StatusServiceUnavailable, "request.not_ready", "")
	nobody.get("/healthz").want(http.StatusOK)
	ready = true
	nobody.get("/readyz").want(http.StatusOK)
}

// TestTheServerHasLimits: its own http.Server, on a socket, with a head that is too long.
func TestTheServerHasLimits(t *testing.T) {
	d, _ := dbtest.Open(t, db.SQLite)
	server := newWorld(t, d).api.Server()
	if server.ReadHeaderTimeout == 0 || server.ReadTimeout == 0 || server.WriteTimeout == 0 || server.IdleTimeout == 0 || server.MaxHeaderBytes == 0 {
		t.Errorf("a limit is missing: %+v", server)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /v1 HTTP/1.1\r\nHost: x\r\nX-Long: %s\r\n\r\n", strings.Repeat("x", 64<<10))
	status, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.Contains(status, "431") {
		t.Errorf("a long head answers %q, %v", status, err)
	}
}

// TestMissingDoors: an API without a noun behind it does not start.
func TestMissingDoors(t *testing.T) {
	if made, err := api.New(api.Doors{}); err == nil || made != nil {
		t.Error("an API without doors starts")
	}
}
