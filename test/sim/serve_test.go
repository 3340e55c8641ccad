package sim

import (
	"net/http"
	"sync"
	"testing"

	"encaisse/base/db"
)

const clients = 16

// TestServerKilled kills a server under a crowd again and again. What was
// acknowledged is there after each restart, what was not is repeated under its
// id and ends exactly once, and no number is skipped.
func TestServerKilled(t *testing.T) {
	for _, c := range []struct {
		engine db.Engine
		kills  int
	}{{db.SQLite, 20}, {db.PostgreSQL, 5}} {
		t.Run(c.engine.String(), func(t *testing.T) {
			random := Seed(t)
			shop := Found(t, c.engine)
			shop.KeepDay(t)
			crowd := NewCrowd(random, shop.Till)
			server := Serve(t, shop)
			server.Open(t, shop.Till, 0)
			there, missing, kills := 0, 0, 0
			for kills < 3*c.kills && (kills < c.kills || there == 0 || missing == 0) {
				crowd.Shop(clients, func(int) *Client { return &server.Client }, "", 1+random.IntN(60), server.Kill)
				kills++
				if kills%5 == 0 {
					shop.MustVerify(t) // as the power cut left it
				}
				server = Serve(t, shop)
				a, b := crowd.Resolve(t, &server.Client)
				there, missing = there+a, missing+b
				crowd.Check(t, &server.Client)
				if kills%5 == 1 {
					shop.MustVerify(t) // while the server has it open
				}
			}
			tickets, total := crowd.Total("")
			if x := server.X(t, shop.Till); x.Tickets != tickets || x.Net != Euros(total) || x.Cash != Euros(total) {
				t.Errorf("X %+v, acknowledged %d tickets of %d in all", x, tickets, total)
			}
			server.Stop()
			shop.MustVerify(t)
			t.Logf("%d kills, %d sales acknowledged; of those not acknowledged %d were sealed before the kill, %d were not", kills, tickets, there, missing)
			if there == 0 || missing == 0 || kills < c.kills {
				t.Error("a kill before the commit or one between commit and answer was never seen")
			}
		})
	}
}

// TestSameSale lets eight clients send a sale under one id at the same time.
func TestSameSale(t *testing.T) {
	Each(t, func(t *testing.T, engine db.Engine) {
		shop := Found(t, engine)
		shop.KeepDay(t)
		server := Serve(t, shop)
		server.Open(t, shop.Till, 0)
		random := Seed(t)
		for range 10 {
			same := NewBasket(shop.Till, someLines(random)...)
			statuses, numbers := putAtOnce(t, server, same, same, same, same, same, same, same, same)
			if statuses[http.StatusCreated] != 1 || statuses[http.StatusOK] != 7 || len(numbers) != 1 {
				t.Fatalf("the same sale eight times: statuses %v, numbers %v", statuses, numbers)
			}
			other := make([]Basket, 8)
			for i := range other {
				other[i] = NewBasket(shop.Till, [2]int64{int64(100 + i), 550})
				other[i].ID = other[0].ID
			}
			statuses, numbers = putAtOnce(t, server, other...)
			if statuses[http.StatusCreated] != 1 || statuses[http.StatusConflict] != 7 || len(numbers) != 1 {
				t.Fatalf("eight sales under one id: statuses %v, numbers %v", statuses, numbers)
			}
		}
		if x := server.X(t, shop.Till); x.Tickets != 20 {
			t.Errorf("%d tickets, want 20", x.Tickets)
		}
		server.Stop()
		shop.MustVerify(t)
	})
}

// putAtOnce sends baskets at the same time and counts the statuses and the
// numbers it was answered with.
func putAtOnce(t *testing.T, server *Server, baskets ...Basket) (statuses map[int]int, numbers map[int64]int) {
	t.Helper()
	statuses, numbers = make(map[int]int), make(map[int64]int)
	var mu sync.Mutex
	var all sync.WaitGroup
	begin := make(chan struct{})
	for _, b := range baskets {
		all.Go(func() {
			<-begin
			status, sold, code, err := server.Put(b)
			mu.Lock()
			defer mu.Unlock()
			if err != nil || status == http.StatusConflict && code != "sale.other_content" {
				t.Errorf("status %d %s, error %v", status, code, err)
			}
			statuses[status]++
			if sold.Number > 0 {
				numbers[sold.Number]++
			}
		})
	}
	close(begin)
	all.Wait()
	return statuses, numbers
}

// TestTwoNodes lets two servers on one PostgreSQL sell on the same register.
func TestTwoNodes(t *testing.T) {
	shop := Found(t, db.PostgreSQL)
	shop.KeepDay(t)
	nodes := [...]*Server{Serve(t, shop), Serve(t, shop)}
	session := nodes[0].Open(t, shop.Till, 0)
	crowd := NewCrowd(Seed(t), shop.Till)
	const sales = 400
	var z Totals
	crowd.Shop(clients, func(i int) *Client { return &nodes[i%2].Client }, session, sales, func() {
		z = nodes[0].Z(t, shop.Till) // the other node learns it from the database alone
	})
	crowd.Check(t, &nodes[1].Client)
	crowd.expectZ(t, z, session)
	shop.MustVerify(t)
	for _, node := range nodes {
		node.Stop()
	}
	shop.MustVerify(t)
}

// expectZ holds a Z against what was acknowledged in its session.
func (c *Crowd) expectZ(t *testing.T, z Totals, session string) {
	t.Helper()
	tickets, total := c.Total(session)
	if z.Tickets != tickets || z.Net != Euros(total) || z.Last-z.First+1 != tickets {
		t.Errorf("Z %+v, acknowledged in its session %d tickets of %d in all", z, tickets, total)
	}
	for _, s := range c.sold {
		if inside := z.First <= s.Number && s.Number <= z.Last; inside != (s.Session == session) {
			t.Errorf("sale %+v: session %s has tickets %d to %d", s, session, z.First, z.Last)
		}
	}
}

// TestSalesRaceZ closes the till while a crowd sells: every sale is in the Z or
// was refused, and one that was refused is sold in the next session, once.
func TestSalesRaceZ(t *testing.T) {
	Each(t, func(t *testing.T, engine db.Engine) {
		random := Seed(t)
		shop := Found(t, engine)
		shop.KeepDay(t)
		server := Serve(t, shop)
		crowd := NewCrowd(random, shop.Till)
		refused := 0
		for range 5 {
			session := server.Open(t, shop.Till, 100)
			for _, b := range crowd.refused {
				status, sold, code, err := server.Put(b)
				if named := status == http.StatusConflict && code == "sale.session_closed"; err != nil || !named && status != http.StatusCreated {
					t.Fatalf("refused before, now: status %d %s, error %v", status, code, err)
				}
				if status == http.StatusCreated {
					crowd.note(b, sold)
				}
			}
			refused += len(crowd.refused)
			crowd.refused = nil
			var z Totals
			crowd.Shop(clients, func(int) *Client { return &server.Client }, session, 20+random.IntN(60), func() { z = server.Z(t, shop.Till) })
			crowd.expectZ(t, z, session)
			crowd.Check(t, &server.Client)
		}
		server.Stop()
		shop.MustVerify(t)
		t.Logf("%d sales, %d refused by a Z", len(crowd.sold), refused)
		if refused == 0 {
			t.Error("no sale ever met a Z")
		}
	})
}

// TestCrowdSeesFaults plants what no server may do, and wants the crowd to see it.
func TestCrowdSeesFaults(t *testing.T) {
	sold := func(numbers ...int64) map[string]Sold {
		all := make(map[string]Sold)
		for i, n := range numbers {
			id := string(rune('a' + i))
			all[id] = Sold{ID: id, Number: n, Total: Euros(100)}
		}
		return all
	}
	crowd := &Crowd{sold: sold(1, 2, 3)}
	if faults := crowd.faults(sold(1, 2, 3)); len(faults) > 0 {
		t.Errorf("nothing is wrong: %v", faults)
	}
	less := sold(1, 2, 3)
	less["b"] = Sold{ID: "b", Number: 2, Total: Euros(50)}
	for name, have := range map[string]map[string]Sold{
		"one lost": sold(1, 2), "one more": sold(1, 2, 3, 4), "numbers exchanged": sold(2, 1, 3), "a number twice": sold(1, 2, 2), "another total": less,
	} {
		if len(crowd.faults(have)) == 0 {
			t.Errorf("%s: nothing was seen", name)
		}
	}
	hole := &Crowd{sold: sold(1, 2, 4)}
	if len(hole.faults(sold(1, 2, 4))) == 0 {
		t.Error("a hole in the numbers: nothing was seen")
	}
}
