package sale

import (
	"testing"

	"pgregory.net/rapid"

	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/base/problem"
	"encaisse/catalog"
	"encaisse/ledger"
)

var rates = []money.Rate{0, 210, 550, 1000, 2000}

// anyRequest draws a basket: quantities with decimals and of both signs, prices
// down to zero, reductions on lines and on the ticket.
func anyRequest(t *rapid.T) Request {
	var r Request
	for range rapid.IntRange(1, 8).Draw(t, "lines") {
		rate := rapid.SampledFrom(rates).Draw(t, "rate")
		quantity := rapid.Int64Range(-5000, 5000).Filter(func(q int64) bool { return q != 0 }).Draw(t, "quantity")
		unit := money.Amount{Minor: rapid.Int64Range(0, 5000).Draw(t, "unit"), Currency: "EUR"}
		r.Lines = append(r.Lines, LineRequest{
			Label: "x", Rate: &rate, Quantity: money.Quantity(quantity), Unit: &unit, Reduction: anyReduction(t, "line"),
		})
	}
	r.Reduction = anyReduction(t, "ticket")
	return r
}

func anyReduction(t *rapid.T, of string) *Reduction {
	if rapid.Bool().Draw(t, of+" reduced") {
		return &Reduction{PercentBP: rapid.Int64Range(1, 10_000).Draw(t, of+" percent")}
	}
	return nil
}

// TestPriceLaws: whatever the basket, the parts add up to the cent at every
// level, and a basket and its return are each other's mirror.
func TestPriceLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := anyRequest(t)
		s := mustPrice(t, &r)
		var ttc, ht, vat, shares int64
		byRate := make(map[money.Rate]money.VAT)
		for _, l := range s.Lines {
			ttc += l.TTC
			shares += l.Share
			v := byRate[l.Rate]
			byRate[l.Rate] = money.VAT{Rate: l.Rate, TTC: v.TTC + l.TTC, HT: v.HT + l.HT}
		}
		for _, v := range s.VAT {
			ht, vat = ht+v.HT, vat+v.VAT
			if lines := byRate[v.Rate]; lines.TTC != v.TTC || lines.HT != v.HT || v.HT+v.VAT != v.TTC {
				t.Fatalf("rate %s: lines %+v, ticket %+v", v.Rate, lines, v)
			}
		}
		if ttc != s.Total || ht+vat != s.Total || shares != s.Reduction {
			t.Fatalf("lines %d, HT %d + VAT %d, total %d; shares %d of %d", ttc, ht, vat, s.Total, shares, s.Reduction)
		}
		if err := s.recompute(); err != nil {
			t.Fatalf("verification disagrees: %v", err)
		}
		balances := make(map[string]int64)
		for _, move := range s.transfers() {
			balances[move.Debit] += move.Amount
			balances[move.Credit] -= move.Amount
		}
		if balances[ledger.Due] != 0 {
			t.Fatalf("the ledger leaves %d due", balances[ledger.Due])
		}
		for i := range r.Lines {
			r.Lines[i].Quantity = -r.Lines[i].Quantity
		}
		r.Tenders = nil
		back := mustPrice(t, &r)
		for i, v := range back.VAT {
			if v.TTC != -s.VAT[i].TTC || v.HT != -s.VAT[i].HT {
				t.Fatalf("the return is no mirror: %+v of %+v", v, s.VAT[i])
			}
		}
	})
}

// mustPrice prices a request that is paid exactly in cash; it splits what the
// cash ceiling does not allow by asking nothing for it.
func mustPrice(t *rapid.T, r *Request) Sale {
	s, err := price(*r, "EUR", nil)
	if p := problem.As(err); p != nil && (p.Code == "sale.tender_short" || p.Code == "sale.tender_exceeds") {
		total := p.Args["total"].(money.Amount)
		r.Tenders, r.CashPayer = []TenderRequest{{Means: Cash, Amount: total}}, NonResident
		s, err = price(*r, "EUR", nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestDRV04 holds the published example: a reduction over two rates, VAT rounded
// once per rate.
func TestDRV04_VATOncePerRate(t *testing.T) {
	articles := map[id.Article]catalog.Article{
		"art_a": {Reference: "A", Name: "A", VAT: 2000, Price: &money.Amount{Minor: 2890, Currency: "EUR"}},
		"art_b": {Reference: "B", Name: "B", VAT: 1000, Price: &money.Amount{Minor: 125, Currency: "EUR"}},
	}
	s, err := price(Request{
		Lines:   []LineRequest{{Article: "art_a", Quantity: 1000}, {Article: "art_b", Quantity: 1000}},
		Tenders: []TenderRequest{{Means: Cash, Amount: money.Amount{Minor: 3015, Currency: "EUR"}}},
	}, "EUR", articles)
	if err != nil || s.Total != 3015 || s.VAT[0].VAT != 11 || s.VAT[1].VAT != 482 {
		t.Fatalf("%v %+v", err, s)
	}
}
