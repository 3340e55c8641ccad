package iso8583

import (
	"encoding/binary"
	"strconv"
	"strings"
)

// Pack makes the bytes of a message. Problem iso8583.value names the field whose
// value does not fit its form, and never the value.
func (s *Spec) Pack(m *Message) ([]byte, error) {
	if !isMTI(m.MTI) {
		return nil, unpackable(0, "the message type is four digits")
	}
	out := make([]byte, 0, 512)
	if s.packing.MTI == InBCD {
		out = appendNibbles(out, m.MTI)
	} else {
		out = appendText(out, s.packing.MTI, m.MTI)
	}
	bitmap, err := s.bitmap(m)
	if err != nil {
		return nil, err
	}
	if s.packing.Bitmap == InBytes {
		out = append(out, bitmap...)
	} else {
		out = appendHex(out, s.packing.Bitmap, string(bitmap))
	}
	for _, f := range m.fields {
		if out, err = s.appendField(out, s.fields[f.number], f.text); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// bitmap names the fields of a message; all of them are in the table.
func (s *Spec) bitmap(m *Message) ([]byte, error) {
	var first, second uint64
	for _, f := range m.fields {
		switch {
		case f.number < 2 || f.number > maxField || s.fields[f.number] == nil:
			return nil, unpackable(f.number, "unknown field")
		case f.number <= 64:
			first |= 1 << (64 - f.number)
		default:
			second |= 1 << (128 - f.number)
		}
	}
	if second == 0 && !m.Extended {
		return binary.BigEndian.AppendUint64(nil, first), nil
	}
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, first|1<<63), second), nil
}

// appendField writes a field with its length before it.
func (s *Spec) appendField(out []byte, c *coder, text string) ([]byte, error) {
	if why := c.wrong(text); why != "" {
		return nil, unpackable(c.number, why)
	}
	if c.prefix > 0 {
		n := c.length(text)
		if s.packing.CountBytes {
			if n%2 == 1 && c.enc == InBCD && s.packing.Filler != 0xF {
				return nil, unpackable(c.number, "an odd number of digits cannot be told in this packing")
			}
			n = c.wire(n)
		}
		var ok bool
		if out, ok = s.appendLength(out, c, n); !ok {
			return nil, unpackable(c.number, "the length does not fit its prefix")
		}
	}
	switch {
	case c.content == raw && c.enc == InBytes:
		return append(out, text...), nil
	case c.content == raw:
		return appendHex(out, c.enc, text), nil
	case c.content == signed:
		out, text = appendText(out, s.packing.Text, text[:1]), text[1:]
	}
	if c.enc == InBCD {
		if c.content == track && s.packing.Filler == 0xF && strings.Contains(text, "F") {
			return nil, unpackable(c.number, "the filler cannot be a character")
		}
		return appendNibbles(out, s.even(c, text)), nil
	}
	if c.content == track && s.packing.Separator != separator {
		text = strings.ReplaceAll(text, string(rune(separator)), string(rune(s.packing.Separator)))
	}
	return appendText(out, c.enc, text), nil
}

// wire is how many bytes n units of a field take.
func (c *coder) wire(n int) int {
	switch {
	case c.enc == InBCD:
		return (n + 1) / 2
	case c.content == raw && c.enc != InBytes:
		return 2 * n
	}
	return n
}

// even puts a filler beside an odd number of digits.
func (s *Spec) even(c *coder, text string) string {
	switch {
	case len(text)%2 == 0:
		return text
	case c.prefix == 0:
		return "0" + text
	case s.packing.FillRight:
		return text + string(upperHex[s.packing.Filler])
	}
	return string(upperHex[s.packing.Filler]) + text
}

// appendLength writes a length; false where it has no room.
func (s *Spec) appendLength(out []byte, c *coder, n int) ([]byte, bool) {
	text := strconv.Itoa(n)
	if len(text) > c.prefix {
		return nil, false
	}
	text = strings.Repeat("0", c.prefix-len(text)) + text
	switch s.packing.Length {
	case InBCD:
		if len(text)%2 == 1 && s.packing.LengthRight {
			text += "0"
		} else if len(text)%2 == 1 {
			text = "0" + text
		}
		return appendNibbles(out, text), true
	case InBytes:
		if c.lengthBytes() == 1 {
			return append(out, byte(n)), n < 1<<8
		}
		return binary.BigEndian.AppendUint16(out, uint16(n)), n < 1<<16
	case InHex:
		text = strings.ToUpper(strconv.FormatInt(int64(n), 16))
		if len(text) > c.hex {
			return nil, false
		}
		text = strings.Repeat("0", c.hex-len(text)) + text
		return append(out, text...), true
	}
	return appendText(out, s.packing.Length, text), true
}

// lengthBytes is how many bytes hold a binary length.
func (c *coder) lengthBytes() int {
	if c.prefix <= 2 {
		return 1
	}
	return 2
}
