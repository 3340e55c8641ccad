package sale_test

import (
	"context"
	"testing"
	"time"

	"encaisse/access"
	"encaisse/base/clock"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/base/secret"
	"encaisse/catalog"
	"encaisse/fiscal"
	"encaisse/merchant"
	"encaisse/sale"
)

// world is a bakery that may sell, on a clock the test moves.
type world struct {
	t       *testing.T
	db      *db.DB
	clock   *clock.Manual
	founded merchant.Founded
	public  string
	sales   *sale.Sales
	journal *fiscal.Journal
	boss    access.Principal
	bread   catalog.Article // 0.90 at 5.5 %
	coffee  catalog.Article // 1.50 at 10 %
	wine    catalog.Article // 9.90 at 20 %
	bag     catalog.Article // no price: asked at the till
}

var opening = time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)

func newWorld(t *testing.T, d *db.DB) *world {
	t.Helper()
	w := &world{t: t, db: d, clock: clock.NewManual(opening)}
	master, err := secret.NewMaster()
	w.must(err)
	vault := merchant.NewVault(master)
	journal := fiscal.New(w.clock, vault, "test")
	w.must(d.Write(context.Background(), func(tx *db.Tx) error {
		now := w.clock.Now()
		if w.founded, err = merchant.Found(tx, now, merchant.Founding{
			Company: "Boulangerie du Test", SiteName: "Centre", SIREN: "732829320", SIRET: "73282932000074", Currency: "EUR", Mode: merchant.Complet,
		}); err != nil {
			return err
		}
		if _, err := vault.Create(tx, now, w.founded.Merchant.ID); err != nil {
			return err
		}
		w.public, err = journal.Found(tx, now, w.founded)
		return err
	}))
	w.journal = journal
	w.boss = access.System(w.founded.Merchant.ID)
	w.sales = sale.New(d, w.clock, merchant.New(d, w.clock), journal)
	goods := catalog.New(d, w.clock)
	w.bread = w.article(goods, "Baguette", 550, 90)
	w.coffee = w.article(goods, "Café", 1000, 150)
	w.wine = w.article(goods, "Vin", 2000, 990)
	w.bag = w.article(goods, "Divers", 2000, -1)
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) article(goods *catalog.Catalog, name string, rate money.Rate, price int64) catalog.Article {
	w.t.Helper()
	a := catalog.Article{ID: id.New[id.Article](w.clock.Now()), Name: name, Nature: catalog.Goods, VAT: rate}
	if price >= 0 {
		a.Price = &money.Amount{Minor: price, Currency: "EUR"}
	}
	made, _, err := goods.Put(context.Background(), w.boss, a)
	w.must(err)
	return made
}

func eur(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: "EUR"} }

func (w *world) open(float int64) sale.Session {
	w.t.Helper()
	s, created, err := w.sales.Open(context.Background(), w.boss, sale.Opening{
		ID: id.New[id.Session](w.clock.Now()), Register: w.founded.Till.ID, Float: eur(float),
	})
	w.must(err)
	if !created {
		w.t.Fatal("session was there already")
	}
	return s
}

// line asks for a quantity in thousandths of an article.
func line(a catalog.Article, milli int64) sale.LineRequest {
	return sale.LineRequest{Article: a.ID, Quantity: money.Quantity(milli)}
}

// request asks for a sale paid exactly in cash.
func (w *world) request(total int64, lines ...sale.LineRequest) sale.Request {
	now := w.clock.Now()
	r := sale.Request{ID: id.New[id.Sale](now), Register: w.founded.Till.ID, Lines: lines}
	if total != 0 {
		r.Tenders = []sale.TenderRequest{{ID: id.New[id.Tender](now), Means: sale.Cash, Amount: eur(total)}}
	}
	return r
}

func (w *world) sell(total int64, lines ...sale.LineRequest) sale.Sale {
	w.t.Helper()
	s, _, err := w.sales.Put(context.Background(), w.boss, w.request(total, lines...))
	w.must(err)
	return s
}

func (w *world) close(kind string, counted *money.Amount) sale.Closing {
	w.t.Helper()
	z, _, err := w.sales.Close(context.Background(), w.boss, sale.ClosingRequest{
		ID: id.New[id.Closing](w.clock.Now()), Register: w.founded.Till.ID, Kind: kind, Counted: counted, BusinessDate: w.date(kind),
	})
	w.must(err)
	return z
}

func (w *world) date(kind string) string {
	if kind == sale.Day {
		return merchant.BusinessDate(w.founded.Site, w.clock.Now())
	}
	return ""
}
