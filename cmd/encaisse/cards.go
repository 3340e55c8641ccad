package main

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"encaisse/acquirer"
	"encaisse/acquirer/iso8583"
	"encaisse/base/clock"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/batch"
	"encaisse/contract"
	"encaisse/merchant"
	"encaisse/payment"
	"encaisse/terminal"
	"encaisse/terminal/nexo"
)

// isoConnector is the name by which contracts ask for the ISO 8583 connector.
const isoConnector = "iso8583"

// readerBudget is what a reader has to answer in (SRC-031).
const readerBudget = 60 * time.Second

// cardFlags say which host authorises cards.
type cardFlags struct {
	Acquirer string `help:"Address of the acquirer's ISO 8583 host, host:port. Without it card payments are refused." placeholder:"HOST:PORT"`
	Packing  string `help:"How the host's messages are packed." enum:"ascii,bcd,ebcdic" default:"ascii"`
}

// connect makes the connectors; close ends their links.
func (f cardFlags) connect(c clock.Clock, log *slog.Logger) (connectors map[string]acquirer.Connector, close func()) {
	if f.Acquirer == "" {
		return nil, func() {}
	}
	packings := map[string]func() iso8583.Packing{"ascii": iso8583.ASCII, "bcd": iso8583.BCD, "ebcdic": iso8583.EBCDIC}
	link := iso8583.New(iso8583.Options{Link: iso8583.LinkOptions{
		Address: f.Acquirer, Spec: iso8583.V1987(packings[f.Packing]()), Clock: c, Log: log,
	}})
	return map[string]acquirer.Connector{isoConnector: link}, link.Close
}

// buildCards adds what takes cards to the house: contracts, batches, readers, payments.
func (h *house) buildCards(connectors map[string]acquirer.Connector) {
	h.contracts = contract.New(h.db, h.clock, h.vault, isoConnector)
	h.batches = batch.New(h.db, h.clock, h.contracts, connectors, payment.NextTrace, h.log)
	h.readers = terminal.New(h.db, h.clock, terminal.Options{
		Protocols: []terminal.Protocol{nexo.New(version)}, Merchants: h.merchants, Configurer: configurer{h}, Log: h.log,
		Refuse: func(w http.ResponseWriter, r *http.Request, err error) { h.refuse(w, r, err) },
		Contract: func(tx *db.Tx, m id.Merchant, c id.Contract) error {
			_, err := h.contracts.In(tx, m, c)
			return err
		},
	})
	h.payments = payment.New(payment.Parts{
		DB: h.db, Clock: h.clock, Gate: h.gate, Vault: h.vault, Merchants: h.merchants, Contracts: h.contracts,
		Batches: h.batches, Readers: h.readers, Connectors: connectors, Log: h.log,
	})
	h.payments.Serve(h.sales)
	h.sales.Collect(h.payments)
	h.batches.WhenClosed(func(ctx context.Context, b batch.Batch) {
		if err := h.readers.Reconfigure(ctx, b.Merchant); err != nil {
			h.log.Error("tell the readers the number of the next batch", "error", err)
		}
	})
}

// configurer knows what a reader works with: its place, its contract, its batch.
type configurer struct{ *house }

// Parameters are today's for a terminal.
func (h configurer) Parameters(ctx context.Context, m id.Merchant, t terminal.Terminal) (p terminal.Parameters, err error) {
	fingerprints, err := h.contracts.FingerprintKey(ctx, m)
	if err != nil {
		return p, err
	}
	err = h.db.Read(ctx, func(tx *db.Tx) error {
		who, err := merchant.In(tx, m)
		if err != nil {
			return err
		}
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
			Version: max(terms.UpdatedAt.UnixMilli(), t.UpdatedAt.UnixMilli()), Merchant: who.Company, Address: where.Name, SIRET: where.SIRET,
			Alias: t.Alias, Number: t.Number, Acceptor: terms.Acceptor, TerminalID: t.Acceptor, Currency: terms.Currency, Zone: where.Zone,
			Schemes: terms.Schemes, ContactlessMax: terms.ContactlessMax, CVMRequired: terms.CVMRequired, FloorLimit: terms.FloorLimit,
			PublicKey: terms.PublicKey, FingerprintKey: fingerprints, BudgetSeconds: int64(readerBudget / time.Second), Batch: number,
			Language: "fr",
		}
		return err
	})
	return p, err
}
