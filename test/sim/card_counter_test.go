package sim_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/terminal/emulator"
	"encaisse/test/sim"
)

// counter is a till at the API's door: what it knows came over HTTP.
type counter struct {
	*testing.T
	w      *cardWorld
	client sim.Client
}

type object = map[string]any

// newCounter opens a shop with its door open and nothing planned.
func newCounter(t *testing.T, engine db.Engine) *counter {
	t.Helper()
	nodes := 1
	if engine == db.PostgreSQL {
		nodes = 2
	}
	w := newCardWorld(t, &cardDay{seed: 1, reborn: []time.Duration{time.Second}}, worldOptions{engine: engine, nodes: nodes, api: true})
	w.openTill()
	c := &counter{T: t, w: w, client: sim.NewClient("http://"+w.houses[0].listener.Addr().String(), w.shop.token)}
	t.Cleanup(c.settle)
	return c
}

// settle lets everything come to rest and has the books checked, at the end of
// every test.
func (c *counter) settle() {
	if c.Failed() {
		c.Log(c.w.story(), lastLines(string(c.w.logged.Bytes())))
		return
	}
	c.w.evening()
	c.w.balanced()
	for _, f := range c.w.faultsFound() {
		c.Error(f)
	}
}

// eachEngine runs a test at a counter on each engine: on PostgreSQL the shop has two nodes.
func eachEngine(t *testing.T, test func(c *counter)) {
	t.Helper()
	sim.Each(t, func(t *testing.T, engine db.Engine) { test(newCounter(t, engine)) })
}

// ask sends a request and wants one of the statuses.
func (c *counter) ask(method, path string, body any, statuses ...int) (answer object) {
	c.Helper()
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			c.Fatal(err)
		}
	}
	status, raw, err := c.client.Do(method, path, text)
	if err != nil {
		c.Fatalf("%s %s: %v", method, path, err)
	}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &answer); err != nil {
			c.Fatalf("%s %s: %v: %s", method, path, err, raw)
		}
	}
	for _, s := range statuses {
		if s == status {
			return answer
		}
	}
	c.Fatalf("%s %s: status %d, want %v: %s", method, path, status, statuses, raw)
	return nil
}

// basket opens a basket.
func (c *counter) basket(minor int64) (saleID string) {
	c.Helper()
	saleID = string(sim.NewID[id.Sale]())
	c.ask(http.MethodPut, "/v1/sales/"+saleID, object{
		"register_id": c.w.shop.Till.ID, "open": true, "lines": []object{{"label": "Panier", "vat_bp": 550, "unit_price": eur(minor)}},
	}, http.StatusCreated)
	return saleID
}

// card asks for a card on the first reader; the same tender may be asked again.
func (c *counter) card(saleID, tender string, minor int64) {
	c.Helper()
	c.ask(http.MethodPut, "/v1/sales/"+saleID+"/tenders/"+tender, object{
		"means": "card", "amount": eur(minor), "terminal_id": c.w.shop.readers[0].terminal.ID,
	}, http.StatusAccepted, http.StatusOK)
}

// tender reads a tender; empty where the sealed ticket has none of that id.
func (c *counter) tender(saleID, tender string) (found object) {
	c.Helper()
	for _, t := range c.ask(http.MethodGet, "/v1/sales/"+saleID, nil, http.StatusOK)["tenders"].([]any) {
		if t := t.(object); t["id"] == tender {
			found = t
		}
	}
	return found
}

// payment reads a payment once nobody is at it any more.
func (c *counter) payment(saleID, tender string) (p object) {
	c.Helper()
	payment, _ := c.tender(saleID, tender)["payment_id"].(string)
	c.w.until("an outcome of "+tender, func() bool {
		p = c.ask(http.MethodGet, "/v1/payments/"+payment, nil, http.StatusOK)
		return p["state"] != "processing" && p["state"] != "unknown"
	})
	return p
}

// pays is one tender of one sale with a hand, to its end.
func (c *counter) pays(minor int64, hand emulator.Hand) (saleID, tender string, p object) {
	c.Helper()
	saleID, tender = c.basket(minor), string(sim.NewID[id.Tender]())
	c.w.readers[0].Next(hand)
	c.card(saleID, tender, minor)
	return saleID, tender, c.payment(saleID, tender)
}

// operations are the kinds and states of what was said for a payment.
func operations(p object) string {
	var all []string
	for _, o := range p["operations"].([]any) {
		o := o.(object)
		all = append(all, o["kind"].(string)+":"+o["state"].(string))
	}
	return strings.Join(all, " ")
}

// rests waits until nothing is open about a payment, and reads it.
func (c *counter) rests(p object) object {
	c.Helper()
	c.w.rest("of the payment")
	return c.ask(http.MethodGet, "/v1/payments/"+p["id"].(string), nil, http.StatusOK)
}

// held is what the bank holds or has cleared for the shop.
func (c *counter) held() (minor int64) {
	for _, a := range c.w.host.Approvals() {
		if a.State != "reversed" {
			minor += a.Amount.Minor
		}
	}
	return minor
}
