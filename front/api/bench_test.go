package api_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/sale"
)

const benchClients = 64

// BenchmarkPutSale seals sales of three lines on a real SQLite file, 64 at a time: by
// calling the noun, through our handler without a socket, and over loopback.
func BenchmarkPutSale(b *testing.B) {
	d, _ := dbtest.Open(b, db.SQLite)
	c := newWorld(b, d).bakery().till()
	b.Run("noun", func(b *testing.B) { each(b, c.putNoun(b)) })
	b.Run("handler", func(b *testing.B) { each(b, c.putHandler(b)) })
	b.Run("http", func(b *testing.B) { each(b, c.putHTTP(b)) })
}

// BenchmarkRefuse is what the door itself costs: a request that is decoded and refused
// before the database is written to.
func BenchmarkRefuse(b *testing.B) {
	d, _ := dbtest.Open(b, db.SQLite)
	c := newWorld(b, d).bakery().till()
	path := "/v1/sales/" + fresh[id.Sale](c.world)
	body := []byte(fmt.Sprintf(`{"register_id":%q,"lines":[]}`, c.register))
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPut, path, bytes.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+c.key.bearer)
		if c.api.ServeHTTP(w, r); w.Code != invalid {
			b.Fatal(w.Code)
		}
	}
}

func each(b *testing.B, put func() error) {
	b.ReportAllocs()
	b.SetParallelism(benchClients / 2)
	began := time.Now()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := put(); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "sales/s")
}

func (c *till) putNoun(b *testing.B) func() error {
	p, err := c.gate.Authenticate(b.Context(), c.key.bearer)
	c.must(err)
	return func() error {
		one, two := money.Quantity(1000), money.Quantity(2000)
		_, _, err := c.sales.Put(b.Context(), p, sale.Request{
			ID: id.New[id.Sale](time.Now()), Register: id.Register(c.register),
			Lines: []sale.LineRequest{
				{Article: id.Article(c.bread), Quantity: two}, {Article: id.Article(c.wine), Quantity: one}, {Article: id.Article(c.tea), Quantity: one},
			},
			Tenders: []sale.TenderRequest{{ID: id.New[id.Tender](time.Now()), Means: sale.Cash, Amount: money.Amount{Minor: 3540, Currency: money.EUR}}},
		})
		return err
	}
}

func (c *till) request() (path string, body []byte) {
	now := time.Now()
	return "/v1/sales/" + string(id.New[id.Sale](now)), fmt.Appendf(nil, `{"register_id":%q,"lines":[{"article_id":%q,"quantity":"2"},{"article_id":%q},{"article_id":%q}],`+
		`"tenders":[{"id":%q,"means":"cash","amount":{"amount":3540,"currency":"EUR"}}]}`, c.register, c.bread, c.wine, c.tea, id.New[id.Tender](now))
}

func (c *till) putHandler(*testing.B) func() error {
	return func() error {
		path, body := c.request()
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPut, path, bytes.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+c.key.bearer)
		r.Header.Set("Content-Type", "application/json")
		if c.api.ServeHTTP(w, r); w.Code != http.StatusCreated {
			return fmt.Errorf("%d %s", w.Code, w.Body)
		}
		return nil
	}
}

func (c *till) putHTTP(b *testing.B) func() error {
	transport := &http.Transport{MaxIdleConnsPerHost: benchClients, DisableCompression: true}
	b.Cleanup(transport.CloseIdleConnections)
	caller := &http.Client{Transport: transport}
	return func() error {
		path, body := c.request()
		r, err := http.NewRequest(http.MethodPut, c.server.URL+path, bytes.NewReader(body))
		if err != nil {
			return err
		}
		r.Header.Set("Authorization", "Bearer "+c.key.bearer)
		r.Header.Set("Content-Type", "application/json")
		got, err := caller.Do(r)
		if err != nil {
			return err
		}
		defer got.Body.Close()
		if _, err := io.Copy(io.Discard, got.Body); err != nil || got.StatusCode != http.StatusCreated {
			return fmt.Errorf("%d %w", got.StatusCode, err)
		}
		return nil
	}
}
