package iso8583

// separator stands between number and expiry in the text of track 2; packed two
// digits a byte it is the nibble D.
const separator = '='

// Encoding is how something becomes bytes.
type Encoding byte

// Encodings. Not every thing can have every one: see [Packing].
const (
	InASCII     Encoding = iota + 1 // a byte a character
	InEBCDIC                        // a byte a character, code page 037
	InBCD                           // two digits a byte
	InBytes                         // as it is; a length as a binary number
	InHex                           // two ASCII characters a byte; a length in hex digits
	InEBCDICHex                     // two EBCDIC characters a byte
)

// ebcdic is code page 037 for the characters 20 to 7E of ASCII, in their order.
const ebcdic = "\x40\x5A\x7F\x7B\x5B\x6C\x50\x7D\x4D\x5D\x5C\x4E\x6B\x60\x4B\x61" +
	"\xF0\xF1\xF2\xF3\xF4\xF5\xF6\xF7\xF8\xF9\x7A\x5E\x4C\x7E\x6E\x6F" +
	"\x7C\xC1\xC2\xC3\xC4\xC5\xC6\xC7\xC8\xC9\xD1\xD2\xD3\xD4\xD5\xD6" +
	"\xD7\xD8\xD9\xE2\xE3\xE4\xE5\xE6\xE7\xE8\xE9\xBA\xE0\xBB\xB0\x6D" +
	"\x79\x81\x82\x83\x84\x85\x86\x87\x88\x89\x91\x92\x93\x94\x95\x96" +
	"\x97\x98\x99\xA2\xA3\xA4\xA5\xA6\xA7\xA8\xA9\xC0\x4F\xD0\xA1"

// fromEBCDIC is the way back; what does not print is 0.
var fromEBCDIC = func() (table [256]byte) {
	for i := range len(ebcdic) {
		table[ebcdic[i]] = byte(' ' + i)
	}
	return table
}()

// appendText writes printable characters, one byte each.
func appendText(out []byte, e Encoding, text string) []byte {
	if e == InASCII {
		return append(out, text...)
	}
	for i := range len(text) {
		out = append(out, ebcdic[text[i]-' '])
	}
	return out
}

// readText reads characters of one byte each; false where one does not print.
func readText(e Encoding, b []byte) (string, bool) {
	text := make([]byte, len(b))
	for i, c := range b {
		if e == InEBCDIC {
			c = fromEBCDIC[c]
		}
		if c < ' ' || c > '~' {
			return "", false
		}
		text[i] = c
	}
	return string(text), true
}

const upperHex = "0123456789ABCDEF"

// appendHex writes bytes as hex characters, which print.
func appendHex(out []byte, e Encoding, b string) []byte {
	text := InASCII
	if e == InEBCDICHex {
		text = InEBCDIC
	}
	for i := range len(b) {
		out = appendText(out, text, string([]byte{upperHex[b[i]>>4], upperHex[b[i]&0xF]}))
	}
	return out
}

// readHex reads bytes written as hex characters; false where one is none.
func readHex(e Encoding, b []byte) (string, bool) {
	out := make([]byte, len(b)/2)
	for i, c := range b {
		if e == InEBCDICHex {
			c = fromEBCDIC[c]
		}
		n, ok := nibble(c)
		if !ok {
			return "", false
		}
		out[i/2] = out[i/2]<<4 | n
	}
	return string(out), true
}

// nibble is the value of a hex digit.
func nibble(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	}
	return 0, false
}

// appendNibbles writes digits two a byte; their number is even.
func appendNibbles(out []byte, text string) []byte {
	for i := 0; i+1 < len(text); i += 2 {
		out = append(out, packed(text[i])<<4|packed(text[i+1]))
	}
	return out
}

// packed is the nibble of a digit or of the separator.
func packed(c byte) byte {
	if c == separator {
		return 0xD
	}
	n, _ := nibble(c) // the value was checked
	return n
}

// readNibbles reads digits two a byte; D is the separator.
func readNibbles(b []byte) []byte {
	text := make([]byte, 2*len(b))
	for i, c := range b {
		text[2*i], text[2*i+1] = unpacked(c>>4), unpacked(c&0xF)
	}
	return text
}

func unpacked(n byte) byte {
	if n == 0xD {
		return separator
	}
	return upperHex[n]
}
