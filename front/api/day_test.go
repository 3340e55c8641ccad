package api_test

import (
	"net/http"
	"testing"

	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/id"
)

// till is a shop with articles and an open register.
type till struct {
	*shop
	bread, wine, tea string // articles: 1.25 at 10 %, 28.90 at 20 %, 4.00 at 5.5 %
	register         string
	session          string
}

func (s *shop) till() *till {
	s.t.Helper()
	c := &till{shop: s, register: string(s.founded.Till.ID), session: fresh[id.Session](s.world)}
	c.bread, c.wine, c.tea = s.article("Pain bagnat", 1000, 125), s.article("Vin", 2000, 2890), s.article("Thé en vrac", 550, 400)
	s.boss.call(http.MethodPut, "/v1/registers/"+c.register+"/openings/"+c.session, object{"float": eur(150_00)}).want(http.StatusCreated)
	return c
}

func (s *shop) article(name string, rate, price int64) string {
	s.t.Helper()
	article := fresh[id.Article](s.world)
	s.boss.call(http.MethodPut, "/v1/articles/"+article, object{"name": name, "vat_bp": rate, "price": eur(price)}).want(http.StatusCreated)
	return article
}

// basket is the body of a sale, paid in cash to the cent.
func (c *till) basket(total int64, lines ...object) object {
	body := object{"register_id": c.register, "lines": lines}
	if total != 0 {
		body["tenders"] = []object{{"id": fresh[id.Tender](c.world), "means": "cash", "amount": eur(total)}}
	}
	return body
}

// sell makes a sale and returns its id.
func (c *till) sell(as client, body object) (string, answered) {
	c.t.Helper()
	made := fresh[id.Sale](c.world)
	return made, as.call(http.MethodPut, "/v1/sales/"+made, body).want(http.StatusCreated)
}

// TestDRV04_ADayAtTheTill is a whole small day over HTTP.
func TestDRV04_ADayAtTheTill(t *testing.T) {
	t.Log("coverage: DRV-04 partial: receipt, screen and export are still to come")
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		c := newWorld(t, d).bakery().till()
		// DRV-04: 28.90 at 20 % and 1.25 at 10 % are 30.15.
		_, first := c.sell(c.boss, c.basket(30_15, object{"article_id": c.wine}, object{"article_id": c.bread}))
		if first.int("total.amount") != 3015 || first.int("number") != 1 || first.text("document") != "ticket" {
			t.Errorf("first sale: %s", first.body)
		}
		vat(t, first, "vat", [][4]int64{{1000, 125, 114, 11}, {2000, 2890, 2408, 482}})
		c.reducedSale()
		c.returnedSale()
		c.movements()
		c.readX()
		c.closeTill()
		c.afterwards()
	})
}

// vat wants these rows: rate, TTC, HT, VAT.
func vat(t *testing.T, a answered, path string, want [][4]int64) {
	t.Helper()
	if n := len(a.list(path)); n != len(want) {
		t.Fatalf("%d rates, want %d: %s", n, len(want), a.body)
	}
	for i, w := range want {
		at := path + "." + string(rune('0'+i)) + "."
		got := [4]int64{a.int(at + "rate_bp"), a.int(at + "ttc_minor"), a.int(at + "ht_minor"), a.int(at + "vat_minor")}
		if got != w {
			t.Errorf("rate %d: %v, want %v", i, got, w)
		}
	}
}

// reducedSale weighs, reduces a line and the ticket, and gives change: 0.250 kg of
// tea at 4.00 is 1.00, less 0.10; with a bread 2.15; less 10 % is 1.93 (0.215 → 0.22).
func (c *till) reducedSale() {
	c.t.Helper()
	body := c.basket(0,
		object{"article_id": c.tea, "quantity": "0.250", "reduction": object{"amount": eur(10), "name": "Fin de sachet"}},
		object{"article_id": c.bread, "quantity": "1"})
	body["reduction"] = object{"percent_bp": 1000, "name": "Fidélité"}
	body["tenders"] = []object{{"id": fresh[id.Tender](c.world), "means": "cash", "amount": eur(193), "received": eur(5_00)}}
	body["external_ref"] = "order-2291"
	made, a := c.sell(c.user, body)
	if a.int("total.amount") != 193 || a.int("reduction.amount") != 22 || a.int("tenders.0.change.amount") != 307 || a.int("operator") != 3 {
		c.t.Errorf("reduced sale: %s", a.body)
	}
	if a.text("lines.0.quantity") != "0.25" || a.int("lines.0.reduction.amount") != 10 || a.text("external_ref") != "order-2291" {
		c.t.Errorf("its lines: %s", a.body)
	}
	if again := c.boss.get("/v1/sales/" + made).want(http.StatusOK); string(again.body) != string(a.body) {
		c.t.Errorf("read again:\n%s\nas sealed:\n%s", again.body, a.body)
	}
}

func (c *till) returnedSale() {
	c.t.Helper()
	_, a := c.sell(c.boss, c.basket(-125, object{"article_id": c.bread, "quantity": "-1"}))
	if a.text("document") != "return" || a.int("total.amount") != -125 || a.int("number") != 3 {
		c.t.Errorf("return: %s", a.body)
	}
}

func (c *till) movements() {
	c.t.Helper()
	for direction, minor := range map[string]int64{"in": 20_00, "out": 5_00} {
		path := "/v1/registers/" + c.register + "/cash-movements/" + fresh[id.Movement](c.world)
		body := object{"direction": direction, "amount": eur(minor), "reason": "Appoint"}
		a := c.user.call(http.MethodPut, path, body).want(http.StatusCreated)
		if a.text("direction") != direction || a.int("amount.amount") != minor {
			c.t.Errorf("movement: %s", a.body)
		}
		c.user.call(http.MethodPut, path, body).want(http.StatusOK)
		body["reason"] = "Autre"
		c.user.call(http.MethodPut, path, body).refused(http.StatusConflict, "sale.other_content", "")
	}
}

// expected is the float, the sales 30.15 + 1.93 − 1.25, and the movements.
const expected = 150_00 + 30_83 + 20_00 - 5_00

func (c *till) readX() {
	c.t.Helper()
	x := c.manager.get("/v1/registers/" + c.register + "/x").want(http.StatusOK)
	if x.int("totals.tickets") != 3 || x.int("totals.net.amount") != 30_83 || x.int("totals.absolute.amount") != 33_33 ||
		x.int("totals.expected.amount") != expected || x.int("totals.returns") != 1 || x.text("session.id") != c.session {
		c.t.Errorf("X: %s", x.body)
	}
}

func (c *till) closeTill() {
	c.t.Helper()
	path := "/v1/registers/" + c.register + "/closings/" + fresh[id.Closing](c.world)
	body := object{"kind": "z", "counted": eur(expected - 35)}
	z := c.boss.call(http.MethodPut, path, body).want(http.StatusCreated)
	if z.int("figures.difference.amount") != -35 || z.int("figures.totals.net.amount") != 30_83 || z.int("number") != 1 ||
		z.int("figures.perpetual_net.amount") != 30_83 || z.int("figures.perpetual_absolute.amount") != 33_33 {
		c.t.Errorf("Z: %s", z.body)
	}
	// The Z adds its tickets up: 20 % as sealed on the first, nothing computed anew.
	vat(c.t.(*testing.T), z, "figures.totals.vat", [][4]int64{{550, 81, 77, 4}, {1000, 112, 102, 10}, {2000, 2890, 2408, 482}})
	if again := c.boss.call(http.MethodPut, path, body).want(http.StatusOK); string(again.body) != string(z.body) {
		c.t.Errorf("the Z again:\n%s\nfirst:\n%s", again.body, z.body)
	}
	body["counted"] = eur(1)
	c.boss.call(http.MethodPut, path, body).refused(http.StatusConflict, "sale.other_content", "")
	if got := c.boss.get(path).want(http.StatusOK); string(got.body) != string(z.body) {
		c.t.Errorf("the Z read: %s", got.body)
	}
	c.boss.call(http.MethodPut, "/v1/registers/"+c.register+"/closings/"+fresh[id.Closing](c.world), object{"kind": "z"}).
		refused(http.StatusConflict, "sale.register_closed", "#/register_id")
	day := c.boss.call(http.MethodPut, "/v1/registers/"+c.register+"/closings/"+fresh[id.Closing](c.world),
		object{"kind": "day", "business_date": "2026-11-23"}).want(http.StatusCreated)
	if day.int("figures.totals.net.amount") != 30_83 || day.int("figures.difference.amount") != -35 || day.text("kind") != "day" {
		c.t.Errorf("day: %s", day.body)
	}
}

// afterwards reads the day as an accountant would.
func (c *till) afterwards() {
	c.t.Helper()
	c.boss.call(http.MethodPut, "/v1/sales/"+fresh[id.Sale](c.world), c.basket(125, object{"article_id": c.bread})).
		refused(http.StatusConflict, "sale.register_closed", "#/register_id")
	if page := c.manager.get("/v1/registers/" + c.register + "/closings?kind=z").want(http.StatusOK); len(page.list("closings")) != 1 {
		c.t.Errorf("closings: %s", page.body)
	}
	page := c.manager.get("/v1/sales?limit=2").want(http.StatusOK)
	rest := c.manager.get("/v1/sales?limit=2&before=" + page.text("next")).want(http.StatusOK)
	if page.int("sales.0.number") != 3 || page.int("sales.1.number") != 2 || rest.int("sales.0.number") != 1 || rest.at("next") != nil {
		c.t.Errorf("sales: %s %s", page.body, rest.body)
	}
	if _, err := c.events.Number(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	events := c.manager.get("/v1/events?after=0").want(http.StatusOK)
	kinds := map[string]int{}
	for i, e := range events.list("events") {
		kinds[e.(object)["type"].(string)]++
		if n := e.(object)["number"].(interface{ String() string }).String(); n == "" || i == 0 && n != "1" {
			c.t.Errorf("event %d has number %s", i, n)
		}
	}
	if kinds["sale.sealed"] != 3 || kinds["session.opened"] != 1 || kinds["session.closed"] != 1 || kinds["day.closed"] != 1 || kinds["cash.moved"] != 2 {
		c.t.Errorf("events: %v", kinds)
	}
}
