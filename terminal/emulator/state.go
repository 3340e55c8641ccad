package emulator

import (
	"time"

	"encaisse/base/money"
	"encaisse/terminal"
)

// recentDialogues is how many dialogues a screen lists.
const recentDialogues = 8

// State is everything a screen shows of the reader, and a program asks for.
type State struct {
	Reader    string           `json:"reader"`
	Merchant  string           `json:"merchant,omitempty"`
	Alias     string           `json:"alias,omitempty"`
	Hub       string           `json:"hub,omitempty"`
	Paired    bool             `json:"paired"`
	Connected bool             `json:"connected"`
	Seed      uint64           `json:"seed"`
	Pace      int64            `json:"pace_ms"`
	Screen    Screen           `json:"screen"`
	Card      string           `json:"card,omitempty"` // in the reader
	Scenario  string           `json:"scenario,omitempty"`
	Waiting   bool             `json:"waiting"` // a dialogue is under way
	Menu      bool             `json:"menu"`
	Device    DeviceState      `json:"device"`
	Printer   PrinterState     `json:"printer"`
	Recent    []RecentDialogue `json:"recent"` // newest first
}

// DeviceState is the physical side (T08).
type DeviceState struct {
	On        bool    `json:"on"`
	Network   Network `json:"network"`
	Battery   int64   `json:"battery_percent"`
	Low       bool    `json:"battery_low"`
	Charging  bool    `json:"charging"`
	Asleep    bool    `json:"asleep"`
	Optimised bool    `json:"optimised"`
}

// PrinterState is roll and drawer (T07).
type PrinterState struct {
	State     terminal.Printer `json:"state"`
	CoverOpen bool             `json:"cover_open"`
	Drawer    bool             `json:"drawer_open"`
	Columns   int              `json:"columns"`
	Waiting   int              `json:"waiting"` // slips that found no paper
	Slips     []Slip           `json:"slips"`   // newest first
}

// RecentDialogue is one that is over, or under way.
type RecentDialogue struct {
	Number  string         `json:"number"`
	Kind    terminal.Kind  `json:"kind"`
	Amount  money.Amount   `json:"amount"`
	At      time.Time      `json:"at"`
	Over    bool           `json:"over"`
	Success bool           `json:"success"`
	Cause   terminal.Cause `json:"cause,omitempty"`
	Told    bool           `json:"told"` // the hub acknowledged it
	Masked  string         `json:"masked,omitempty"`
	Entry   string         `json:"entry,omitempty"`
}

// State is the reader as it is now.
func (e *Emulator) State() State {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := State{
		Reader: e.ID(), Hub: e.memory.identity.Hub, Paired: e.memory.identity.Credential != "", Connected: e.link.up(),
		Seed: e.seed, Pace: e.pace.Milliseconds(), Screen: e.screenLocked(), Scenario: e.scenario, Waiting: e.current != nil, Menu: e.menu,
		Device: DeviceState{
			On: e.device.on, Network: e.device.network, Battery: e.device.battery, Low: e.device.battery <= batteryLow,
			Charging: e.device.charging, Asleep: e.device.asleep, Optimised: e.device.optimised,
		},
		Printer: PrinterState{
			State: e.roll.state(), CoverOpen: e.roll.coverOpen, Drawer: e.roll.drawer, Columns: e.roll.columns, Waiting: len(e.roll.kept),
			Slips: make([]Slip, 0, len(e.roll.slips)),
		},
		Recent: []RecentDialogue{},
	}
	if p := e.memory.parameters; p != nil {
		s.Merchant, s.Alias = p.Merchant, p.Alias
	}
	if e.slot.card != nil {
		s.Card = e.slot.card.Name
	}
	for i := len(e.roll.slips) - 1; i >= 0; i-- {
		s.Printer.Slips = append(s.Printer.Slips, e.roll.slips[i])
	}
	for i := len(e.memory.order) - 1; i >= 0 && len(s.Recent) < recentDialogues; i-- {
		s.Recent = append(s.Recent, recent(e.memory.dialogues[e.memory.order[i]]))
	}
	return s
}

func recent(d *remembered) RecentDialogue {
	r := RecentDialogue{Number: padded(itoa(d.Number), 6), Kind: d.Task.Kind, Amount: d.Task.Amount, At: d.Began, Told: d.Told}
	if c := d.Conclusion; c != nil {
		r.Over, r.Success, r.Cause = true, c.Success, c.Cause
		if c.Card != nil {
			r.Masked, r.Entry = c.Card.Masked, string(c.Card.Entry)
		}
	}
	return r
}

// RackCard is a card of the rack as a screen shows it: no number, no code but
// the test one that opens it.
type RackCard struct {
	Name   string `json:"name"`
	Label  string `json:"label"`
	Masked string `json:"masked"`
	PIN    string `json:"pin,omitempty"` // of a test card: whoever plays its holder must know it
	Insert bool   `json:"insert"`
	Tap    bool   `json:"tap"`
	Swipe  bool   `json:"swipe"`
}

// Rack lists the cards.
func (e *Emulator) Rack() []RackCard {
	out := make([]RackCard, 0, len(e.rack.cards))
	for _, p := range e.rack.cards {
		out = append(out, RackCard{
			Name: p.Name, Label: p.Label, Masked: masked(p.Number), PIN: p.PIN,
			Insert: !p.device, Tap: p.contactless || p.device, Swipe: p.stripe,
		})
	}
	return out
}
