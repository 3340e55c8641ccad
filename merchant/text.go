package merchant

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// zeroWidthJoiner holds emoji together; all other invisible characters are refused.
const zeroWidthJoiner = '\u200d'

// Clean is a name as Encaisse keeps it: one line, in Unicode's composed form,
// without space at its ends and with single spaces inside, so that what looks
// the same is the same. It is not ok when nothing is left, when there are more
// than most characters, or when one of them is not text.
func Clean(s string, most int) (clean string, ok bool) {
	if !utf8.ValidString(s) || len(s) > most*utf8.UTFMax*2 { // before the work of composing
		return "", false
	}
	clean = strings.Join(strings.FieldsFunc(norm.NFC.String(s), isSpace), " ")
	if clean == "" || utf8.RuneCountInString(clean) > most {
		return "", false
	}
	for _, r := range clean {
		if r != zeroWidthJoiner && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp) || r == utf8.RuneError {
			return "", false
		}
	}
	return clean, true
}

// isSpace leaves line breaks and other controls to be refused: a name that has
// them was not meant as one name.
func isSpace(r rune) bool { return r == '\t' || unicode.Is(unicode.Zs, r) }
