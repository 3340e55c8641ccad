package simulator

import (
	"maps"
	"regexp"
	"slices"

	"encaisse/base/card"
	"encaisse/base/money"
)

// Limits of what the acquirer knows.
const (
	maxContracts   = 10_000
	maxTerminals   = 10_000 // of a contract
	maxAffiliation = 20     // characters
)

// AnyTerminal stands for every terminal in [Contract.Terminals].
const AnyTerminal = "*"

// Contract is an acceptance contract as the acquirer has it. As JSON it is the
// body of PUT /contracts/{acceptor}.
type Contract struct {
	Acceptor  string                 `json:"acceptor"` // DE42
	Name      string                 `json:"name,omitempty"`
	Currency  money.Currency         `json:"currency"`
	Schemes   map[card.Scheme]string `json:"schemes"`   // accepted, with the affiliation number where one is needed
	Terminals []string               `json:"terminals"` // DE41; "*" for any
}

// DemoContract is the one a simulator begins with that is told of no other.
func DemoContract() Contract {
	return Contract{
		Acceptor: "1999887", Name: "Le Fournil des Halles", Currency: money.EUR, Terminals: []string{AnyTerminal},
		Schemes: map[card.Scheme]string{card.CB: "", card.Visa: "", card.Mastercard: "", card.Maestro: ""},
	}
}

func (c *Contract) clone() Contract {
	out := *c
	out.Schemes, out.Terminals = maps.Clone(c.Schemes), slices.Clone(c.Terminals)
	return out
}

var (
	acceptorShape    = regexp.MustCompile(`^[0-9A-Za-z]([0-9A-Za-z -]{0,13}[0-9A-Za-z])?$`)
	terminalShape    = regexp.MustCompile(`^(\*|[0-9A-Za-z]([0-9A-Za-z -]{0,6}[0-9A-Za-z])?)$`)
	affiliationShape = regexp.MustCompile(`^[0-9A-Za-z -]*$`)
)

// check refuses a contract that could not be. Problem simulator.field.
func (c *Contract) check() error {
	_, currencyErr := money.ParseCurrency(string(c.Currency))
	_, spoken := currencyNumbers[c.Currency]
	schemes := true
	for s, affiliation := range c.Schemes {
		schemes = schemes && s.Known() && len(affiliation) <= maxAffiliation && affiliationShape.MatchString(affiliation)
	}
	return firstWrong(
		fact{"acceptor", acceptorShape.MatchString(c.Acceptor)},
		fact{"name", len(c.Name) <= 2*maxName},
		fact{"currency", currencyErr == nil && spoken},
		fact{"schemes", schemes},
		fact{"terminals", len(c.Terminals) <= maxTerminals && !slices.ContainsFunc(c.Terminals, func(t string) bool { return !terminalShape.MatchString(t) })},
	)
}

// knows tells whether a terminal is in the contract.
func (c *Contract) knows(terminal string) bool {
	return slices.Contains(c.Terminals, terminal) || slices.Contains(c.Terminals, AnyTerminal)
}

// accepts says what is wrong with taking a card under a scheme, or "": its
// scheme is not in the contract (UPM-030), or the merchant gave no affiliation
// number for one that asks for it (UPM-031).
func (c *Contract) accepts(s card.Scheme) string {
	affiliation, listed := c.Schemes[s]
	switch {
	case !listed:
		return saysScheme
	case s.NeedsAffiliation() && affiliation == "":
		return saysAffiliation
	}
	return ""
}

// currencyNumbers are the currencies contracts may be in, as messages write them
// (ISO 4217 numeric codes).
var currencyNumbers = map[money.Currency]string{
	money.EUR: "978", money.XPF: "953", "CHF": "756", "GBP": "826", "USD": "840", "JPY": "392", "TND": "788", "MAD": "504", "XOF": "952",
}

// currencyOf is the currency a message writes as a number, or "".
func currencyOf(number string) money.Currency {
	for c, n := range currencyNumbers {
		if n == number {
			return c
		}
	}
	return ""
}

// firstOr is the first scheme of the list that a contract takes, or its first: a
// card with several pays under the one its merchant accepts when no chip chose.
func (c *Contract) firstOr(schemes []card.Scheme) card.Scheme {
	for _, s := range schemes {
		if c.accepts(s) == "" {
			return s
		}
	}
	return schemes[0]
}
