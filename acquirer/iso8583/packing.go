package iso8583

import (
	"fmt"
	"strconv"
)

// Packing is how the two ends of a link agreed to write things. The zero value
// of Chip means as Binary, of Separator '='.
type Packing struct {
	MTI    Encoding // ASCII, EBCDIC, BCD
	Bitmap Encoding // bytes, hex, EBCDIC hex
	Number Encoding // n and the digits of x+n: ASCII, EBCDIC, BCD
	Text   Encoding // a, an, ans and signs: ASCII, EBCDIC
	Track  Encoding // z: ASCII, EBCDIC, BCD
	Binary Encoding // b: bytes, hex, EBCDIC hex
	Chip   Encoding // DE55, where it differs from the other binary fields
	Length Encoding // lengths: ASCII, EBCDIC, BCD, bytes, hex digits

	// CountBytes: a length counts bytes as they are sent. Otherwise it counts
	// what a reader would: digits, characters, bytes of the value.
	CountBytes bool
	// An odd number of digits of variable length, packed two a byte, needs one
	// nibble more: Filler, 0 or F, after the digits if FillRight, else before.
	// Fields of fixed length have a leading zero.
	FillRight bool
	Filler    byte
	// LengthRight: a packed length of three digits has its zero after the digits.
	LengthRight bool
	// Separator is how track 2 is divided where it is sent as characters: '=' or 'D'.
	Separator byte
}

// ASCII is a packing that a person can read: everything is characters, bitmap
// and binary fields in hex.
func ASCII() Packing {
	return Packing{
		MTI: InASCII, Bitmap: InHex, Number: InASCII, Text: InASCII, Track: InASCII, Binary: InHex, Length: InASCII,
	}
}

// BCD is the compact packing of terminals: digits two a byte, the rest as bytes.
func BCD() Packing {
	return Packing{
		MTI: InBCD, Bitmap: InBytes, Number: InBCD, Text: InASCII, Track: InBCD, Binary: InBytes, Length: InBCD,
		FillRight: true, Filler: 0xF,
	}
}

// EBCDIC is the packing of mainframes: characters in code page 037, the bitmap
// and binary fields as bytes.
func EBCDIC() Packing {
	return Packing{
		MTI: InEBCDIC, Bitmap: InBytes, Number: InEBCDIC, Text: InEBCDIC, Track: InEBCDIC, Binary: InBytes, Length: InEBCDIC,
	}
}

// check tells which choice of a packing has no meaning.
func (p Packing) check() error {
	for _, c := range []struct {
		name    string
		chosen  Encoding
		allowed []Encoding
	}{
		{"MTI", p.MTI, []Encoding{InASCII, InEBCDIC, InBCD}},
		{"Bitmap", p.Bitmap, []Encoding{InBytes, InHex, InEBCDICHex}},
		{"Number", p.Number, []Encoding{InASCII, InEBCDIC, InBCD}},
		{"Text", p.Text, []Encoding{InASCII, InEBCDIC}},
		{"Track", p.Track, []Encoding{InASCII, InEBCDIC, InBCD}},
		{"Binary", p.Binary, []Encoding{InBytes, InHex, InEBCDICHex}},
		{"Chip", p.Chip, []Encoding{0, InBytes, InHex, InEBCDICHex}},
		{"Length", p.Length, []Encoding{InASCII, InEBCDIC, InBCD, InBytes, InHex}},
	} {
		ok := false
		for _, e := range c.allowed {
			ok = ok || e == c.chosen
		}
		if !ok {
			return fmt.Errorf("iso8583: packing: %s cannot be %d", c.name, c.chosen)
		}
	}
	if p.Filler != 0 && p.Filler != 0xF {
		return fmt.Errorf("iso8583: packing: filler %X is neither 0 nor F", p.Filler)
	}
	if p.Separator != 0 && p.Separator != separator && p.Separator != 'D' {
		return fmt.Errorf("iso8583: packing: separator is neither = nor D")
	}
	return nil
}

// encoding is how the content of a field is written.
func (p Packing) encoding(field int, c content) Encoding {
	switch c {
	case numeric, signed:
		return p.Number
	case track:
		return p.Track
	case raw:
		if field == chipField && p.Chip != 0 {
			return p.Chip
		}
		return p.Binary
	}
	return p.Text
}

// Spec is a table of fields with a packing: it makes bytes of messages and
// messages of bytes. It never changes and may be used by many at once.
type Spec struct {
	packing Packing
	fields  [maxField + 1]*coder
}

// coder is a field of a spec.
type coder struct {
	shape
	number int
	name   string
	enc    Encoding
	hex    int // hex digits that the greatest length needs
}

// NewSpec makes a spec. It fails on a form or a packing that has no meaning.
func NewSpec(table map[int]Field, p Packing) (*Spec, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	if p.Separator == 0 {
		p.Separator = separator
	}
	s := &Spec{packing: p}
	for number, f := range table {
		if number < 2 || number > maxField || number == 65 {
			return nil, fmt.Errorf("iso8583: no table has a field %d", number)
		}
		shape, err := parseForm(f.Form)
		if err != nil {
			return nil, fmt.Errorf("field %d: %w", number, err)
		}
		s.fields[number] = &coder{
			shape: shape, number: number, name: f.Name, enc: p.encoding(number, shape.content),
			hex: len(strconv.FormatInt(int64(shape.size), 16)),
		}
	}
	return s, nil
}

// V1987 is ISO 8583:1987 in the given packing. A packing is a choice of the
// program: it panics on one that has no meaning.
func V1987(p Packing) *Spec {
	s, err := NewSpec(fields1987, p)
	if err != nil {
		panic(err)
	}
	return s
}

// Packing is how the spec writes things.
func (s *Spec) Packing() Packing { return s.packing }
