package emulator

import (
	"slices"
	"sync"

	"encaisse/base/card"
)

// maxPINTries is how many wrong codes a chip forgives.
const maxPINTries = 3

// Rack is the cards beside a reader, with what their chips remember. Readers may
// share one: a card is in one place, and its counter moves with it.
type Rack struct {
	mu    sync.Mutex
	cards []*plastic
	chips map[string]chipState // by name of the card
}

// chipState is what a chip remembers between two payments.
type chipState struct {
	ATC   uint16 `json:"atc"`
	Tries int    `json:"tries"` // wrong codes in a row
}

// plastic is a card of the rack: what the deck says, and how its chip behaves.
type plastic struct {
	card.TestCard
	applications []application
	cvmList      string // tag 8E, hex
	contact      bool
	contactless  bool
	device       bool // a phone that verifies its holder
	stripe       bool
	broken       bool // the chip gives no answer
	authentic    bool // can be authenticated offline
	refuses      bool // says no after the issuer's yes
}

// application is one of a card's: a scheme under whose rules it pays.
type application struct {
	AID    string
	Label  string
	Scheme card.Scheme
}

// applications by scheme (terminals.md §6.1).
var applications = [...]application{
	{"A0000000421010", "CB", card.CB},
	{"A0000000031010", "VISA", card.Visa},
	{"A0000000041010", "MASTERCARD", card.Mastercard},
	{"A0000000043060", "MAESTRO", card.Maestro},
	{"A00000002501", "AMERICAN EXPRESS", card.Amex},
}

// How cards verify their holder: amounts X and Y, then method and condition of
// each rule (EMV Book 3 annex C3).
const (
	listOffline   = "0000000000000000" + "4403" + "0103" // French: the chip checks the code, or there is no payment
	listOnline    = "0000000000000000" + "4203" + "5E03" + "1F03"
	listSignature = "0000000000000000" + "5E03" + "1F03"
)

// NewRack lays out the deck.
func NewRack() *Rack {
	r := &Rack{chips: make(map[string]chipState)}
	for _, c := range card.Deck() {
		r.cards = append(r.cards, makePlastic(c))
	}
	return r
}

func makePlastic(c card.TestCard) *plastic {
	chip := c.Service != "" && (c.Service[0] == '2' || c.Service[0] == '6')
	p := &plastic{TestCard: c, contact: chip, contactless: chip, stripe: true, authentic: chip, cvmList: listOnline}
	for _, s := range c.Schemes {
		i := slices.IndexFunc(applications[:], func(a application) bool { return a.Scheme == s })
		p.applications = append(p.applications, applications[i])
	}
	switch {
	case slices.Contains(c.Schemes, card.CB):
		p.cvmList = listOffline
	case c.PIN == "":
		p.cvmList = listSignature
	}
	switch c.Name {
	case "broken":
		p.broken, p.contactless = true, false
	case "refuses":
		p.refuses = true
	case "signature":
		p.authentic = false // a chip that is always asked online
	}
	if c.Of != "" {
		p.contact, p.stripe, p.device = false, false, true
	}
	return p
}

// find is the card of a name, nil where there is none.
func (r *Rack) find(name string) *plastic {
	for _, p := range r.cards {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// Reset unblocks every chip, as a bank would; counters go on.
func (r *Rack) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, s := range r.chips {
		s.Tries = 0
		r.chips[name] = s
	}
}

// count moves the counter of a chip and returns it.
func (r *Rack) count(name string) uint16 {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.chips[name]
	s.ATC++
	r.chips[name] = s
	return s.ATC
}

// left is how many codes a chip still takes.
func (r *Rack) left(name string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(0, maxPINTries-r.chips[name].Tries)
}

// tryPIN lets a chip judge a code.
func (r *Rack) tryPIN(p *plastic, code string) (right bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.chips[p.Name]
	if right = code == p.PIN && s.Tries < maxPINTries; right {
		s.Tries = 0
	} else {
		s.Tries++
	}
	r.chips[p.Name] = s
	return right
}

// states is what the chips remember; restore puts it back.
func (r *Rack) states() map[string]chipState {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make(map[string]chipState, len(r.chips))
	for name, s := range r.chips {
		out[name] = s
	}
	return out
}

// restore takes what a state file remembers, where it is further on.
func (r *Rack) restore(kept map[string]chipState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, s := range kept {
		if r.find(name) != nil && s.ATC >= r.chips[name].ATC && s.Tries >= 0 && s.Tries <= maxPINTries {
			r.chips[name] = s
		}
	}
}
