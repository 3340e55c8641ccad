package api_test

import (
	"net/http"
	"slices"
	"sync"
	"testing"

	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/id"
)

// TestTheSameSaleAtOnceIsOneSale: whoever repeats a request before it is answered
// makes one ticket, and everybody is told the same.
func TestTheSameSaleAtOnceIsOneSale(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		c := newWorld(t, d).bakery().till()
		const clients = 8
		made, body := fresh[id.Sale](c.world), c.basket(125, object{"article_id": c.bread})
		answers := make([]answered, clients)
		var all sync.WaitGroup
		for i := range clients {
			all.Go(func() { answers[i] = c.key.call(http.MethodPut, "/v1/sales/"+made, body) })
		}
		all.Wait()
		created := 0
		for _, a := range answers {
			if a.status == http.StatusCreated {
				created++
			} else {
				a.want(http.StatusOK)
			}
			if string(a.body) != string(answers[0].body) {
				t.Errorf("two answers:\n%s\n%s", a.body, answers[0].body)
			}
		}
		if created != 1 {
			t.Errorf("%d of %d say they made it", created, clients)
		}
		if n := c.rows()["sale"]; n != 1 {
			t.Errorf("%d sales", n)
		}
	})
}

// TestSalesAtOnceAreNumberedWithoutHole, refused ones among them.
func TestSalesAtOnceAreNumberedWithoutHole(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		c := newWorld(t, d).bakery().till()
		const sales = 40
		var answers [2 * sales]answered
		var all sync.WaitGroup
		for i := range answers {
			// Every other one is paid a cent too much.
			made, body := fresh[id.Sale](c.world), c.basket(int64(125+i%2), object{"article_id": c.bread})
			all.Go(func() { answers[i] = c.key.call(http.MethodPut, "/v1/sales/"+made, body) })
		}
		all.Wait()
		var numbers []int64
		for i, a := range answers {
			if i%2 == 1 {
				a.refused(invalid, "sale.tender_exceeds", "#/tenders")
				continue
			}
			numbers = append(numbers, a.want(http.StatusCreated).int("number"))
		}
		slices.Sort(numbers)
		for i, n := range numbers {
			if n != int64(i+1) {
				t.Fatalf("the numbers are %v", numbers)
			}
		}
		if len(numbers) != sales {
			t.Errorf("%d sales of %d", len(numbers), sales)
		}
	})
}
