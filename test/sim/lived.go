package sim

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"encaisse/base/db"
	"encaisse/base/id"
)

// watchEvery is how often something that comes of itself is looked for.
const watchEvery = 300 * time.Microsecond

// settleLimit is how long something the server does beside its requests may take.
const settleLimit = 2 * time.Minute

// Live makes a shop whose database has a row of every kind: three days of
// another till replayed, and on its own till a first session with reductions,
// change, a return, cash in and out and a Z that found a difference, and a
// second one that is open. Everything sealed is in its checkpoint file.
func Live(t testing.TB, engine db.Engine) *Shop {
	t.Helper()
	shop := Found(t, engine)
	bakery := NewBakery(t, rand.New(rand.NewPCG(1, 2)), 3, 8)
	shop.Replay(t, bakery.Articles, bakery.Lines)
	shop.KeepDay(t)
	server := Serve(t, shop)
	server.Open(t, shop.Till, 100_00)
	server.sellReduced(t, shop.Till)
	server.sell(t, NewBasket(shop.Till, [2]int64{130, 550}, [2]int64{160, 1000}, [2]int64{720, 2000}))
	server.sell(t, NewBasket(shop.Till, [2]int64{-130, 550}))
	server.move(t, shop.Till, "in", 50_00, "Appoint de monnaie")
	server.move(t, shop.Till, "out", 20_00, "Dépôt en banque")
	server.sell(t, NewBasket(shop.Till, [2]int64{450, 1000}))
	expected := server.X(t, shop.Till).Expected.Minor
	server.Must(t, http.MethodPut, "/v1/registers/"+shop.Till+"/closings/"+string(NewID[id.Closing]()),
		map[string]any{"kind": "z", "counted": Euros(expected + 35)}, nil)
	server.Open(t, shop.Till, 80_00)
	server.sell(t, NewBasket(shop.Till, [2]int64{120, 550}))
	server.sell(t, NewBasket(shop.Till, [2]int64{340, 550}, [2]int64{100, 2000}))
	server.Stop()
	shop.checkpoint(t)
	return shop
}

// sellReduced seals a sale with a reduction on a line and one on the ticket, a
// reference, and change to hand back.
func (s *Server) sellReduced(t testing.TB, register string) {
	t.Helper()
	s.Must(t, http.MethodPut, "/v1/sales/"+string(NewID[id.Sale]()), map[string]any{
		"register_id": register, "external_ref": "commande-7",
		"lines": []map[string]any{
			{"label": "Baguette", "quantity": "2", "vat_bp": 550, "unit_price": Euros(105), "reduction": map[string]any{"percent_bp": 1000, "name": "Fidélité"}},
			{"label": "Tarte aux figues", "quantity": "0.5", "vat_bp": 550, "unit_price": Euros(1800)},
			{"label": "Café", "vat_bp": 1000, "unit_price": Euros(160), "nature": "service"},
		},
		"reduction": map[string]any{"amount": Euros(49), "name": "Geste"},
		"tenders": []map[string]any{
			{"id": NewID[id.Tender](), "means": "cash", "amount": Euros(1000), "received": Euros(2000)},
			{"id": NewID[id.Tender](), "means": "cash", "amount": Euros(200)},
		},
	}, nil)
}

func (s *Server) sell(t testing.TB, b Basket) {
	t.Helper()
	if status, _, code, err := s.Put(b); status != http.StatusCreated || err != nil {
		t.Fatalf("sale: status %d %s, error %v", status, code, err)
	}
}

func (s *Server) move(t testing.TB, register, direction string, minor int64, reason string) {
	t.Helper()
	s.Must(t, http.MethodPut, "/v1/registers/"+register+"/cash-movements/"+string(NewID[id.Movement]()),
		map[string]any{"direction": direction, "amount": Euros(minor), "reason": reason}, nil)
}

// checkpoint has the checkpoints of everything sealed so far written: a server
// does so when it starts.
func (s *Shop) checkpoint(t testing.TB) {
	t.Helper()
	watch, done := open(t, s.DSN, db.Options{ReadOnly: true})
	defer done()
	var origin string
	var size int64
	Read(t, watch, func(tx *db.Tx) error {
		return tx.QueryRow(`SELECT origin, seq FROM fiscal_chain WHERE owner_id = $1`, s.Till).Scan(&origin, &size)
	})
	want := fmt.Sprintf("%s\n%d\n", origin, size)
	server := Serve(t, s)
	Until(t, func() bool {
		text, err := os.ReadFile(s.Checkpoints)
		return err == nil && strings.Contains(string(text), want)
	})
	server.Stop()
}

// Until waits for a condition that comes of itself.
func Until(t testing.TB, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for late := time.After(settleLimit); !holds(); {
		select {
		case <-late:
			t.Fatalf("waited %s for what did not come", settleLimit)
		case <-tick.C:
		}
	}
}
