package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/id"
)

func TestArticles(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newWorld(t, d).bakery()
		category := fresh[id.Category](s.world)
		s.boss.call(http.MethodPut, "/v1/categories/"+category, object{"name": "Pains", "position": 1}).want(http.StatusCreated)
		s.boss.call(http.MethodPut, "/v1/categories/"+category, object{"name": "Pains", "position": 1}).want(http.StatusOK)
		path := "/v1/articles/" + fresh[id.Article](s.world)
		body := object{"name": "Baguette tradition", "vat_bp": 550, "price": eur(130), "category": category, "ean": "3017620422003"}
		made := s.manager.call(http.MethodPut, path, body).want(http.StatusCreated)
		if made.text("reference") != "3017620422003" || made.text("state") != "active" || made.int("price.amount") != 130 || made.text("category") != category {
			t.Errorf("made: %s", made.body)
		}
		before := s.rows()
		if again := s.manager.call(http.MethodPut, path, body).want(http.StatusOK); string(again.body) != string(made.body) {
			t.Errorf("again: %s", again.body)
		}
		s.unchanged(before, "the same article again")
		s.clock.Advance(1000)
		body["price"] = eur(140)
		if changed := s.manager.call(http.MethodPut, path, body).want(http.StatusOK); changed.int("price.amount") != 140 {
			t.Errorf("changed: %s", changed.body)
		}
		if prices := s.user.get(path + "/prices").want(http.StatusOK); prices.int("prices.0.price.amount") != 130 || prices.int("prices.1.price.amount") != 140 {
			t.Errorf("prices: %s", prices.body)
		}
		if found := s.user.get("/v1/barcodes/3017620422003").want(http.StatusOK); found.text("id") != made.text("id") {
			t.Errorf("by barcode: %s", found.body)
		}
		s.manager.call(http.MethodPost, path+"/archive", nil).want(http.StatusOK)
		if gone := s.user.get("/v1/articles").want(http.StatusOK); len(gone.list("articles")) != 0 {
			t.Errorf("archived: %s", gone.body)
		}
		if list := s.user.get("/v1/articles?state=archived&category=" + category).want(http.StatusOK); len(list.list("articles")) != 1 {
			t.Errorf("archived ones: %s", list.body)
		}
		s.manager.call(http.MethodPost, path+"/restore", nil).want(http.StatusOK)
		s.user.call(http.MethodPut, path, body).refused(http.StatusForbidden, "access.forbidden", "")
	})
}

// TestArticlesAreRead page by page, in the order of their names.
func TestArticlesAreReadInPages(t *testing.T) {
	d, _ := dbtest.Open(t, db.SQLite)
	s := newWorld(t, d).bakery()
	for i := range 7 {
		s.article(fmt.Sprintf("Éclair %d", 6-i), 550, 320)
	}
	var names []string
	after := ""
	for range 10 {
		page := s.user.get("/v1/articles?limit=3&search=eclair" + after).want(http.StatusOK)
		for i := range page.list("articles") {
			names = append(names, page.text(fmt.Sprintf("articles.%d.name", i)))
		}
		if page.at("next") == nil {
			break
		}
		after = "&after=" + page.text("next")
	}
	if got := strings.Join(names, ","); got != "Éclair 0,Éclair 1,Éclair 2,Éclair 3,Éclair 4,Éclair 5,Éclair 6" {
		t.Errorf("pages: %s", got)
	}
}

const sheet = "reference;nom;prix;tva\nBAG;Baguette;1,05;5,5\nBAD;Mauvais;abc;5,5\nVIN;Vin;9,90;20\nTVA;Taux;1,00;7\n"

func (c client) importCSV(query, text, kind string) answered {
	c.t.Helper()
	return c.send(http.MethodPost, "/v1/articles/import"+query, []byte(text), http.Header{"Content-Type": {kind}})
}

// TestAnImportNamesEveryBadLine; strictly, it puts nothing in.
func TestAnImportNamesEveryBadLine(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newWorld(t, d).bakery()
		before := s.rows()
		a := s.manager.importCSV("?strict=true", sheet, "text/csv").want(invalid)
		if a.text("code") != "catalog.import_rejected" || !a.blames("catalog.price_unreadable", "#/lines/3/price") || !a.blames("catalog.vat_unknown", "#/lines/5/vat") {
			t.Errorf("strict: %s", a.body)
		}
		s.unchanged(before, "a strict import")
		english := s.manager
		english.language = "en"
		a = english.importCSV("", sheet, "text/csv; charset=utf-8").want(http.StatusOK)
		if a.int("created") != 2 || a.int("rejected") != 2 || a.int("read") != 4 || a.int("errors.0.line") != 3 || a.text("errors.0.column") != "price" ||
			a.text("errors.1.code") != "catalog.vat_unknown" || strings.Contains(a.text("errors.0.detail"), "Ce prix") {
			t.Errorf("import: %s", a.body)
		}
		if again := s.manager.importCSV("", sheet, "text/csv").want(http.StatusOK); again.int("unchanged") != 2 || again.int("created") != 0 {
			t.Errorf("again: %s", again.body)
		}
		// Sent as bytes, a line that is not UTF-8 is named by its number.
		latin := "reference;nom;prix;tva\nPAT;P\xe2t\xe9;3,00;5,5\nCAF;Café;1,60;10\n"
		s.manager.importCSV("", latin, "text/csv").refused(malformed, "request.not_utf8", "")
		if a := s.manager.importCSV("", latin, "application/octet-stream").want(http.StatusOK); a.int("errors.0.line") != 2 || a.text("errors.0.code") != "catalog.line_encoding" || a.int("created") != 1 {
			t.Errorf("bytes: %s", a.body)
		}
	})
}

// TestImportLimits: more than an ordinary body may have, and not more than a file may.
func TestImportLimits(t *testing.T) {
	d, _ := dbtest.Open(t, db.SQLite)
	s := newWorld(t, d).bakery()
	s.manager.importCSV("", "", "text/csv").refused(invalid, "catalog.import_empty", "")
	s.manager.importCSV("", "a;b\n1;2\n", "text/csv").refused(invalid, "catalog.import_columns", "")
	var big strings.Builder
	big.WriteString("reference;name;price;vat;note\n")
	for i := range 6000 {
		fmt.Fprintf(&big, "R%d;Article %d;1,00;5,5;%s\n", i, i, strings.Repeat("n", 300))
	}
	if a := s.manager.importCSV("?strict=true", big.String(), "text/csv").want(http.StatusOK); a.int("created") != 6000 || a.text("ignored_columns.0") != "note" {
		t.Errorf("two megabytes: %s", a.body)
	}
	for _, kind := range []string{"text/csv", "application/octet-stream"} {
		a := s.manager.importCSV("", strings.Repeat("x", 20<<20+2), kind)
		if a.status != http.StatusRequestEntityTooLarge {
			t.Errorf("%s of more than 20 MB: %d %s", kind, a.status, a.body)
		}
	}
}
