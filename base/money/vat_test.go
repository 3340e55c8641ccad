package money

import (
	"math"
	"math/big"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"encaisse/base/problem"
)

// TestDRV04_VATPerRateOnTheTicket is the example of the row: 28,90 € at 20 % and
// 1,25 € at 10 % are 30,15 €.
func TestDRV04_VATPerRateOnTheTicket(t *testing.T) {
	perRate, lineHT, err := Split([]Taxed{{2000, 2890}, {1000, 125}})
	if err != nil {
		t.Fatal(err)
	}
	want := []VAT{{Rate: 1000, TTC: 125, HT: 114, VAT: 11}, {Rate: 2000, TTC: 2890, HT: 2408, VAT: 482}}
	if diff := cmp.Diff(want, perRate); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int64{2408, 114}, lineHT); diff != "" {
		t.Error(diff)
	}
	if total := perRate[0].TTC + perRate[1].TTC; total != 3015 {
		t.Errorf("total %d, want 3015", total)
	}
}

// TestRoundingPerTicketIsNotPerLine holds the known difference: rounding each line
// gives another HT than rounding the ticket, and the ticket's is the true one.
func TestRoundingPerTicketIsNotPerLine(t *testing.T) {
	lines := []Taxed{{1000, 500}, {1000, 500}, {1000, 500}}
	perRate, lineHT, err := Split(lines)
	if err != nil {
		t.Fatal(err)
	}
	if want := []VAT{{Rate: 1000, TTC: 1500, HT: 1364, VAT: 136}}; !slices.Equal(perRate, want) {
		t.Errorf("%+v, want %+v", perRate, want)
	}
	if want := []int64{455, 455, 454}; !slices.Equal(lineHT, want) {
		t.Errorf("lines %v, want %v", lineHT, want)
	}
	var perLine int64
	for _, line := range lines {
		ht, err := line.Rate.HT(line.TTC)
		if err != nil {
			t.Fatal(err)
		}
		perLine += ht
	}
	if perLine != 1365 {
		t.Errorf("rounded per line: %d, want 1365", perLine)
	}
}

func TestHT(t *testing.T) {
	for _, c := range []struct {
		rate      Rate
		ttc, want int64
	}{
		{2000, 120, 100},
		{550, 115, 109},
		{1000, 500, 455},
		{0, 123, 123},
		{10_000, 1, 1},
		{10_000, -1, -1},
		{2000, 3, 3},
		{2000, -3, -3}, // exactly 2.5
		{210, math.MaxInt64, 9033665070376861711},
		{0, math.MinInt64, math.MinInt64},
	} {
		if got, err := c.rate.HT(c.ttc); err != nil || got != c.want {
			t.Errorf("HT of %d at %s %% = %d, %v, want %d", c.ttc, c.rate, got, err, c.want)
		}
	}
	for _, bad := range []Rate{-1, 10_001} {
		if _, err := bad.HT(100); !problem.Is(err, "money.rate") {
			t.Errorf("rate %d: %v", bad, err)
		}
		if _, _, err := Split([]Taxed{{bad, 100}}); !problem.Is(err, "money.rate") {
			t.Errorf("rate %d: %v", bad, err)
		}
	}
}

func TestSplitRefusesWhatDoesNotFit(t *testing.T) {
	for _, lines := range [][]Taxed{
		{{2000, math.MaxInt64}, {2000, 1}},
		{{0, math.MinInt64}},
	} {
		if _, _, err := Split(lines); !problem.Is(err, "money.overflow") {
			t.Errorf("%v: %v", lines, err)
		}
	}
	perRate, lineHT, err := Split(nil)
	if err != nil || len(perRate) != 0 || len(lineHT) != 0 {
		t.Errorf("no lines: %v, %v, %v", perRate, lineHT, err)
	}
}

func drawLines(t *rapid.T) []Taxed {
	rate := rapid.SampledFrom([]Rate{0, 90, 210, 550, 850, 1000, 1300, 2000, 3333, 10_000})
	ttc := rapid.OneOf(rapid.Int64Range(-30, 30), rapid.Int64Range(-100_000, 100_000), rapid.Int64Range(-1<<50, 1<<50))
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Taxed {
		return Taxed{rate.Draw(t, "rate"), ttc.Draw(t, "ttc")}
	}), 0, 40).Draw(t, "lines")
}

// checkSplit holds the laws of Split for one ticket.
func checkSplit(t fatal, lines []Taxed, perRate []VAT, lineHT []int64) {
	t.Helper()
	if !slices.IsSortedFunc(perRate, func(a, b VAT) int { return int(a.Rate - b.Rate) }) {
		t.Fatalf("rates out of order: %+v", perRate)
	}
	seen := 0
	for _, vat := range perRate {
		var ttc, ht int64
		for i, line := range lines {
			if line.Rate != vat.Rate {
				continue
			}
			seen++
			ttc += line.TTC
			ht += lineHT[i]
			whole := int64(basis + line.Rate)
			off := new(big.Int).Sub(product(lineHT[i], whole), product(line.TTC, basis))
			if off.CmpAbs(big.NewInt(whole)) >= 0 {
				t.Fatalf("line %d: %d is a cent or more from the exact HT of %+v", i, lineHT[i], line)
			}
		}
		exact := roundBig(product(ttc, basis), big.NewInt(int64(basis+vat.Rate)))
		if vat.TTC != ttc || vat.HT != exact.Int64() || vat.HT+vat.VAT != vat.TTC || ht != vat.HT {
			t.Fatalf("%+v: lines bring TTC %d and HT %d, exact HT %s", vat, ttc, ht, exact)
		}
	}
	if seen != len(lines) {
		t.Fatalf("%d lines of %d have a rate", seen, len(lines))
	}
}

type fatal interface {
	Helper()
	Fatalf(format string, args ...any)
}

func TestSplitLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := drawLines(t)
		perRate, lineHT, err := Split(lines)
		if err != nil {
			t.Fatal(err)
		}
		checkSplit(t, lines, perRate, lineHT)

		mirror := slices.Clone(lines)
		for i := range mirror {
			mirror[i].TTC = -mirror[i].TTC
		}
		perRateBack, lineHTBack, err := Split(mirror)
		if err != nil {
			t.Fatal(err)
		}
		for i := range lineHT {
			if lineHT[i] != -lineHTBack[i] {
				t.Fatalf("line %d: %d in the sale, %d in its return", i, lineHT[i], lineHTBack[i])
			}
		}
		for i, vat := range perRate {
			if back := perRateBack[i]; vat != (VAT{back.Rate, -back.TTC, -back.HT, -back.VAT}) {
				t.Fatalf("%+v in the sale, %+v in its return", vat, back)
			}
		}
	})
}

// TestSplitLawsCanFail shows the laws at work: a cent moved to another line, or VAT
// rounded by itself, is seen.
func TestSplitLawsCanFail(t *testing.T) {
	lines := []Taxed{{1000, 500}, {1000, 500}, {1000, 500}}
	broken := map[string]func([]VAT, []int64){
		"a cent lost":           func(_ []VAT, ht []int64) { ht[0]-- },
		"a line a cent too far": func(_ []VAT, ht []int64) { ht[0]++; ht[2]-- },
		"VAT rounded by itself": func(v []VAT, _ []int64) { v[0].VAT++ },
		"HT cut":                func(v []VAT, ht []int64) { v[0].HT--; v[0].VAT++; ht[0]-- },
	}
	for name, breakIt := range broken {
		perRate, lineHT, err := Split(lines)
		if err != nil {
			t.Fatal(err)
		}
		breakIt(perRate, lineHT)
		var r recorder
		checkSplit(&r, lines, perRate, lineHT)
		if !r.failed {
			t.Errorf("%s: not seen", name)
		}
	}
}

type recorder struct{ failed bool }

func (r *recorder) Helper()               {}
func (r *recorder) Fatalf(string, ...any) { r.failed = true }

func TestAllocate(t *testing.T) {
	for _, c := range []struct {
		total   int64
		weights []int64
		want    []int64
	}{
		{100, []int64{1, 1, 1}, []int64{34, 33, 33}},
		{-100, []int64{1, 1, 1}, []int64{-34, -33, -33}},
		{10, []int64{1, 2, 0, 3}, []int64{2, 3, 0, 5}},
		{1, []int64{0, 5}, []int64{0, 1}},
		{0, []int64{0, 0}, []int64{0, 0}},
		{0, nil, []int64{}},
		{math.MinInt64, []int64{1}, []int64{math.MinInt64}},
		{math.MaxInt64, []int64{math.MaxInt64 - 1, 1}, []int64{math.MaxInt64 - 1, 1}},
	} {
		got, err := Allocate(c.total, c.weights)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("Allocate(%d, %v) = %v, %v, want %v", c.total, c.weights, got, err, c.want)
		}
	}
	for code, c := range map[string]struct {
		total   int64
		weights []int64
	}{
		"money.weights":  {1, []int64{0, 0}},
		"money.overflow": {1, []int64{math.MaxInt64, 1}},
	} {
		if _, err := Allocate(c.total, c.weights); !problem.Is(err, code) {
			t.Errorf("%v: %v, want %s", c, err, code)
		}
	}
	if _, err := Allocate(0, []int64{1, -1}); !problem.Is(err, "money.weights") {
		t.Errorf("negative weight: %v", err)
	}
	if _, err := Allocate(5, nil); !problem.Is(err, "money.weights") {
		t.Errorf("nobody to share with: %v", err)
	}
}

func TestAllocationLosesNoCent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total := anyInt64().Draw(t, "total")
		most := rapid.SampledFrom([]int64{3, 1000, math.MaxInt64 / 50}).Draw(t, "most")
		weights := rapid.SliceOfN(rapid.Int64Range(0, most), 1, 50).Draw(t, "weights")
		var weight int64
		for _, w := range weights {
			weight += w
		}
		if weight == 0 {
			return
		}
		shares, err := Allocate(total, weights)
		if err != nil {
			t.Fatal(err)
		}
		sum := new(big.Int)
		for i, share := range shares {
			sum.Add(sum, big.NewInt(share))
			off := new(big.Int).Sub(product(share, weight), product(total, weights[i]))
			if off.CmpAbs(big.NewInt(weight)) >= 0 {
				t.Fatalf("share %d of %v: %d is a cent or more off", i, weights, share)
			}
			if weights[i] == 0 && share != 0 {
				t.Fatalf("a weight of zero got %d", share)
			}
		}
		if sum.Cmp(big.NewInt(total)) != 0 {
			t.Fatalf("shares of %d add up to %s", total, sum)
		}
		if total == math.MinInt64 {
			return
		}
		mirror, err := Allocate(-total, weights)
		if err != nil {
			t.Fatal(err)
		}
		for i := range mirror {
			if mirror[i] != -shares[i] {
				t.Fatalf("%v is not the mirror of %v", mirror, shares)
			}
		}
	})
}

func BenchmarkSplit(b *testing.B) {
	lines := []Taxed{{550, 115}, {550, 230}, {2000, 2890}, {1000, 125}, {550, 399}, {2000, 1500}}
	for b.Loop() {
		if _, _, err := Split(lines); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAmountJSON(b *testing.B) {
	data := []byte(`{"amount":1250,"currency":"EUR"}`)
	var a Amount
	for b.Loop() {
		if err := a.UnmarshalJSON(data); err != nil {
			b.Fatal(err)
		}
	}
}
