package iso8583

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// Unpack reads a message, all of it: problem iso8583.malformed names the field
// (0 the message type, 1 the bitmap) and the offset of what cannot be right,
// and never what was there.
func (s *Spec) Unpack(b []byte) (*Message, error) {
	r := reader{spec: s, in: b}
	m, err := r.head()
	if err != nil {
		return nil, err
	}
	first, second, err := r.bitmaps(m)
	if err != nil {
		return nil, err
	}
	m.fields = make([]value, 0, bits.OnesCount64(first)+bits.OnesCount64(second))
	for n := 2; n <= maxField; n++ {
		if n <= 64 && first&(1<<(64-n)) == 0 || n > 64 && second&(1<<(128-n)) == 0 {
			continue
		}
		c := s.fields[n]
		if c == nil {
			return nil, malformed(n, r.at, "unknown field")
		}
		text, err := r.field(c)
		if err != nil {
			return nil, err
		}
		m.fields = append(m.fields, value{n, text})
	}
	if left := len(b) - r.at; left > 0 {
		return nil, malformed(0, r.at, fmt.Sprintf("%d bytes after the last field", left))
	}
	return m, nil
}

// reader goes through the bytes of one message.
type reader struct {
	spec *Spec
	in   []byte
	at   int
}

// take is the next n bytes.
func (r *reader) take(field, n int) ([]byte, error) {
	if left := len(r.in) - r.at; n > left {
		return nil, malformed(field, r.at, fmt.Sprintf("%d bytes are needed, %d are left", n, left))
	}
	b := r.in[r.at : r.at+n]
	r.at += n
	return b, nil
}

// head reads the message type.
func (r *reader) head() (*Message, error) {
	m := &Message{}
	if r.spec.packing.MTI == InBCD {
		b, err := r.take(0, 2)
		if err != nil {
			return nil, err
		}
		m.MTI = string(readNibbles(b))
	} else {
		b, err := r.take(0, 4)
		if err != nil {
			return nil, err
		}
		m.MTI, _ = readText(r.spec.packing.MTI, b)
	}
	if !isMTI(m.MTI) {
		return nil, malformed(0, 0, "the message type is four digits")
	}
	return m, nil
}

// bitmaps reads the first bitmap and, where its first bit says so, the second.
func (r *reader) bitmaps(m *Message) (first, second uint64, err error) {
	if first, err = r.bitmap(); err != nil || first&(1<<63) == 0 {
		return first, 0, err
	}
	if second, err = r.bitmap(); err != nil {
		return 0, 0, err
	}
	m.Extended = second == 0
	return first, second, nil
}

func (r *reader) bitmap() (uint64, error) {
	start := r.at
	e := r.spec.packing.Bitmap
	if e == InBytes {
		b, err := r.take(1, 8)
		if err != nil {
			return 0, err
		}
		return binary.BigEndian.Uint64(b), nil
	}
	b, err := r.take(1, 16)
	if err != nil {
		return 0, err
	}
	text, ok := readHex(e, b)
	if !ok {
		return 0, malformed(1, start, "not hex")
	}
	return binary.BigEndian.Uint64([]byte(text)), nil
}

// field reads the value of a field.
func (r *reader) field(c *coder) (string, error) {
	start, n := r.at, c.size
	if c.prefix > 0 {
		var err error
		if n, err = r.length(c); err != nil {
			return "", err
		}
	}
	text, err := r.content(c, n)
	if err != nil {
		return "", err
	}
	if why := c.wrong(text); why != "" {
		return "", malformed(c.number, start, why)
	}
	return text, nil
}

// length reads a length in the units of the field; where it counts bytes, digits
// packed two a byte are an even number, of which one may be filler.
func (r *reader) length(c *coder) (int, error) {
	start := r.at
	n, err := r.number(c)
	if err != nil {
		return 0, err
	}
	if n < 0 {
		return 0, malformed(c.number, start, "no length")
	}
	if r.spec.packing.CountBytes {
		switch {
		case c.enc == InBCD:
			n *= 2
		case c.content == raw && c.enc != InBytes:
			if n%2 == 1 {
				return 0, malformed(c.number, start, "half a byte in hex")
			}
			n /= 2
		}
	}
	if n > c.size && !(c.enc == InBCD && r.spec.packing.CountBytes && n == c.size+1) {
		return 0, malformed(c.number, start, fmt.Sprintf("length %d, over %d", n, c.size))
	}
	return n, nil
}

// number reads a length as it is written; -1 where there is none to read.
func (r *reader) number(c *coder) (int, error) {
	e, width := r.spec.packing.Length, c.prefix
	switch e {
	case InBytes:
		b, err := r.take(c.number, c.lengthBytes())
		if err != nil {
			return 0, err
		}
		n := 0
		for _, v := range b {
			n = n<<8 | int(v)
		}
		return n, nil
	case InBCD:
		b, err := r.take(c.number, (width+1)/2)
		if err != nil {
			return 0, err
		}
		text := string(readNibbles(b))
		if width%2 == 1 { // one nibble is not a digit of it, and is zero
			cut, ok := strings.CutPrefix(text, "0")
			if r.spec.packing.LengthRight {
				cut, ok = strings.CutSuffix(text, "0")
			}
			if !ok {
				return -1, nil
			}
			text = cut
		}
		return decimal(text, 10), nil
	case InHex:
		b, err := r.take(c.number, c.hex)
		if err != nil {
			return 0, err
		}
		return decimal(string(b), 16), nil
	}
	b, err := r.take(c.number, width)
	if err != nil {
		return 0, err
	}
	text, _ := readText(e, b)
	return decimal(text, 10), nil
}

// decimal is a number in text, digits alone, or -1.
func decimal(text string, base int) int {
	n, err := strconv.ParseUint(text, base, 31)
	if err != nil {
		return -1
	}
	return int(n)
}

// content reads n units of a field.
func (r *reader) content(c *coder, n int) (string, error) {
	sign, start := "", r.at
	if c.content == signed {
		b, err := r.take(c.number, 1)
		if err != nil {
			return "", err
		}
		sign, _ = readText(r.spec.packing.Text, b)
		if sign == "" {
			return "", malformed(c.number, start, "no sign")
		}
	}
	b, err := r.take(c.number, c.wire(n))
	if err != nil {
		return "", err
	}
	text, ok := "", true
	switch {
	case c.content == raw && c.enc == InBytes:
		return string(b), nil
	case c.content == raw:
		text, ok = readHex(c.enc, b)
	case c.enc == InBCD:
		text, ok = r.unfill(c, n, string(readNibbles(b)))
	default:
		text, ok = readText(c.enc, b)
		if ok && c.content == track {
			text, ok = r.divide(text)
		}
	}
	if !ok {
		return "", malformed(c.number, start, "not in the encoding of the field")
	}
	return sign + text, nil
}

// divide gives track 2 the separator of its text.
func (r *reader) divide(text string) (string, bool) {
	if r.spec.packing.Separator == separator {
		return text, true
	}
	if strings.ContainsRune(text, separator) {
		return "", false // the agreed separator is another: two for one would not pack again
	}
	return strings.ReplaceAll(text, string(rune(r.spec.packing.Separator)), string(rune(separator))), true
}

// unfill takes the filler off digits that were packed two a byte; false where
// something else stands in its place.
func (r *reader) unfill(c *coder, n int, text string) (string, bool) {
	p := r.spec.packing
	filler, right := string(upperHex[p.Filler]), p.FillRight
	if c.prefix == 0 {
		filler, right = "0", false
	}
	cut, filled := strings.CutPrefix(text, filler)
	if right {
		cut, filled = strings.CutSuffix(text, filler)
	}
	switch {
	case c.prefix > 0 && p.CountBytes:
		if filled && p.Filler == 0xF {
			text = cut
		}
	case n%2 == 1:
		if !filled {
			return "", false
		}
		text = cut
	}
	if c.content == track && p.Filler == 0xF && strings.Contains(text, "F") {
		return "", false
	}
	return text, true
}
