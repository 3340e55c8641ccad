package emulator

import (
	"slices"
	"time"

	"encaisse/base/card"
	"encaisse/base/problem"
)

// naturalPace is how long a person takes between two things.
const naturalPace = 1500 * time.Millisecond

// Scenario is something that happens in a shop, prepared with one click: who
// comes and what breaks in the next dialogue, or what is wrong from now on
// (features.md §16).
type Scenario struct {
	Key    string
	Group  string // of the list that a screen shows
	hand   *Hand
	faults []Fault
	now    func(*Emulator)
}

// Groups of scenarios, in the order of the list.
const (
	groupPays    = "pays"
	groupRefused = "refused"
	groupPerson  = "person"
	groupLink    = "link"
	groupTime    = "time"
	groupReader  = "reader"
)

// wrongCode is no card's.
const wrongCode = "0000"

// Scenarios lists them.
func Scenarios() []Scenario {
	hand := func(key, group string, h Hand, f ...Fault) Scenario {
		return Scenario{Key: key, Group: group, hand: &h, faults: f}
	}
	now := func(key, group string, do func(*Emulator)) Scenario { return Scenario{Key: key, Group: group, now: do} }
	cb := Hand{Card: "cb"}
	return []Scenario{
		hand("chip_code", groupPays, cb),
		hand("contactless", groupPays, Hand{Card: "cb", Gesture: Tap}),
		hand("wallet", groupPays, Hand{Card: "wallet", Gesture: Tap}),
		hand("swipe_foreign", groupPays, Hand{Card: "foreign", Gesture: Swipe}),
		hand("chip_signature", groupPays, Hand{Card: "signature"}),
		hand("holder_chooses", groupPays, Hand{Card: "cb", Application: card.Visa}),
		hand("fallback", groupPays, Hand{Card: "broken"}),
		hand("amex", groupPays, Hand{Card: "amex"}),

		hand("refused", groupRefused, Hand{Card: "refused"}),
		hand("no_funds", groupRefused, Hand{Card: "no-funds"}),
		hand("stolen", groupRefused, Hand{Card: "stolen"}),
		hand("expired", groupRefused, Hand{Card: "expired"}),
		hand("referral", groupRefused, Hand{Card: "referral"}),
		hand("tap_then_insert", groupRefused, Hand{Card: "insert", Gesture: Tap}),
		hand("chip_refuses", groupRefused, Hand{Card: "refuses"}),

		hand("wrong_code_once", groupPerson, Hand{Card: "cb", Codes: []string{wrongCode}}),
		hand("wrong_code_twice", groupPerson, Hand{Card: "cb", Codes: []string{wrongCode, wrongCode}}),
		hand("wrong_code_thrice", groupPerson, Hand{Card: "cb", Codes: []string{wrongCode, wrongCode, wrongCode}}),
		hand("pulled_before", groupPerson, Hand{Card: "cb", Pull: PointCode}),
		hand("pulled_after", groupPerson, Hand{Card: "cb", Pull: PointAnswered}),
		hand("nobody_comes", groupPerson, Hand{}),
		hand("cancelled", groupPerson, Hand{Card: "cb", Cancel: true}),
		hand("signature_refused", groupPerson, Hand{Card: "signature", Unsigned: true}),

		hand("link_lost_before", groupLink, cb, Fault{At: PointCode, Do: LoseNetwork, For: 10 * time.Second}),
		hand("link_lost_after", groupLink, cb, Fault{At: PointDecided, Do: LoseNetwork, For: 10 * time.Second}),
		hand("link_cut_waiting", groupLink, cb, Fault{At: PointSent, Do: CutLink}),
		hand("answer_lost", groupLink, cb, Fault{At: PointBefore, Do: DropIn}),
		hand("word_lost", groupLink, cb, Fault{At: PointDecided, Do: DropOut}),
		hand("word_twice", groupLink, cb, Fault{At: PointDecided, Do: DuplicateOut}),
		hand("in_pieces", groupLink, cb, Fault{At: PointAsked, Do: SplitTCP}),

		hand("answer_59", groupTime, Hand{Card: "cb", AnswerAt: 59 * time.Second}),
		hand("answer_61", groupTime, Hand{Card: "cb", AnswerAt: 61 * time.Second}),
		hand("answer_65", groupTime, Hand{Card: "cb", AnswerAt: 65 * time.Second, Overrun: true}),

		now("busy", groupReader, func(e *Emulator) { e.SetMenu(true) }),
		now("asleep", groupReader, func(e *Emulator) { e.Sleep() }),
		now("low_battery", groupReader, func(e *Emulator) { _ = e.SetBattery(5, false) }),  // within its bounds
		now("flat_battery", groupReader, func(e *Emulator) { _ = e.SetBattery(0, false) }), // within its bounds
		hand("restart_before", groupReader, cb, Fault{At: PointCode, Do: Restart}),
		hand("restart_after", groupReader, cb, Fault{At: PointAnswered, Do: Restart}),
		now("no_paper", groupReader, func(e *Emulator) { e.SetPaper(false, false) }),
		now("cover_open", groupReader, func(e *Emulator) { e.SetPaper(true, true) }),
	}
}

// Play prepares a scenario. Problem emulator.no_scenario for a key nobody knows.
func (e *Emulator) Play(key string) error {
	all := Scenarios()
	i := slices.IndexFunc(all, func(s Scenario) bool { return s.Key == key })
	if i < 0 {
		return problem.New(problem.NotFound, "emulator.no_scenario").At("scenario")
	}
	s := all[i]
	e.rack.Reset() // cards blocked by an earlier one would spoil it
	e.mu.Lock()
	e.scenario = key
	if s.now != nil {
		e.scenario = ""
	}
	e.faults.planned = slices.Clone(s.faults)
	pace := e.pace
	e.notify()
	e.mu.Unlock()
	if s.now != nil {
		s.now(e)
		return nil
	}
	h := *s.hand
	h.Pace = pace
	e.Next(h)
	return nil
}

// PlayAny prepares one drawn at random, by the reader's seed, and says which.
func (e *Emulator) PlayAny() string {
	all := slices.DeleteFunc(Scenarios(), func(s Scenario) bool { return s.now != nil })
	e.mu.Lock()
	key := all[e.random.IntN(len(all))].Key
	e.mu.Unlock()
	_ = e.Play(key) // it is one of the list
	return key
}

// SetPace is how long the hands of scenarios take for each thing; 0: no time.
func (e *Emulator) SetPace(pace time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pace = max(0, pace)
	e.notify()
}
