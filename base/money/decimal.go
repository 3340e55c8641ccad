package money

import (
	"math/bits"
	"strconv"
	"strings"

	"encaisse/base/problem"
)

// maxDecimalLength bounds what is read as a decimal number: an int64 has 19 digits,
// the rest is room for a sign, a separator and leading zeros.
const maxDecimalLength = 40

// fault is why a decimal number cannot be read.
type fault int

const (
	none fault = iota
	unreadable
	tooPrecise
	tooLarge
)

// parseDecimal reads "-12.50" or "-12,50" as a whole number of units of 10^-places.
// At least one digit stands on each side of the separator; more decimals than places
// are tooPrecise, even zeros: what is written is taken at its word.
func parseDecimal(s string, places int) (int64, fault) {
	if len(s) > maxDecimalLength {
		return 0, unreadable
	}
	digits, negative := strings.CutPrefix(s, "-")
	var value uint64
	separator := -1
	large := false
	for i := range len(digits) {
		switch c := digits[i]; {
		case c >= '0' && c <= '9':
			var fits bool
			value, fits = shift(value, uint64(c-'0'))
			large = large || !fits
		case (c == '.' || c == ',') && separator < 0 && i > 0 && i < len(digits)-1:
			separator = i
		default:
			return 0, unreadable
		}
	}
	decimals := 0
	if separator >= 0 {
		decimals = len(digits) - 1 - separator
	}
	if digits == "" {
		return 0, unreadable
	}
	if decimals > places {
		return 0, tooPrecise
	}
	for range places - decimals {
		var fits bool
		value, fits = shift(value, 0)
		large = large || !fits
	}
	result, err := signed(value, negative)
	if large || err != nil {
		return 0, tooLarge
	}
	return result, none
}

// shift appends a decimal digit and tells whether the number still fits.
func shift(value, digit uint64) (uint64, bool) {
	hi, lo := bits.Mul64(value, 10)
	sum, carry := bits.Add64(lo, digit, 0)
	return sum, hi == 0 && carry == 0 && sum <= 1<<63
}

// appendDecimal writes v units of 10^-places with a dot and exactly places decimals.
func appendDecimal(out []byte, v int64, places int) []byte {
	if v < 0 {
		out = append(out, '-')
	}
	whole, part := cut(v, places)
	out = strconv.AppendUint(out, whole, 10)
	if places > 0 {
		out = append(out, '.')
		out = appendPadded(out, part, places)
	}
	return out
}

// appendTrimmed writes v units of 10^-places with a dot and no final zero: "1.25", "3".
func appendTrimmed(out []byte, v int64, places int) []byte {
	out = appendDecimal(out, v, places)
	for out[len(out)-1] == '0' {
		out = out[:len(out)-1]
	}
	if out[len(out)-1] == '.' {
		out = out[:len(out)-1]
	}
	return out
}

// cut separates |v| into what stands before and after the decimal separator.
func cut(v int64, places int) (whole, part uint64) {
	scale := uint64(1)
	for range places {
		scale *= 10
	}
	return magnitude(v) / scale, magnitude(v) % scale
}

func appendPadded(out []byte, part uint64, places int) []byte {
	start := len(out)
	for range places {
		out = append(out, '0')
	}
	for i := start + places - 1; i >= start; i-- {
		out[i] = byte('0' + part%10)
		part /= 10
	}
	return out
}

// ParseDecimal reads an amount as people and CSV files write it: "0.90", "0,90",
// "-12.5". Errors: money.malformed, money.fraction for more decimals than the
// currency has, money.overflow, money.unknown_currency.
func ParseDecimal(s string, c Currency) (Amount, error) {
	places, known := c.exponent()
	if !known {
		return Amount{}, problem.New(problem.Invalid, "money.unknown_currency")
	}
	minor, why := parseDecimal(s, places)
	switch why {
	case unreadable:
		return Amount{}, malformed()
	case tooPrecise:
		return Amount{}, problem.New(problem.Invalid, "money.fraction")
	case tooLarge:
		return Amount{}, overflow()
	}
	return Amount{Minor: minor, Currency: c}, nil
}

// Decimal writes the amount for machines, "1234.50": what ParseDecimal reads back.
func (a Amount) Decimal() string {
	return string(appendDecimal(nil, a.Minor, a.Currency.Decimals()))
}

const (
	groupFrench  = "\u202f" // narrow no-break space between thousands
	beforeSymbol = "\u00a0" // no-break space between figures and the sign of the currency
	groupEnglish = ","
)

// Format writes the amount for people. lang is a BCP 47 tag: English for "en" and
// its regions (€1,234.50), else French (1 234,50 €, with U+202F between thousands
// and U+00A0 before the sign).
func (a Amount) Format(lang string) string {
	english := lang == "en" || strings.HasPrefix(lang, "en-")
	symbol := a.Currency.symbol(english)
	out := make([]byte, 0, 32)
	if a.Minor < 0 {
		out = append(out, '-')
	}
	group, point := groupFrench, byte(',')
	if english {
		group, point = groupEnglish, '.'
		out = append(out, symbol...)
		if symbol == string(a.Currency) {
			out = append(out, beforeSymbol...)
		}
	}
	places := a.Currency.Decimals()
	whole, part := cut(a.Minor, places)
	out = appendGrouped(out, whole, group)
	if places > 0 {
		out = append(out, point)
		out = appendPadded(out, part, places)
	}
	if !english {
		out = append(out, beforeSymbol...)
		out = append(out, symbol...)
	}
	return string(out)
}

func appendGrouped(out []byte, v uint64, group string) []byte {
	if v < 1000 {
		return strconv.AppendUint(out, v, 10)
	}
	out = appendGrouped(out, v/1000, group)
	out = append(out, group...)
	return appendPadded(out, v%1000, 3)
}
