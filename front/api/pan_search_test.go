package api_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"encaisse/base/card"
	"encaisse/base/emv"
)

// Limits of the search.
const (
	peels        = 2  // encodings around encodings: base64 in base64
	leastHex     = 24 // characters of hex that may hold a secret of 12 digits as text
	leastBase64  = 10 // characters of base64 that hold one of 13 digits packed, whatever is around it
	serviceZeros = "00000"
)

// panSecret is something that may be found nowhere. Its name is what a failure
// prints: never the value.
type panSecret struct {
	name   string
	digits string // lower-case hex digits: a number, a track with d as separator, a PIN block
}

// panSecrets are what a card of the deck must leave nowhere: its number; its track
// 2, and what follows the number there, since a masked number makes a whole track
// no better; the PIN block of its code. Cards of the deck have no security code:
// nothing here reads or takes one (bareCVV stands for one that is sent all the same).
func panSecrets(c card.TestCard) []panSecret {
	rest := "d" + c.Expiry + c.Service + serviceZeros
	out := []panSecret{
		{c.Name + ": number", c.Number},
		{c.Name + ": track 2", c.Number + rest},
		{c.Name + ": track 2 after the number", rest},
	}
	if c.PIN != "" {
		out = append(out, panSecret{c.Name + ": PIN block", strings.ToLower(emv.PINBlock(c.PIN, c.Number))})
	}
	return out
}

// panSearcher looks for secrets in bytes of any origin. It does not look for each
// secret in each encoding: it takes encodings off what it searches and looks for
// digits beneath, so that neither the alignment of an encoding nor what stands
// around a secret hides it.
type panSearcher struct {
	secrets  []panSecret
	byteList *regexp.Regexp // bytes as fmt prints them in a struct: [52 57 55]
}

func newPANSearcher(secrets ...panSecret) *panSearcher {
	return &panSearcher{secrets, regexp.MustCompile(`\[(?:[0-9]{1,3} )+[0-9]{1,3}\]`)}
}

// find names the secrets that stand in the place.
func (s *panSearcher) find(place []byte) (names []string) {
	s.walk(place, peels, func(view []byte) {
		text, packed := panText(view), hex.EncodeToString(view)
		for _, secret := range s.secrets {
			if strings.Contains(text, secret.digits) || strings.Contains(packed, secret.digits) {
				names = append(names, secret.name)
			}
		}
	})
	slices.Sort(names)
	return slices.Compact(names)
}

// panText is bytes as characters, however a person or a host would write them:
// capitals or not, in groups of four, with = in the track. (The other form, packed
// two digits a byte, is found in the hex of the bytes, where it may begin in the
// middle of one and end in any filler.)
func panText(view []byte) string {
	out := make([]byte, 0, len(view))
	for _, c := range bytes.ToLower(view) {
		switch c {
		case ' ', '-':
		case '=':
			out = append(out, 'd')
		default:
			out = append(out, c)
		}
	}
	return string(out)
}

// walk visits the bytes, and what is left of them when encodings are taken off.
func (s *panSearcher) walk(view []byte, peels int, visit func([]byte)) {
	if len(view) == 0 {
		return
	}
	visit(view)
	if peels == 0 {
		return
	}
	s.walk(unquoted(view), peels-1, visit)
	s.walk(s.listed(view), peels-1, visit)
	for offset := range 2 {
		s.walk(decodedRuns(view, offset, leastHex, isHex, decodeHex), peels-1, visit)
	}
	for offset := range 4 {
		s.walk(decodedRuns(view, offset, leastBase64, isBase64, decodeBase64), peels-1, visit)
	}
}

// decodedRuns takes every run of an encoding's characters and decodes it from an
// offset: one of them is where the encoding began.
func decodedRuns(view []byte, offset, least int, is func(byte) bool, decode func([]byte) []byte) (out []byte) {
	for i := 0; i < len(view); i++ {
		start := i
		for i < len(view) && is(view[i]) {
			i++
		}
		if i-start >= least {
			out = append(append(out, decode(view[start+offset:i])...), 0) // runs do not touch
		}
	}
	return out
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' }

func decodeHex(run []byte) []byte {
	out := make([]byte, len(run)/2)
	n, _ := hex.Decode(out, run[:len(out)*2]) // every character is one of its
	return out[:n]
}

// isBase64 takes both alphabets.
func isBase64(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '+' || c == '/' || c == '-' || c == '_'
}

func decodeBase64(run []byte) []byte {
	if len(run)%4 == 1 {
		run = run[:len(run)-1]
	}
	run = bytes.ReplaceAll(bytes.ReplaceAll(run, []byte("-"), []byte("+")), []byte("_"), []byte("/"))
	out := make([]byte, base64.RawStdEncoding.DecodedLen(len(run)))
	n, _ := base64.RawStdEncoding.Decode(out, run) // every character is one of its
	return out[:n]
}

// unquoted undoes what a log or a JSON text does to bytes: \x97, \u0001, \n.
func unquoted(view []byte) (out []byte) {
	if !bytes.Contains(view, []byte(`\`)) {
		return nil
	}
	for i := 0; i < len(view); i++ {
		if view[i] != '\\' || i+1 == len(view) {
			out = append(out, view[i])
			continue
		}
		c, taken := escape(view[i+1:])
		out = append(out, c...)
		i += taken
	}
	return out
}

// escape is the bytes that stand after a backslash, and how long they are there: \u
// stands for a character of UTF-8, which two bytes of anything may happen to be.
func escape(view []byte) (out []byte, taken int) {
	for prefix, digits := range map[byte]int{'x': 2, 'u': 4} {
		if view[0] != prefix || len(view) <= digits {
			continue
		}
		n, err := strconv.ParseUint(string(view[1:1+digits]), 16, 16)
		switch {
		case err != nil:
		case prefix == 'u':
			return utf8.AppendRune(nil, rune(n)), 1 + digits
		default:
			return []byte{byte(n)}, 1 + digits
		}
	}
	if i := strings.IndexByte("abtnvfr", view[0]); i >= 0 {
		return []byte{byte('\a' + i)}, 1 // as they follow one another in ASCII
	}
	return view[:1], 1
}

// listed is the bytes that fmt printed as numbers.
func (s *panSearcher) listed(view []byte) (out []byte) {
	for _, list := range s.byteList.FindAll(view, -1) {
		for _, number := range strings.Fields(string(list[1 : len(list)-1])) {
			n, _ := strconv.ParseUint(number, 10, 8) // what is no byte ends a secret as well
			out = append(out, byte(n))
		}
		out = append(out, 0)
	}
	return out
}
