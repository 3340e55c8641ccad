package merchant_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"encaisse/base/clock"
	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/id"
	"encaisse/base/problem"
	"encaisse/merchant"
)

var start = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

// quiet compares what was made with what is read back.
var quiet = cmpopts.IgnoreUnexported(merchant.Site{})

func founding() merchant.Founding {
	return merchant.Founding{
		Company: "Boulangerie du Port", SIREN: "732 829 320", SiteName: "Le Port", SIRET: "732 829 320 00074",
	}
}

func found(t *testing.T, d *db.DB, in merchant.Founding) merchant.Founded {
	t.Helper()
	var f merchant.Founded
	err := d.Write(t.Context(), func(tx *db.Tx) (err error) {
		f, err = merchant.Found(tx, start, in)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFoundMakesAMerchantThatCanSell(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		m := merchant.New(d, clock.NewManual(start))
		f := found(t, d, founding())
		got, err := m.Get(t.Context(), f.Merchant.ID)
		if err != nil {
			t.Fatal(err)
		}
		want := merchant.Merchant{
			ID: f.Merchant.ID, Company: "Boulangerie du Port", SIREN: "732829320", Currency: "EUR", Mode: merchant.Complet, CreatedAt: start,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		sites, err := m.Sites(t.Context(), want.ID)
		if err != nil || len(sites) != 1 {
			t.Fatal(sites, err)
		}
		if diff := cmp.Diff(f.Site, sites[0], quiet); diff != "" {
			t.Error(diff)
		}
		if s := sites[0]; s.Number != 1 || s.SIRET != "73282932000074" || s.Zone != "Europe/Paris" || s.DayStartsAt != 240 {
			t.Errorf("site: %+v", s)
		}
		registers, err := m.Registers(t.Context(), want.ID)
		if diff := cmp.Diff([]merchant.Register{f.History, f.Till}, registers); diff != "" || err != nil {
			t.Error(diff, err)
		}
		if f.History.Number != 1 || f.History.Kind != merchant.History || f.Till.Number != 2 || f.Till.Kind != merchant.Till {
			t.Errorf("registers: %+v %+v", f.History, f.Till)
		}
		register, site, err := m.RegisterByID(t.Context(), want.ID, f.Till.ID)
		if err != nil || register != f.Till {
			t.Error(register, err)
		}
		if diff := cmp.Diff(f.Site, site, quiet); diff != "" {
			t.Error(diff)
		}
		if date := merchant.BusinessDate(site, start); date != "2026-11-22" || site.Location().String() != "Europe/Paris" {
			t.Error(date, site.Location())
		}
	})
}

func TestFoundRefusals(t *testing.T) {
	late := int64(1440)
	for code, spoil := range map[string]func(*merchant.Founding){
		"id.malformed":     func(f *merchant.Founding) { f.Merchant = "mer_1" },
		"merchant.company": func(f *merchant.Founding) { f.Company = " " },
		"merchant.siren":   func(f *merchant.Founding) { f.SIREN = "732829321" },
		"merchant.siret":   func(f *merchant.Founding) { f.SIRET = "73282932000075" },
		"merchant.siret_of_other": func(f *merchant.Founding) {
			f.SIRET = "35600000000048"
		},
		"merchant.name":          func(f *merchant.Founding) { f.SiteName = "a\nb" },
		"merchant.mode":          func(f *merchant.Founding) { f.Mode = "double" },
		"merchant.zone":          func(f *merchant.Founding) { f.Zone = "Europe/Nowhere" },
		"merchant.day_start":     func(f *merchant.Founding) { f.DayStartsAt = &late },
		"money.unknown_currency": func(f *merchant.Founding) { f.Currency = "FRF" },
	} {
		in := founding()
		spoil(&in)
		d, _ := dbtest.Open(t, db.SQLite)
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := merchant.Found(tx, start, in)
			return err
		})
		if !problem.Is(err, code) {
			t.Errorf("%v, want %s", err, code)
		}
	}
}

func TestTheSameMerchantIsNotFoundedTwice(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		in := founding()
		in.Merchant = id.New[id.Merchant](start)
		found(t, d, in)
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := merchant.Found(tx, start, in)
			return err
		})
		if !problem.Is(err, "merchant.exists") {
			t.Error(err)
		}
	})
}

func TestWhatIsNotThereIsNotFound(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		m := merchant.New(d, clock.NewManual(start))
		mine, other := found(t, d, founding()), found(t, d, founding())
		if _, err := m.Get(t.Context(), id.New[id.Merchant](start)); !problem.Is(err, "merchant.not_found") {
			t.Error(err)
		}
		if _, err := m.Site(t.Context(), mine.Merchant.ID, other.Site.ID); !problem.Is(err, "merchant.site_not_found") {
			t.Error("the site of another merchant:", err)
		}
		if _, _, err := m.RegisterByID(t.Context(), mine.Merchant.ID, other.Till.ID); !problem.Is(err, "merchant.register_not_found") {
			t.Error("the register of another merchant:", err)
		}
	})
}

func add(d *db.DB, m *merchant.Merchants, of id.Merchant, in merchant.NewRegister) (r merchant.Register, err error) {
	err = d.Write(context.Background(), func(tx *db.Tx) (err error) {
		r, err = m.AddRegister(tx, start, of, in)
		return err
	})
	return r, err
}

func TestAddRegister(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		m := merchant.New(d, clock.NewManual(start))
		f := found(t, d, founding())
		in := merchant.NewRegister{ID: id.New[id.Register](start), Site: f.Site.ID, Name: "Terrasse", Kind: merchant.Till}
		first, err := add(d, m, f.Merchant.ID, in)
		if err != nil || first.Number != 3 {
			t.Fatal(first, err)
		}
		if again, err := add(d, m, f.Merchant.ID, in); err != nil || again != first {
			t.Error("the same again:", again, err)
		}
		for code, spoil := range map[string]func(*merchant.NewRegister){
			"merchant.register_differs": func(r *merchant.NewRegister) { r.Name = "Comptoir" },
			"merchant.site_not_found":   func(r *merchant.NewRegister) { r.Site = id.New[id.Site](start) },
			"merchant.kind":             func(r *merchant.NewRegister) { r.Kind = "vault" },
			"merchant.name":             func(r *merchant.NewRegister) { r.Name = "" },
			"id.malformed":              func(r *merchant.NewRegister) { r.ID = "reg_" },
		} {
			bad := in
			spoil(&bad)
			if _, err := add(d, m, f.Merchant.ID, bad); !problem.Is(err, code) {
				t.Errorf("%v, want %s", err, code)
			}
		}
	})
}

// TestRegistersAddedAtOnceHaveNumbersOfTheirOwn: eight at the same time get the
// eight numbers that follow, none twice.
func TestRegistersAddedAtOnceHaveNumbersOfTheirOwn(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		m := merchant.New(d, clock.NewManual(start))
		f := found(t, d, founding())
		const count = 8
		var numbers [count]int64
		var wait sync.WaitGroup
		for i := range count {
			wait.Go(func() {
				r, err := add(d, m, f.Merchant.ID, merchant.NewRegister{
					ID: id.New[id.Register](start), Site: f.Site.ID, Name: fmt.Sprint("Caisse ", i+2), Kind: merchant.Till,
				})
				if err != nil {
					t.Error(err)
				}
				numbers[i] = r.Number
			})
		}
		wait.Wait()
		seen := map[int64]bool{}
		for _, n := range numbers {
			if seen[n] || n < 3 || n > 2+count {
				t.Errorf("numbers %v", numbers)
			}
			seen[n] = true
		}
	})
}

func TestRename(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		m := merchant.New(d, clock.NewManual(start))
		f := found(t, d, founding())
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			before, after, err := m.RenameSite(tx, f.Merchant.ID, f.Site.ID, " Le  Vieux Port ")
			if err != nil || before.Name != "Le Port" || after.Name != "Le Vieux Port" {
				t.Error(before, after, err)
			}
			was, is, err := m.RenameRegister(tx, f.Merchant.ID, f.Till.ID, "Comptoir")
			if err != nil || was.Name != "Caisse 1" || is.Name != "Comptoir" {
				t.Error(was, is, err)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		r, s, err := m.RegisterByID(t.Context(), f.Merchant.ID, f.Till.ID)
		if err != nil || r.Name != "Comptoir" || s.Name != "Le Vieux Port" {
			t.Error(r, s, err)
		}
	})
}
