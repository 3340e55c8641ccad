package card

// TestCard is a card of the deck: what its plastic and its bank both know.
type TestCard struct {
	Name     string // for people and scenarios; never a number
	Label    string // what stands on it
	Number   string // published by schemes and gateways for tests: no bank ever issued it
	Expiry   string // YYMM
	Sequence string // card sequence number (5F34)
	Service  string // service code of the stripe: 2xx has a chip, 1xx has none
	Schemes  []Scheme
	PIN      string // empty: none, the holder signs
	PAR      string // the same for a card and its wallets
	Of       string // name of the card a wallet stands for, whose account it draws on
}

// deckExpiry is far enough for demonstrations.
const deckExpiry = "3512"

// testCards is what the emulated reader's rack holds and the simulated issuer
// knows. Both need the same list, as a card and its bank agree, and neither may
// import the other: so it stands here.
var testCards = [...]TestCard{
	{"cb", "CB Visa", "4970100000000055", deckExpiry, "01", "201", []Scheme{CB, Visa}, "1234", "500100000000000000000000CB001", ""},
	{"cb-mastercard", "CB Mastercard", "5105105105105100", deckExpiry, "01", "201", []Scheme{CB, Mastercard}, "1234", "500100000000000000000000CB002", ""},
	{"visa", "Visa", "4111111111111111", deckExpiry, "01", "201", []Scheme{Visa}, "1234", "500100000000000000000000VI001", ""},
	{"mastercard", "Mastercard", "5555555555554444", deckExpiry, "01", "201", []Scheme{Mastercard}, "1234", "500100000000000000000000MC001", ""},
	{"maestro", "Maestro", "6759649826438453", deckExpiry, "01", "220", []Scheme{Maestro}, "1234", "500100000000000000000000MA001", ""},
	{"amex", "American Express", "378282246310005", deckExpiry, "00", "201", []Scheme{Amex}, "1234", "500100000000000000000000AX001", ""},
	{"foreign", "Visa (piste)", "4012888888881881", deckExpiry, "", "101", []Scheme{Visa}, "", "", ""},
	{"wallet", "Téléphone (CB Visa)", "4761120010000492", deckExpiry, "01", "201", []Scheme{CB, Visa}, "", "500100000000000000000000CB001", "cb"},
	{"expired", "Visa expirée", "4000000000000069", "2405", "01", "201", []Scheme{Visa}, "1234", "", ""},
	{"stolen", "Visa volée", "4000000000009979", deckExpiry, "01", "201", []Scheme{Visa}, "1234", "", ""},
	{"lost", "Visa perdue", "4000000000009987", deckExpiry, "01", "201", []Scheme{Visa}, "1234", "", ""},
	{"no-funds", "Visa sans provision", "4000000000009995", deckExpiry, "01", "201", []Scheme{Visa}, "1234", "", ""},
	{"refused", "Visa refusée", "4000000000000002", deckExpiry, "01", "201", []Scheme{Visa}, "1234", "", ""},
	{"referral", "CB à rappeler", "4970100000000022", deckExpiry, "01", "201", []Scheme{CB, Visa}, "1234", "", ""},
	{"insert", "CB à insérer", "4970100000000014", deckExpiry, "01", "201", []Scheme{CB, Visa}, "1234", "", ""},
	{"signature", "Mastercard à signature", "5200828282828210", deckExpiry, "01", "201", []Scheme{Mastercard}, "", "", ""},
	{"broken", "CB, puce illisible", "4970100000000089", deckExpiry, "01", "201", []Scheme{CB, Visa}, "1234", "", ""},
	{"refuses", "CB, refus de la puce", "4970100000000097", deckExpiry, "01", "201", []Scheme{CB, Visa}, "1234", "", ""},
}

// Deck lists the test cards, in the order a rack shows them.
func Deck() []TestCard {
	out := make([]TestCard, len(testCards))
	for i, c := range testCards {
		c.Schemes = append([]Scheme(nil), c.Schemes...)
		out[i] = c
	}
	return out
}
