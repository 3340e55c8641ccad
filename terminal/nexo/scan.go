package nexo

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// MaxDepth is how deep objects and lists may lie in one another; a payment's
// receipt needs seven.
const MaxDepth = 24

// maxName is how long the name of a member may be.
const maxName = 64

// scan refuses what encoding/json would take and no till can mean: half
// characters, NUL, one member twice (of which two readers may each take
// another), and depth without end. Problem nexo.malformed with the offset.
func scan(b []byte) error {
	if !utf8.Valid(b) {
		return malformed(firstInvalid(b))
	}
	if !json.Valid(b) {
		return malformed(firstFault(b))
	}
	s := scanner{text: b}
	for s.at < len(b) {
		if !s.step() {
			return malformed(s.at)
		}
	}
	return nil
}

func firstInvalid(b []byte) int {
	for i := 0; i < len(b); {
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size <= 1 {
			return i
		}
		i += size
	}
	return len(b)
}

// firstFault is where the JSON ends to be JSON.
func firstFault(b []byte) int {
	from := json.NewDecoder(bytes.NewReader(b))
	var whole json.RawMessage
	if err := from.Decode(&whole); err == nil {
		return int(from.InputOffset()) // something follows
	}
	return int(from.InputOffset())
}

// scanner walks over JSON that is known to be well formed.
type scanner struct {
	text  []byte
	at    int
	depth int
	names [MaxDepth]map[string]bool // of the members of each open object; nil: a list
}

// step goes on by one token, and tells whether it may stand there.
func (s *scanner) step() bool {
	switch s.text[s.at] {
	case '{', '[':
		if s.depth == MaxDepth {
			return false
		}
		s.names[s.depth] = nil
		if s.text[s.at] == '{' {
			s.names[s.depth] = map[string]bool{}
		}
		s.depth++
	case '}', ']':
		s.depth--
	case '"':
		return s.str()
	}
	s.at++
	return true
}

// str passes over a string, which is a name where a colon follows.
func (s *scanner) str() bool {
	start := s.at + 1
	end := start
	for ; s.text[end] != '"'; end++ {
		if s.text[end] != '\\' {
			continue
		}
		end++
		if bytes.HasPrefix(s.text[end:], []byte("u0000")) {
			return false // PostgreSQL cannot keep it, nobody types it
		}
	}
	after := end + 1
	for after < len(s.text) && bytes.IndexByte([]byte(" \t\r\n"), s.text[after]) >= 0 {
		after++
	}
	if after < len(s.text) && s.text[after] == ':' && !s.name(s.text[start:end]) {
		return false
	}
	s.at = end + 1
	return true
}

// name takes the name of a member: plain ASCII, and once in its object however
// its letters are written, since encoding/json takes them either way.
func (s *scanner) name(name []byte) bool {
	if len(name) > maxName {
		return false
	}
	for _, c := range name {
		if c >= utf8.RuneSelf || c == '\\' {
			return false
		}
	}
	key := string(bytes.ToLower(name))
	seen := s.names[s.depth-1]
	if seen[key] {
		return false
	}
	seen[key] = true
	return true
}
