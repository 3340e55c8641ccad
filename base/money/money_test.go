package money

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"encaisse/base/problem"
)

// anyInt64 draws from the whole range, its edges included.
func anyInt64() *rapid.Generator[int64] {
	return rapid.OneOf(
		rapid.Int64(),
		rapid.Int64Range(-200_000, 200_000),
		rapid.SampledFrom([]int64{math.MinInt64, math.MinInt64 + 1, -1, 0, 1, math.MaxInt64 - 1, math.MaxInt64}),
	)
}

// wantBig holds a checked result against the exact one: the same number when it fits,
// money.overflow when not.
func wantBig(t *rapid.T, exact *big.Int, got int64, err error) {
	t.Helper()
	if !exact.IsInt64() {
		if !problem.Is(err, "money.overflow") {
			t.Fatalf("exact result %s: got %d, %v, want money.overflow", exact, got, err)
		}
		return
	}
	if err != nil || got != exact.Int64() {
		t.Fatalf("got %d, %v, want %s", got, err, exact)
	}
}

// roundBig is num/den (den > 0) rounded half away from zero, without limits.
func roundBig(num, den *big.Int) *big.Int {
	twice := new(big.Int).Mul(new(big.Int).Abs(num), big.NewInt(2))
	twice.Add(twice, den)
	q := twice.Quo(twice, new(big.Int).Mul(den, big.NewInt(2)))
	if num.Sign() < 0 {
		q.Neg(q)
	}
	return q
}

func product(a, b int64) *big.Int { return new(big.Int).Mul(big.NewInt(a), big.NewInt(b)) }

func TestArithmeticIsExactOrRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyInt64().Draw(t, "a"), anyInt64().Draw(t, "b")
		sum, err := Add(a, b)
		wantBig(t, new(big.Int).Add(big.NewInt(a), big.NewInt(b)), sum, err)
		mul, err := Mul(a, b)
		wantBig(t, product(a, b), mul, err)
		difference, err := Amount{a, EUR}.Sub(Amount{b, EUR})
		wantBig(t, new(big.Int).Sub(big.NewInt(a), big.NewInt(b)), difference.Minor, err)
		negated, err := Amount{a, EUR}.Neg()
		wantBig(t, new(big.Int).Neg(big.NewInt(a)), negated.Minor, err)
		percent, err := Percent(a, b)
		wantBig(t, roundBig(product(a, b), big.NewInt(10_000)), percent, err)
		times, err := Quantity(a).Times(b)
		wantBig(t, roundBig(product(a, b), big.NewInt(1000)), times, err)
	})
}

func TestCurrenciesNeverMix(t *testing.T) {
	euro, franc := Amount{100, EUR}, Amount{100, "CHF"}
	if _, err := euro.Add(franc); !problem.Is(err, "money.currency") {
		t.Errorf("Add: %v", err)
	}
	if _, err := euro.Sub(franc); !problem.Is(err, "money.currency") {
		t.Errorf("Sub: %v", err)
	}
	if got, err := euro.Add(Amount{23, EUR}); err != nil || got != (Amount{123, EUR}) {
		t.Errorf("Add: %v, %v", got, err)
	}
}

func TestRoundingIsHalfAwayFromZero(t *testing.T) {
	for _, c := range []struct{ amount, bp, want int64 }{
		{50, 100, 1},
		{-50, 100, -1},
		{49, 100, 0},
		{-49, 100, 0},
		{150, 100, 2},
		{-150, 100, -2},
		{1000, -1250, -125},
		{0, 10_000, 0},
		{12_345, 10_000, 12_345},
	} {
		if got, err := Percent(c.amount, c.bp); err != nil || got != c.want {
			t.Errorf("Percent(%d, %d) = %d, %v, want %d", c.amount, c.bp, got, err, c.want)
		}
	}
	for _, c := range []struct {
		quantity Quantity
		unit     int64
		want     int64
	}{{1250, 399, 499}, {500, 1, 1}, {-500, 1, -1}, {499, 1, 0}, {333, 1000, 333}, {2000, 115, 230}} {
		if got, err := c.quantity.Times(c.unit); err != nil || got != c.want {
			t.Errorf("%s × %d = %d, %v, want %d", c.quantity, c.unit, got, err, c.want)
		}
	}
}

func TestFormat(t *testing.T) {
	for _, c := range []struct {
		amount  Amount
		fr, en  string
		decimal string
	}{
		{Amount{123450, EUR}, "1\u202f234,50\u00a0€", "€1,234.50", "1234.50"},
		{Amount{0, EUR}, "0,00\u00a0€", "€0.00", "0.00"},
		{Amount{-5, EUR}, "-0,05\u00a0€", "-€0.05", "-0.05"},
		{Amount{99999, EUR}, "999,99\u00a0€", "€999.99", "999.99"},
		{Amount{100000007, EUR}, "1\u202f000\u202f000,07\u00a0€", "€1,000,000.07", "1000000.07"},
		{Amount{1500, XPF}, "1\u202f500\u00a0XPF", "XPF\u00a01,500", "1500"},
		{Amount{1500, "TND"}, "1,500\u00a0TND", "TND\u00a01.500", "1.500"},
		{Amount{100, "USD"}, "1,00\u00a0USD", "$1.00", "1.00"},
		{Amount{math.MinInt64, EUR}, "-92\u202f233\u202f720\u202f368\u202f547\u202f758,08\u00a0€", "-€92,233,720,368,547,758.08", "-92233720368547758.08"},
	} {
		if got := c.amount.Format("fr"); got != c.fr {
			t.Errorf("fr: %q, want %q", got, c.fr)
		}
		if got := c.amount.Format("en-GB"); got != c.en {
			t.Errorf("en: %q, want %q", got, c.en)
		}
		if got := c.amount.Decimal(); got != c.decimal {
			t.Errorf("decimal: %q, want %q", got, c.decimal)
		}
	}
}

func TestParseCurrency(t *testing.T) {
	for _, good := range []string{"EUR", "XPF", "CHF"} {
		if c, err := ParseCurrency(good); err != nil || string(c) != good {
			t.Errorf("%s: %q, %v", good, c, err)
		}
	}
	for _, bad := range []string{"", "eur", "EURO", "ABC", " EUR"} {
		if _, err := ParseCurrency(bad); !problem.Is(err, "money.unknown_currency") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
