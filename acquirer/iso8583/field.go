package iso8583

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Field is one line of a table: how the standard writes its form, and its name.
//
// The form is "n 6" for six digits, "n..19" for up to 19 digits after a length of
// two digits, "ans...999" after one of three. The letters: n digits, x+n a sign (C
// or D) before the digits, a letters and blanks, an letters, digits and blanks,
// ans anything that prints, z the code set of track 2, b binary, fixed length in
// bits ("b 64"), variable length in bytes ("b...255"). "n 4; MMDD" is held
// against the calendar.
type Field struct {
	Form string
	Name string
}

// content is what a field may hold.
type content byte

const (
	numeric content = iota + 1
	signed
	alpha
	alphanumeric
	printable
	track
	raw
)

// contents are the letters of a form.
var contents = map[string]content{
	"n": numeric, "x+n": signed, "a": alpha, "an": alphanumeric, "ans": printable, "ns": printable, "z": track, "b": raw,
}

// shape is a form that was read.
type shape struct {
	content content
	size    int    // fixed or greatest: digits (without sign), characters or bytes
	prefix  int    // digits of the length before it, 0: fixed
	date    string // "MMDDhhmmss", empty for none
}

var forms = regexp.MustCompile(`^(x\+n|ans|an|ns|n|a|z|b)(\.{2,6}| )([0-9]{1,6})(?:; ([YMDhms]+))?$`)

// parseForm reads a form.
func parseForm(form string) (shape, error) {
	part := forms.FindStringSubmatch(form)
	if part == nil {
		return shape{}, fmt.Errorf("iso8583: form %q is not understood", form)
	}
	s := shape{content: contents[part[1]], date: part[4]}
	s.size, _ = strconv.Atoi(part[3]) // digits, by the expression
	if part[2] != " " {
		s.prefix = len(part[2])
	}
	if s.content == raw && s.prefix == 0 {
		if s.size%8 != 0 {
			return shape{}, fmt.Errorf("iso8583: form %q is not whole bytes", form)
		}
		s.size /= 8
	}
	if s.size == 0 || s.prefix > 0 && len(strconv.Itoa(s.size)) > s.prefix || s.date != "" && len(s.date) != s.size {
		return shape{}, fmt.Errorf("iso8583: form %q does not fit itself", form)
	}
	return s, nil
}

// length is how long a value is in the units of its size.
func (s shape) length(text string) int {
	if s.content == signed {
		return len(text) - 1
	}
	return len(text)
}

// wrong says what is wrong with a value, or "".
func (s shape) wrong(text string) string {
	if s.content == signed && (text == "" || text[0] != 'C' && text[0] != 'D') {
		return "no sign"
	}
	switch n := s.length(text); {
	case s.prefix == 0 && n != s.size:
		return fmt.Sprintf("length %d, not %d", n, s.size)
	case n > s.size:
		return fmt.Sprintf("length %d, over %d", n, s.size)
	}
	if at := s.foreign(text); at >= 0 {
		return fmt.Sprintf("character %d is not allowed", at+1)
	}
	if s.date != "" && !onCalendar(s.date, text) {
		return "no such date or time"
	}
	return ""
}

// foreign is the place of the first character that the content does not allow, or -1.
func (s shape) foreign(text string) int {
	for i := range len(text) {
		if s.content == signed && i == 0 {
			continue
		}
		if !allowed(s.content, text[i]) {
			return i
		}
	}
	return -1
}

func allowed(c content, b byte) bool {
	digit := b >= '0' && b <= '9'
	switch c {
	case numeric, signed:
		return digit
	case alpha, alphanumeric:
		letter := b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z' || b == ' '
		return letter || digit && c == alphanumeric
	case printable:
		return b >= ' ' && b <= '~'
	case track:
		return digit || b == separator || b >= 'A' && b <= 'F' && b != 'D'
	}
	return true
}

// ranges are the least and greatest number of each part of a date or a time.
var ranges = []struct {
	part        string
	least, most int
}{{"YY", 0, 99}, {"MM", 1, 12}, {"DD", 1, 31}, {"hh", 0, 23}, {"mm", 0, 59}, {"ss", 0, 59}}

// onCalendar tells whether digits can be a date or a time of the given form.
func onCalendar(form, text string) bool {
	for _, r := range ranges {
		if at := strings.Index(form, r.part); at >= 0 {
			n := int(text[at]-'0')*10 + int(text[at+1]-'0')
			if n < r.least || n > r.most {
				return false
			}
		}
	}
	return true
}
