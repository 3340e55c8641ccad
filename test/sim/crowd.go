package sim

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
)

// Crowd is many clients who sell on one register. Each makes the id of its sale
// and keeps the request before it sends it.
type Crowd struct {
	register string
	random   *rand.Rand

	mu       sync.Mutex
	sold     map[string]Sold // what was acknowledged
	baskets  map[string]Basket
	unsure   []Basket // sent, and never answered
	refused  []Basket // answered with a refusal of the till's: it is closed
	failures []string
}

// NewCrowd makes a crowd that sold nothing yet.
func NewCrowd(random *rand.Rand, register string) *Crowd {
	return &Crowd{register: register, random: random, sold: make(map[string]Sold), baskets: make(map[string]Basket)}
}

// Shop lets clients sell until each of them was refused or got no answer. Every
// other one names the session; the rest join the one that is open. After the
// enough-th sale of this turn it calls then, once, and goes on.
func (c *Crowd) Shop(clients int, to func(client int) *Client, session string, enough int, then func()) {
	var crowd sync.WaitGroup
	reached, left := make(chan struct{}), enough
	for i := range clients {
		random := rand.New(rand.NewPCG(c.random.Uint64(), uint64(i)))
		named := ""
		if i%2 == 1 {
			named = session
		}
		crowd.Go(func() {
			for c.sell(to(i), NewBasketIn(c.register, named, someLines(random)...)) {
				c.mu.Lock()
				if left--; left == 0 {
					close(reached)
				}
				c.mu.Unlock()
			}
		})
	}
	home := make(chan struct{})
	go func() { crowd.Wait(); close(home) }()
	select {
	case <-reached:
		then()
	case <-home: // before they sold enough: Check says why
	}
	<-home
}

// someLines are one to three lines at one to three rates; now and then a return.
func someLines(random *rand.Rand) [][2]int64 {
	rates := [...]int64{550, 1000, 2000}
	lines := make([][2]int64, 1+random.IntN(3))
	sign := int64(1)
	if random.IntN(10) == 0 {
		sign = -1
	}
	for i := range lines {
		lines[i] = [2]int64{sign * (1 + random.Int64N(2000)), rates[random.IntN(len(rates))]}
	}
	return lines
}

// sell sends a basket once and notes what came of it; false: this client goes home.
func (c *Crowd) sell(client *Client, b Basket) bool {
	status, sold, code, err := client.Put(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err != nil:
		c.unsure = append(c.unsure, b)
		return false
	case code == "sale.session_closed" || code == "sale.register_closed":
		c.refused = append(c.refused, b)
		return false
	case status != http.StatusCreated:
		c.failures = append(c.failures, fmt.Sprintf("sale %s: status %d %s", b.ID, status, code))
		return false
	}
	c.note(b, sold)
	return true
}

// note keeps an acknowledged sale.
func (c *Crowd) note(b Basket, sold Sold) {
	if sold.ID != b.ID || sold.Total != Euros(b.Total) {
		c.failures = append(c.failures, fmt.Sprintf("sale %s of %d was answered with %+v", b.ID, b.Total, sold))
	}
	c.sold[b.ID], c.baskets[b.ID] = sold, b
}

// Resolve repeats every sale that was never answered, under its id, and tells
// how many of them the database had already.
func (c *Crowd) Resolve(t testing.TB, client *Client) (there, missing int) {
	t.Helper()
	before := client.Sales(t)
	for _, b := range c.unsure {
		kept, known := before[b.ID]
		status, sold, code, err := client.Put(b)
		switch {
		case err != nil, known && (status != http.StatusOK || sold != kept):
			t.Fatalf("sale %s again: status %d %s, error %v, %+v; the list had it: %v %+v", b.ID, status, code, err, sold, known, kept)
		case status == http.StatusOK: // not in the list: a PostgreSQL server may end a commit after the program that sent it
			there++
		case status == http.StatusCreated:
			missing++
		default:
			t.Fatalf("sale %s again: status %d %s", b.ID, status, code)
		}
		c.note(b, sold)
	}
	c.unsure = nil
	return there, missing
}

// Check holds what the server has against what was acknowledged: the same sales
// with the same numbers and totals, no number left out, none given twice.
func (c *Crowd) Check(t testing.TB, client *Client) {
	t.Helper()
	for _, fault := range append(c.failures, c.faults(client.Sales(t))...) {
		t.Error(fault)
	}
}

// faults are the differences between what was acknowledged and what there is.
func (c *Crowd) faults(have map[string]Sold) (faults []string) {
	for id, want := range c.sold {
		if have[id] != want {
			faults = append(faults, fmt.Sprintf("acknowledged %+v, the server has %+v", want, have[id]))
		}
	}
	numbers := make([]int64, 0, len(have))
	for id, s := range have {
		if _, acknowledged := c.sold[id]; !acknowledged {
			faults = append(faults, fmt.Sprintf("%+v is there and was never acknowledged", s))
		}
		numbers = append(numbers, s.Number)
	}
	slices.Sort(numbers)
	for i, n := range numbers {
		if n != int64(i+1) {
			return append(faults, fmt.Sprintf("number %d where %d follows", n, i+1))
		}
	}
	return faults
}

// Total is the sum of what was acknowledged, of one session or of all.
func (c *Crowd) Total(session string) (tickets, minor int64) {
	for _, s := range c.sold {
		if session == "" || s.Session == session {
			tickets++
			minor += s.Total.Minor
		}
	}
	return tickets, minor
}
