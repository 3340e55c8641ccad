package contract

import (
	"strings"
	"time"

	"encaisse/base/card"
	"encaisse/base/clock"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/base/problem"
	"encaisse/merchant"
)

// Limits of a contract.
const (
	MaxName        = 60 // characters of a name or a city
	MaxAcceptor    = 15 // characters (ISO 8583 field 42)
	MaxAffiliation = 20 // characters
	MaxContracts   = 50 // of a merchant
	maxLimitMinor  = 100_000_000_00
)

// Contactless limits in France: without a code up to 50 € (RTS art. 11, since
// 11 May 2020); above it the holder is verified.
const (
	DefaultContactlessMax = 50_00
	DefaultCVMRequired    = 50_00
	DefaultBatchAt        = 23*60 + 30
)

// country is where merchants are (ISO 3166 numeric): France.
const country = "250"

// State tells whether a contract may be used.
type State string

// The states.
const (
	Active State = "active"
	Closed State = "closed"
)

// Contract is an acceptance contract. Limits are minor units of Currency.
type Contract struct {
	Merchant       id.Merchant            `json:"-"`
	ID             id.Contract            `json:"id"`
	Name           string                 `json:"name"`
	Connector      string                 `json:"connector"`
	Acceptor       string                 `json:"acceptor"`
	MCC            string                 `json:"mcc"`
	City           string                 `json:"city"`
	Currency       money.Currency         `json:"currency"`
	BatchAt        int64                  `json:"batch_at"` // minutes after local midnight of the terminal's site
	ContactlessMax int64                  `json:"contactless_max_minor"`
	CVMRequired    int64                  `json:"cvm_required_minor"`
	FloorLimit     int64                  `json:"floor_limit_minor"` // at or above: online
	Schemes        map[card.Scheme]string `json:"schemes"`           // accepted, with affiliation numbers
	State          State                  `json:"state"`
	PublicKey      []byte                 `json:"public_key"`
	CreatedAt      time.Time              `json:"created_at"`
	UpdatedAt      time.Time              `json:"updated_at"`

	sealed []byte // the private key
}

// Terms are what a connector needs of a contract, with the key that opens what
// readers sealed.
type Terms struct {
	ID         id.Contract
	Acceptor   string // up to 15 characters
	MCC        string // merchant category code, four digits
	Name       string // of the merchant, for the holder's statement
	City       string
	Country    string                 // ISO 3166 numeric, three digits
	Affiliated map[card.Scheme]string // accepted schemes, with the affiliation number where one is needed
	Key        card.PrivateKey        // only a connector's packing uses it
}

// Contracts is the door to the contracts of every merchant.
type Contracts struct {
	db         *db.DB
	clock      clock.Clock
	vault      *merchant.Vault
	connectors map[string]bool
}

// New makes the door. connectors are the names that a contract may have.
func New(d *db.DB, c clock.Clock, v *merchant.Vault, connectors ...string) *Contracts {
	known := make(map[string]bool, len(connectors))
	for _, name := range connectors {
		known[name] = true
	}
	return &Contracts{db: d, clock: c, vault: v, connectors: known}
}

// Accepts tells whether a card of the scheme may be taken. Problems
// contract.scheme_not_accepted, contract.affiliation_required.
func (c Contract) Accepts(s card.Scheme) error {
	affiliation, accepted := c.Schemes[s]
	switch {
	case !accepted:
		return problem.New(problem.Conflict, "contract.scheme_not_accepted", "scheme", s)
	case s.NeedsAffiliation() && affiliation == "":
		return problem.New(problem.Conflict, "contract.affiliation_required", "scheme", s)
	}
	return nil
}

// check refuses what the content breaks, all faults at once.
func (c *Contracts) check(in *Contract, currency money.Currency) error {
	var faults []*problem.Error
	refuse := func(field, code string, args ...any) {
		faults = append(faults, problem.New(problem.Invalid, code, args...).At(field))
	}
	if in.Currency == "" {
		in.Currency = currency
	}
	if in.Currency != currency {
		refuse("currency", "contract.currency", "currency", currency)
	}
	in.Name = clean(in.Name, "name", refuse)
	if in.City != "" {
		in.City = clean(in.City, "city", refuse)
	}
	if !c.connectors[in.Connector] {
		refuse("connector", "contract.connector_unknown")
	}
	if !plain(in.Acceptor, 1, MaxAcceptor) {
		refuse("acceptor", "contract.acceptor", "limit", MaxAcceptor)
	}
	if len(in.MCC) != 4 || strings.Trim(in.MCC, "0123456789") != "" {
		refuse("mcc", "contract.mcc")
	}
	if in.BatchAt < 0 || in.BatchAt > 1439 {
		refuse("batch_at", "contract.batch_at")
	}
	for field, limit := range map[string]int64{
		"contactless_max_minor": in.ContactlessMax, "cvm_required_minor": in.CVMRequired, "floor_limit_minor": in.FloorLimit,
	} {
		if limit < 0 || limit > maxLimitMinor {
			refuse(field, "contract.limit")
		}
	}
	for scheme, affiliation := range in.Schemes {
		if !scheme.Known() {
			refuse("schemes", "contract.scheme_unknown")
		} else if !plain(affiliation, 0, MaxAffiliation) {
			refuse("schemes."+string(scheme), "contract.affiliation", "limit", MaxAffiliation)
		}
	}
	if len(faults) == 0 {
		return nil
	}
	return faults[0].With(faults[1:]...)
}

func clean(s, field string, refuse func(field, code string, args ...any)) string {
	out, ok := merchant.Clean(s, MaxName)
	if !ok {
		refuse(field, "contract.text", "limit", MaxName)
	}
	return out
}

// plain tells whether s has letters, digits, spaces and hyphens alone: what
// every packing of a message can carry.
func plain(s string, least, most int) bool {
	if len(s) < least || len(s) > most || strings.TrimSpace(s) != s {
		return false
	}
	for _, r := range s {
		if (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != ' ' && r != '-' {
			return false
		}
	}
	return true
}
