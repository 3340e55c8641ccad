package contract_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"encaisse/access"
	"encaisse/base/card"
	"encaisse/base/clock"
	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/id"
	"encaisse/base/problem"
	"encaisse/base/secret"
	"encaisse/contract"
	"encaisse/merchant"
)

var start = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

// world is a merchant with the door to its contracts.
type world struct {
	contracts *contract.Contracts
	boss      access.Principal
	d         *db.DB
	vault     *merchant.Vault
}

func founded(t *testing.T, d *db.DB) world {
	t.Helper()
	master, err := secret.NewMaster()
	if err != nil {
		t.Fatal(err)
	}
	w := world{d: d, vault: merchant.NewVault(master)}
	err = d.Write(t.Context(), func(tx *db.Tx) error {
		f, err := merchant.Found(tx, start, merchant.Founding{
			Company: "Boulangerie du Port", SIREN: "732829320", SiteName: "Le Port", SIRET: "73282932000074",
		})
		if err != nil {
			return err
		}
		w.boss = access.System(f.Merchant.ID)
		_, err = w.vault.Create(tx, start, f.Merchant.ID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.contracts = contract.New(d, clock.NewManual(start), w.vault, "iso8583")
	return w
}

func wanted() contract.Contract {
	return contract.Contract{
		ID: id.New[id.Contract](start), Name: "Banque du Port", Connector: "iso8583", Acceptor: "1234567", MCC: "5462", City: "Brest",
		BatchAt: contract.DefaultBatchAt, ContactlessMax: contract.DefaultContactlessMax, CVMRequired: contract.DefaultCVMRequired,
		Schemes: map[card.Scheme]string{card.CB: "", card.Visa: "", card.Amex: ""},
	}
}

func TestPutKeepsAContractAndItsKey(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := founded(t, d)
		in := wanted()
		made, created, err := w.contracts.Put(t.Context(), w.boss, in)
		if err != nil || !created || made.State != contract.Active || made.Currency != "EUR" {
			t.Fatalf("%+v %v %v", made, created, err)
		}
		again, created, err := w.contracts.Put(t.Context(), w.boss, in)
		if err != nil || created || !again.UpdatedAt.Equal(made.UpdatedAt) || !bytes.Equal(again.PublicKey, made.PublicKey) {
			t.Errorf("the same again: %+v %v %v", again, created, err)
		}
		in.Schemes = map[card.Scheme]string{card.CB: "", card.Amex: "9876"}
		changed, _, err := w.contracts.Put(t.Context(), w.boss, in)
		if err != nil || !changed.UpdatedAt.After(made.UpdatedAt) {
			t.Fatal(changed, err)
		}
		got, err := w.contracts.Get(t.Context(), w.boss, in.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(changed, got, cmpopts.IgnoreUnexported(contract.Contract{})); diff != "" {
			t.Error(diff)
		}
		var terms contract.Terms
		if err := d.Read(t.Context(), func(tx *db.Tx) (err error) {
			terms, err = w.contracts.Terms(tx, w.boss.Merchant, in.ID)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		public, err := card.ParsePublicKey(made.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := public.Seal(card.Data{PAN: "4970100000000154", Expiry: "2912"}, "att_1")
		if err != nil {
			t.Fatal(err)
		}
		if opened, err := terms.Key.Open(sealed, "att_1"); err != nil || opened.PAN != "4970100000000154" {
			t.Error("the contract's key does not open what was sealed to it", err)
		}
		if _, err := terms.Key.Open(sealed, "att_2"); !problem.Is(err, "card.envelope") {
			t.Error("opened for another attempt:", err)
		}
	})
}

func TestPutRefuses(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := founded(t, d)
		first := wanted()
		if _, _, err := w.contracts.Put(t.Context(), w.boss, first); err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct {
			code, field string
			spoil       func(*contract.Contract)
		}{
			"no name":           {"contract.text", "name", func(c *contract.Contract) { c.Name = "" }},
			"unknown connector": {"contract.connector_unknown", "connector", func(c *contract.Contract) { c.Connector = "abc" }},
			"long number":       {"contract.acceptor", "acceptor", func(c *contract.Contract) { c.Acceptor = "1234567890123456" }},
			"accented number":   {"contract.acceptor", "acceptor", func(c *contract.Contract) { c.Acceptor = "é12" }},
			"short MCC":         {"contract.mcc", "mcc", func(c *contract.Contract) { c.MCC = "54" }},
			"hour":              {"contract.batch_at", "batch_at", func(c *contract.Contract) { c.BatchAt = 1440 }},
			"limit":             {"contract.limit", "floor_limit_minor", func(c *contract.Contract) { c.FloorLimit = -1 }},
			"scheme":            {"contract.scheme_unknown", "schemes", func(c *contract.Contract) { c.Schemes = map[card.Scheme]string{"x": ""} }},
			"affiliation":       {"contract.affiliation", "schemes.amex", func(c *contract.Contract) { c.Schemes = map[card.Scheme]string{card.Amex: "#"} }},
			"currency":          {"contract.currency", "currency", func(c *contract.Contract) { c.Currency = "USD" }},
			"state":             {"contract.state", "state", func(c *contract.Contract) { c.State = "lost" }},
			"taken":             {"contract.acceptor_taken", "acceptor", func(c *contract.Contract) { c.Acceptor = first.Acceptor }},
		} {
			in := wanted()
			in.Acceptor = "7654321"
			c.spoil(&in)
			_, _, err := w.contracts.Put(t.Context(), w.boss, in)
			if !problem.Is(err, c.code) || problem.As(err).Field != c.field {
				t.Errorf("%s: %v", name, err)
			}
		}
		other := first
		other.Acceptor = "555"
		if _, _, err := w.contracts.Put(t.Context(), w.boss, other); !problem.Is(err, "contract.acceptor_fixed") {
			t.Error(err)
		}
		list, err := w.contracts.List(t.Context(), w.boss)
		if err != nil || len(list) != 1 {
			t.Errorf("%d contracts were written, %v", len(list), err)
		}
	})
}

func TestAccepts(t *testing.T) {
	c := wanted()
	for scheme, code := range map[card.Scheme]string{
		card.CB: "", card.Visa: "", card.Mastercard: "contract.scheme_not_accepted", card.Amex: "contract.affiliation_required",
	} {
		if err := c.Accepts(scheme); code == "" && err != nil || code != "" && !problem.Is(err, code) {
			t.Errorf("%s: %v", scheme, err)
		}
	}
	c.Schemes[card.Amex] = "9876"
	if err := c.Accepts(card.Amex); err != nil {
		t.Error(err)
	}
}

func TestFingerprintKeyIsTheMerchantsOwnAndStays(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		a := founded(t, d)
		first, err := a.contracts.FingerprintKey(t.Context(), a.boss.Merchant)
		if err != nil || len(first) != 32 {
			t.Fatal(first, err)
		}
		if again, err := a.contracts.FingerprintKey(t.Context(), a.boss.Merchant); err != nil || !bytes.Equal(first, again) {
			t.Error("another key the second time", err)
		}
	})
}
