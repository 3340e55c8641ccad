package simulator

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"encaisse/base/card"
	"encaisse/base/emv"
	"encaisse/base/money"
	"encaisse/base/problem"
)

// Limits of what an issuer knows.
const (
	maxAccounts = 10_000
	maxTokens   = 8 // numbers beside the card's own
	maxName     = 40
	maxPINTries = 3

	// What the regulation lets pass without strong authentication (RTS art. 11),
	// and since May 2020 a single contactless payment in France.
	contactlessPayments = 5
	contactlessTotal    = 150_00
	contactlessSingle   = 50_00

	deckBalance = 10_000_000_00 // demonstrations do not run out of money
)

// AccountState is what the issuer thinks of a card.
type AccountState string

// States of an account.
const (
	Active     AccountState = "active"
	Refused    AccountState = "refused" // no reason given
	Restricted AccountState = "restricted"
	Referral   AccountState = "referral" // the issuer wants to be called
	Lost       AccountState = "lost"
	Stolen     AccountState = "stolen"
	Expired    AccountState = "expired"
)

// stateCodes is the answer to a card that is not active.
var stateCodes = map[AccountState]string{
	Refused: codeRefused, Restricted: codeRestricted, Referral: codeReferral,
	Lost: codeLost, Stolen: codeStolen, Expired: codeExpired,
}

// Account is a card at its issuer: what it may, and what became of it. As JSON
// it is the body of PUT /accounts/{name}; amounts are minor units.
type Account struct {
	Name     string         `json:"name"`
	Label    string         `json:"label,omitempty"`
	Number   string         `json:"number"`           // a published test number; shown masked
	Tokens   []string       `json:"tokens,omitempty"` // of wallets that draw on the account
	Expiry   string         `json:"expiry"`           // YYMM
	PIN      string         `json:"pin,omitempty"`    // empty: not checked
	Schemes  []card.Scheme  `json:"schemes"`          // of the card, its first when no chip says which
	PAR      string         `json:"par,omitempty"`
	State    AccountState   `json:"state"`
	Currency money.Currency `json:"currency"`
	Balance  int64          `json:"balance_minor"`
	Limit    int64          `json:"limit_minor,omitempty"` // of one payment; 0: none
	// AnyATC lets the counter of the chip repeat itself: copies of one test card in
	// several emulated readers, which no real card could be.
	AnyATC bool `json:"any_atc,omitempty"`

	Used Used `json:"used"`
}

// Used is what became of an account.
type Used struct {
	Held        int64 `json:"held_minor"`        // reserved by approvals that are not cleared
	Owed        int64 `json:"owed_minor"`        // approved credits that are not cleared
	PINTries    int   `json:"pin_tries"`         // wrong codes in a row
	Contactless int   `json:"contactless"`       // payments without verification in a row
	Contacted   int64 `json:"contactless_minor"` // their sum
	// ATC is the highest counter seen, by chip: last four digits and card sequence number.
	ATC map[string]uint16 `json:"atc,omitempty"`
}

// available is what can still be spent.
func (a *Account) available() int64 { return a.Balance - a.Used.Held }

// clone is a copy that shares nothing.
func (a *Account) clone() Account {
	out := *a
	out.Tokens, out.Schemes, out.Used.ATC = slices.Clone(a.Tokens), slices.Clone(a.Schemes), maps.Clone(a.Used.ATC)
	return out
}

// masked is a copy for people: no number, no code.
func (a *Account) masked() Account {
	out := a.clone()
	out.Number, out.PIN = mask(a.Number), ""
	for i, t := range out.Tokens {
		out.Tokens[i] = mask(t)
	}
	return out
}

// mask shows of a number what a receipt may show.
func mask(number string) string {
	pan, err := card.ParsePAN(number)
	if err != nil {
		return ""
	}
	return pan.Masked()
}

// deckAccounts are the accounts of the test deck.
func deckAccounts() []Account {
	states := map[string]AccountState{"refused": Refused, "referral": Referral, "lost": Lost, "stolen": Stolen, "expired": Expired}
	var out []Account
	for _, c := range card.Deck() {
		if c.Of != "" {
			i := slices.IndexFunc(out, func(a Account) bool { return a.Name == c.Of })
			out[i].Tokens = append(out[i].Tokens, c.Number)
			continue
		}
		a := Account{
			Name: c.Name, Label: c.Label, Number: c.Number, Expiry: c.Expiry, PIN: c.PIN, Schemes: c.Schemes, PAR: c.PAR,
			State: Active, Currency: money.EUR, Balance: deckBalance,
		}
		if s, ok := states[c.Name]; ok {
			a.State = s
		}
		switch c.Name {
		case "no-funds":
			a.Balance = 0
		case "insert":
			a.Used.Contactless = contactlessPayments
		}
		out = append(out, a)
	}
	return out
}

// published are the numbers an account may have: those that schemes and gateways
// publish for tests, given by how they begin. A number that is not among them
// might be somebody's.
var published = []string{
	"49701000", "49701001", "49701011", // French gateways, CB and Visa
	"411111111111", "424242424242", "401288888888", "400000000000", "4000056655665556", "476112001000",
	"555555555555", "510510510510", "520082828282", "222300312200", "520424775000",
	"378282246310005", "371449635398431", "675964982643", "630490170000",
}

var (
	nameShape   = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`)
	expiryShape = regexp.MustCompile(`^[0-9]{2}(0[1-9]|1[0-2])$`)
	pinShape    = regexp.MustCompile(`^([0-9]{4,12})?$`)
	parShape    = regexp.MustCompile(`^([A-Z0-9]{29})?$`)
)

// check refuses an account that could not be. Problems: simulator.name,
// simulator.number, simulator.field.
func (a *Account) check() error {
	if len(a.Name) > maxName || !nameShape.MatchString(a.Name) {
		return problem.New(problem.Invalid, "simulator.name", "most", maxName).At("name")
	}
	if err := checkNumber(a.Number); err != nil {
		return err.At("number")
	}
	for _, token := range a.Tokens {
		if err := checkNumber(token); err != nil {
			return err.At("tokens")
		}
	}
	_, notActive := stateCodes[a.State]
	_, currencyErr := money.ParseCurrency(string(a.Currency))
	return firstWrong(
		fact{"label", len(a.Label) <= 2*maxName},
		fact{"tokens", len(a.Tokens) <= maxTokens},
		fact{"expiry", expiryShape.MatchString(a.Expiry)},
		fact{"pin", pinShape.MatchString(a.PIN)},
		fact{"schemes", allKnown(a.Schemes)},
		fact{"par", parShape.MatchString(a.PAR)},
		fact{"state", a.State == Active || notActive},
		fact{"currency", currencyErr == nil},
		fact{"balance_minor", !tooMuch(a.Balance)},
		fact{"limit_minor", a.Limit >= 0 && !tooMuch(a.Limit)},
		fact{"used", a.Used.sound()},
	)
}

// fact is what must hold of a field.
type fact struct {
	field string
	holds bool
}

// firstWrong names the first field of which something does not hold.
func firstWrong(facts ...fact) error {
	for _, f := range facts {
		if !f.holds {
			return problem.New(problem.Invalid, "simulator.field", "field", f.field).At(f.field)
		}
	}
	return nil
}

func checkNumber(number string) *problem.Error {
	_, err := card.ParsePAN(number)
	if err == nil && slices.ContainsFunc(published, func(start string) bool { return strings.HasPrefix(number, start) }) {
		return nil
	}
	return problem.New(problem.Invalid, "simulator.number")
}

// maxMinor is the highest amount twelve digits carry (DE4): sums of as many of
// them as are remembered stay far from the end of an int64.
const maxMinor = 999_999_999_999

func tooMuch(minor int64) bool { return minor > maxMinor || minor < -maxMinor }

func allKnown(schemes []card.Scheme) bool {
	return len(schemes) > 0 && !slices.ContainsFunc(schemes, func(s card.Scheme) bool { return !s.Known() })
}

func (u Used) sound() bool {
	return u.Held >= 0 && u.Owed >= 0 && u.PINTries >= 0 && u.PINTries <= maxPINTries && u.Contactless >= 0 && u.Contacted >= 0 &&
		!tooMuch(u.Contacted) && len(u.ATC) <= 100*(1+maxTokens)
}

// cardKey is the key of the chip that stands for a number and a sequence.
func cardKey(number, sequence string) emv.CardKey {
	return emv.TestIssuerKey().CardKey(number, sequence)
}
