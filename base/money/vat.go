package money

import (
	"math"
	"math/bits"
	"slices"

	"encaisse/base/problem"
)

const (
	// MaxRate is 100 %: the highest VAT rate that is accepted.
	MaxRate Rate = basis

	basis      = 10_000 // basis points in the whole
	ratePlaces = 2
)

// Rate is a VAT rate in basis points: 550 is 5.5 %.
type Rate int64

// ParseRate reads a percentage of at most two decimals between 0 and 100, "5.5" or
// "5,5". Error: money.rate.
func ParseRate(s string) (Rate, error) {
	v, why := parseDecimal(s, ratePlaces)
	if why != none || Rate(v).check() != nil {
		return 0, badRate()
	}
	return Rate(v), nil
}

// String is the percentage without final zeros: "5.5", "20".
func (r Rate) String() string { return string(appendTrimmed(nil, int64(r), ratePlaces)) }

func (r Rate) check() error {
	if r < 0 || r > MaxRate {
		return badRate()
	}
	return nil
}

// HT is the amount without VAT that is inside ttc (minor units), rounded half away
// from zero: HT(−x) = −HT(x). Errors: money.rate for a rate outside 0–100 %.
func (r Rate) HT(ttc int64) (int64, error) {
	if err := r.check(); err != nil {
		return 0, err
	}
	return mulDiv(ttc, basis, basis+int64(r))
}

// Taxed is what a line brings to the VAT of its ticket: TTC in minor units, after
// all reductions, negative on a return.
type Taxed struct {
	Rate Rate
	TTC  int64
}

// VAT is the tax of one rate on one ticket, in minor units. HT + VAT = TTC.
type VAT struct {
	Rate Rate  `json:"rate_bp"`
	TTC  int64 `json:"ttc_minor"`
	HT   int64 `json:"ht_minor"`
	VAT  int64 `json:"vat_minor"`
}

// Split finds the VAT of a ticket. Per rate, in ascending order, the lines are added
// up and HT is rounded once; VAT is the rest. lineHT[i] is the part of line i: the
// parts of the lines of a rate add up to its HT exactly.
//
// The parts are shared by largest remainder over the exact HT of each line, which
// holds for any mixture of signs: each line gets the floor of its exact HT, and the
// cents missing to the rounded HT of the rate go to the lines with the largest
// fractions cut off, the first of equals first. At most as many cents are missing as
// there are lines with a fraction, so a part differs from the exact HT by less than a
// cent. Signs are first turned so that the first line of the rate that is not zero is
// positive: without that, ties would fall differently on a return than on its sale.
//
// Errors: money.rate, money.overflow.
func Split(lines []Taxed) (perRate []VAT, lineHT []int64, err error) {
	rates := make([]Rate, 0, 4)
	for _, line := range lines {
		if err := line.Rate.check(); err != nil {
			return nil, nil, err
		}
		if line.TTC == math.MinInt64 { // the one amount whose sign cannot be turned
			return nil, nil, overflow()
		}
		if at, found := slices.BinarySearch(rates, line.Rate); !found {
			rates = slices.Insert(rates, at, line.Rate)
		}
	}
	perRate = make([]VAT, 0, len(rates))
	lineHT = make([]int64, len(lines))
	for _, rate := range rates {
		vat, err := splitRate(rate, lines, lineHT)
		if err != nil {
			return nil, nil, err
		}
		perRate = append(perRate, vat)
	}
	return perRate, lineHT, nil
}

// splitRate does one rate of Split and fills lineHT for its lines.
func splitRate(rate Rate, lines []Taxed, lineHT []int64) (VAT, error) {
	var ttc, floors int64
	var err error
	negate := turned(rate, lines)
	parts := make([]part, 0, len(lines))
	for i, line := range lines {
		if line.Rate != rate {
			continue
		}
		if ttc, err = Add(ttc, line.TTC); err != nil {
			return VAT{}, err
		}
		floor, rest := floorHT(line.TTC, rate, negate)
		if floors, err = Add(floors, floor); err != nil {
			return VAT{}, err
		}
		lineHT[i] = floor
		parts = append(parts, part{index: i, rest: rest})
	}
	ht, err := rate.HT(ttc)
	if err != nil {
		return VAT{}, err
	}
	target := ht
	if negate {
		target = -ht
	}
	// Only a part with a fraction takes a cent, and its floor is then below its TTC: no overflow.
	for _, p := range largest(parts, target-floors) {
		lineHT[p.index]++
	}
	if negate {
		for _, p := range parts {
			lineHT[p.index] = -lineHT[p.index]
		}
	}
	return VAT{Rate: rate, TTC: ttc, HT: ht, VAT: ttc - ht}, nil
}

// turned tells whether the signs of a rate's lines are to be turned: whether the first
// that is not zero is negative.
func turned(rate Rate, lines []Taxed) bool {
	for _, line := range lines {
		if line.Rate == rate && line.TTC != 0 {
			return line.TTC < 0
		}
	}
	return false
}

// floorHT is the exact HT of ttc (of −ttc if negate), cut down to a whole cent, and
// what was cut off in parts of basis+rate.
func floorHT(ttc int64, rate Rate, negate bool) (floor int64, rest uint64) {
	whole := uint64(basis + rate)
	hi, lo := bits.Mul64(magnitude(ttc), basis)
	quotient, rest := bits.Div64(hi, lo, whole)
	if (ttc < 0) == negate {
		return int64(quotient), rest
	}
	if rest == 0 {
		return -int64(quotient), 0
	}
	return -int64(quotient) - 1, whole - rest
}

func badRate() error { return problem.New(problem.Invalid, "money.rate") }
