package terminal

import (
	"fmt"
	"strings"
	"time"

	"encaisse/access"
	"encaisse/base/id"
	"encaisse/base/problem"
	"encaisse/merchant"
)

// Limits.
const (
	MaxAlias       = 60  // characters
	MaxNumber      = 999 // per merchant: what three digits on a slip can name
	acceptorLength = 8   // of DE41
	maxModel       = 20
	maxSerial      = 30
)

// State tells whether a terminal is in use.
type State string

// States.
const (
	Active      State = "active"
	Deactivated State = "deactivated" // lost, stolen, given back: nothing reaches it
)

// Terminal is a card reader as its merchant knows it.
type Terminal struct {
	Merchant  id.Merchant `json:"-"`
	ID        id.Terminal `json:"id"`
	Number    int64       `json:"number"` // 0 on the way in: the next free one
	Site      id.Site     `json:"site"`
	Register  id.Register `json:"register,omitempty"` // where it is chosen beforehand
	Contract  id.Contract `json:"contract"`
	Acceptor  string      `json:"acceptor_terminal"` // its number at the acquirer (DE41); empty on the way in: made of Number
	Alias     string      `json:"alias"`
	Model     string      `json:"model"` // of today's device, empty before the first
	Serial    string      `json:"serial"`
	State     State       `json:"state"`
	CreatedAt time.Time   `json:"created_at"`
	UpdatedAt time.Time   `json:"updated_at"`
	Presence  Presence    `json:"presence"`
}

// PresenceState tells whether a reader can be reached.
type PresenceState string

// States of presence.
const (
	Online  PresenceState = "online"
	Asleep  PresenceState = "asleep"  // it said so before it left (SRC-043)
	Offline PresenceState = "offline" // nobody knows why
)

// Presence is whether a reader can be reached, and how it is.
type Presence struct {
	State    PresenceState `json:"state"`
	Since    *time.Time    `json:"since"` // nil: it never came
	Software string        `json:"software,omitempty"`
	Health   Health        `json:"health"`
	Busy     bool          `json:"busy"` // with a dialogue of the hub
}

// check completes and holds against the rules what is said of a terminal.
func (t Terminal) check() (Terminal, error) {
	var err error
	if t.ID, err = id.Parse[id.Terminal](string(t.ID)); err != nil {
		return t, err
	}
	if t.Alias, err = checkAlias(t.Alias); err != nil {
		return t, err
	}
	if t.Number < 0 || t.Number > MaxNumber {
		return t, problem.New(problem.Invalid, "terminal.number", "most", MaxNumber).At("number")
	}
	if t.Acceptor != "" && (len(t.Acceptor) != acceptorLength || !plain(t.Acceptor)) {
		return t, problem.New(problem.Invalid, "terminal.acceptor", "length", acceptorLength).At("acceptor_terminal")
	}
	return t, nil
}

func checkAlias(alias string) (string, error) {
	clean, ok := merchant.Clean(alias, MaxAlias)
	if !ok {
		return "", problem.New(problem.Invalid, "terminal.alias", "most", MaxAlias).At("alias")
	}
	return clean, nil
}

// acceptorOf is the number at the acquirer of a terminal that was given none.
func acceptorOf(number int64) string { return fmt.Sprintf("%0*d", acceptorLength, number) }

// plain tells letters and digits.
func plain(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z')
	}) < 0
}

// readerName is what a device is called on its link (nexo: POIID).
func readerName(model, serial string) string { return model + "-" + serial }

// trailed is what the audit trail keeps of a terminal.
type trailed struct {
	Number   int64       `json:"number"`
	Site     id.Site     `json:"site"`
	Register id.Register `json:"register,omitempty"`
	Contract id.Contract `json:"contract"`
	Acceptor string      `json:"acceptor_terminal"`
	Alias    string      `json:"alias"`
	Serial   string      `json:"serial,omitempty"`
	State    State       `json:"state"`
}

func (t Terminal) trailed() trailed {
	return trailed{t.Number, t.Site, t.Register, t.Contract, t.Acceptor, t.Alias, t.Serial, t.State}
}

func allowManage(p access.Principal) error { return access.Allow(p, access.TerminalManage) }

func notFound() error { return problem.New(problem.NotFound, "terminal.not_found") }
