package sim_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"encaisse/access"
	"encaisse/acquirer/iso8583"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/job"
	"encaisse/batch"
	"encaisse/catalog"
	"encaisse/contract"
	"encaisse/event"
	"encaisse/fiscal"
	"encaisse/front/api"
	"encaisse/merchant"
	"encaisse/payment"
	"encaisse/sale"
	"encaisse/terminal"
	"encaisse/terminal/nexo"
)

// numberEvery is how often a house numbers events: seldom, for it is not what is
// looked at here.
const numberEvery = 5 * time.Second

// cardHouse is one process of the product: everything that cmd puts together,
// on real sockets, and on a database that others may use after it, or with it.
type cardHouse struct {
	w         *cardWorld
	node      int
	db        *db.DB
	clock     *cardClock
	vault     *merchant.Vault
	merchants *merchant.Merchants
	gate      *access.Gate
	journal   *fiscal.Journal
	sales     *sale.Sales
	events    *event.Log
	jobs      *job.Queue
	contracts *contract.Contracts
	batches   *batch.Batches
	hub       *terminal.Hub
	payments  *payment.Payments
	door      *api.API // nil: only readers come in

	listener net.Listener
	server   *http.Server
	inside   *lines // connections of readers and of the API's clients
	outside  *lines // to the host
	link     *iso8583.Connector
	cancel   context.CancelFunc
	running  sync.WaitGroup
	dead     atomic.Bool
	buried   chan struct{}
}

// build opens the database and begins to work, as `encaisse serve` does.
func (w *cardWorld) build(node int) (*cardHouse, error) {
	d, err := db.Open(context.Background(), w.dsn, db.Options{
		Readers: 2, Logger: w.log, Clock: w.clock, Trace: func(string, []any) { w.clock.stirs.Add(1) },
	})
	if err != nil {
		return nil, err
	}
	h := &cardHouse{
		w: w, node: node, db: d, clock: w.clock, vault: merchant.NewVault(w.shop.master), inside: newLines(w.clock), outside: newLines(w.clock),
		buried: make(chan struct{}),
	}
	h.merchants = merchant.New(d, w.clock)
	h.gate = access.New(d, w.clock, quickHashing())
	h.journal = fiscal.New(w.clock, h.vault, "test")
	h.sales = sale.New(d, w.clock, h.merchants, h.journal)
	h.events = event.New(d, w.clock)
	h.jobs = job.New(d, w.clock, w.log)
	h.buildCards()
	if err := h.open(); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return h, nil
}

func (h *cardHouse) buildCards() {
	w, d := h.w, h.db
	h.link = iso8583.New(iso8583.Options{Link: iso8583.LinkOptions{
		Address: w.hostAddress, Clock: w.clock, Log: w.log, Dial: func(ctx context.Context, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
			if err != nil {
				return nil, err
			}
			return h.outside.join(conn), nil
		},
	}})
	connectors := connectorsOf(tapConnector{h, h.link})
	h.contracts = contract.New(d, w.clock, h.vault, cardConnector)
	h.batches = batch.New(d, w.clock, h.contracts, connectors, payment.NextTrace, w.log)
	h.hub = terminal.New(d, w.clock, terminal.Options{
		Protocols: []terminal.Protocol{nexo.New("test")}, Merchants: h.merchants, Configurer: h, Log: w.log,
		Contract: func(tx *db.Tx, m id.Merchant, c id.Contract) error {
			_, err := h.contracts.In(tx, m, c)
			return err
		},
	})
	h.payments = payment.New(payment.Parts{
		DB: d, Clock: w.clock, Gate: h.gate, Vault: h.vault, Merchants: h.merchants, Contracts: h.contracts, Batches: h.batches,
		Readers: tapReaders{h, h.hub}, Connectors: connectors, Log: w.log,
	})
	h.payments.Serve(h.sales)
	h.sales.Collect(h.payments)
	h.batches.WhenClosed(func(ctx context.Context, b batch.Batch) {
		if err := h.hub.Reconfigure(ctx, b.Merchant); err != nil && !h.dead.Load() {
			w.log.Error("tell the readers the number of the next batch", "error", err)
		}
	})
}

// open listens and runs what goes on beside.
func (h *cardHouse) open() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	h.listener = lineListener{listener, h.inside}
	devices := h.hub.Serve(tapPayments{h, h.payments})
	handler := devices
	if h.w.api {
		h.door, err = api.New(api.Doors{
			Gate: h.gate, Merchants: h.merchants, Catalog: catalog.New(h.db, h.clock), Sales: h.sales, Events: h.events,
			Journal: fiscal.NewReader(h.db), Catalogue: h.w.catalogue, Clock: h.clock, Log: h.w.log, Software: "test",
			Cards: &api.Cards{Payments: h.payments, Terminals: h.hub, Contracts: h.contracts, Batches: h.batches, Devices: devices},
		})
		if err != nil {
			return errors.Join(err, listener.Close())
		}
		handler = h.door
	}
	h.server = &http.Server{Handler: handler, ErrorLog: slog.NewLogLogger(h.w.log.Handler(), slog.LevelWarn)}
	h.jobs.Handle(sale.JobDay, h.sales.RunDay)
	h.jobs.Handle(batch.JobClose, h.batches.RunClose)
	h.jobs.Handle(batch.JobSend, h.batches.RunSend)
	ctx, cancel := context.WithCancel(context.Background())
	h.cancel = cancel
	h.running.Go(func() { _ = h.server.Serve(h.listener) })
	h.running.Go(func() { _ = h.jobs.Run(ctx) })
	h.running.Go(func() { h.hub.Run(ctx) })
	h.running.Go(func() { _ = h.payments.Run(ctx) })
	h.running.Go(func() { h.number(ctx) })
	return nil
}

// number numbers events now and then.
func (h *cardHouse) number(ctx context.Context) {
	for ctx.Err() == nil {
		if _, err := h.events.Number(ctx); err != nil && !h.dead.Load() && ctx.Err() == nil {
			h.w.log.Error("number events", "error", err)
		}
		h.clock.wait(ctx, numberEvery)
	}
}

// kill ends the process as a power cut does, as far as one can from inside: its
// connections break, its database takes nothing more, what it knew is gone. It
// does not wait for those who are still on their way to notice.
func (h *cardHouse) kill() {
	if h.dead.Swap(true) {
		return
	}
	_ = h.server.Close() // and with it the listener
	h.inside.cut()
	h.outside.cut()
	h.cancel()
	_ = h.db.Close() // a write that is under way ends: the cut came right after it
	go func() {
		defer close(h.buried)
		h.link.Close()
		h.payments.Wait()
		h.running.Wait()
	}()
}

// stop ends it and waits until nothing of it is left.
func (h *cardHouse) stop() {
	h.kill()
	<-h.buried
}

// Parameters are today's for a terminal, as cmd tells them.
func (h *cardHouse) Parameters(ctx context.Context, m id.Merchant, t terminal.Terminal) (p terminal.Parameters, err error) {
	key, err := h.contracts.FingerprintKey(ctx, m)
	if err != nil {
		return p, err
	}
	err = h.db.Read(ctx, func(tx *db.Tx) error {
		where, err := h.merchants.SiteIn(tx, m, t.Site)
		if err != nil {
			return err
		}
		terms, err := h.contracts.In(tx, m, t.Contract)
		if err != nil {
			return err
		}
		number, err := h.batches.OpenNumber(tx, m, t.Contract, t.ID)
		p = terminal.Parameters{
			Version: max(terms.UpdatedAt.UnixMilli(), t.UpdatedAt.UnixMilli()), Merchant: "Le Fournil imaginaire", Address: where.Name,
			SIRET: where.SIRET, Alias: t.Alias, Number: t.Number, Acceptor: terms.Acceptor, TerminalID: t.Acceptor, Currency: terms.Currency,
			Zone: where.Zone, Schemes: terms.Schemes, ContactlessMax: terms.ContactlessMax, CVMRequired: terms.CVMRequired,
			FloorLimit: terms.FloorLimit, PublicKey: terms.PublicKey, FingerprintKey: key, BudgetSeconds: 60, Batch: number, Language: "fr",
		}
		return err
	})
	return p, err
}
