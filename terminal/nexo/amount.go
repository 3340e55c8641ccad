package nexo

import (
	"encoding/json"

	"encaisse/base/money"
	"encaisse/base/problem"
)

// ParseAmount reads an amount as nexo writes it: a JSON number in major units,
// beside its currency. It is read as decimal text, never as a float. Problems
// money.unknown_currency, money.malformed (an exponent, too), money.fraction
// for more decimals than the currency has, money.overflow, nexo.amount for a
// negative one.
func ParseAmount(n json.Number, currency string) (money.Amount, error) {
	c, err := money.ParseCurrency(currency)
	if err != nil {
		return money.Amount{}, err
	}
	a, err := money.ParseDecimal(string(n), c)
	if err != nil {
		return money.Amount{}, err
	}
	if a.Minor < 0 {
		return money.Amount{}, problem.New(problem.Invalid, "nexo.amount")
	}
	return a, nil
}

// Number writes an amount as nexo has it.
func Number(a money.Amount) json.Number { return json.Number(a.Decimal()) }
