package sim_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"encaisse/access"
	"encaisse/acquirer"
	"encaisse/acquirer/simulator"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/secret"
	"encaisse/contract"
	"encaisse/fiscal"
	"encaisse/merchant"
	"encaisse/terminal"
	"encaisse/test/sim"
)

const (
	// bossCode are the six digits of who sells, voids and refunds.
	bossCode = "407182"
	// cardConnector is the name under which the contract asks for its connector.
	cardConnector = "iso8583"
	// cardReaders is how many readers a shop has.
	cardReaders = 2
	// batchHour is when the contract closes its batches, minutes after midnight.
	batchHour = 23*60 + 30
)

// cardMorning is when every simulated day begins: 9:00 in Paris, in winter.
var cardMorning = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

// cardShop is a merchant with a till, a contract and readers, as rows.
type cardShop struct {
	merchant.Founded
	master   *secret.Master
	public   string // key of the journal
	boss     access.Principal
	token    string // of the boss's session at the API
	contract contract.Contract
	readers  []cardReader
}

// cardReader is a terminal and what its device was given.
type cardReader struct {
	terminal   terminal.Terminal
	serial     string
	credential string
}

// foundCards writes a shop into an empty database.
func foundCards(ctx context.Context, d *db.DB, c *cardClock) (*cardShop, error) {
	master, err := secret.NewMaster()
	if err != nil {
		return nil, err
	}
	s := &cardShop{master: master}
	vault := merchant.NewVault(master)
	gate := access.New(d, c, quickHashing())
	boss, err := gate.Prepare(ctx, access.Enrolment{
		Name: "Camille Petit", Email: "camille@fournil.example", Role: access.Administrator, Code: bossCode,
	})
	if err != nil {
		return nil, err
	}
	err = d.Write(ctx, func(tx *db.Tx) (err error) {
		now := c.Now()
		s.Founded, err = merchant.Found(tx, now, merchant.Founding{
			Company: "Le Fournil imaginaire", SIREN: sim.SIRET[:9], SiteName: "Les Halles", SIRET: sim.SIRET,
		})
		if err != nil {
			return err
		}
		if _, _, err = access.Enrol(tx, now, access.System(s.Merchant.ID), boss); err != nil {
			return err
		}
		if _, err = vault.Create(tx, now, s.Merchant.ID); err != nil {
			return err
		}
		s.public, err = fiscal.New(c, vault, "test").Found(tx, now, s.Founded)
		return err
	})
	if err != nil {
		return nil, err
	}
	session, err := gate.SignIn(ctx, "camille@fournil.example", bossCode)
	if err != nil {
		return nil, err
	}
	s.boss, s.token = session.Principal, session.Token
	return s, s.equip(ctx, d, c, vault)
}

// equip signs a contract and pairs the readers.
func (s *cardShop) equip(ctx context.Context, d *db.DB, c *cardClock, vault *merchant.Vault) (err error) {
	system, terms := access.System(s.Merchant.ID), simulator.DemoContract()
	contracts := contract.New(d, c, vault, cardConnector)
	s.contract, _, err = contracts.Put(ctx, system, contract.Contract{
		ID: id.New[id.Contract](c.Now()), Name: "Banque imaginaire", Connector: cardConnector, Acceptor: terms.Acceptor, MCC: "5462",
		City: "Lyon", BatchAt: batchHour, ContactlessMax: contract.DefaultContactlessMax, CVMRequired: contract.DefaultCVMRequired,
		Schemes: terms.Schemes,
	})
	if err != nil {
		return err
	}
	hub := terminal.New(d, c, terminal.Options{Merchants: merchant.New(d, c)})
	for i := range cardReaders {
		r := cardReader{serial: "27501" + string(rune('1'+i))}
		r.terminal, _, err = hub.Put(ctx, system, terminal.Terminal{
			ID: id.New[id.Terminal](c.Now()), Site: s.Site.ID, Contract: s.contract.ID, Alias: "Comptoir " + string(rune('A'+i)),
		})
		if err != nil {
			return err
		}
		code, _, err := hub.PairingCode(ctx, system, r.terminal.ID)
		if err != nil {
			return err
		}
		paired, err := hub.Pair(ctx, code, "EMU1", r.serial)
		if err != nil {
			return err
		}
		r.credential = paired.Credential
		s.readers = append(s.readers, r)
	}
	return nil
}

// quickHashing makes codes cheap to check: there are thousands of days to live.
func quickHashing() access.Hashing {
	return access.Hashing{MemoryKiB: 8, Iterations: 1, Parallelism: 1, Concurrent: 4}
}

// cardFounding is a founded shop and the SQLite file it is in.
type cardFounding struct {
	shop *cardShop
	file []byte
}

// foundOnce makes one shop for all days on SQLite: each begins with a copy.
var foundOnce = sync.OnceValues(func() (made cardFounding, err error) {
	dir, err := os.MkdirTemp("", "encaisse-founded")
	if err != nil {
		return made, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	file := filepath.Join(dir, "encaisse.db")
	ctx := context.Background()
	d, err := db.Open(ctx, "sqlite:"+file, db.Options{})
	if err != nil {
		return made, err
	}
	made.shop, err = foundCards(ctx, d, newCardClock(cardMorning, looksSQLite))
	if err := errors.Join(err, d.Close()); err != nil {
		return made, err
	}
	if info, err := os.Stat(file + "-wal"); err == nil && info.Size() > 0 {
		return made, errors.New("sim: the founded shop was left in the log")
	}
	made.file, err = os.ReadFile(file)
	return made, err
})

// connectorsOf are the connectors of a house, by the names that contracts carry.
func connectorsOf(c acquirer.Connector) map[string]acquirer.Connector {
	return map[string]acquirer.Connector{cardConnector: c}
}
