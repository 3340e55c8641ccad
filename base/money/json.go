package money

import "encaisse/base/problem"

// UnmarshalJSON reads {"amount": 1250, "currency": "EUR"}: both fields, once each, and
// nothing else. Errors: money.fraction for 12.5 or 1e3, money.overflow,
// money.unknown_currency, money.unknown_field, money.malformed for all the rest.
//
// It is written out rather than left to encoding/json, which would take "Amount" for
// "amount", let the second of two amounts win, and cost more than the rest of a line.
func (a *Amount) UnmarshalJSON(data []byte) error {
	s := scanner{data: data}
	read, err := s.amount()
	if err != nil {
		return err
	}
	*a = read
	return nil
}

// scanner walks the bytes of one JSON value. Escapes in strings are not understood:
// no field name and no currency has any.
type scanner struct {
	data []byte
	at   int
}

func (s *scanner) amount() (Amount, error) {
	var a Amount
	var hasMinor, hasCurrency bool
	if !s.take('{') {
		return a, malformed()
	}
	for {
		text, ok := s.text()
		if !ok || !s.take(':') {
			return a, malformed()
		}
		var err error
		switch name := string(text); {
		case name == "amount" && !hasMinor:
			hasMinor = true
			a.Minor, err = s.integer()
		case name == "currency" && !hasCurrency:
			hasCurrency = true
			a.Currency, err = s.currency()
		case name == "amount" || name == "currency":
			err = malformed()
		default:
			err = problem.New(problem.Invalid, "money.unknown_field")
		}
		if err != nil {
			return Amount{}, err
		}
		if s.take(',') {
			continue
		}
		if !s.take('}') || !s.finished() || !hasMinor || !hasCurrency {
			return Amount{}, malformed()
		}
		return a, nil
	}
}

func (s *scanner) currency() (Currency, error) {
	code, ok := s.text()
	if !ok {
		return "", malformed()
	}
	return ParseCurrency(string(code))
}

// integer reads a JSON number that is whole and written so.
func (s *scanner) integer() (int64, error) {
	s.space()
	negative := s.at < len(s.data) && s.data[s.at] == '-'
	if negative {
		s.at++
	}
	start := s.at
	var value uint64
	large := false
	for s.at < len(s.data) && s.data[s.at] >= '0' && s.data[s.at] <= '9' {
		var fits bool
		value, fits = shift(value, uint64(s.data[s.at]-'0'))
		large = large || !fits
		s.at++
	}
	if s.at == start || (s.data[start] == '0' && s.at > start+1) {
		return 0, malformed()
	}
	if s.at < len(s.data) && (s.data[s.at] == '.' || s.data[s.at] == 'e' || s.data[s.at] == 'E') {
		return 0, problem.New(problem.Invalid, "money.fraction")
	}
	if large {
		return 0, overflow()
	}
	return signed(value, negative)
}

// text reads a string without escapes; the bytes are those of the input.
func (s *scanner) text() ([]byte, bool) {
	if !s.take('"') {
		return nil, false
	}
	for i := s.at; i < len(s.data); i++ {
		switch c := s.data[i]; {
		case c == '"':
			read := s.data[s.at:i]
			s.at = i + 1
			return read, true
		case c == '\\' || c < ' ':
			return nil, false
		}
	}
	return nil, false
}

// take steps over white space, and over c if it comes next.
func (s *scanner) take(c byte) bool {
	s.space()
	if s.at < len(s.data) && s.data[s.at] == c {
		s.at++
		return true
	}
	return false
}

func (s *scanner) space() {
	for s.at < len(s.data) {
		switch s.data[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

func (s *scanner) finished() bool {
	s.space()
	return s.at == len(s.data)
}

func malformed() error { return problem.New(problem.Invalid, "money.malformed") }
