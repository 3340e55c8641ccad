package api_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"encaisse/acquirer"
	"encaisse/acquirer/iso8583"
	"encaisse/acquirer/simulator"
	"encaisse/base/clock"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/job"
	"encaisse/batch"
	"encaisse/contract"
	"encaisse/front/api"
	"encaisse/merchant"
	"encaisse/payment"
	"encaisse/report"
	"encaisse/terminal"
	"encaisse/terminal/emulator"
	"encaisse/terminal/nexo"
)

// patience is how long a test waits for what must happen, on however busy a machine.
const patience = 30 * time.Second

// openCards makes what takes cards, as cmd does.
func (w *world) openCards(merchants *merchant.Merchants) *api.Cards {
	w.t.Helper()
	connectors := w.connectors
	if connectors == nil {
		connectors = map[string]acquirer.Connector{"iso8583": nil}
	}
	w.contracts = contract.New(w.db, w.time, w.vault, "iso8583")
	w.batches = batch.New(w.db, w.time, w.contracts, connectors, payment.NextTrace, w.log)
	w.hub = terminal.New(w.db, w.time, terminal.Options{
		Protocols: []terminal.Protocol{nexo.New("test")}, Merchants: merchants, Configurer: parameters{w, merchants}, Log: w.log,
		Refuse: func(rw http.ResponseWriter, r *http.Request, err error) { w.api.WriteProblem(rw, r, err) },
		Contract: func(tx *db.Tx, m id.Merchant, c id.Contract) error {
			_, err := w.contracts.In(tx, m, c)
			return err
		},
	})
	w.payments = payment.New(payment.Parts{
		DB: w.db, Clock: w.time, Gate: w.gate, Vault: w.vault, Merchants: merchants, Contracts: w.contracts, Batches: w.batches,
		Readers: w.hub, Connectors: connectors, Log: w.log,
	})
	w.payments.Serve(w.sales)
	w.sales.Collect(w.payments)
	return &api.Cards{
		Payments: w.payments, Terminals: w.hub, Contracts: w.contracts, Batches: w.batches, Devices: w.hub.Serve(w.payments),
	}
}

// parameters tells readers what they work with.
type parameters struct {
	*world
	merchants *merchant.Merchants
}

func (w parameters) Parameters(ctx context.Context, m id.Merchant, t terminal.Terminal) (p terminal.Parameters, err error) {
	key, err := w.contracts.FingerprintKey(ctx, m)
	if err != nil {
		return p, err
	}
	site, err := w.merchants.Site(ctx, m, t.Site)
	if err != nil {
		return p, err
	}
	err = w.db.Read(ctx, func(tx *db.Tx) error {
		terms, err := w.contracts.In(tx, m, t.Contract)
		if err != nil {
			return err
		}
		number, err := w.batches.OpenNumber(tx, m, t.Contract, t.ID)
		p = terminal.Parameters{
			Version: terms.UpdatedAt.UnixMilli(), Merchant: "Boulangerie du Test", Address: site.Name, SIRET: site.SIRET, Alias: t.Alias, Number: t.Number,
			Acceptor: terms.Acceptor, TerminalID: t.Acceptor, Currency: terms.Currency, Zone: site.Zone, Schemes: terms.Schemes,
			ContactlessMax: terms.ContactlessMax, CVMRequired: terms.CVMRequired, FloorLimit: terms.FloorLimit, PublicKey: terms.PublicKey,
			FingerprintKey: key, BudgetSeconds: 60, Batch: number, Language: "fr",
		}
		return err
	})
	return p, err
}

// counter is a till with a card reader beside it, and an acquirer's host behind it:
// every socket is real.
type counter struct {
	*till
	host     *simulator.Simulator
	reader   *emulator.Emulator
	terminal string
	contract string
	jobs     *job.Queue
}

// newCounter opens a shop whose clock is the machine's.
func newCounter(t *testing.T, d *db.DB) *counter {
	t.Helper()
	return newCounterLogging(t, d, nil)
}

// newCounterLogging is newCounter whose parts, reader and host among them, share a log.
func newCounterLogging(t *testing.T, d *db.DB, log *slog.Logger) *counter {
	t.Helper()
	host, err := simulator.New(simulator.Options{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- host.Serve(ctx, listener) }()
	link := iso8583.New(iso8583.Options{Link: iso8583.LinkOptions{Address: listener.Addr().String(), Spec: iso8583.V1987(iso8583.ASCII()), Log: log}})
	w := newWorldLogging(t, d, clock.Real{}, map[string]acquirer.Connector{"iso8583": link}, log)
	background, end := context.WithCancel(context.Background())
	ran := make(chan struct{})
	c := &counter{host: host, jobs: job.New(d, clock.Real{}, log)}
	c.jobs.Handle(batch.JobClose, w.batches.RunClose)
	c.jobs.Handle(batch.JobSend, w.batches.RunSend)
	go func() {
		defer close(ran)
		go w.hub.Run(background)
		go w.events.Run(background, func(err error) { t.Log("events:", err) })
		_ = w.payments.Run(background)
	}()
	t.Cleanup(func() {
		if c.reader != nil {
			_ = c.reader.Close()
		}
		end()
		<-ran
		link.Close()
		stop()
		<-served
	})
	c.till = w.bakery().till()
	c.install()
	return c
}

// install makes a contract and a terminal, and pairs a reader, all over HTTP.
func (c *counter) install() {
	c.t.Helper()
	c.contract, c.terminal = fresh[id.Contract](c.world), fresh[id.Terminal](c.world)
	c.boss.call(http.MethodPut, "/v1/contracts/"+c.contract, object{
		"name": "Carte bancaire", "connector": "iso8583", "acceptor": "1999887", "mcc": "5462", "city": "Lyon",
		"schemes": []object{{"scheme": "cb"}, {"scheme": "visa"}, {"scheme": "mastercard"}},
	}).want(http.StatusCreated)
	c.boss.call(http.MethodPut, "/v1/terminals/"+c.terminal, object{
		"site_id": string(c.founded.Site.ID), "contract_id": c.contract, "alias": "Comptoir",
	}).want(http.StatusCreated)
	code := c.boss.call(http.MethodPost, "/v1/terminals/"+c.terminal+"/pairing-code", nil).want(http.StatusCreated).text("code")
	var err error
	c.reader, err = emulator.New(emulator.Options{Protocol: nexo.New("test"), Hub: c.server.URL, Log: c.log, Serial: "275011", Seed: 1})
	c.must(err)
	c.reader.Start()
	ctx, done := context.WithTimeout(context.Background(), patience)
	defer done()
	c.must(c.reader.Pair(ctx, code))
	c.until("the reader is online", func() bool {
		return c.boss.get("/v1/terminals/"+c.terminal).want(http.StatusOK).text("presence.state") == "online"
	})
}

// until waits for what must come.
func (c *counter) until(what string, holds func() bool) {
	c.t.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			c.t.Fatalf("still not: %s", what)
		}
		select { // not a rest: the world outside is asked again
		case <-c.reader.Changed():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// openBasket keeps a basket and returns its id.
func (c *counter) openBasket(lines ...object) string {
	c.t.Helper()
	made := fresh[id.Sale](c.world)
	body := c.basket(0, lines...)
	body["open"] = true
	c.boss.call(http.MethodPut, "/v1/sales/"+made, body).want(http.StatusCreated)
	return made
}

// card asks for a card and returns the tender's id.
func (c *counter) card(sale string, minor int64) (tender string, asked answered) {
	c.t.Helper()
	tender = fresh[id.Tender](c.world)
	asked = c.boss.call(http.MethodPut, "/v1/sales/"+sale+"/tenders/"+tender, object{
		"means": "card", "amount": eur(minor), "terminal_id": c.terminal,
	}).want(http.StatusAccepted)
	return tender, asked
}

// sale reads a sale once it is no longer what it was.
func (c *counter) settled(sale string) answered {
	c.t.Helper()
	var got answered
	c.until("no tender of "+sale+" is processing", func() bool {
		got = c.boss.get("/v1/sales/" + sale).want(http.StatusOK)
		return !strings.Contains(string(got.body), `"state":"processing"`)
	})
	return got
}

// verified wants the whole database to verify.
func (c *counter) verified() {
	c.t.Helper()
	proof, err := report.Verify(context.Background(), c.db, []string{c.public}, nil)
	c.must(err)
	if proof.Defect != nil {
		c.t.Fatalf("verify: %v", proof.Defect)
	}
}

func jsonOf(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
