package card

// Scheme is a card scheme: under whose rules a card pays.
type Scheme string

// Schemes a contract may accept.
const (
	CB         Scheme = "cb"
	Visa       Scheme = "visa"
	Mastercard Scheme = "mastercard"
	Maestro    Scheme = "maestro"
	Amex       Scheme = "amex"
)

// Schemes lists them all, in the order a screen shows them.
var schemes = [...]Scheme{CB, Visa, Mastercard, Maestro, Amex}

// Schemes lists every scheme known.
func Schemes() []Scheme { return append([]Scheme(nil), schemes[:]...) }

// Known tells whether s is a scheme.
func (s Scheme) Known() bool {
	for _, known := range schemes {
		if s == known {
			return true
		}
	}
	return false
}

// NeedsAffiliation tells whether the merchant signs with the scheme itself
// before its cards are accepted (UPM-031).
func (s Scheme) NeedsAffiliation() bool { return s == Amex }

// aids are the registered application identifiers (RID and PIX) by scheme.
var aids = []struct {
	prefix string // hex, upper case
	scheme Scheme
}{
	{"A000000042", CB},
	{"A0000000043060", Maestro},
	{"A000000004", Mastercard},
	{"A000000003", Visa},
	{"A000000025", Amex},
}

// SchemeOfAID names the scheme of an application identifier in upper-case hex,
// or "" where it is none of ours.
func SchemeOfAID(aid string) Scheme {
	for _, a := range aids {
		if len(aid) >= len(a.prefix) && aid[:len(a.prefix)] == a.prefix {
			return a.scheme
		}
	}
	return ""
}
