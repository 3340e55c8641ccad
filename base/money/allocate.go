package money

import (
	"math/bits"
	"slices"

	"encaisse/base/problem"
)

// part is a share that was cut down to a whole cent, and what was cut off.
type part struct {
	index int
	rest  uint64
}

// Allocate shares total (minor units) in proportion to weights, by largest remainder:
// each share is the exact one cut towards zero, and the cents left over go to the
// shares that lost the most, the first of equals first. The shares add up to total
// exactly, each differs from the exact one by less than a cent, a weight of zero gets
// nothing, and Allocate(−total) = −Allocate(total).
//
// Errors: money.weights for a negative weight, or when there is something to share and
// all weights are zero; money.overflow when the weights add up to more than an int64.
func Allocate(total int64, weights []int64) ([]int64, error) {
	var sum int64
	for _, w := range weights {
		if w < 0 {
			return nil, problem.New(problem.Invalid, "money.weights")
		}
		var err error
		if sum, err = Add(sum, w); err != nil {
			return nil, err
		}
	}
	shares := make([]int64, len(weights))
	if sum == 0 {
		if total != 0 {
			return nil, problem.New(problem.Invalid, "money.weights")
		}
		return shares, nil
	}
	left := magnitude(total)
	parts := make([]part, len(weights))
	for i, w := range weights {
		hi, lo := bits.Mul64(magnitude(total), uint64(w))
		quotient, rest := bits.Div64(hi, lo, uint64(sum)) // hi < sum, for w ≤ sum and total < 2^64
		shares[i] = int64(quotient)
		left -= quotient
		parts[i] = part{index: i, rest: rest}
	}
	for _, p := range largest(parts, int64(left)) {
		shares[p.index]++
	}
	if total < 0 {
		for i := range shares {
			shares[i] = -shares[i] // also right for the smallest int64, which is its own opposite
		}
	}
	return shares, nil
}

// largest is the count parts with the largest rests, the first of equals first. It
// sorts a copy: the caller's order is that of its lines.
func largest(parts []part, count int64) []part {
	if count == 0 {
		return nil
	}
	sorted := slices.Clone(parts)
	slices.SortStableFunc(sorted, func(a, b part) int {
		switch {
		case a.rest > b.rest:
			return -1
		case a.rest < b.rest:
			return 1
		}
		return 0
	})
	return sorted[:count]
}
