// Package id makes and reads the identifiers of everything Encaisse keeps.
//
// An identifier is a prefix that says what it names and a UUIDv7 in lower-case
// Crockford base32, as TypeID 0.3 writes it: sale_01j9zq0w5tfk8v3q8h2m7c4x9d.
// It sorts by the time it was made, so rows append at the right edge of their
// index. The caller makes the id of what it wants done and keeps it before the
// first try: the same id twice is the same thing.
//
// Each noun has a Go type of its own here, so that a lower package can carry a
// higher one's id and the compiler refuses a swap.
package id

import (
	"crypto/rand"
	"encoding/binary"
	"strings"
	"sync"
	"time"

	"encaisse/base/problem"
)

// Kind is a type of identifier: a string that knows its prefix.
type Kind interface {
	~string
	Prefix() string
}

// The table of nouns.
type (
	Merchant string // a company that gets paid
	Site     string // a place where it sells
	Register string // a till of a site, or one that holds imported history
	Person   string // who works there
	Key      string // an API key
	Audit    string // an entry of the audit trail
	Category string
	Article  string
	Session  string // a till session, from opening float to Z
	Movement string // cash put in or taken out of the drawer
	Sale     string
	Tender   string // one means of payment on a sale
	Closing  string // a Z or a day closure
	Chain    string // a chain of fiscal records
	Signer   string // a fiscal signing key
	Event    string
	Job      string

	Contract  string // an acceptance contract with an acquirer
	Terminal  string // a card reader as its merchant knows it, whatever device stands in for it
	Device    string // the credentials of one physical reader
	Payment   string // one movement of money: what the merchant wants
	Attempt   string // one try at it on one channel
	Operation string // what talks to the outside: authorise, capture, void, refund, reversal
	Batch     string // the card batch of a contract and a terminal
	History   string // an entry of a payment's history
)

func (Merchant) Prefix() string { return "mer" }
func (Site) Prefix() string     { return "site" }
func (Register) Prefix() string { return "reg" }
func (Person) Prefix() string   { return "per" }
func (Key) Prefix() string      { return "key" }
func (Audit) Prefix() string    { return "aud" }
func (Category) Prefix() string { return "cat" }
func (Article) Prefix() string  { return "art" }
func (Session) Prefix() string  { return "ses" }
func (Movement) Prefix() string { return "mov" }
func (Sale) Prefix() string     { return "sale" }
func (Tender) Prefix() string   { return "tnd" }
func (Closing) Prefix() string  { return "clo" }
func (Chain) Prefix() string    { return "chn" }
func (Signer) Prefix() string   { return "sig" }
func (Event) Prefix() string    { return "evt" }
func (Job) Prefix() string      { return "job" }

func (Contract) Prefix() string  { return "ctr" }
func (Terminal) Prefix() string  { return "term" }
func (Device) Prefix() string    { return "dev" }
func (Payment) Prefix() string   { return "pay" }
func (Attempt) Prefix() string   { return "att" }
func (Operation) Prefix() string { return "op" }
func (Batch) Prefix() string     { return "bat" }
func (History) Prefix() string   { return "his" }

// New makes an identifier whose time part is now. Identifiers made by one
// process in the same millisecond still sort in the order they were made.
func New[K Kind](now time.Time) K {
	var u [16]byte
	rand.Read(u[6:]) // never fails: crypto/rand aborts the program instead
	ms := sequence.next(now.UnixMilli())
	stamp(&u, ms.ms, ms.count)
	return render[K](u)
}

// From makes an identifier that depends on its arguments alone: the same digest
// at the same time gives the same id. It is how replay names a historic ticket.
func From[K Kind](at time.Time, digest [32]byte) K {
	var u [16]byte
	copy(u[6:], digest[:])
	stamp(&u, at.UnixMilli(), binary.BigEndian.Uint16(digest[16:18])&0x0fff)
	return render[K](u)
}

// stamp writes the 48-bit time, the version, the 12-bit counter and the variant of RFC 9562 §5.7.
func stamp(u *[16]byte, ms int64, count uint16) {
	binary.BigEndian.PutUint16(u[0:2], uint16(ms>>32))
	binary.BigEndian.PutUint32(u[2:6], uint32(ms))
	u[6] = 0x70 | byte(count>>8)
	u[7] = byte(count)
	u[8] = u[8]&0x3f | 0x80
}

// tick is a millisecond and the count of identifiers made in it.
type tick struct {
	ms    int64
	count uint16
}

type counter struct {
	mu   sync.Mutex
	last tick
}

// sequence is the only state: RFC 9562 §6.2 method 1 needs a counter per process.
var sequence counter

// maxAhead is how many milliseconds the counter may run ahead of the clock: a
// clock that was set back further, as replay sets it, is followed.
const maxAhead = 1000

func (c *counter) next(ms int64) tick {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case ms > c.last.ms || c.last.ms-ms > maxAhead:
		c.last = tick{ms: ms}
	case c.last.count == 0x0fff:
		c.last = tick{ms: c.last.ms + 1}
	default:
		c.last.count++
	}
	return c.last
}

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

// bodyLength is the length of 128 bits in base32: 26 characters, the first worth 3 bits.
const bodyLength = 26

func render[K Kind](u [16]byte) K {
	var zero K
	prefix := zero.Prefix()
	out := make([]byte, len(prefix)+1+bodyLength)
	copy(out, prefix)
	out[len(prefix)] = '_'
	body := out[len(prefix)+1:]
	hi, lo := binary.BigEndian.Uint64(u[:8]), binary.BigEndian.Uint64(u[8:])
	for i := bodyLength - 1; i >= 0; i-- {
		body[i] = alphabet[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return K(out)
}

// Parse reads an identifier of kind K. Anything else is a problem
// "id.malformed" that names the prefix it should have.
func Parse[K Kind](s string) (K, error) {
	var zero K
	body, found := strings.CutPrefix(s, zero.Prefix()+"_")
	if !found || len(body) != bodyLength || body[0] > '7' {
		return zero, malformed(zero.Prefix())
	}
	for i := range len(body) {
		if strings.IndexByte(alphabet, body[i]) < 0 {
			return zero, malformed(zero.Prefix())
		}
	}
	return K(s), nil
}

func malformed(prefix string) error {
	return problem.New(problem.Invalid, "id.malformed", "prefix", prefix)
}
