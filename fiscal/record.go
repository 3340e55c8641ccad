package fiscal

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"

	"encaisse/base/id"
)

// Version of the record format; every record names its own, so that an old one
// is read by its own rules for ever.
const Version = 1

// Kinds of record.
const (
	KindTicket = "ticket" // a sealed sale; a return is one with a negative total
	KindZ      = "z"      // closing of a till session
	KindDay    = "day"    // closing of a register's business day
	KindEvent  = "event"  // anything else that must be traced; its body names it
)

// Codes of the French journal of technical events (JET) that are publicly known
// (reference: NF525 R19 as mapped by implementers). An event without a published
// code carries none: a code is never invented.
const (
	JETStop       = 40  // a till session ends
	JETClosing    = 50  // period closing
	JETStart      = 80  // a till session begins
	JETIntegrity  = 90  // an integrity defect was detected
	JETExport     = 110 // data export
	JETReturn     = 190 // ticket cancellation, credit note: a negative sale
	JETSoftware   = 250 // new software version
	JETInitialise = 260 // first use
)

// Record is one sealed record as the database holds it.
type Record struct {
	Merchant  id.Merchant
	Chain     id.Chain
	Seq       int64
	Kind      string
	Subject   string // what it is about: sale_…, clo_…, ses_…
	At        time.Time
	Payload   []byte
	Hash      Hash
	Signature []byte
}

// Header is what every record says beside its body.
type Header struct {
	Origin   string // public name of the chain
	History  bool   // imported, on a register made for that
	Seq      int64
	Kind     string
	Number   int64 // in the series of its kind, 0 for events
	JET      int   // published code, 0 for none
	At       time.Time
	Offset   int64 // minutes of local time ahead of UTC
	Operator int64
	Prev     Hash  // hash of the record before, zero for the first
	Net      int64 // perpetual totals after this record
	Absolute int64
	Software string
}

const recordTime = "2006-01-02T15:04:05.000Z"

// compose writes the canonical record: header and body, keys in order.
func compose(h Header, body []byte) []byte {
	c := &Canon{buf: make([]byte, 0, len(body)+400)}
	c.object(func() {
		c.Int("absolute", h.Absolute)
		c.Str("at", h.At.UTC().Format(recordTime))
		c.key("body")
		c.buf = append(c.buf, body...)
		c.Str("chain", h.Origin)
		if h.History {
			c.True("history")
		}
		if h.JET != 0 {
			c.Int("jet", int64(h.JET))
		}
		c.Str("kind", h.Kind)
		c.Int("net", h.Net)
		if h.Number != 0 {
			c.Int("number", h.Number)
		}
		c.Int("offset", h.Offset)
		c.Int("operator", h.Operator)
		c.Str("prev", hex.EncodeToString(h.Prev[:]))
		c.Int("seq", h.Seq)
		c.Str("software", h.Software)
		c.Int("v", Version)
	})
	return c.buf
}

// errRecord means that the bytes are not a record of this format.
var errRecord = errors.New("not a canonical record of version 1")

// Split takes a record apart. It accepts only the very bytes that compose would
// write: an alteration that leaves the meaning is an alteration all the same.
func Split(payload []byte) (Header, []byte, error) {
	var h Header
	s := scanner{rest: string(payload)}
	h.Absolute = s.int(`{"absolute":`)
	at := s.text(`,"at":"`)
	s.literal(`,"body":`)
	end := strings.LastIndex(s.rest, `,"chain":"`)
	if s.failed || end < 0 {
		return h, nil, errRecord
	}
	body := []byte(s.rest[:end])
	s.rest = s.rest[end:]
	h.Origin = s.text(`,"chain":"`)
	h.History = s.optional(`,"history":true`)
	if strings.HasPrefix(s.rest, `,"jet":`) {
		h.JET = int(s.int(`,"jet":`))
	}
	h.Kind = s.text(`,"kind":"`)
	h.Net = s.int(`,"net":`)
	if strings.HasPrefix(s.rest, `,"number":`) {
		h.Number = s.int(`,"number":`)
	}
	h.Offset = s.int(`,"offset":`)
	h.Operator = s.int(`,"operator":`)
	prev, err := hex.DecodeString(s.text(`,"prev":"`))
	if err != nil || copy(h.Prev[:], prev) != len(h.Prev) {
		return h, nil, errRecord
	}
	h.Seq = s.int(`,"seq":`)
	h.Software = s.text(`,"software":"`)
	if version := s.int(`,"v":`); version != Version || s.rest != "}" {
		return h, nil, errRecord
	}
	if h.At, err = time.Parse(recordTime, at); err != nil || s.failed {
		return h, nil, errRecord
	}
	if !bytes.Equal(compose(h, body), payload) {
		return h, nil, errRecord
	}
	return h, body, nil
}

// scanner reads the fixed parts of a record in their order.
type scanner struct {
	rest   string
	failed bool
}

func (s *scanner) literal(want string) {
	rest, found := strings.CutPrefix(s.rest, want)
	if !found {
		s.failed = true
		return
	}
	s.rest = rest
}

func (s *scanner) optional(want string) bool {
	rest, found := strings.CutPrefix(s.rest, want)
	if found {
		s.rest = rest
	}
	return found
}

// text reads a string without escapes, after its opening quote and up to its closing one.
func (s *scanner) text(before string) string {
	s.literal(before)
	value, rest, found := strings.Cut(s.rest, `"`)
	if !found || strings.ContainsRune(value, '\\') {
		s.failed = true
		return ""
	}
	s.rest = rest
	return value
}

func (s *scanner) int(before string) int64 {
	s.literal(before)
	end := 0
	for end < len(s.rest) && (s.rest[end] == '-' || s.rest[end] >= '0' && s.rest[end] <= '9') {
		end++
	}
	v, err := strconv.ParseInt(s.rest[:end], 10, 64)
	if err != nil {
		s.failed = true
		return 0
	}
	s.rest = s.rest[end:]
	return v
}
