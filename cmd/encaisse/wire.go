package main

import (
	"context"
	"log/slog"
	"net/http"
	"strings"

	"encaisse/access"
	"encaisse/acquirer"
	"encaisse/base/clock"
	"encaisse/base/db"
	"encaisse/base/job"
	"encaisse/base/secret"
	"encaisse/batch"
	"encaisse/catalog"
	"encaisse/contract"
	"encaisse/event"
	"encaisse/fiscal"
	"encaisse/merchant"
	"encaisse/payment"
	"encaisse/sale"
	"encaisse/terminal"
)

// house is who gets whom: every constructor of the product, on one page.
type house struct {
	db          *db.DB
	clock       clock.Clock
	log         *slog.Logger
	vault       *merchant.Vault
	merchants   *merchant.Merchants
	gate        *access.Gate
	catalog     *catalog.Catalog
	journal     *fiscal.Journal
	sales       *sale.Sales
	events      *event.Log
	jobs        *job.Queue
	checkpoints *fiscal.Checkpoints

	contracts *contract.Contracts
	batches   *batch.Batches
	readers   *terminal.Hub
	payments  *payment.Payments
	refuse    func(http.ResponseWriter, *http.Request, error) // as the API words a problem; set when there is one
}

// databaseFlags say where the database is and what opens its secrets.
type databaseFlags struct {
	DB          string `name:"db" help:"Database: sqlite:FILE or postgres://…" required:""`
	KeyFile     string `help:"File of the master key (0600)." type:"path" xor:"key"`
	MasterKey   string `help:"The master key itself, instead of its file: for the environment only." hidden:"" xor:"key"`
	Checkpoints string `help:"File outside the database to which signed checkpoints are appended. Default: beside the database, or the key file." type:"path"`
}

// master loads the master key.
func (f databaseFlags) master() (*secret.Master, error) {
	if f.MasterKey != "" {
		return secret.ParseMaster(f.MasterKey)
	}
	return secret.LoadMaster(f.KeyFile)
}

// checkpointFile is where checkpoints go when nothing else is said.
func (f databaseFlags) checkpointFile() string {
	if f.Checkpoints != "" {
		return f.Checkpoints
	}
	if file, ok := strings.CutPrefix(f.DB, "sqlite:"); ok {
		return file + ".checkpoints"
	}
	if f.KeyFile != "" {
		return f.KeyFile + ".checkpoints"
	}
	return "encaisse.checkpoints"
}

// open opens the database and builds the house on it. Without connectors it takes no cards.
func (f databaseFlags) open(ctx context.Context, log *slog.Logger, c clock.Clock, connectors map[string]acquirer.Connector) (*house, error) {
	master, err := f.master()
	if err != nil {
		return nil, err
	}
	d, err := db.Open(ctx, f.DB, db.Options{Logger: log})
	if err != nil {
		return nil, err
	}
	return build(d, c, master, f.checkpointFile(), log, connectors), nil
}

func build(d *db.DB, c clock.Clock, master *secret.Master, checkpoints string, log *slog.Logger, connectors map[string]acquirer.Connector) *house {
	h := &house{db: d, clock: c, log: log, vault: merchant.NewVault(master)}
	h.merchants = merchant.New(d, c)
	h.gate = access.New(d, c, access.Hashing{})
	h.catalog = catalog.New(d, c)
	h.journal = fiscal.New(c, h.vault, version)
	h.sales = sale.New(d, c, h.merchants, h.journal)
	h.events = event.New(d, c)
	h.jobs = job.New(d, c, log)
	h.checkpoints = fiscal.NewCheckpoints(checkpoints)
	h.buildCards(connectors)
	return h
}
