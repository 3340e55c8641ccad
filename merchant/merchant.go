package merchant

import (
	"context"
	"sync"
	"time"

	"encaisse/base/clock"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/base/problem"
)

// Limits.
const (
	MaxName      = 100 // characters of a company, site or register name
	MaxRegisters = 999 // per merchant: what three digits on a ticket can name
)

// Defaults of a new site.
const (
	DefaultZone        = "Europe/Paris"
	DefaultDayStartsAt = 4 * 60 // 04:00: a bar's night belongs to the day it began
)

// Mode is how much of a cash register the merchant uses.
type Mode string

// The two modes: card payments only, or a whole cash register.
const (
	Simple  Mode = "simple"
	Complet Mode = "complet"
)

// Kind tells a till from a register that holds imported history.
type Kind string

// The kinds of register. One never becomes the other.
const (
	Till    Kind = "till"
	History Kind = "history"
)

// Merchant is a company that gets paid.
type Merchant struct {
	ID        id.Merchant    `json:"id"`
	Company   string         `json:"company"`
	SIREN     string         `json:"siren"`
	Currency  money.Currency `json:"currency"`
	Mode      Mode           `json:"mode"`
	CreatedAt time.Time      `json:"created_at"`
}

// Site is a place where a merchant sells.
type Site struct {
	Merchant    id.Merchant `json:"-"`
	ID          id.Site     `json:"id"`
	Number      int64       `json:"number"`
	Name        string      `json:"name"`
	SIRET       string      `json:"siret"`
	Zone        string      `json:"zone"`          // IANA name
	DayStartsAt int64       `json:"day_starts_at"` // minutes after local midnight
	CreatedAt   time.Time   `json:"created_at"`

	location *time.Location // of Zone, where the site was read from the database
}

// Register is a series of tickets of a site.
type Register struct {
	Merchant  id.Merchant `json:"-"`
	ID        id.Register `json:"id"`
	Site      id.Site     `json:"site"`
	Number    int64       `json:"number"`
	Name      string      `json:"name"`
	Kind      Kind        `json:"kind"`
	CreatedAt time.Time   `json:"created_at"`
}

// Merchants reads and changes merchants, their sites and registers.
type Merchants struct {
	db    *db.DB
	clock clock.Clock
	zones sync.Map // IANA name → *time.Location: loading one takes 20 µs, and every sale needs one
}

// New makes Merchants over d.
func New(d *db.DB, c clock.Clock) *Merchants { return &Merchants{db: d, clock: c} }

// Get reads a merchant. Problem merchant.not_found.
func (m *Merchants) Get(ctx context.Context, merchant id.Merchant) (found Merchant, err error) {
	err = m.db.Read(ctx, func(tx *db.Tx) (err error) {
		found, err = readMerchant(tx, merchant)
		return err
	})
	return found, err
}

// In reads a merchant in the caller's transaction. Problem merchant.not_found.
func In(tx *db.Tx, merchant id.Merchant) (Merchant, error) { return readMerchant(tx, merchant) }

// Sites lists the sites of a merchant by number.
func (m *Merchants) Sites(ctx context.Context, merchant id.Merchant) (sites []Site, err error) {
	err = m.db.Read(ctx, func(tx *db.Tx) (err error) {
		sites, err = m.readSites(tx, merchant)
		return err
	})
	return sites, err
}

// Site reads one site. Problem merchant.site_not_found.
func (m *Merchants) Site(ctx context.Context, merchant id.Merchant, site id.Site) (found Site, err error) {
	err = m.db.Read(ctx, func(tx *db.Tx) (err error) {
		found, err = m.readSite(tx, merchant, site)
		return err
	})
	return found, err
}

// Registers lists the registers of a merchant by number.
func (m *Merchants) Registers(ctx context.Context, merchant id.Merchant) (registers []Register, err error) {
	err = m.db.Read(ctx, func(tx *db.Tx) (err error) {
		registers, err = readRegisters(tx, merchant)
		return err
	})
	return registers, err
}

// RegisterByID reads one register and its site. Problem merchant.register_not_found.
func (m *Merchants) RegisterByID(ctx context.Context, merchant id.Merchant, register id.Register) (found Register, site Site, err error) {
	err = m.db.Read(ctx, func(tx *db.Tx) (err error) {
		found, site, err = m.RegisterIn(tx, merchant, register)
		return err
	})
	return found, site, err
}

// RegisterIn reads a register and its site with one query, for a sale. Problem
// merchant.register_not_found.
func (m *Merchants) RegisterIn(tx *db.Tx, merchant id.Merchant, register id.Register) (Register, Site, error) {
	var place Place
	m.queueRegister(tx, merchant, register, &place)
	if err := tx.Flush(); err != nil {
		return Register{}, Site{}, err
	}
	return place.Register, place.Site, place.Err()
}

// zone finds a time zone by its IANA name. Problem merchant.zone.
func (m *Merchants) zone(name string) (*time.Location, error) {
	if l, known := m.zones.Load(name); known {
		return l.(*time.Location), nil
	}
	l, err := loadZone(name)
	if err != nil {
		return nil, err
	}
	m.zones.Store(name, l)
	return l, nil
}

// loadZone refuses "" and "Local", which time.LoadLocation takes: what they
// mean depends on the machine.
func loadZone(name string) (*time.Location, error) {
	if name == "" || name == "Local" {
		return nil, problem.New(problem.Invalid, "merchant.zone").At("zone")
	}
	l, err := time.LoadLocation(name)
	if err != nil {
		return nil, problem.New(problem.Invalid, "merchant.zone").At("zone").Because(err)
	}
	return l, nil
}
