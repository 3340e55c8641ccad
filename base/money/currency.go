package money

import "encaisse/base/problem"

// Currency is an ISO 4217 alphabetic code, "EUR".
type Currency string

// The currencies French merchants meet most.
const (
	EUR Currency = "EUR"
	XPF Currency = "XPF" // the franc of the Pacific territories, without cents
)

// ParseCurrency reads an ISO 4217 alphabetic code in capitals. Error:
// money.unknown_currency for one that is not in the table.
func ParseCurrency(s string) (Currency, error) {
	c := Currency(s)
	if _, known := c.exponent(); !known {
		return "", problem.New(problem.Invalid, "money.unknown_currency")
	}
	return c, nil
}

// Decimals is how many decimals the currency has: 2 for EUR, 0 for JPY, 3 for TND.
// An unknown currency is taken to have 2.
func (c Currency) Decimals() int {
	places, _ := c.exponent()
	return places
}

// exponent is the table. A switch rather than a map: nothing can change it, and it
// is on the path of every sale.
func (c Currency) exponent() (places int, known bool) {
	switch c {
	case EUR, "USD", "GBP", "CHF", // Europe, and what its visitors bring
		"BGN", "CZK", "DKK", "HUF", "NOK", "PLN", "RON", "SEK", "ALL", "BAM", "MDL", "MKD", "RSD", "TRY", "UAH", "GEL",
		"AUD", "CAD", "HKD", "NZD", "SGD", "CNY", "INR", "IDR", "ILS", "MYR", "PHP", "THB", "TWD",
		"AED", "QAR", "SAR", "LBP", "EGP", "MAD", "DZD", "MUR", "MGA", "ZAR", "KES", "NGN", "GHS",
		"BRL", "MXN", "ARS", "COP", "PEN", "HTG", "SRD", "XCD":
		return 2, true
	case XPF, "XAF", "XOF", "KMF", "DJF", "GNF", "RWF", "BIF", "UGX", "JPY", "KRW", "VND", "VUV", "ISK", "CLP", "PYG":
		return 0, true
	case "TND", "BHD", "IQD", "JOD", "KWD", "LYD", "OMR":
		return 3, true
	}
	return 2, false
}

// symbol is what stands beside the figures: the sign of the euro everywhere, that of
// others where it is not ambiguous in the reader's language, else the code.
func (c Currency) symbol(english bool) string {
	switch {
	case c == EUR:
		return "€"
	case c == "USD" && english:
		return "$"
	case c == "GBP" && english:
		return "£"
	}
	return string(c)
}
