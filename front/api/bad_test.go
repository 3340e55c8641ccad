package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/id"
)

// kept are the tables in which a refused request must leave nothing.
var kept = []string{
	"sale", "sale_line", "sale_vat", "tender", "till_session", "cash_movement", "closing", "closing_vat", "fiscal_record", "ledger_transfer",
	"event", "article", "article_price", "category", "person", "login", "api_key", "audit_entry", "site", "register", "job",
}

// rows counts what is kept.
func (w *world) rows() map[string]int64 {
	w.t.Helper()
	counts := make(map[string]int64)
	w.must(w.db.Read(w.t.Context(), func(tx *db.Tx) error {
		for _, table := range kept {
			var n int64
			if err := tx.QueryRow("SELECT COUNT(*) FROM " + table).Scan(&n); err != nil {
				return err
			}
			counts[table] = n
		}
		return nil
	}))
	return counts
}

// unchanged wants no row more and no row less than before.
func (w *world) unchanged(before map[string]int64, after string) {
	w.t.Helper()
	for table, n := range w.rows() {
		if n != before[table] {
			w.t.Errorf("%s: %s has %d rows, had %d", after, table, n, before[table])
		}
	}
}

// badSale is a request to seal a sale that must be refused: raw JSON, or a basket
// that was changed.
type badSale struct {
	name    string
	raw     string
	change  func(c *till, body object)
	status  int
	code    string
	pointer string
}

func on(field string, value any) func(*till, object) {
	return func(_ *till, body object) { body[field] = value }
}

func onLine(field string, value any) func(*till, object) {
	return func(_ *till, body object) { body["lines"].([]object)[0][field] = value }
}

func onTender(field string, value any) func(*till, object) {
	return func(_ *till, body object) { body["tenders"].([]object)[0][field] = value }
}

const (
	invalid   = http.StatusUnprocessableEntity
	malformed = http.StatusBadRequest
)

// badSales are refused for what they say; the raw ones stand for REGISTER and ARTICLE.
var badSales = []badSale{
	{"an unknown article", "", onLine("article_id", "art_01k9zq0w5tfk8v3q8h2m7c4x9d"), invalid, "catalog.article_unknown", "#/lines/0/article_id"},
	{"a foreign currency", "", onTender("amount", object{"amount": 125, "currency": "USD"}), invalid, "sale.currency", "#/tenders/0/amount"},
	{"a foreign price", "", onLine("unit_price", object{"amount": 125, "currency": "USD"}), invalid, "sale.currency", "#/lines/0/unit_price"},
	{"an unknown currency", "", onTender("amount", object{"amount": 125, "currency": "EURO"}), invalid, "money.unknown_currency", "#/tenders/0/amount"},
	{"excess decimals", "", onLine("quantity", "1.2345"), invalid, "money.quantity", "#/lines/0/quantity"},
	{"a quantity that is a number", "", onLine("quantity", 1), invalid, "money.quantity", "#/lines/0/quantity"},
	{"a quantity in words", "", onLine("quantity", "zweifach"), invalid, "money.quantity", "#/lines/0/quantity"},
	{"no quantity", "", onLine("quantity", "0"), invalid, "sale.quantity_zero", "#/lines/0/quantity"},
	{"a huge quantity", "", onLine("quantity", "9999999"), invalid, "sale.quantity_limit", "#/lines/0/quantity"},
	{"a tender that does not cover", "", onTender("amount", eur(124)), invalid, "sale.tender_short", "#/tenders"},
	{"a tender that exceeds", "", onTender("amount", eur(126)), invalid, "sale.tender_exceeds", "#/tenders"},
	{"negative cash", "", onTender("amount", eur(-125)), invalid, "sale.cash_negative", "#/tenders/0/amount"},
	{"less received than paid", "", onTender("received", eur(100)), invalid, "sale.received_short", "#/tenders/0/received"},
	{"another means", "", onTender("means", "shells"), invalid, "sale.means_unknown", "#/tenders/0/means"},
	{"a tender without id", "", onTender("id", nil), invalid, "request.required", "#/tenders/0/id"},
	{"a tender with the id of a sale", "", onTender("id", "sale_01k9zq0w5tfk8v3q8h2m7c4x9d"), invalid, "id.malformed", "#/tenders/0/id"},
	{"no lines", "", on("lines", []object{}), invalid, "sale.no_lines", "#/lines"},
	{"lines left out", "", on("lines", nil), invalid, "request.required", "#/lines"},
	{"lines that are no list", "", on("lines", object{}), invalid, "request.list", "#/lines"},
	{"a line that is no object", "", on("lines", []any{"bread"}), invalid, "request.object", "#/lines/0"},
	{"a field nobody knows", "", on("discount", 5), invalid, "request.unknown", "#/discount"},
	{"a field of another case", "", on("Register_id", "x"), invalid, "request.unknown", "#/Register_id"},
	{"a field that is a card number", "", on("4970101234567890", 1), invalid, "request.unknown", ""},
	{"a register that is a number", "", on("register_id", 7), invalid, "request.string", "#/register_id"},
	{"a rate that is a fraction", "", onLine("vat_bp", 5.5), invalid, "request.integer", "#/lines/0/vat_bp"},
	{"an article and a label", "", onLine("label", "Pain"), invalid, "sale.article_or_label", "#/lines/0/article_id"},
	{"a label with a line break", "", onLine("label", "Pa\nin"), invalid, "sale.text", "#/lines/0/label"},
	{"a label with NUL", "", onLine("label", "Pa\x00in"), invalid, "request.text", "#/lines/0/label"},
	{"a negative price", "", onLine("unit_price", eur(-1)), invalid, "sale.price_negative", "#/lines/0/unit_price"},
	{"a reduction of both kinds", "", on("reduction", object{"percent_bp": 100, "amount": eur(1)}), invalid, "sale.reduction_kind", "#/reduction"},
	{"a reduction beyond the total", "", on("reduction", object{"amount": eur(126)}), invalid, "sale.reduction_exceeds", "#/reduction/amount"},
	{"more cash than the law allows", "", func(_ *till, body object) {
		body["lines"].([]object)[0]["unit_price"] = eur(1_000_01)
		body["tenders"].([]object)[0]["amount"] = eur(1_000_01)
	}, invalid, "sale.cash_ceiling", "#/tenders"},
	{"another payer", "", on("cash_payer", "martian"), invalid, "sale.cash_payer", "#/cash_payer"},
	{"a long reference", "", on("external_ref", strings.Repeat("x", 101)), invalid, "sale.text", "#/external_ref"},
	{"another till session", "", on("session_id", "ses_01k9zq0w5tfk8v3q8h2m7c4x9d"), invalid, "sale.session_unknown", "#/session_id"},
	{"another register", "", on("register_id", "reg_01k9zq0w5tfk8v3q8h2m7c4x9d"), http.StatusNotFound, "merchant.register_not_found", ""},
	{"the register of history", "", func(c *till, body object) { body["register_id"] = c.founded.History.ID }, http.StatusConflict, "sale.history_register", "#/register_id"},
	{"10,000 lines", "", func(c *till, body object) {
		lines := make([]object, 10_000)
		for i := range lines {
			lines[i] = object{"article_id": c.bread}
		}
		body["lines"] = lines
	}, invalid, "sale.too_many_lines", "#/lines"},
	{"an amount with a fraction", `{"register_id":"REGISTER","lines":[{"article_id":"ARTICLE","unit_price":{"amount":12.5,"currency":"EUR"}}]}`, nil, invalid, "money.fraction", "#/lines/0/unit_price"},
	{"an amount with an exponent", `{"register_id":"REGISTER","lines":[{"article_id":"ARTICLE","unit_price":{"amount":1e2,"currency":"EUR"}}]}`, nil, invalid, "money.fraction", "#/lines/0/unit_price"},
	{"an amount beyond counting", `{"register_id":"REGISTER","lines":[{"article_id":"ARTICLE","unit_price":{"amount":9223372036854775808,"currency":"EUR"}}]}`, nil, invalid, "money.overflow", "#/lines/0/unit_price"},
	{"an amount in quotes", `{"register_id":"REGISTER","lines":[{"article_id":"ARTICLE","unit_price":{"amount":"125","currency":"EUR"}}]}`, nil, invalid, "money.malformed", "#/lines/0/unit_price"},
	{"an amount that is there twice", `{"register_id":"REGISTER","lines":[{"article_id":"ARTICLE","unit_price":{"amount":1,"amount":2,"currency":"EUR"}}]}`, nil, invalid, "money.malformed", "#/lines/0/unit_price"},
	{"a field that is there twice", `{"register_id":"REGISTER","register_id":"REGISTER","lines":[]}`, nil, invalid, "request.duplicate", "#/register_id"},
	{"half a character", `{"register_id":"REGISTER","external_ref":"\ud83d","lines":[]}`, nil, invalid, "request.text", "#/external_ref"},
	{"no JSON", `{"register_id":`, nil, malformed, "request.json", ""},
	{"JSON and more", `{} {}`, nil, malformed, "request.json", ""},
	{"a list", `[]`, nil, invalid, "request.object", ""},
	{"nothing", ``, nil, malformed, "request.body_missing", ""},
	{"deep nesting", `{"x":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`, nil, malformed, "request.too_deep", ""},
	{"too many values", `{"lines":[` + strings.Repeat("{},", 250_000) + `{}]}`, nil, http.StatusRequestEntityTooLarge, "request.too_many_values", ""},
	{"not UTF-8", "{\"external_ref\":\"\xff\xfe\"}", nil, malformed, "request.not_utf8", ""},
	{"10 MB", `{"external_ref":"` + strings.Repeat("x", 10<<20) + `"}`, nil, http.StatusRequestEntityTooLarge, "request.too_large", ""},
}

// TestBadSales: each is refused with its reason and its field, says nothing of the
// value that was wrong, and leaves nothing behind.
func TestBadSales(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		c := newWorld(t, d).bakery().till()
		before := c.rows()
		for _, bad := range badSales {
			var body any = strings.NewReplacer("REGISTER", c.register, "ARTICLE", c.bread).Replace(bad.raw)
			if bad.change != nil {
				basket := c.basket(125, object{"article_id": c.bread})
				bad.change(c, basket)
				body = basket
			}
			a := c.boss.call(http.MethodPut, "/v1/sales/"+fresh[id.Sale](c.world), body)
			if t.Run(bad.name, func(t *testing.T) {
				a.t = t
				a.refused(bad.status, bad.code, bad.pointer)
				if bytes.Contains(a.body, []byte("4970")) || bytes.Contains(a.body, []byte("shells")) || bytes.Contains(a.body, []byte("zweifach")) {
					t.Errorf("the answer repeats what was wrong: %s", a.body)
				}
			}) {
				c.unchanged(before, bad.name)
			}
		}
	})
}

// TestAllFaultsAreNamedAtOnce, each with its place.
func TestAllFaultsAreNamedAtOnce(t *testing.T) {
	d, _ := dbtest.Open(t, db.SQLite)
	c := newWorld(t, d).bakery().till()
	a := c.boss.call(http.MethodPut, "/v1/sales/"+fresh[id.Sale](c.world),
		`{"register_id":"reg_1","lines":[{"quantity":1.5},{"vat_bp":"x","label":2}],"tenders":[{"means":"cash"}],"extra":{}}`).want(invalid)
	for pointer, code := range map[string]string{
		"#/register_id": "id.malformed", "#/lines/0/quantity": "money.quantity", "#/lines/1/vat_bp": "request.integer",
		"#/lines/1/label": "request.string", "#/tenders/0/id": "request.required", "#/tenders/0/amount": "request.required", "#/extra": "request.unknown",
	} {
		if !a.blames(code, pointer) {
			t.Errorf("%s at %s is not named: %s", code, pointer, a.body)
		}
	}
	// Ten thousand faults make no answer of a megabyte.
	many := c.boss.call(http.MethodPut, "/v1/sales/"+fresh[id.Sale](c.world), `{"lines":[`+strings.Repeat("1,", 10_000)+`1]}`).want(invalid)
	if n := len(many.list("errors")); n > 60 {
		t.Errorf("%d faults are named", n)
	}
}

// TestSecondContentUnderTheSameID: the same sale again is the same, another is not.
func TestSecondContentUnderTheSameID(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		c := newWorld(t, d).bakery().till()
		body := c.basket(125, object{"article_id": c.bread})
		made, first := c.sell(c.user, body)
		before := c.rows()
		// Written differently, by somebody else: still the same content.
		text, err := json.MarshalIndent(body, "", "   ")
		c.must(err)
		for _, again := range []any{body, text} {
			if a := c.boss.call(http.MethodPut, "/v1/sales/"+made, again).want(http.StatusOK); !bytes.Equal(a.body, first.body) {
				t.Errorf("again: %s\nfirst: %s", a.body, first.body)
			}
		}
		body["external_ref"] = "other"
		c.boss.call(http.MethodPut, "/v1/sales/"+made, body).refused(http.StatusConflict, "sale.other_content", "")
		c.unchanged(before, "the same id again")
	})
}

// TestSaleOnAClosedSession and on a register nobody opened.
func TestSaleOnAClosedSession(t *testing.T) {
	d, _ := dbtest.Open(t, db.SQLite)
	c := newWorld(t, d).bakery().till()
	closings := "/v1/registers/" + c.register + "/closings/"
	c.boss.call(http.MethodPut, closings+fresh[id.Closing](c.world), object{"kind": "z"}).want(http.StatusCreated)
	before := c.rows()
	body := c.basket(125, object{"article_id": c.bread})
	c.boss.call(http.MethodPut, "/v1/sales/"+fresh[id.Sale](c.world), body).refused(http.StatusConflict, "sale.register_closed", "#/register_id")
	body["session_id"] = c.session
	c.boss.call(http.MethodPut, "/v1/sales/"+fresh[id.Sale](c.world), body).refused(http.StatusConflict, "sale.session_closed", "#/session_id")
	c.boss.get("/v1/registers/"+c.register+"/x").refused(http.StatusConflict, "sale.register_closed", "#/register_id")
	c.boss.get("/v1/registers/"+c.register+"/session").refused(http.StatusConflict, "sale.register_closed", "#/register_id")
	c.unchanged(before, "a closed register")
}

// TestAClockThatJumpsBack stops the sealing, and says which clock it was.
func TestAClockThatJumpsBack(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		c := newWorld(t, d).bakery().till()
		c.clock.Advance(10 * time.Minute)
		body := c.basket(125, object{"article_id": c.bread})
		c.sell(c.boss, body)
		before := c.rows()
		c.clock.Advance(-5 * time.Minute)
		a := c.boss.call(http.MethodPut, "/v1/sales/"+fresh[id.Sale](c.world), body).refused(http.StatusServiceUnavailable, "fiscal.clock_back", "#/clock")
		if a.header.Get("Retry-After") == "" {
			t.Error("nothing says when to come back")
		}
		c.unchanged(before, "a clock that jumped back")
		c.clock.Advance(5 * time.Minute)
		c.sell(c.boss, c.basket(125, object{"article_id": c.bread}))
	})
}

// TestBadElsewhere: what other operations refuse.
func TestBadElsewhere(t *testing.T) {
	d, _ := dbtest.Open(t, db.SQLite)
	c := newWorld(t, d).bakery().till()
	before := c.rows()
	other := fresh[id.Register](c.world)
	for _, bad := range []struct {
		method, path string
		body         any
		status       int
		code         string
		pointer      string
	}{
		{"PUT", "/v1/sales/sale_x", object{}, invalid, "id.malformed", "#/path/id"},
		{"GET", "/v1/sales/art_01k9zq0w5tfk8v3q8h2m7c4x9d", nil, invalid, "id.malformed", "#/path/id"},
		{"GET", "/v1/sales/" + fresh[id.Sale](c.world), nil, http.StatusNotFound, "sale.not_found", ""},
		{"GET", "/v1/sales?limit=0", nil, invalid, "request.minimum", "#/query/limit"},
		{"GET", "/v1/sales?limit=101", nil, invalid, "request.maximum", "#/query/limit"},
		{"GET", "/v1/sales?limit=ten", nil, invalid, "request.integer", "#/query/limit"},
		{"GET", "/v1/sales?limit=9999999999999999999", nil, invalid, "request.integer", "#/query/limit"},
		{"GET", "/v1/sales?before=x", nil, invalid, "id.malformed", "#/query/before"},
		{"GET", "/v1/sales?collaborator_id=1", nil, invalid, "request.unknown", "#/query/collaborator_id"},
		{"GET", "/v1/sales?4970101234567890=1", nil, invalid, "request.unknown", "#/query"},
		{"GET", "/v1/articles?state=gone", nil, invalid, "request.enum", "#/query/state"},
		{"GET", "/v1/articles?search=" + strings.Repeat("x", 101), nil, invalid, "request.too_long", "#/query/search"},
		{"GET", "/v1/articles?search=%ff", nil, malformed, "request.not_utf8", ""},
		{"POST", "/v1/articles/import?strict=maybe", nil, invalid, "request.boolean", "#/query/strict"},
		{"GET", "/v1/barcodes/12345678", nil, invalid, "catalog.ean", ""},
		{"GET", "/v1/barcodes/3017620422003", nil, http.StatusNotFound, "catalog.article_not_found", ""},
		{"PUT", "/v1/registers/" + other + "/openings/" + fresh[id.Session](c.world), object{"float": eur(0)}, http.StatusNotFound, "merchant.register_not_found", ""},
		{"PUT", "/v1/registers/" + c.register + "/openings/" + fresh[id.Session](c.world), object{"float": eur(0)}, http.StatusConflict, "sale.already_open", "#/register_id"},
		{"PUT", "/v1/registers/" + c.register + "/openings/" + c.session, object{"float": eur(1)}, http.StatusConflict, "sale.other_content", ""},
		{"PUT", "/v1/registers/" + c.register + "/openings/" + fresh[id.Session](c.world), object{"float": eur(-1)}, invalid, "sale.amount_range", "#/float"},
		{"PUT", "/v1/registers/" + c.register + "/cash-movements/" + fresh[id.Movement](c.world), object{"direction": "up", "amount": eur(1), "reason": "x"}, invalid, "request.enum", "#/direction"},
		{"PUT", "/v1/registers/" + c.register + "/cash-movements/" + fresh[id.Movement](c.world), object{"direction": "in", "amount": eur(1), "reason": ""}, invalid, "sale.reason_missing", "#/reason"},
		{"PUT", "/v1/registers/" + c.register + "/closings/" + fresh[id.Closing](c.world), object{"kind": "week"}, invalid, "sale.closing_kind", "#/kind"},
		{"PUT", "/v1/registers/" + c.register + "/closings/" + fresh[id.Closing](c.world), object{"kind": "day", "business_date": "tomorrow"}, invalid, "sale.date", "#/business_date"},
		{"PUT", "/v1/registers/" + c.register + "/closings/" + fresh[id.Closing](c.world), object{"kind": "day", "business_date": "2030-01-01"}, invalid, "sale.date_future", "#/business_date"},
		{"PUT", "/v1/registers/" + c.register + "/closings/" + fresh[id.Closing](c.world), object{"kind": "day", "business_date": "2026-11-23"}, http.StatusConflict, "sale.session_open", "#/register_id"},
		{"GET", "/v1/registers/" + c.register + "/closings/" + fresh[id.Closing](c.world), nil, http.StatusNotFound, "sale.closing_not_found", ""},
		{"PUT", "/v1/articles/" + fresh[id.Article](c.world), object{"name": "Pain", "vat_bp": 1234}, invalid, "catalog.vat_unknown", "#/vat_bp"},
		{"PUT", "/v1/articles/" + fresh[id.Article](c.world), object{"name": "Pain", "vat_bp": 550, "price": eur(-1)}, invalid, "catalog.price_negative", "#/price"},
		{"PUT", "/v1/articles/" + fresh[id.Article](c.world), object{"name": "Vin", "vat_bp": 2000}, http.StatusConflict, "catalog.reference_taken", "#/reference"},
		{"POST", "/v1/keys", object{"name": "", "role": "user"}, invalid, "access.key_name", "#/name"},
		{"POST", "/v1/keys", object{"name": "x", "role": "god"}, invalid, "access.role", "#/role"},
		{"PATCH", "/v1/sites/" + string(c.founded.Site.ID), object{"name": ""}, invalid, "merchant.name", "#/name"},
		{"GET", "/v1/journal/chains/" + fresh[id.Chain](c.world) + "/records", nil, http.StatusNotFound, "fiscal.no_chain", ""},
		{"GET", "/v1/nowhere", nil, http.StatusNotFound, "request.no_route", ""},
		{"DELETE", "/v1/sales", nil, http.StatusMethodNotAllowed, "request.method", ""},
	} {
		t.Run(fmt.Sprintf("%s %s %s", bad.method, bad.code, bad.pointer), func(t *testing.T) {
			a := c.boss.call(bad.method, bad.path, bad.body)
			a.t = t
			a.refused(bad.status, bad.code, bad.pointer)
		})
	}
	if a := c.boss.call(http.MethodDelete, "/v1/sales", nil); !strings.Contains(a.header.Get("Allow"), "GET") {
		t.Errorf("405 without the methods that are allowed: %v", a.header)
	}
	c.unchanged(before, "what other operations refuse")
}
