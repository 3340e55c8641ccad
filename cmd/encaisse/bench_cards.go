package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"encaisse/acquirer/simulator"
	"encaisse/base/card"
	"encaisse/base/clock"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/problem"
	"encaisse/base/secret"
	"encaisse/contract"
	"encaisse/event"
	"encaisse/merchant"
	"encaisse/terminal"
	"encaisse/terminal/emulator"
	"encaisse/terminal/nexo"
)

const (
	maxBenchTerminals = 900 // a merchant has 999 readers
	benchCard         = "visa"
	cardPatience      = 2 * time.Minute // for one sale: longer is a fault
)

type benchCardsCmd struct {
	jsonFlag
	DB        string `name:"db" help:"An empty database; a temporary SQLite file when left out."`
	Terminals int    `help:"Readers that are paid on at the same time." default:"32"`
	Seconds   int    `help:"How long it is measured." default:"10"`
}

// cardsBenchmarked is what bench cards prints. A sale is a basket, a card on the
// reader with its code, an authorisation, a sealed ticket and a line of the batch.
type cardsBenchmarked struct {
	Engine       string  `json:"engine"`
	Terminals    int     `json:"terminals"`
	Sales        int64   `json:"sales"`
	PerSecond    float64 `json:"cards_per_second"`
	P50          float64 `json:"p50_ms"` // from the request for the card to the event of the sealed ticket
	P99          float64 `json:"p99_ms"`
	HostMessages float64 `json:"host_messages_per_sale"`
	Writes       float64 `json:"writes_per_sale"` // transactions
	Commits      float64 `json:"commits_per_sale"`
	WALPerSale   float64 `json:"wal_bytes_per_sale"`
	CPU          float64 `json:"cpu_ms_per_sale"` // of all sides: server, readers, host, clients
	PeakMiB      int64   `json:"peak_mib"`
}

func (r cardsBenchmarked) people(w io.Writer) {
	fmt.Fprintf(w, "%s, %d readers: %.0f card sales/s, p50 %.1f ms, p99 %.1f ms\n", r.Engine, r.Terminals, r.PerSecond, r.P50, r.P99)
	fmt.Fprintf(w, "a sale costs %.1f transactions in %.2f commits, %.0f WAL bytes, %.1f messages with the host, %.2f ms of CPU on all sides\n",
		r.Writes, r.Commits, r.WALPerSale, r.HostMessages, r.CPU)
}

// cardBench is one run.
type cardBench struct {
	cmd    *benchCardsCmd
	bench  *bench // its house and its shop
	shop   shop
	host   *simulator.Simulator
	http   *benchServer
	lanes  []*lane
	result cardsBenchmarked

	mu     sync.Mutex
	sealed map[id.Sale]chan struct{} // sales under way
}

// lane is a reader and who pays on it.
type lane struct {
	terminal id.Terminal
	reader   *emulator.Emulator
}

func (c *benchCardsCmd) Run(ctx context.Context, o output) (err error) {
	if c.Terminals < 1 || c.Terminals > maxBenchTerminals {
		return problem.New(problem.Invalid, "cmd.bench_terminals", "limit", maxBenchTerminals).At("--terminals")
	}
	dir, err := os.MkdirTemp("", "encaisse-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if c.DB == "" {
		c.DB = "sqlite:" + filepath.Join(dir, "bench.db")
	}
	ctx, stop := context.WithCancel(ctx)
	b := &cardBench{cmd: c, sealed: make(map[id.Sale]chan struct{})}
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	close, err := b.open(ctx, dir, &running)
	if err != nil {
		return err
	}
	defer close()
	if err := b.measure(ctx); err != nil {
		return err
	}
	return o.done(c.JSON, b.result, b.result.people)
}

// open starts the host, the server and the readers.
func (b *cardBench) open(ctx context.Context, dir string, running *sync.WaitGroup) (close func(), err error) {
	quiet := slog.New(slog.DiscardHandler)
	if b.host, err = simulator.New(simulator.Options{Clock: clock.Real{}, Seed: 1}); err != nil {
		return nil, err
	}
	if err := b.fund(); err != nil {
		return nil, err
	}
	link, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	running.Go(func() { _ = b.host.Serve(ctx, link) })
	d, err := db.Open(ctx, b.cmd.DB, db.Options{Logger: quiet})
	if err != nil {
		return nil, err
	}
	master, err := secret.NewMaster()
	if err != nil {
		return nil, err
	}
	connectors, disconnect := cardFlags{Acquirer: link.Addr().String(), Packing: "ascii"}.connect(clock.Real{}, quiet)
	sales := &benchSalesCmd{Clients: b.cmd.Terminals}
	b.bench = &bench{cmd: sales, house: build(d, clock.Real{}, master, filepath.Join(dir, "checkpoints"), quiet, connectors)}
	if there, err := merchant.All(ctx, d); err != nil || len(there) > 0 {
		return nil, errors.Join(err, problem.New(problem.Conflict, "cmd.bench_not_empty").At("--db"))
	}
	if b.shop, err = b.bench.found(ctx, 0); err != nil {
		return nil, err
	}
	if b.http, err = b.bench.startHTTP(ctx); err != nil {
		return nil, err
	}
	if err := b.openLanes(ctx); err != nil {
		return nil, err
	}
	listening := make(chan error, 1)
	running.Go(func() { b.listen(ctx, listening) })
	return func() {
		for _, l := range b.lanes {
			l.reader.Close()
		}
		b.http.stop()
		disconnect()
		d.Close()
	}, <-listening
}

// fund gives the test card's account more than a benchmark spends, and lets
// copies of it be in several readers.
func (b *cardBench) fund() error {
	for _, a := range b.host.Accounts() {
		for _, of := range card.Deck() {
			if a.Name == benchCard && of.Name == benchCard {
				a.Number, a.PIN = of.Number, of.PIN // it shows them masked
				a.Balance, a.Limit, a.AnyATC = 1_000_000_000_00, 0, true
				_, err := b.host.PutAccount(a)
				return err
			}
		}
	}
	return errors.New("bench: the simulated issuer has no account for " + benchCard)
}

// openLanes makes the contract and the paired readers.
func (b *cardBench) openLanes(ctx context.Context) error {
	h := b.bench.house
	terms := simulator.DemoContract()
	made, _, err := h.contracts.Put(ctx, b.shop.principal, contract.Contract{
		ID: id.New[id.Contract](h.clock.Now()), Name: "Bench", Connector: isoConnector, Acceptor: terms.Acceptor, MCC: "5462",
		BatchAt: contract.DefaultBatchAt, ContactlessMax: contract.DefaultContactlessMax, CVMRequired: contract.DefaultCVMRequired,
		Schemes: map[card.Scheme]string{card.CB: "", card.Visa: ""},
	})
	if err != nil {
		return err
	}
	sites, err := h.merchants.Sites(ctx, b.shop.principal.Merchant)
	if err != nil {
		return err
	}
	rack := emulator.NewRack()
	for i := range b.cmd.Terminals {
		l, err := b.openLane(ctx, i, sites[0].ID, made.ID, rack)
		if err != nil {
			return err
		}
		b.lanes = append(b.lanes, l)
	}
	return nil
}

func (b *cardBench) openLane(ctx context.Context, i int, site id.Site, terms id.Contract, rack *emulator.Rack) (*lane, error) {
	h, l := b.bench.house, &lane{}
	reader, _, err := h.readers.Put(ctx, b.shop.principal, terminal.Terminal{
		ID: id.New[id.Terminal](h.clock.Now()), Site: site, Register: b.shop.register, Contract: terms, Alias: fmt.Sprintf("Reader %d", i),
	})
	if err != nil {
		return nil, err
	}
	l.terminal = reader.ID
	if l.reader, err = emulator.New(emulator.Options{Protocol: nexo.New(version), Hub: b.http.url, Seed: uint64(i) + 1, Rack: rack}); err != nil {
		return nil, err
	}
	l.reader.SetPace(0)
	code, _, err := h.readers.PairingCode(ctx, b.shop.principal, l.terminal)
	if err != nil {
		return nil, err
	}
	given, err := h.readers.Pair(ctx, code, l.reader.Model(), l.reader.Serial()) // not through the door, which lets few in at a time
	if err != nil {
		return nil, err
	}
	if err := l.reader.Adopt(given.Credential); err != nil {
		return nil, err
	}
	l.reader.Start()
	return l, nil
}

// listen follows the merchant's events as a till does, and tells who waits for a sale.
func (b *cardBench) listen(ctx context.Context, listening chan<- error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, b.http.url+"/v1/events", nil)
	if err != nil {
		listening <- err
		return
	}
	request.Header.Set("Authorization", "Bearer "+b.shop.key)
	request.Header.Set("Accept", "text/event-stream")
	answer, err := http.DefaultClient.Do(request)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("events answered %d", answer.StatusCode)
	}
	listening <- err
	if err != nil {
		return
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		var e struct {
			Type    string `json:"type"`
			Subject string `json:"subject"`
		}
		if !ok || json.Unmarshal([]byte(data), &e) != nil || e.Type != event.SaleSealed {
			continue
		}
		b.mu.Lock()
		if done := b.sealed[id.Sale(e.Subject)]; done != nil {
			delete(b.sealed, id.Sale(e.Subject))
			close(done)
		}
		b.mu.Unlock()
	}
}

// measure lets every lane sell until the time is over.
func (b *cardBench) measure(ctx context.Context) error {
	for _, l := range b.lanes { // once each, so that nothing is made for the first time while it is measured
		if _, err := b.sell(ctx, l); err != nil {
			return err
		}
	}
	before, messages, cpu := b.bench.house.db.Stats(), b.messages(), cpuTime()
	began := time.Now()
	until := began.Add(time.Duration(b.cmd.Seconds) * time.Second)
	var mu sync.Mutex
	var latencies []time.Duration
	var failed atomic.Pointer[error]
	var selling sync.WaitGroup
	for _, l := range b.lanes {
		selling.Go(func() {
			for time.Now().Before(until) && failed.Load() == nil {
				took, err := b.sell(ctx, l)
				if err != nil {
					failed.Store(&err)
					return
				}
				mu.Lock()
				latencies = append(latencies, took)
				mu.Unlock()
			}
		})
	}
	selling.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	elapsed, after := time.Since(began), b.bench.house.db.Stats()
	slices.Sort(latencies)
	n := float64(len(latencies))
	b.result = cardsBenchmarked{
		Engine: b.bench.house.db.Engine().String(), Terminals: b.cmd.Terminals, Sales: int64(len(latencies)), PerSecond: n / elapsed.Seconds(),
		P50: milliseconds(latencies[len(latencies)/2]), P99: milliseconds(latencies[len(latencies)*99/100]),
		HostMessages: float64(b.messages()-messages) / n, Writes: float64(after.Writes-before.Writes) / n,
		Commits: float64(after.Commits-before.Commits) / n, WALPerSale: float64(after.WALBytes-before.WALBytes) / n,
		CPU: milliseconds(cpuTime()-cpu) / n, PeakMiB: peakMiB(),
	}
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func (b *cardBench) messages() int64 {
	s := b.host.Status()
	return s.Received + s.Answered
}

// cpuTime is what the process has used.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// sell makes one card sale as a till would: a basket, a card, the event of the ticket.
func (b *cardBench) sell(ctx context.Context, l *lane) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, cardPatience)
	defer cancel()
	now := b.bench.house.clock.Now()
	saleID, done := id.New[id.Sale](now), make(chan struct{})
	b.mu.Lock()
	b.sealed[saleID] = done
	b.mu.Unlock()
	total := 3*b.shop.articles[0].Price.Minor + b.shop.articles[1].Price.Minor
	basket := fmt.Appendf(nil, `{"register_id":%q,"open":true,"lines":[{"article_id":%q,"quantity":"2"},{"article_id":%q,"quantity":"1"},{"article_id":%q,"quantity":"1"}]}`,
		b.shop.register, b.shop.articles[0].ID, b.shop.articles[0].ID, b.shop.articles[1].ID)
	if err := b.put(ctx, "/v1/sales/"+string(saleID), basket, http.StatusCreated); err != nil {
		return 0, err
	}
	l.reader.Next(emulator.Hand{Card: benchCard, Gesture: emulator.Insert})
	began := time.Now()
	tender := fmt.Appendf(nil, `{"means":"card","terminal_id":%q,"amount":{"amount":%d,"currency":"EUR"}}`, l.terminal, total)
	if err := b.put(ctx, "/v1/sales/"+string(saleID)+"/tenders/"+string(id.New[id.Tender](now)), tender, http.StatusAccepted); err != nil {
		return 0, err
	}
	select {
	case <-done:
		return time.Since(began), nil
	case <-ctx.Done():
		return 0, fmt.Errorf("sale %s was not sealed in %s; the reader shows %+v", saleID, cardPatience, l.reader.Screen())
	}
}

func (b *cardBench) put(ctx context.Context, path string, body []byte, want int) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, b.http.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+b.shop.key)
	request.Header.Set("Content-Type", "application/json")
	answer, err := b.http.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != want {
		err = fmt.Errorf("PUT %s answered %d: %s", path, answer.StatusCode, text)
	}
	return err
}
