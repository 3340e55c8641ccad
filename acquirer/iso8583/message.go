package iso8583

import (
	"sort"

	"encaisse/base/problem"
)

// Fields of the standard are numbered 2 to 128; 1 is the second bitmap.
const maxField = 128

// Message is what is said: a message type and fields. Numeric fields are digits,
// amounts with a sign begin with C or D, track 2 has '=' between number and
// expiry, and binary fields are their bytes.
type Message struct {
	MTI string
	// Extended: a second bitmap is sent although no field needs it.
	Extended bool
	fields   []value // by number
}

type value struct {
	number int
	text   string
}

// NewMessage begins a message of the given type, four digits.
func NewMessage(mti string) *Message {
	return &Message{MTI: mti, fields: make([]value, 0, 24)}
}

// Set gives a field its value, in place of any other. What is wrong with it is
// found by [Spec.Pack].
func (m *Message) Set(field int, text string) {
	at, found := m.find(field)
	if found {
		m.fields[at].text = text
		return
	}
	m.fields = append(m.fields, value{})
	copy(m.fields[at+1:], m.fields[at:])
	m.fields[at] = value{field, text}
}

// SetBytes gives a binary field its value.
func (m *Message) SetBytes(field int, b []byte) { m.Set(field, string(b)) }

// Remove takes a field out.
func (m *Message) Remove(field int) {
	if at, found := m.find(field); found {
		m.fields = append(m.fields[:at], m.fields[at+1:]...)
	}
}

// Get is the value of a field, empty where it is not there.
func (m *Message) Get(field int) string {
	if at, found := m.find(field); found {
		return m.fields[at].text
	}
	return ""
}

// Bytes is the value of a binary field, nil where it is not there.
func (m *Message) Bytes(field int) []byte {
	if !m.Has(field) {
		return nil
	}
	return []byte(m.Get(field))
}

// Has tells whether a field is there, if only empty.
func (m *Message) Has(field int) bool {
	_, found := m.find(field)
	return found
}

// Fields lists the numbers of the fields that are there, lowest first.
func (m *Message) Fields() []int {
	numbers := make([]int, len(m.fields))
	for i, f := range m.fields {
		numbers[i] = f.number
	}
	return numbers
}

// find is the place of a field, or where it would stand.
func (m *Message) find(field int) (int, bool) {
	n := len(m.fields)
	if n == 0 || m.fields[n-1].number < field {
		return n, false // fields are mostly set in their order
	}
	at := sort.Search(n, func(i int) bool { return m.fields[i].number >= field })
	return at, m.fields[at].number == field
}

// AnswerTo is the type of message that answers one of the given type: 0110 to
// 0100 and 0101, 0430 to 0420 and 0421. It is empty where none does.
func AnswerTo(mti string) string {
	if !isMTI(mti) || (mti[2] != '0' && mti[2] != '2') {
		return ""
	}
	return mti[:2] + string(mti[2]+1) + "0"
}

// Repeat is the type of message that says the same again: 0421 for 0420.
func Repeat(mti string) string {
	if !isMTI(mti) {
		return mti
	}
	return mti[:3] + "1"
}

// isMTI tells whether text can be a message type: four digits.
func isMTI(text string) bool { return len(text) == 4 && digits(text) }

func digits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return true
}

// malformed is what is wrong with bytes that came: where, never what they were.
func malformed(field, offset int, why string) error {
	return problem.New(problem.Malformed, "iso8583.malformed", "field", field, "offset", offset, "why", why)
}

// unpackable is what is wrong with a message that was to be sent.
func unpackable(field int, why string) error {
	return problem.New(problem.Invalid, "iso8583.value", "field", field, "why", why)
}
