package iso8583

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"encaisse/base/card"
	"encaisse/base/emv"
)

// secret fields hold card data. What is shown of one is nothing but its length,
// save for what a mask may leave of a number.
var secret = map[int]func(text string) string{
	2: maskPAN, 34: hide, 35: maskTrack2, 36: hide, 45: hide, 52: hide, 55: maskChip, 102: hide, 103: hide,
}

// chipSecrets are the data objects of DE55 that hold card data: number, track 2,
// track 1 and 2 discretionary data, expiry is none, the holder's name is.
var chipSecrets = map[emv.Tag]func(text string) string{
	emv.TagPAN: func(text string) string { return maskPAN(strings.TrimRight(text, "F")) },
	emv.TagTrack2: func(text string) string {
		return maskTrack2(strings.Replace(strings.TrimRight(text, "F"), "D", "=", 1))
	},
	0x56: hide, 0x9F1F: hide, 0x9F20: hide, 0x9F6B: hide, 0x5F20: hide,
}

// Print writes a message for a person: a line a field, card data masked.
func (s *Spec) Print(w io.Writer, m *Message) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "MTI %s  %s\n", m.MTI, Describe(m.MTI))
	for _, f := range m.fields {
		name, text := "?", hex.EncodeToString([]byte(f.text))
		if f.number > 0 && f.number <= maxField && s.fields[f.number] != nil {
			c := s.fields[f.number]
			name = c.name
			if c.content != raw {
				text = fmt.Sprintf("%q", f.text)
			}
		}
		if mask, ok := secret[f.number]; ok {
			text = mask(f.text)
		}
		fmt.Fprintf(out, "%3d %-45s %s\n", f.number, name, text)
	}
	return out.Flush()
}

// hide shows how long something is.
func hide(text string) string { return fmt.Sprintf("(%d hidden)", len(text)) }

// maskPAN leaves the first six and the last four digits of a card number. What
// is not one is hidden: it may be one with an error.
func maskPAN(text string) string {
	pan, err := card.ParsePAN(text)
	if err != nil {
		return hide(text)
	}
	return pan.Masked()
}

// maskTrack2 leaves what maskPAN leaves of the number before the separator.
func maskTrack2(text string) string {
	number, _, found := strings.Cut(text, string(rune(separator)))
	if !found {
		return hide(text)
	}
	return maskPAN(number) + "=…"
}

// maskChip shows the data objects of the chip, those with card data masked.
func maskChip(text string) string {
	list, err := emv.Parse([]byte(text))
	if err != nil {
		return hide(text)
	}
	return strings.Join(chipObjects(list), " ")
}

func chipObjects(list emv.List) []string {
	var shown []string
	for _, o := range list {
		if o.Children != nil {
			shown = append(shown, o.Tag.String()+"{"+strings.Join(chipObjects(o.Children), " ")+"}")
			continue
		}
		value := strings.ToUpper(hex.EncodeToString(o.Value))
		if mask, ok := chipSecrets[o.Tag]; ok {
			value = mask(value)
		}
		shown = append(shown, o.Tag.String()+"="+value)
	}
	return shown
}

// classes and functions are the second and the third digit of a message type.
var (
	classes   = map[byte]string{'1': "authorisation", '2': "financial", '3': "file", '4': "reversal", '5': "reconciliation", '6': "administration", '8': "network"}
	functions = map[byte]string{'0': "request", '1': "response", '2': "advice", '3': "advice response", '4': "notification"}
)

// Describe says in words what a message type is: "reversal advice, repeat".
func Describe(mti string) string {
	if !isMTI(mti) {
		return "no message type"
	}
	class, function := classes[mti[1]], functions[mti[2]]
	if class == "" || function == "" {
		return "unknown message type"
	}
	words := class + " " + function
	if mti[3] == '1' || mti[3] == '3' || mti[3] == '5' {
		words += ", repeat"
	}
	return words
}
