package api_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"encaisse/access"
	"encaisse/acquirer"
	"encaisse/base/clock"
	"encaisse/base/db"
	"encaisse/base/i18n"
	"encaisse/base/id"
	"encaisse/base/secret"
	"encaisse/base/web"
	"encaisse/batch"
	"encaisse/catalog"
	"encaisse/contract"
	"encaisse/event"
	"encaisse/fiscal"
	"encaisse/front/api"
	"encaisse/merchant"
	"encaisse/payment"
	"encaisse/sale"
	"encaisse/terminal"
)

// opening is a Monday morning in Paris.
var opening = time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)

const (
	bossCode    = "407182"
	managerCode = "593016"
	userCode    = "284915"
)

// world is a server on a socket of its own, over a real database, on a clock that
// the test moves.
type world struct {
	t      testing.TB
	db     *db.DB
	clock  *clock.Manual // what the test moves; nil where the server reads the machine's
	time   clock.Clock   // what the server reads
	gate   *access.Gate
	vault  *merchant.Vault
	fiscal *fiscal.Journal
	events *event.Log
	sales  *sale.Sales
	api    *api.API
	server *httptest.Server

	log        *slog.Logger                  // of all parts; nil: nothing is logged
	connectors map[string]acquirer.Connector // nil: one that answers nothing
	hub        *terminal.Hub
	payments   *payment.Payments
	contracts  *contract.Contracts
	batches    *batch.Batches

	transport http.RoundTripper // nil: the server's own client
	proxies   web.Proxies
}

func newWorld(t testing.TB, d *db.DB) *world {
	t.Helper()
	manual := clock.NewManual(opening)
	w := newWorldWith(t, d, manual, nil)
	w.clock = manual
	return w
}

// newWorldWith is newWorld with another clock, and with acquirers.
func newWorldWith(t testing.TB, d *db.DB, c clock.Clock, connectors map[string]acquirer.Connector) *world {
	t.Helper()
	return newWorldLogging(t, d, c, connectors, nil)
}

// newWorldLogging is newWorldWith whose parts share a log.
func newWorldLogging(t testing.TB, d *db.DB, c clock.Clock, connectors map[string]acquirer.Connector, log *slog.Logger) *world {
	t.Helper()
	w := &world{t: t, db: d, time: c, connectors: connectors, log: log}
	master, err := secret.NewMaster()
	w.must(err)
	w.vault = merchant.NewVault(master)
	w.fiscal = fiscal.New(w.time, w.vault, "test")
	w.gate = access.New(d, w.time, access.Hashing{MemoryKiB: 64, Iterations: 1, Parallelism: 1, Concurrent: 8})
	w.events = event.New(d, w.time)
	w.api = w.open(nil)
	w.server = httptest.NewServer(w.api)
	t.Cleanup(w.server.Close)
	return w
}

// open makes the API of this world.
func (w *world) open(ready func() bool) *api.API {
	w.t.Helper()
	merchants := merchant.New(w.db, w.time)
	w.sales = sale.New(w.db, w.time, merchants, w.fiscal)
	cards := w.openCards(merchants)
	made, err := api.New(api.Doors{
		Gate: w.gate, Merchants: merchants, Catalog: catalog.New(w.db, w.time), Sales: w.sales, Cards: cards,
		Events: w.events, Journal: fiscal.NewReader(w.db), Catalogue: sentences(w.t), Clock: w.time, Log: w.log, Software: "test", Ready: ready, Proxies: w.proxies,
	})
	w.must(err)
	return made
}

var readSentences = sync.OnceValues(i18n.New)

func sentences(t testing.TB) *i18n.Catalogue {
	t.Helper()
	c, err := readSentences()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// shop is a merchant with a bearer for each role.
type shop struct {
	*world
	founded                   merchant.Founded
	domain                    string
	public                    string // key of the journal
	boss, manager, user, key  client
	bossID, managerID, userID id.Person
}

// found makes a merchant as encaisse init does, with a team.
func (w *world) found(name, siret string) *shop {
	w.t.Helper()
	s := &shop{world: w, domain: strings.ToLower(name) + ".example"}
	boss, err := w.gate.Prepare(w.t.Context(), access.Enrolment{
		Name: "Camille Petit", Email: "boss@" + s.domain, Role: access.Administrator, Code: bossCode,
	})
	w.must(err)
	w.must(w.db.Write(w.t.Context(), func(tx *db.Tx) error {
		now := w.time.Now()
		if s.founded, err = merchant.Found(tx, now, merchant.Founding{
			Company: "Boulangerie " + name, SiteName: "Centre", SIREN: siret[:9], SIRET: siret,
		}); err != nil {
			return err
		}
		person, _, err := access.Enrol(tx, now, access.System(s.founded.Merchant.ID), boss)
		if err != nil {
			return err
		}
		s.bossID = person.ID
		if _, err := w.vault.Create(tx, now, s.founded.Merchant.ID); err != nil {
			return err
		}
		s.public, err = w.fiscal.Found(tx, now, s.founded)
		return err
	}))
	system := access.System(s.founded.Merchant.ID)
	_, secret, err := w.gate.CreateKey(w.t.Context(), system, "first key", access.Administrator)
	w.must(err)
	s.key = client{w, secret, ""}
	s.managerID = s.enrol("manager", access.Manager, managerCode)
	s.userID = s.enrol("user", access.User, userCode)
	s.boss, s.manager, s.user = s.signIn("boss", bossCode), s.signIn("manager", managerCode), s.signIn("user", userCode)
	return s
}

func (s *shop) enrol(name string, role access.Role, code string) id.Person {
	s.t.Helper()
	person, _, err := s.gate.Add(s.t.Context(), access.System(s.founded.Merchant.ID), access.Enrolment{
		Name: "Sacha " + name, Email: name + "@" + s.domain, Role: role, Code: code,
	})
	s.must(err)
	return person.ID
}

// signIn signs in over HTTP.
func (s *shop) signIn(name, code string) client {
	s.t.Helper()
	a := client{s.world, "", ""}.call(http.MethodPost, "/v1/sessions", object{"email": name + "@" + s.domain, "code": code}).want(http.StatusCreated)
	return client{s.world, a.text("token"), ""}
}

// shops used by the tests: the SIRET of La Poste's headquarters passes its own rule,
// the other is a valid one of INSEE's documentation.
func (w *world) bakery() *shop { return w.found("Fournil", "73282932000074") }
func (w *world) rival() *shop  { return w.found("Rival", "35600000000048") }

// client calls the server as somebody.
type client struct {
	*world
	bearer   string
	language string
}

type object = map[string]any

// answered is what came back.
type answered struct {
	t      testing.TB
	asked  string
	status int
	header http.Header
	body   []byte
	json   object
}

// call sends body as JSON, or as it stands when it is a string or bytes.
func (c client) call(method, path string, body any) answered {
	c.t.Helper()
	var content []byte
	switch b := body.(type) {
	case nil:
	case string:
		content = []byte(b)
	case []byte:
		content = b
	default:
		var err error
		content, err = json.Marshal(body)
		c.must(err)
	}
	header := http.Header{}
	if body != nil {
		header.Set("Content-Type", "application/json")
	}
	return c.send(method, path, content, header)
}

func (c client) get(path string) answered { c.t.Helper(); return c.call(http.MethodGet, path, nil) }

func (c client) send(method, path string, content []byte, header http.Header) answered {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.server.URL+path, bytes.NewReader(content))
	c.must(err)
	r.Header = header
	if c.bearer != "" {
		r.Header.Set("Authorization", "Bearer "+c.bearer)
	}
	if c.language != "" {
		r.Header.Set("Accept-Language", c.language)
	}
	return c.round(r)
}

func (c client) round(r *http.Request) answered {
	c.t.Helper()
	caller := c.server.Client()
	if c.transport != nil {
		caller = &http.Client{Transport: c.transport}
	}
	got, err := caller.Do(r)
	c.must(err)
	defer got.Body.Close()
	a := answered{t: c.t, asked: r.Method + " " + r.URL.Path, status: got.StatusCode, header: got.Header}
	a.body, err = io.ReadAll(got.Body)
	c.must(err)
	if strings.Contains(got.Header.Get("Content-Type"), "json") {
		d := json.NewDecoder(bytes.NewReader(a.body))
		d.UseNumber()
		if err := d.Decode(&a.json); err != nil {
			c.t.Fatalf("%s: %v in %q", a.asked, err, a.body)
		}
	}
	c.promised(r, a)
	return a
}

// want wants a status.
func (a answered) want(status int) answered {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s answered %d, want %d: %s", a.asked, a.status, status, a.body)
	}
	return a
}

// at walks the answer: "lines.0.label".
func (a answered) at(path string) any {
	a.t.Helper()
	var v any = a.json
	for _, name := range strings.Split(path, ".") {
		switch x := v.(type) {
		case object:
			v = x[name]
		case []any:
			i := 0
			for _, c := range name {
				i = i*10 + int(c-'0')
			}
			if i >= len(x) {
				a.t.Fatalf("%s: no %s in %s", a.asked, path, a.body)
			}
			v = x[i]
		default:
			a.t.Fatalf("%s: no %s in %s", a.asked, path, a.body)
		}
	}
	return v
}

func (a answered) text(path string) string {
	a.t.Helper()
	s, ok := a.at(path).(string)
	if !ok {
		a.t.Fatalf("%s: %s is no string in %s", a.asked, path, a.body)
	}
	return s
}

func (a answered) int(path string) int64 {
	a.t.Helper()
	n, ok := a.at(path).(json.Number)
	if !ok {
		a.t.Fatalf("%s: %s is no number in %s", a.asked, path, a.body)
	}
	v, err := n.Int64()
	if err != nil {
		a.t.Fatalf("%s: %s: %v", a.asked, path, err)
	}
	return v
}

func (a answered) list(path string) []any {
	a.t.Helper()
	l, ok := a.at(path).([]any)
	if !ok {
		a.t.Fatalf("%s: %s is no list in %s", a.asked, path, a.body)
	}
	return l
}

// refused wants a problem: its status, its code, and the field that is to blame,
// "" for none.
func (a answered) refused(status int, code, pointer string) answered {
	a.t.Helper()
	a.want(status)
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		a.t.Errorf("%s: a problem of type %q", a.asked, got)
	}
	if a.text("code") != code && !a.blames(code, pointer) {
		a.t.Errorf("%s: %s, want %s: %s", a.asked, a.text("code"), code, a.body)
	}
	if pointer != "" && !a.blames(code, pointer) {
		a.t.Errorf("%s: %s does not blame %s: %s", a.asked, code, pointer, a.body)
	}
	if a.text("detail") == "" || a.text("title") == "" || a.text("request_id") == "" || a.int("status") != int64(status) {
		a.t.Errorf("%s: a problem that says too little: %s", a.asked, a.body)
	}
	return a
}

// blames tells whether one of the errors has this code and pointer.
func (a answered) blames(code, pointer string) bool {
	list, _ := a.json["errors"].([]any)
	for _, e := range list {
		fault := e.(object)
		at, _ := fault["pointer"].(string)
		if fault["code"] == code && at == pointer && fault["detail"] != "" {
			return true
		}
	}
	return false
}

// fresh makes an identifier as a client does.
func fresh[K id.Kind](w *world) string { return string(id.New[K](w.time.Now())) }

// eur is an amount in JSON.
func eur(minor int64) object { return object{"amount": minor, "currency": "EUR"} }
