package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"encaisse/access"
	"encaisse/base/clock"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/base/problem"
	"encaisse/base/secret"
	"encaisse/catalog"
	"encaisse/merchant"
	"encaisse/sale"
)

type benchCmd struct {
	Sales benchSalesCmd `cmd:"" help:"Cash sales: in process and through HTTP, against the bare engine doing the same writes."`
	Cards benchCardsCmd `cmd:"" help:"Card sales: through readers and host on real sockets, both ends of each."`
}

type benchSalesCmd struct {
	jsonFlag
	DB        string `name:"db" help:"An empty database; a temporary SQLite file when left out."`
	Clients   int    `help:"Sales under way at the same time." default:"64"`
	Seconds   int    `help:"How long each of the three is measured, in all." default:"10"`
	Rounds    int    `help:"Turns they take, so that a busy machine slows all three." default:"3"`
	Merchants int    `help:"Merchants that sell, at random." default:"1"`
	Preload   int    `help:"Sales made before measuring." default:"0"`
}

// benchmarked is what bench sales prints. A ratio is over the bare engine of the same run.
type benchmarked struct {
	Engine         string  `json:"engine"`
	Clients        int     `json:"clients"`
	Merchants      int     `json:"merchants"`
	Preload        int     `json:"preload"`
	InProcess      float64 `json:"in_process_per_second"`
	HTTP           float64 `json:"http_per_second"`
	P50            float64 `json:"p50_ms"`
	P99            float64 `json:"p99_ms"`
	Raw            float64 `json:"raw_per_second"`
	RatioInProcess float64 `json:"ratio_in_process"`
	RatioHTTP      float64 `json:"ratio_http"`
	WALPerSale     float64 `json:"wal_bytes_per_sale"`
	RawWALPerSale  float64 `json:"raw_wal_bytes_per_sale"`
	RowsPerSale    int     `json:"rows_per_sale"`
	RawRowsPerSale int     `json:"raw_rows_per_sale"`
	MeanGroup      float64 `json:"mean_group"`
	PreloadPerSec  float64 `json:"preload_per_second"`
	PeakMiB        int64   `json:"peak_mib"`
}

// shop is one merchant of the benchmark, open and with articles to sell.
type shop struct {
	principal access.Principal
	register  id.Register
	articles  []catalog.Article
	key       string
}

// bench is one run.
type bench struct {
	cmd    *benchSalesCmd
	dsn    string
	house  *house
	shops  []shop // sell through the product
	bare   []shop // whose writes the bare engine repeats
	traced *trace
	result benchmarked
}

func (c *benchSalesCmd) Run(ctx context.Context, o output) error {
	dsn := c.DB
	if dsn == "" {
		dir, err := os.MkdirTemp("", "encaisse-bench")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		dsn = "sqlite:" + filepath.Join(dir, "bench.db")
	}
	b := &bench{cmd: c, dsn: dsn, traced: &trace{}}
	if err := b.build(ctx); err != nil {
		return err
	}
	defer b.house.db.Close()
	if err := b.measure(ctx); err != nil {
		return err
	}
	return o.done(c.JSON, b.result, b.result.people)
}

func (r benchmarked) people(w io.Writer) {
	fmt.Fprintf(w, "%s, %d clients, %d merchants, mean group %.1f\n", r.Engine, r.Clients, r.Merchants, r.MeanGroup)
	fmt.Fprintf(w, "bare engine %8.0f sales/s   %6.0f WAL bytes, %d rows a sale\n", r.Raw, r.RawWALPerSale, r.RawRowsPerSale)
	fmt.Fprintf(w, "in process  %8.0f sales/s   %6.0f WAL bytes, %d rows a sale   ratio %.2f\n", r.InProcess, r.WALPerSale, r.RowsPerSale, r.RatioInProcess)
	fmt.Fprintf(w, "HTTP        %8.0f sales/s   p50 %.1f ms, p99 %.1f ms   ratio %.2f\n", r.HTTP, r.P50, r.P99, r.RatioHTTP)
}

// build opens the database, refuses one that is in use, and founds the shops.
func (b *bench) build(ctx context.Context) error {
	quiet := slog.New(slog.DiscardHandler)
	d, err := db.Open(ctx, b.dsn, db.Options{Logger: quiet, Trace: b.traced.record})
	if err != nil {
		return err
	}
	master, err := secret.NewMaster()
	if err != nil {
		return err
	}
	b.house = build(d, clock.Real{}, master, filepath.Join(os.TempDir(), "encaisse-bench.checkpoints"), quiet, nil)
	if there, err := merchant.All(ctx, d); err != nil {
		return err
	} else if len(there) > 0 {
		return problem.New(problem.Conflict, "cmd.bench_not_empty").At("--db")
	}
	for i := range 2 * b.cmd.Merchants {
		s, err := b.found(ctx, i)
		if err != nil {
			return err
		}
		if i%2 == 0 {
			b.shops = append(b.shops, s)
		} else {
			b.bare = append(b.bare, s)
		}
	}
	return nil
}

// found makes one shop with three articles and its till open.
func (b *bench) found(ctx context.Context, i int) (shop, error) {
	var made merchant.Founded
	err := b.house.db.Write(ctx, func(tx *db.Tx) (err error) {
		now := b.house.clock.Now()
		if made, err = merchant.Found(tx, now, merchant.Founding{
			Company: fmt.Sprintf("Shop %d", i), SIREN: "732829320", SIRET: "73282932000074", SiteName: "Site", Currency: "EUR", Mode: merchant.Complet,
		}); err != nil {
			return err
		}
		if _, err = b.house.vault.Create(tx, now, made.Merchant.ID); err != nil {
			return err
		}
		_, err = b.house.journal.Found(tx, now, made)
		return err
	})
	if err != nil {
		return shop{}, err
	}
	s := shop{principal: access.System(made.Merchant.ID), register: made.Till.ID}
	for j, rate := range []money.Rate{550, 1000, 2000} {
		a, _, err := b.house.catalog.Put(ctx, s.principal, catalog.Article{
			ID: id.New[id.Article](b.house.clock.Now()), Name: fmt.Sprintf("Article %d", j), Nature: catalog.Goods, VAT: rate,
			Price: &money.Amount{Minor: int64(90 + 60*j), Currency: "EUR"},
		})
		if err != nil {
			return shop{}, err
		}
		s.articles = append(s.articles, a)
	}
	if _, s.key, err = b.house.gate.CreateKey(ctx, s.principal, "bench", access.Administrator); err != nil {
		return shop{}, err
	}
	_, _, err = b.house.sales.Open(ctx, s.principal, sale.Opening{
		ID: id.New[id.Session](b.house.clock.Now()), Register: s.register, Float: money.Amount{Currency: "EUR"},
	})
	return s, err
}

// request is the sale of the benchmark: three lines at two rates, cash.
func (s *shop) request(now time.Time) sale.Request {
	lines := []sale.LineRequest{
		{Article: s.articles[0].ID, Quantity: 2000},
		{Article: s.articles[0].ID, Quantity: 1000},
		{Article: s.articles[1].ID, Quantity: 1000},
	}
	total := 3*s.articles[0].Price.Minor + s.articles[1].Price.Minor
	return sale.Request{
		ID: id.New[id.Sale](now), Register: s.register, Lines: lines,
		Tenders: []sale.TenderRequest{{ID: id.New[id.Tender](now), Means: sale.Cash, Amount: money.Amount{Minor: total, Currency: "EUR"}}},
	}
}

// measure takes the three measures in turns.
func (b *bench) measure(ctx context.Context) error {
	b.result = benchmarked{
		Engine: b.house.db.Engine().String(), Clients: b.cmd.Clients, Merchants: b.cmd.Merchants, Preload: b.cmd.Preload,
	}
	raw, err := b.newRaw(ctx)
	if err != nil {
		return err
	}
	defer raw.close()
	if b.cmd.Preload > 0 {
		n, elapsed, _, err := b.drive(ctx, b.sellInProcess, 0, b.cmd.Preload)
		if err != nil {
			return err
		}
		b.result.PreloadPerSec = float64(n) / elapsed.Seconds()
	}
	server, err := b.startHTTP(ctx)
	if err != nil {
		return err
	}
	defer server.stop()
	turn := time.Duration(b.cmd.Seconds) * time.Second / time.Duration(b.cmd.Rounds)
	var inProcess, http, bare tally
	var latencies []time.Duration
	for range b.cmd.Rounds {
		before := b.house.db.Stats()
		if err := inProcess.add(b.drive(ctx, b.sellInProcess, turn, 0)); err != nil {
			return err
		}
		inProcess.stats(before, b.house.db.Stats())
		server.latencies = server.latencies[:0]
		if err := http.add(b.drive(ctx, server.sell, turn, 0)); err != nil {
			return err
		}
		latencies = append(latencies, server.latencies...)
		n, elapsed, wal, err := raw.run(ctx, turn, max(1, int(inProcess.meanGroup()+0.5)))
		if err != nil {
			return err
		}
		bare.n, bare.elapsed, bare.wal = bare.n+n, bare.elapsed+elapsed, bare.wal+wal
	}
	b.report(inProcess, http, bare, latencies)
	b.result.RowsPerSale, b.result.RawRowsPerSale = raw.rows(), raw.rows()
	return nil
}

func (b *bench) report(inProcess, http, bare tally, latencies []time.Duration) {
	r := &b.result
	r.InProcess, r.HTTP, r.Raw = inProcess.rate(), http.rate(), bare.rate()
	r.RatioInProcess, r.RatioHTTP = r.InProcess/r.Raw, r.HTTP/r.Raw
	r.WALPerSale, r.RawWALPerSale = float64(inProcess.wal)/float64(inProcess.n), float64(bare.wal)/float64(bare.n)
	r.MeanGroup = inProcess.meanGroup()
	r.PeakMiB = peakMiB()
	slices.Sort(latencies)
	if len(latencies) > 0 {
		r.P50 = latencies[len(latencies)/2].Seconds() * 1000
		r.P99 = latencies[len(latencies)*99/100].Seconds() * 1000
	}
}

// tally adds up what one of the three did over its turns.
type tally struct {
	n       int64
	elapsed time.Duration
	wal     int64
	commits int64
	writes  int64
}

func (t *tally) add(n int64, elapsed time.Duration, _ int64, err error) error {
	t.n, t.elapsed = t.n+n, t.elapsed+elapsed
	return err
}

func (t *tally) stats(before, after db.Stats) {
	t.wal += after.WALBytes - before.WALBytes
	t.commits += after.Commits - before.Commits
	t.writes += after.Writes - before.Writes
}

func (t *tally) rate() float64 { return float64(t.n) / t.elapsed.Seconds() }

func (t *tally) meanGroup() float64 {
	if t.commits == 0 {
		return 1
	}
	return float64(t.writes) / float64(t.commits)
}

// drive lets the clients sell for a time, or until enough is sold.
func (b *bench) drive(ctx context.Context, sell func(context.Context, *shop, int) error, turn time.Duration, enough int) (int64, time.Duration, int64, error) {
	var sold atomic.Int64
	var failed atomic.Pointer[error]
	var clients sync.WaitGroup
	began := time.Now()
	for i := range b.cmd.Clients {
		clients.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 1))
			for failed.Load() == nil && ctx.Err() == nil {
				if turn > 0 && time.Since(began) >= turn || enough > 0 && sold.Load() >= int64(enough) {
					return
				}
				if err := sell(ctx, &b.shops[random.IntN(len(b.shops))], i); err != nil {
					failed.Store(&err)
					return
				}
				sold.Add(1)
			}
		})
	}
	clients.Wait()
	if err := failed.Load(); err != nil {
		return 0, 0, 0, *err
	}
	return sold.Load(), time.Since(began), 0, ctx.Err()
}

func (b *bench) sellInProcess(ctx context.Context, s *shop, _ int) error {
	_, _, err := b.house.sales.Put(ctx, s.principal, s.request(b.house.clock.Now()))
	return err
}
