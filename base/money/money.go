// Package money counts: amounts, quantities, VAT rates, and the few ways to round
// and to share that French tills are held to.
//
// Words. An Amount is a whole number of minor units (cents) with its Currency. A
// Quantity is a whole number of thousandths: 1.250 kg is 1250. A Rate is a whole
// number of basis points: 5.5 % is 550. TTC is the price with VAT, HT without.
//
// Rules. There is no float. What does not fit in an int64 is an error
// (money.overflow), never a wrapped number. Two currencies never meet
// (money.currency). What a client writes too precisely is refused
// (money.fraction), never rounded. Where we round ourselves it is half away from
// zero, so that a return is the exact mirror of its sale; where we share, it is by
// largest remainder, so that no cent is lost or made. VAT is rounded once per rate
// and ticket (Split) and never recomputed afterwards: a Z adds up tickets.
package money

import (
	"math"
	"math/bits"

	"encaisse/base/problem"
)

// Amount is a sum of money in minor units of its currency: 12,50 € is
// {1250, "EUR"}. In JSON it is {"amount": 1250, "currency": "EUR"}.
type Amount struct {
	Minor    int64    `json:"amount"`
	Currency Currency `json:"currency"`
}

// Add is a + b. Errors: money.currency when the currencies differ, money.overflow.
func (a Amount) Add(b Amount) (Amount, error) {
	if err := same(a, b); err != nil {
		return Amount{}, err
	}
	sum, err := Add(a.Minor, b.Minor)
	if err != nil {
		return Amount{}, err
	}
	return Amount{Minor: sum, Currency: a.Currency}, nil
}

// Sub is a − b. Errors: money.currency when the currencies differ, money.overflow.
func (a Amount) Sub(b Amount) (Amount, error) {
	if err := same(a, b); err != nil {
		return Amount{}, err
	}
	difference := a.Minor - b.Minor
	if (a.Minor < b.Minor) != (difference < 0) {
		return Amount{}, overflow()
	}
	return Amount{Minor: difference, Currency: a.Currency}, nil
}

// Neg is −a. Error: money.overflow for the one int64 that has no opposite.
func (a Amount) Neg() (Amount, error) {
	if a.Minor == math.MinInt64 {
		return Amount{}, overflow()
	}
	return Amount{Minor: -a.Minor, Currency: a.Currency}, nil
}

func same(a, b Amount) error {
	if a.Currency == b.Currency {
		return nil
	}
	return problem.New(problem.Invalid, "money.currency", "left", string(a.Currency), "right", string(b.Currency))
}

// Add is a + b, or money.overflow.
func Add(a, b int64) (int64, error) {
	sum := a + b
	// Only operands of one sign can overflow, and then the sum has the other.
	if (a < 0) == (b < 0) && (sum < 0) != (a < 0) {
		return 0, overflow()
	}
	return sum, nil
}

// Mul is a × b, or money.overflow.
func Mul(a, b int64) (int64, error) {
	hi, lo := bits.Mul64(magnitude(a), magnitude(b))
	if hi != 0 {
		return 0, overflow()
	}
	return signed(lo, (a < 0) != (b < 0))
}

// Percent is bp basis points of amount, rounded half away from zero; both may be
// negative. Error: money.overflow.
func Percent(amount, bp int64) (int64, error) { return mulDiv(amount, bp, basis) }

// mulDiv is a × b ÷ d for d > 0, rounded half away from zero. The product has 128
// bits, so only a result that does not fit is refused.
func mulDiv(a, b, d int64) (int64, error) {
	hi, lo := bits.Mul64(magnitude(a), magnitude(b))
	if hi >= uint64(d) {
		return 0, overflow()
	}
	quotient, rest := bits.Div64(hi, lo, uint64(d))
	if rest >= uint64(d)-rest {
		if quotient == math.MaxUint64 {
			return 0, overflow()
		}
		quotient++
	}
	return signed(quotient, (a < 0) != (b < 0))
}

// magnitude is |v|, which for the smallest int64 only a uint64 can hold.
func magnitude(v int64) uint64 {
	if v < 0 {
		return -uint64(v)
	}
	return uint64(v)
}

// signed puts the sign back on a magnitude, or says money.overflow.
func signed(m uint64, negative bool) (int64, error) {
	switch {
	case negative && m <= 1<<63:
		return int64(-m), nil
	case !negative && m <= math.MaxInt64:
		return int64(m), nil
	}
	return 0, overflow()
}

func overflow() error { return problem.New(problem.Invalid, "money.overflow") }
