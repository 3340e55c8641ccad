package iso8583

import (
	"fmt"
	"strings"
)

// Element is one of the things that the profile carries in DE48: two letters,
// two digits of length, the value.
type Element struct{ Type, Value string }

// Types of element. A host leaves alone those it does not know.
const (
	ElementBatch       = "BN" // batch number, digits
	ElementLine        = "LN" // place of a line in its batch, from 1
	ElementReason      = "RR" // why a reversal: four digits, as DE25 of ISO 8583:1993
	ElementScheme      = "SC" // the scheme chosen on a card of several, as card.Scheme
	ElementAffiliation = "AF" // the merchant's number at the scheme
	ElementOperation   = "OP" // the sender's name for the operation: two books can be laid side by side
)

// maxElement is the greatest value of an element.
const maxElement = 99

// Elements is the content of DE48, in its order.
type Elements []Element

// Get is the value of the first element of a type, empty where there is none.
func (e Elements) Get(kind string) string {
	for _, one := range e {
		if one.Type == kind {
			return one.Value
		}
	}
	return ""
}

// String is the elements as DE48 carries them. A value over 99 characters is cut.
func (e Elements) String() string {
	var b strings.Builder
	for _, one := range e {
		value := one.Value[:min(len(one.Value), maxElement)]
		fmt.Fprintf(&b, "%s%02d%s", one.Type, len(value), value)
	}
	return b.String()
}

// ParseElements reads DE48. Problem iso8583.malformed names the field and the
// offset in it.
func ParseElements(text string) (Elements, error) {
	var all Elements
	for at := 0; at < len(text); {
		rest := text[at:]
		if len(rest) < 4 || !digits(rest[2:4]) {
			return nil, malformed(elementField, at, "no type and length")
		}
		n := int(rest[2]-'0')*10 + int(rest[3]-'0')
		if len(rest) < 4+n {
			return nil, malformed(elementField, at, "shorter than it says")
		}
		all = append(all, Element{rest[:2], rest[4 : 4+n]})
		at += 4 + n
	}
	return all, nil
}
