package fiscal

import (
	"strconv"
	"unicode/utf8"
)

// Canon writes canonical JSON as RFC 8785 (JCS) defines it, restricted to what
// a record may hold: objects, lists of objects, strings, 64-bit integers and
// true. Keys must be written in ascending order; anything else is a mistake of
// the caller and panics, because a record that is not canonical must not exist.
type Canon struct {
	buf   []byte
	last  string // last key written in the open object
	first bool   // nothing written in the open object yet
}

// Str writes a string member. Bytes that are not UTF-8 become U+FFFD: the doors
// refuse them long before.
func (c *Canon) Str(key, value string) {
	c.key(key)
	c.text(value)
}

// Int writes an integer member.
func (c *Canon) Int(key string, value int64) {
	c.key(key)
	c.buf = strconv.AppendInt(c.buf, value, 10)
}

// True writes a member that is true; what is false is left out.
func (c *Canon) True(key string) {
	c.key(key)
	c.buf = append(c.buf, "true"...)
}

// Object writes a member that is an object, whose members fill writes.
func (c *Canon) Object(key string, fill func()) {
	c.key(key)
	c.object(fill)
}

// List writes a member that is a list of n objects, whose members fill writes.
func (c *Canon) List(key string, n int, fill func(i int)) {
	c.key(key)
	c.buf = append(c.buf, '[')
	for i := range n {
		if i > 0 {
			c.buf = append(c.buf, ',')
		}
		c.object(func() { fill(i) })
	}
	c.buf = append(c.buf, ']')
}

func (c *Canon) object(fill func()) {
	last, first := c.last, c.first
	c.last, c.first = "", true
	c.buf = append(c.buf, '{')
	fill()
	c.buf = append(c.buf, '}')
	c.last, c.first = last, first
}

func (c *Canon) key(key string) {
	if !c.first {
		if key <= c.last {
			panic("fiscal: key " + key + " after " + c.last)
		}
		c.buf = append(c.buf, ',')
	}
	c.first, c.last = false, key
	c.text(key)
	c.buf = append(c.buf, ':')
}

const hexDigits = "0123456789abcdef"

// text writes a JSON string with the escapes of RFC 8785 §3.2.2.2 and no others.
func (c *Canon) text(s string) {
	c.buf = append(c.buf, '"')
	start := 0
	for i := 0; i < len(s); {
		b := s[i]
		if b >= 0x20 && b != '"' && b != '\\' && b < utf8.RuneSelf {
			i++
			continue
		}
		if b >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
			c.buf = append(c.buf, s[start:i]...)
			c.buf = append(c.buf, "\uFFFD"...)
		} else {
			c.buf = append(c.buf, s[start:i]...)
			c.escape(b)
		}
		i++
		start = i
	}
	c.buf = append(c.buf, s[start:]...)
	c.buf = append(c.buf, '"')
}

func (c *Canon) escape(b byte) {
	switch b {
	case '"', '\\':
		c.buf = append(c.buf, '\\', b)
	case '\b':
		c.buf = append(c.buf, `\b`...)
	case '\t':
		c.buf = append(c.buf, `\t`...)
	case '\n':
		c.buf = append(c.buf, `\n`...)
	case '\f':
		c.buf = append(c.buf, `\f`...)
	case '\r':
		c.buf = append(c.buf, `\r`...)
	default:
		c.buf = append(c.buf, `\u00`...)
		c.buf = append(c.buf, hexDigits[b>>4], hexDigits[b&15])
	}
}

// Body writes one canonical object on its own: a noun's part of a record.
func Body(fill func(c *Canon)) []byte {
	c := &Canon{buf: make([]byte, 0, 512)}
	c.object(func() { fill(c) })
	return c.buf
}
