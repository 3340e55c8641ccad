package money

import "encaisse/base/problem"

const (
	quantityPlaces = 3
	quantityScale  = 1000
)

// Quantity counts thousandths: 1250 is 1.25 kg, 2000 two pieces. It may be negative
// (a return). In JSON it is a decimal string, "1.25".
type Quantity int64

// ParseQuantity reads "1.250", "1,25" or "-3". Error: money.quantity for anything
// else, more than three decimals included.
func ParseQuantity(s string) (Quantity, error) {
	v, why := parseDecimal(s, quantityPlaces)
	if why != none {
		return 0, badQuantity()
	}
	return Quantity(v), nil
}

// String is the canonical form: a dot, no final zero, "1.25", "3".
func (q Quantity) String() string { return string(appendTrimmed(nil, int64(q), quantityPlaces)) }

// MarshalText makes a quantity a string in JSON.
func (q Quantity) MarshalText() ([]byte, error) {
	return appendTrimmed(nil, int64(q), quantityPlaces), nil
}

// UnmarshalText is ParseQuantity; it also tells schema generators that this is a string.
func (q *Quantity) UnmarshalText(text []byte) error {
	read, err := ParseQuantity(string(text))
	if err != nil {
		return err
	}
	*q = read
	return nil
}

// UnmarshalJSON reads a decimal string and refuses a JSON number as money.quantity:
// most readers make a float of it.
func (q *Quantity) UnmarshalJSON(data []byte) error {
	s := scanner{data: data}
	text, ok := s.text()
	if !ok || !s.finished() {
		return badQuantity()
	}
	return q.UnmarshalText(text)
}

// Times is the price of q at unitMinor each, in minor units, rounded half away from
// zero. Error: money.overflow.
func (q Quantity) Times(unitMinor int64) (int64, error) {
	return mulDiv(int64(q), unitMinor, quantityScale)
}

func badQuantity() error { return problem.New(problem.Invalid, "money.quantity") }
